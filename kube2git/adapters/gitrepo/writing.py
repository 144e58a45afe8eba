"""One commit in the making: bytes in, then the changed paths, then the branch moves.

Nothing but the paths that are named may change, and that is checked before anything shows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from kube2git.adapters.gitrepo import objects, trees
from kube2git.adapters.gitrepo.fastimport import FastImport
from kube2git.adapters.gitrepo.identity import Author
from kube2git.adapters.gitrepo.plumbing import Git, Place
from kube2git.adapters.gitrepo.signing import Signing
from kube2git.adapters.gitrepo.trees import Entry
from kube2git.errors import RefusedError

Move = Callable[[str | None, str, str], None]
"""Points the branch from one commit to another, for a reason."""


class Writer:
    """The port ``CommitWriter``; git starts with the first file."""

    def __init__(
        self,
        git: Git,
        place: Place,
        author: Author,
        signing: Signing | None,
        prefix: str,
        parent: str | None,
        move: Move,
    ) -> None:
        self._git = git
        self._place = place
        self._author = author
        self._signing = signing
        self._below = f"{prefix}/" if prefix else ""
        self._parent = parent
        self._move = move
        self._importer: FastImport | None = None

    def add(self, data: bytes) -> str:
        """Store a file's bytes; return their blob id."""
        self._started().blob(data)
        return objects.object_id("blob", data, self._place.object_format)

    def commit(self, message: str, when: datetime, changes: Mapping[str, str | None]) -> str:
        """Commit ``changes`` (path -> blob id, None removes) and move the branch; return the id.

        Raise RefusedError when somebody else's file is in the way, RepositoryLockedError when
        the branch is no longer at the parent, ValueError for a path that is none.
        """
        entries: dict[str, Entry | None] = {}
        for path, id in changes.items():
            if not is_path(path):
                raise ValueError(f"not a path inside a repository: {path!r}")
            entries[self._below + path] = (trees.FILE, id) if id else None
        text = message.replace("\0", "").strip("\n") + "\n"
        person = self._author.at(when)
        importer = self._started()
        importer.commit(
            self._parent, person, person, text.encode("utf-8", "backslashreplace"), entries
        )
        new = importer.finish()
        self._refuse_losses(new, entries.keys())
        self._move(self._parent, new, text.partition("\n")[0])
        return new

    def discard(self) -> None:
        """End git; what was not committed is gone."""
        if self._importer:
            self._importer.discard()

    def _started(self) -> FastImport:
        if self._importer is None:
            self._importer = FastImport(self._git, self._place, self._signing)
        return self._importer

    def _refuse_losses(self, new: str, paths: Collection[str]) -> None:
        # Git lets a file give way to a folder of its name, and a folder to a file.
        if self._parent is None:
            return
        changed = trees.compare(self._git, self._parent, new)
        lost = sorted(path for path in changed if path not in paths)
        if lost:
            raise RefusedError(
                f"{lost[0]} stands where this run has to write a file or folder, and would be"
                " lost. Nothing was committed.",
                hint="Move it elsewhere, or choose another prefix.",
            )


def is_path(path: str) -> bool:
    """Tell whether a text names a file or folder inside a repository."""
    parts = path.split("/")
    return "\0" not in path and not any(part.lower() in {"", ".", "..", ".git"} for part in parts)
