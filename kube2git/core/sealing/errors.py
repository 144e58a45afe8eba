"""What can go wrong with sealed files and with the keys for them. No message holds a value.

SealingError .............. 4   (a Kube2gitError)
├── CannotSealError ....... 4   this object cannot be written as a sealed file
├── MalformedSealError .... 4   the file is no SOPS document that kube2git can read
├── TamperedError ......... 4   the file was changed by something that had not the key
├── WrongIdentityError .... 4   none of the identities at hand opens the file
└── SealingKeyError ....... 2   a recipient, an identity or a fingerprint key is wrong
    └── PassphraseError ... 2   an identity is protected by a passphrase: none, or a wrong one
CreationRuleError ......... 2   .sops.yaml asks for what kube2git does not support
"""

from __future__ import annotations

from kube2git.errors import Kube2gitError, UsageError


class SealingError(Kube2gitError):
    """Something is wrong with a sealed file, or with a key for it."""


class CannotSealError(SealingError):
    """This object cannot be sealed; nothing of it may be written."""


class MalformedSealError(SealingError):
    """The ``sops`` block of a file cannot be read, or uses what kube2git does not support."""


class TamperedError(SealingError):
    """A check value of a sealed file does not fit what it protects."""


class WrongIdentityError(SealingError):
    """No identity, or none that the file is sealed for."""


class SealingKeyError(SealingError, UsageError):
    """The text of a recipient, an identity or a fingerprint key is not one."""


class PassphraseError(SealingKeyError):
    """An identity is protected by a passphrase, and none or a wrong one was given."""


class CreationRuleError(UsageError):
    """A creation rule in .sops.yaml is wrong, or asks for what kube2git does not support."""
