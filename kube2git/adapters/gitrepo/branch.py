"""The branch: moved under the lock, from where it was expected, with its work tree if it has one.

Whatever a run that was killed left behind is put in order by the next one that takes the lock.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kube2git.adapters.gitrepo import locking, objects, scratch, worktree
from kube2git.adapters.gitrepo.locking import RunLock
from kube2git.adapters.gitrepo.plumbing import Git, Place
from kube2git.adapters.gitrepo.worktree import WorkTree
from kube2git.errors import RepositoryLockedError

_MANY_PACKS = 40
_MANY_LOOSE = 24
"""In one of 256 folders; git's own limits are 50 packs and 27."""


class Branch:
    """One branch of a repository on this machine."""

    def __init__(self, git: Git, place: Place, name: str, lock: RunLock, *, is_cache: bool) -> None:
        self.name = name
        self.ref = f"refs/heads/{name}"
        self._git = git
        self._place = place
        self._lock = lock
        self._is_cache = is_cache
        """The repository is a local copy of our own, in which nobody else works."""
        self._has_grown = False

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the repository; tidy up first when the last holder died."""
        left = self._lock.acquire()
        try:
            if left is not None:
                self._tidy(left.get("step") or {})
                self._lock.forget()
            yield
            if self._has_grown and self._lock.is_outermost:
                self._has_grown = False
                self._house_keeping()
        finally:
            self._lock.release()

    @contextlib.contextmanager
    def step(self, locks: list[Path]) -> Iterator[None]:
        """Note that git is about to take these lock files; more objects come with it."""
        self._has_grown = True
        with self._lock.step(locks):
            yield

    def move(self, old: str | None, new: str, reason: str) -> None:
        """Point the branch at another commit; a work tree that has it checked out follows.

        Raise RefusedError when local changes are in the way, RepositoryLockedError when the
        branch is no longer at ``old``. Nothing has moved then.
        """
        self._has_grown = True
        locks = self._ref_locks
        checkout = worktree.checkout_of(self._git, self._place, self.name, self._lock)
        if checkout is None:
            with self._lock.step(locks):
                self._set(old, new, reason)
            return
        before = old or self._empty_tree
        facts = {"work_tree": str(checkout.root), "old": before, "new": new}
        with self._lock.step(locks, **facts), checkout.locked():
            checkout.refuse_if_in_the_way(before, new)
            self._set(old, new, reason)
            checkout.follow(before, new)

    def _set(self, old: str | None, new: str, reason: str) -> None:
        message = f"kube2git: {reason}".replace("\n", " ")
        expected = old or "0" * self._place.id_length
        result = self._git.run(
            "update-ref", "--create-reflog", "-m", message, self.ref, new, expected
        )
        if not result.ok:
            raise RepositoryLockedError(
                f"Somebody else moved the branch {self.name} while this run was at work, so"
                f" nothing was committed: {result.reason}.",
                hint="Run the command again.",
            )

    @property
    def _ref_locks(self) -> list[Path]:
        return [self._place.common_dir / f"{self.ref}.lock", self._place.git_dir / "HEAD.lock"]

    @property
    def _empty_tree(self) -> str:
        return objects.object_id("tree", b"", self._place.object_format)

    # ── After a run that was killed ──────────────────────────────────────────────────────────

    def _tidy(self, step: dict[str, Any]) -> None:
        scratch.remove_abandoned(self._place)
        locking.break_stale(step)
        if self._is_cache:
            _sweep(self._place.common_dir)
        root = step.get("work_tree")
        if not root or not Path(root).is_dir():
            return
        checkout = WorkTree(self._git, Path(root), self._place.id_length, self._lock)
        checkout.unlock()
        tip = self._git.run("rev-parse", "--verify", "--quiet", self.ref).out.decode().strip()
        if tip == step.get("new"):
            with checkout.locked():
                checkout.catch_up(step["old"], step["new"])

    def _house_keeping(self) -> None:
        packs = sum(1 for _ in (self._place.objects / "pack").glob("*.pack"))
        loose = sum(1 for _ in (self._place.objects / "17").glob("*"))
        if packs > _MANY_PACKS or loose > _MANY_LOOSE:
            info = self._place.objects / "info"
            locks = [
                *(self._place.common_dir / name for name in ("packed-refs.lock", "gc.pid.lock")),
                *(info / "commit-graph.lock", info / "commit-graphs/commit-graph-chain.lock"),
                *self._ref_locks,
            ]
            # Whether it succeeds decides nothing: git tries again after later commits.
            with self._lock.step(locks):
                self._git.run("gc", "--auto", "--quiet")


def _sweep(git_dir: Path) -> None:
    """Remove what commands that were killed left in a repository that is all ours."""
    locks = [*git_dir.glob("*.lock"), *git_dir.glob("refs/**/*.lock")]
    locking.break_stale({"locks": locks})
    for leftover in (*git_dir.glob("objects/pack/tmp_*"), *git_dir.glob("objects/??/tmp_obj_*")):
        with contextlib.suppress(OSError):
            leftover.unlink()
