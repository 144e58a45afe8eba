"""Secrets as SOPS documents: sealing, opening, and what must never leave in clear text.

``document`` writes and reads the format, with ``cipher`` and ``keys``; ``rules``, ``scope`` and
``creationrules`` say which values are sealed for whom; ``fingerprints`` keeps the unchanged as it
is; ``leaks`` finds values where they do not belong. Values are in no message and in no repr. The
only input besides arguments is the operating system's randomness.
"""

from kube2git.core.sealing.creationrules import CreationRule, CreationRules
from kube2git.core.sealing.document import is_sealed, other_keys_of, recipients_of, seal, unseal
from kube2git.core.sealing.errors import (
    CannotSealError,
    CreationRuleError,
    MalformedSealError,
    PassphraseError,
    SealingError,
    SealingKeyError,
    TamperedError,
    WrongIdentityError,
)
from kube2git.core.sealing.fingerprints import Seals
from kube2git.core.sealing.keys import Identities, Recipients, is_protected, new_identity
from kube2git.core.sealing.leaks import Finding, SecretValues
from kube2git.core.sealing.opening import Opener, hidden_in, legible, scope_of
from kube2git.core.sealing.rules import SealRule, field_text, seal_rules
from kube2git.core.sealing.scope import Scope
from kube2git.core.sealing.sealer import LeakPolicy, Sealer, Sealing, describe

__all__ = [
    "CannotSealError",
    "CreationRule",
    "CreationRuleError",
    "CreationRules",
    "Finding",
    "Identities",
    "LeakPolicy",
    "MalformedSealError",
    "Opener",
    "PassphraseError",
    "Recipients",
    "Scope",
    "SealRule",
    "Sealer",
    "Sealing",
    "SealingError",
    "SealingKeyError",
    "Seals",
    "SecretValues",
    "TamperedError",
    "WrongIdentityError",
    "describe",
    "field_text",
    "hidden_in",
    "is_protected",
    "is_sealed",
    "legible",
    "new_identity",
    "other_keys_of",
    "recipients_of",
    "scope_of",
    "seal",
    "seal_rules",
    "unseal",
]
