"""Sealed documents for comparing and showing: opened where an identity allows it, masked always."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Sequence

from kube2git.core.sealing.document import BLOCK, is_sealed, unseal
from kube2git.core.sealing.errors import MalformedSealError, SealingError
from kube2git.core.sealing.keys import Identities
from kube2git.core.sealing.rules import SECRET
from kube2git.core.sealing.scope import Scope, ScopeError
from kube2git.core.wire import Json

Hidden = Callable[[Sequence[str | int]], bool]
"""Tells whether the value at a path must not be shown."""


_VALUES = ("data", "stringData")


class Opener:
    """Opens what it can. Without an identity, values that were sealed anew count as changed."""

    def __init__(
        self, find: Callable[[], Identities] = Identities, *, reveals: bool = False
    ) -> None:
        """Take a way to the private keys, which is gone only when something is sealed.

        ``reveals``: what was opened may be shown.
        """
        self._find = find
        self.reveals = reveals

    def open(self, body: Json) -> Json:
        """Return the clear object; else the sealed one, without what changes at each sealing.

        Raise SealingKeyError when the private keys cannot be had.
        """
        if not is_sealed(body):
            return body
        identities = self._find()
        try:
            return unseal(body, identities)
        except SealingError:
            return {key: value for key, value in body.items() if key != BLOCK}


def legible(body: Json) -> Json:
    """Return a Secret as people write it: values that are text stand in ``stringData``."""
    if body.get("kind") != SECRET or not isinstance(body.get("data"), dict):
        return body
    data: Json = {}
    texts: Json = dict(body.get("stringData") or {})
    for key, value in body["data"].items():
        try:
            text = b64decode(value, validate=True).decode()
        except (ValueError, TypeError):
            text = ""
        if text.replace("\n", "").replace("\t", "").isprintable() and text:
            texts.setdefault(key, text)
        else:
            data[key] = value
    found = {**body, "data": data, "stringData": texts}
    return {name: value for name, value in found.items() if value or name not in _VALUES}


def hidden_in(*bodies: Json | None) -> Hidden:
    """Return what tells whether a value is sealed in any of the documents.

    Not for Secrets, whose values are known to be secret, sealed or not.
    """
    scopes = [scope for body in bodies if body and (scope := _scope_of(body))]

    def is_hidden(path: Sequence[str | int]) -> bool:
        keys = tuple(part for part in path if isinstance(part, str))
        return any(scope.seals(keys) for scope in scopes)

    return is_hidden


def scope_of(body: Json) -> Scope:
    """Return which values a sealed document seals; raise MalformedSealError."""
    try:
        scope = Scope.of(body[BLOCK])
    except ScopeError as error:
        raise MalformedSealError(str(error)) from None
    # Without a setting, sops seals everything but keys that end so.
    return scope or Scope("unencrypted_suffix", "_unencrypted")


def _scope_of(body: Json) -> Scope | None:
    if not is_sealed(body) or body.get("kind") == SECRET:
        return None
    try:
        return scope_of(body)
    except MalformedSealError:
        # What cannot be read is hidden as a whole.
        return Scope("unencrypted_suffix", "\0")
