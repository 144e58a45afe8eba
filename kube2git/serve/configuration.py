"""The daemon's configuration: read again when it changes; a broken one changes nothing.

It is a file, or one of a Git repository that such a file names. What counts is the content: a
ConfigMap's mount swaps symlinks, and its times say nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kube2git import wiring
from kube2git.config import Settings
from kube2git.errors import Kube2gitError
from kube2git.serve.errands import Errand

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
        self._pull: Errand[bytes] | None = None
        self._name = ""
        """Of the file in Git, for messages."""

    def read(self) -> Accepted:
        """Read it for the first time; raise Kube2gitError when it cannot be read, or has problems.

        What an earlier life has fetched will do while the Git server does not answer.
        """
        source, text = self._local()
        settings = wiring.settings_of(text, source, self._environ, {})
        chosen = settings.serve
        if not chosen.config_repo:
            return self._accept(source, text)
        self._name = f"{chosen.config_file} at {chosen.config_revision}"
        accepted = self._accept(self._name, wiring.config_in_git(settings, settles_for_last=True))
        self._pull = Errand(
            "config", lambda: wiring.config_in_git(settings), chosen.config_interval
        )
        return accepted

    def changed(self) -> Accepted | None:
        """Return the configuration when its content is another one than before; raise as read.

        A failure is raised once.
        """
        if self._pull is not None and self._pull.last is None:
            return None
        try:
            source, text = self._pulled(self._pull) if self._pull else self._local()
        except Kube2gitError:
            if self._mark == _GONE:
                return None
            self._mark = _GONE
            raise
        return None if _mark_of(text) == self._mark else self._accept(source, text)

    def _local(self) -> tuple[str, bytes | None]:
        path = wiring.config_file(self._file, self._environ)
        return str(path), wiring.config_text(path) if path else None

    def _pulled(self, pull: Errand[bytes]) -> tuple[str, bytes | None]:
        if isinstance(pull.last, Kube2gitError):
            raise pull.last
        return self._name, pull.last

    def _accept(self, source: str, text: bytes | None) -> Accepted:
        # What is refused is not looked at again until it changes.
        self._mark = _mark_of(text)
        settings = wiring.settings_of(text, source, self._environ, {})
        self._check(settings)
        return Accepted(settings, text)


_GONE = b"gone"


def _mark_of(text: bytes | None) -> bytes:
    return hashlib.sha256(text).digest() if text is not None else b""
