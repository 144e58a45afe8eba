"""Which values of a document are sealed: SOPS chooses by the names of the keys above a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kube2git.core.sealing import patterns
from kube2git.core.wire import Json

Keys = tuple[str, ...]
"""The keys from the root to a value; positions in lists do not count."""

DEFAULT_UNENCRYPTED_SUFFIX = "_unencrypted"
"""What sops takes when a file names none of the settings."""

SETTINGS = ("encrypted_regex", "unencrypted_regex", "encrypted_suffix", "unencrypted_suffix")
COMMENT_SETTINGS = ("encrypted_comment_regex", "unencrypted_comment_regex")
MAC_ONLY_ENCRYPTED = "mac_only_encrypted"

_IDENTITY: tuple[Keys, ...] = (
    ("apiVersion",),
    ("kind",),
    ("metadata", "name"),
    ("metadata", "namespace"),
)

_MAX_CACHED_KEYS = 10_000


class ScopeError(ValueError):
    """Settings that cannot be followed; the message names the setting."""


@dataclass(frozen=True)
class Scope:
    """One of SOPS' settings that say what is encrypted, and whether the rest is in the MAC.

    A key that the setting names decides for everything below it, at whatever depth it stands:
    sealed with ``encrypted_…``, in clear with ``unencrypted_…``.
    """

    setting: str
    """One of SETTINGS."""
    text: str
    """Its value: a regular expression in Go's syntax, or a suffix."""
    mac_only_encrypted: bool = False
    """When True, changes to values in clear are not noticed."""
    _named: dict[str, bool] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.setting.endswith("_regex"):
            try:
                patterns.compile(self.text)
            except patterns.UnsupportedPatternError as error:
                problem = f"The pattern of {self.setting} cannot be used: {error}."
                raise ScopeError(problem) from None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Scope | None:
        """Read it from a ``sops`` block or a creation rule; None when neither setting is there.

        Raise ScopeError for two settings at once, as sops does, and for those that choose by
        comments, which do not survive in an API server.
        """
        for name in COMMENT_SETTINGS:
            if settings.get(name):
                raise ScopeError(f"The setting {name} is not supported.")
        chosen = [name for name in SETTINGS if settings.get(name)]
        if len(chosen) > 1:
            raise ScopeError(f"The settings {' and '.join(chosen)} cannot be used together.")
        if not chosen:
            return None
        text = settings[chosen[0]]
        if not isinstance(text, str):
            raise ScopeError(f"The setting {chosen[0]} is not text.")
        return cls(chosen[0], text, bool(settings.get(MAC_ONLY_ENCRYPTED)))

    @property
    def settings(self) -> dict[str, Any]:
        """The part of the ``sops`` block that says all this."""
        mac = {MAC_ONLY_ENCRYPTED: True} if self.mac_only_encrypted else {}
        return {self.setting: self.text, **mac}

    @cached_property
    def hides_identity(self) -> bool:
        """Whether a file would not say in clear which object it holds."""
        return any(self.seals(keys) for keys in _IDENTITY)

    def seals(self, keys: Keys) -> bool:
        """Tell whether the value below these keys is sealed."""
        return self.is_sealed(any(map(self.names, keys)))

    def is_sealed(self, named: bool) -> bool:
        """Tell whether a value is sealed, given whether the setting names a key above it."""
        return named is self.setting.startswith("encrypted")

    def names(self, key: str) -> bool:
        """Tell whether the setting names this key."""
        found = self._named.get(key)
        if found is None:
            if self.setting.endswith("_suffix"):
                found = key.endswith(self.text)
            else:
                found = patterns.compile(self.text).search(key) is not None
            if len(self._named) >= _MAX_CACHED_KEYS:
                self._named.clear()
            self._named[key] = found
        return found

    def sealed_values(self, body: Json) -> Iterator[tuple[Keys, Any]]:
        """Yield each value of a clear object that belongs sealed, with its keys."""
        yield from self._values(body, (), False)

    def _values(self, node: Any, keys: Keys, named: bool) -> Iterator[tuple[Keys, Any]]:
        if isinstance(node, dict):
            for key, value in node.items():
                yield from self._values(value, (*keys, key), named or self.names(key))
        elif isinstance(node, list):
            for item in node:
                yield from self._values(item, keys, named)
        elif node is not None and self.is_sealed(named):
            yield keys, node
