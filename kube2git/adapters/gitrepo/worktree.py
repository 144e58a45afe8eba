"""Lets a checked-out work tree follow its branch without harming what a person did there.

Works on a copy of the index while it holds git's own index lock, and puts the copy in place at
the end. Only paths that the run changes are looked at; one of them that somebody has modified,
staged or put there untracked stops the run before anything moved.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from kube2git.adapters.gitrepo import plumbing, trees
from kube2git.adapters.gitrepo.locking import RunLock
from kube2git.adapters.gitrepo.plumbing import Git, Place, Result
from kube2git.adapters.gitrepo.trees import Entry
from kube2git.errors import Kube2gitError, RefusedError, RepositoryLockedError

_SHOWN = 5
"""File names in a message."""


def checkout_of(git: Git, place: Place, branch: str, lock: RunLock) -> WorkTree | None:
    """Return the work tree in which a branch is checked out, or None. Only under the lock."""
    if place.work_tree is None and not (place.common_dir / "worktrees").is_dir():
        return None
    listing = git.must("worktree", "list", "--porcelain").decode("utf-8", "surrogateescape")
    for block in listing.split("\n\n"):
        lines = block.splitlines()
        if f"branch refs/heads/{branch}" in lines:
            root = Path(lines[0].removeprefix("worktree "))
            if root.is_dir():
                return WorkTree(git, root, place.id_length, lock)
    return None


class WorkTree:
    """One work tree and its index."""

    def __init__(self, git: Git, root: Path, id_length: int, lock: RunLock) -> None:
        self.root = root
        self._id_length = id_length
        git_dir = plumbing.find(root).git_dir
        # A git that outlives us goes on writing files, so nobody else may start before it ends.
        self._git = git.at(git_dir, f"--work-tree={root}", "-C", str(root), held=lock.descriptor)
        self._index = git_dir / "index"
        self._lock = git_dir / "index.lock"
        self._copy = git_dir / "kube2git-index"
        self._claim = git_dir / "kube2git-index-claim"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other git commands from the index, and work on a copy of it.

        Raise RepositoryLockedError when one of them is at work.
        """
        # The lock is a second name of our own file: that tells a later run whose it was.
        try:
            self._claim.touch()
            os.link(self._claim, self._lock)
        except FileExistsError:
            self._claim.unlink()
            raise RepositoryLockedError(
                f"Another git command is at work in {self.root}: {self._lock} exists.",
                hint="Wait for it to end; if none is running, remove that file.",
            ) from None
        except OSError as error:
            raise Kube2gitError(
                f"The index of {self.root} cannot be locked: {error.strerror}.",
                hint="Check the permissions there, or use a bare repository.",
            ) from None
        try:
            with contextlib.suppress(FileNotFoundError):
                # With its times: git compares them with the files' to see what was touched.
                shutil.copy2(self._index, self._copy)
            yield
        finally:
            self.unlock()

    def unlock(self) -> None:
        """Remove our lock and copy, also those of a run that died; other people's stay."""
        with contextlib.suppress(FileNotFoundError):
            if self._claim.samefile(self._lock):
                self._lock.unlink()
        for leftover in (self._copy, self._copy.with_name("kube2git-index.lock"), self._claim):
            leftover.unlink(missing_ok=True)

    def refuse_if_in_the_way(self, old: str, new: str) -> None:
        """Raise RefusedError when moving from one tree to the other would harm local changes."""
        changes = trees.compare(self._git, old, new)
        self._refresh()
        touched = self._modified() | _names(
            self._run("diff-index", "--cached", "--name-only", "-z", old)
        )
        blocked = [path for path, change in changes.items() if path in touched]
        blocked += [
            path
            for path, change in changes.items()
            if change.old is None and path not in touched and self._is_occupied(path)
        ]
        if blocked:
            names = ", ".join(sorted(blocked)[:_SHOWN])
            more = f" and {len(blocked) - _SHOWN} more" if len(blocked) > _SHOWN else ""
            raise RefusedError(
                f"The work tree {self.root} has local changes in files that this run would"
                f" overwrite: {names}{more}. Nothing was written.",
                hint="Commit, stash or remove them there, then run the command again.",
            )
        rehearsal = self._run("read-tree", "-m", "-u", "-n", old, new)
        if not rehearsal.ok:
            raise RefusedError(
                f"The work tree {self.root} cannot follow its branch: {rehearsal.reason}."
                " Nothing was written.",
                hint="Bring `git status` there into order, then run the command again.",
            )

    def follow(self, old: str, new: str) -> None:
        """Move files and index from one tree to the other."""
        result = self._run("read-tree", "-m", "-u", old, new)
        if not result.ok:
            raise Kube2gitError(
                f"The branch moved, but the work tree {self.root} did not follow: {result.reason}.",
                hint="Free the disk or repair the permissions; the next run brings it in line.",
            )
        self._copy.replace(self._index)

    def catch_up(self, old: str, new: str) -> None:
        """Finish a ``follow`` that was cut off: some files are at the new tree, some at the old.

        A file that is at neither is somebody's work and stays, unless git was cut off while it
        wrote that very file.
        """
        changes = trees.compare(self._git, old, new)
        at_new = {path: change.new for path, change in changes.items()}
        self._set(at_new)
        behind = self._differing(at_new)
        self._set({path: changes[path].old for path in behind})
        theirs = self._differing({path: changes[path].old for path in behind})
        for path in {path for path in theirs if self._is_torn(path, changes[path].new)}:
            (self.root / path).unlink(missing_ok=True)
            theirs.remove(path)
        self._set({path: changes[path].new for path in theirs})
        self.follow(old, new)

    def _is_torn(self, path: str, new: Entry | None) -> bool:
        """Tell whether a file is gone, or holds the beginning of what was to be written."""
        place = self.root / path
        if not os.path.lexists(place):
            return True
        if new is None or not place.is_file() or place.is_symlink():
            return False
        whole = self._git.must("cat-file", "--filters", f"--path={path}", new[1])
        return whole.startswith(place.read_bytes())

    def _differing(self, entries: Mapping[str, Entry | None]) -> set[str]:
        self._refresh()
        modified = self._modified()
        return {
            path
            for path, entry in entries.items()
            if (path in modified if entry else self._is_occupied(path))
        }

    def _set(self, entries: Mapping[str, Entry | None]) -> None:
        data = trees.index_lines(entries, self._id_length)
        self._git.must("update-index", "-z", "--index-info", data=data, environment=self._on_copy)

    def _refresh(self) -> None:
        # It fails when a file differs from the index, which is what the next command tells.
        self._run("update-index", "-q", "--unmerged", "--refresh")

    def _modified(self) -> set[str]:
        return _names(self._run("diff-files", "--name-only", "-z"))

    def _is_occupied(self, path: str) -> bool:
        return os.path.lexists(self.root / path)

    def _run(self, *arguments: str) -> Result:
        return self._git.run(*arguments, environment=self._on_copy)

    @property
    def _on_copy(self) -> Mapping[str, str]:
        return {"GIT_INDEX_FILE": str(self._copy)}


def _names(result: Result) -> set[str]:
    if not result.ok:
        raise Kube2gitError(f"git could not compare the work tree with its index: {result.reason}.")
    return set(_split(result.out.decode("utf-8", "surrogateescape")))


def _split(text: str) -> Iterable[str]:
    return (name for name in text.split("\0") if name)
