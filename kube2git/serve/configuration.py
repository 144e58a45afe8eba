"""The daemon's configuration: read again when it changes; a broken one changes nothing.

What counts is the content: a ConfigMap's mount swaps symlinks, and its times say nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kube2git import wiring
from kube2git.config import Settings
from kube2git.errors import Kube2gitError

Check = Callable[[Settings], object]
"""Raises what would keep the daemon from working with these settings."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A configuration that the daemon works with."""

    settings: Settings
    text: bytes | None
    """Of its file; None without one."""


class Source:
    """Where the configuration comes from."""

    def __init__(self, file: str | None, environ: Mapping[str, str], check: Check) -> None:
        self._file = file
        self._environ = environ
        self._check = check
        self._mark = b""

    def read(self) -> Accepted:
        """Read it; raise Kube2gitError when it cannot be read, or has problems."""
        path = wiring.config_file(self._file, self._environ)
        text = wiring.config_text(path) if path else None
        self._mark = _mark_of(text)
        settings = wiring.settings_of(text, str(path), self._environ, {})
        self._check(settings)
        return Accepted(settings, text)

    def changed(self) -> Accepted | None:
        """Return the configuration when its file has changed since it was read; raise as read."""
        try:
            path = wiring.config_file(self._file, self._environ)
            mark = _mark_of(wiring.config_text(path) if path else None)
        except Kube2gitError:
            if self._mark == _GONE:
                return None
            self._mark = _GONE
            raise
        return None if mark == self._mark else self.read()


_GONE = b"gone"


def _mark_of(text: bytes | None) -> bytes:
    return hashlib.sha256(text).digest() if text is not None else b""
