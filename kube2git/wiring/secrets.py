"""Keys: who seals, who opens, and who asks for a passphrase."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kube2git.config import SealingSettings, Settings
from kube2git.errors import UsageError
from kube2git.wiring.files import config_home, identity_file, path_from
from kube2git.wiring.process import now

if TYPE_CHECKING:
    from kube2git.core.sealing import Identities, Opener, Sealing
    from kube2git.core.wire import Json


def sealing(settings: Settings, *, makes_key: bool = False) -> Sealing:
    """Return how Secrets are sealed; ``makes_key``: make a fingerprint key if there is none."""
    from kube2git.adapters import keyfiles
    from kube2git.core.sealing import Recipients, Sealing, fingerprints, seal_rules

    chosen = settings.sealing
    text = os.environ.get(chosen.fingerprint_key_variable) or None
    if text is None:
        path = path_from(chosen.fingerprint_key_file) or config_home(os.environ) / "fingerprint.key"
        data = keyfiles.read(path)
        if data is None and makes_key:
            try:
                keyfiles.make(path, lambda: f"{fingerprints.new_key()}\n")
                data = keyfiles.read(path)
            except UsageError:
                # Where nothing is sealed, a home folder that is read-only must not matter.
                if chosen.recipients:
                    raise
        text = None if data is None else data.decode("utf-8", "replace")
    return Sealing(
        rules=seal_rules(chosen.fields),
        recipients=Recipients.parse(chosen.recipients) if chosen.recipients else None,
        key=fingerprints.parse_key(text) if text is not None else b"",
        leaks=chosen.leaks,
        allowed=chosen.allow,
    )


Ask = Callable[[Path], "str | None"]
"""Asks for the passphrase of an identity file; None when nobody can be asked."""


def identities(settings: Settings, ask: Ask) -> Identities:
    """Return the private keys at hand, which may be none; raise SealingKeyError."""
    from kube2git.adapters import keyfiles
    from kube2git.core.sealing import Identities

    chosen = settings.sealing
    named = [Path(name).expanduser() for name in chosen.identity_files]
    parts = []
    for path in named or [identity_file(os.environ)]:
        data = keyfiles.read(path)
        if data is None and named:
            raise UsageError(f"the identity file {path} does not exist")
        if data is not None:
            parts.append(_identities_in(path, data, chosen.passphrase_variable, ask))
    if inline := os.environ.get(chosen.identity_variable):
        parts.append(Identities.parse(inline))
    return Identities.joined(parts)


def _identities_in(path: Path, data: bytes, variable: str, ask: Ask) -> Identities:
    from kube2git.core.sealing import Identities, is_protected

    if not is_protected(data):
        return Identities.parse(data)
    return Identities.parse(data, passphrase=os.environ.get(variable) or ask(path))


def unsealer(settings: Settings, ask: Ask) -> Callable[[str, Json], Json]:
    """Return what opens a sealed file, given its path; it raises SealingError.

    The private keys are read when the first one is opened.
    """
    from kube2git.core.sealing import unseal

    keys = functools.cache(lambda: identities(settings, ask))

    def open_file(path: str, body: Json) -> Json:
        del path
        return unseal(body, keys())

    return open_file


def opener(settings: Settings, ask: Ask, *, reveals: bool = False) -> Opener:
    """Return what opens sealed files with the private keys at hand."""
    from kube2git.core.sealing import Opener

    return Opener(functools.cache(lambda: identities(settings, ask)), reveals=reveals)


def make_identity(ask: Ask) -> tuple[Path, str, bool]:
    """Make a private key unless there is one; return its file, its public key, and if it is new."""
    from kube2git.adapters import keyfiles
    from kube2git.core.sealing import new_identity

    path = identity_file(os.environ)
    is_new = keyfiles.make(path, lambda: new_identity(now())[0])
    variable = SealingSettings().passphrase_variable
    found = _identities_in(path, keyfiles.read(path) or b"", variable, ask)
    return path, min(found.recipients), is_new
