"""A Git repository as the flows see it: one branch and one prefix of it, paths and bytes.

Never hears of Kubernetes. Reads through plumbing commands, commits through fast-import, moves the
branch only at the very end and only from where it was expected to be.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import TracebackType

from kube2git.adapters.gitrepo import (
    addresses,
    objects,
    opening,
    rebuilding,
    revisions,
    trees,
    writing,
)
from kube2git.adapters.gitrepo.access import Access
from kube2git.adapters.gitrepo.exchange import KEPT, Remote
from kube2git.adapters.gitrepo.identity import Author
from kube2git.adapters.gitrepo.objects import ObjectReader
from kube2git.adapters.gitrepo.opening import Opened
from kube2git.adapters.gitrepo.signing import Signing, Trust
from kube2git.adapters.gitrepo.writing import Writer
from kube2git.core.ports import Commit, CommitWriter, PathChange, RepoState, Signature, Synced
from kube2git.errors import (
    Kube2gitError,
    PushError,
    RefusedError,
    RepositoryNotFoundError,
    UsageError,
)

_PUSH_ATTEMPTS = 5
_log = logging.getLogger(__name__)


class GitRepository:
    """The port ``Repo`` on a real repository. Made by ``open``; close it after use."""

    def __init__(
        self,
        opened: Opened,
        prefix: str,
        author: Author,
        signing: Signing | None = None,
        trust: Trust | None = None,
    ) -> None:
        self._git = opened.git
        self._place = opened.place
        self._branch = opened.branch
        self._remote = remote = opened.remote
        self._prefix = prefix
        self._author = author
        self._signing = signing
        self._trust = trust or Trust()
        # A partial clone fetches what is missing while it is being read.
        self._is_partial = opened.place.is_partial or (remote is not None and remote.blobless)
        granted = remote.credentials() if remote and self._is_partial else None
        self._reader = ObjectReader(opened.git, granted)
        self._nothing = objects.object_id("tree", b"", opened.place.object_format)

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        branch: str = opening.DEFAULT_BRANCH,
        author: Author | None = None,
        object_format: str = "sha1",
    ) -> None:
        """Create an empty bare repository; raise RefusedError when something is there already."""
        opening.create(path, branch, author or Author(), object_format)

    @classmethod
    def open(
        cls,
        location: str,
        *,
        branch: str = "",
        prefix: str = "",
        remote: str = "",
        author: Author | None = None,
        access: Access | None = None,
        cache_dir: Path | None = None,
        lock_timeout: float = 60.0,
        depth: int = 0,
        blobless: bool = False,
        signing: Signing | None = None,
        trust: Trust | None = None,
    ) -> GitRepository:
        """Open a repository: a path (bare, or a work tree), or a URL, which is copied first.

        branch        "": the one that the repository's HEAD names.
        prefix        The folder that all paths are relative to.
        remote        For a path: a configured remote's name or an address to exchange commits
                      with; "": none. A URL is its own remote.
        cache_dir     Where the copies of URLs are kept.
        lock_timeout  Seconds to wait for another run.
        depth         Commits of history that the first copy of a URL gets; 0: all.
        blobless      The first copy of a URL gets file contents only as they are read.
        signing       How commits are signed; None: not at all.
        trust         Whose signatures count.

        Raise RepositoryNotFoundError, PushError (the remote failed) or UsageError.
        """
        who, settings, folder = author or Author(), access or Access(), _as_prefix(prefix)
        if not addresses.is_remote(location):
            path = Path(location).expanduser()
            opened = opening.open_path(path, branch, remote, who, settings, lock_timeout)
            return cls(opened, folder, who, signing, trust)
        if remote or cache_dir is None:
            raise UsageError(
                "A repository that is named by its URL is its own remote, and needs a folder for"
                " its local copy.",
                hint="Take the separate remote out of the settings, and set a cache folder.",
            )
        opened = opening.open_address(
            *(location, branch, cache_dir, who, settings, lock_timeout),
            depth=depth,
            blobless=blobless,
        )
        repository = cls(opened, folder, who, signing, trust)
        try:
            if repository.tip() is None:
                repository.fetch()
        except BaseException:
            repository.close()
            raise
        return repository

    def close(self) -> None:
        """End the processes that wait for questions."""
        self._reader.close()

    def __enter__(self) -> GitRepository:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def private_dir(self) -> Path:
        """The folder inside the repository that is kube2git's own and never versioned."""
        return self._place.common_dir / "kube2git"

    # ── Reading ──────────────────────────────────────────────────────────────────────────────

    def lock(self) -> AbstractContextManager[None]:
        """Hold the repository against other runs; raise RepositoryLockedError after the wait."""
        return self._branch.locked()

    def tip(self) -> str | None:
        """Return the branch's commit id, or None when the branch has no commit."""
        return self._id_of(self._branch.ref)

    def resolve(self, revision: str) -> str:
        """Return the commit id that a Git revision names; HEAD is this branch's tip."""
        return revisions.resolve(self._git, self._reader, self._branch.ref, revision)

    def commit(self, commit: str) -> Commit:
        """Return a commit by its id."""
        stored = self._reader.get(commit)
        if stored is None or stored.kind != "commit":
            raise revisions.missing(self._git, commit)
        return objects.read_commit(stored)

    def signature(self, commit: str) -> Signature:
        """Tell who signed a commit, and whether the settings allow that signer."""
        stored = self._reader.get(commit)
        if stored is None or stored.kind != "commit":
            raise revisions.missing(self._git, commit)
        raw = objects.split_commit(stored.data)
        return self._trust.judge(self._git, stored.id, raw.signature)

    def tree(self, commit: str) -> dict[str, str]:
        """Return every file below the prefix: path -> blob id."""
        return trees.files_of(self._git, self._tree_of(commit))

    def read(self, blobs: Iterable[str]) -> Iterator[bytes]:
        """Yield the bytes of blobs, in order."""
        if self._is_partial and self._remote:
            blobs = self._remote.bring(self._git, self._place, blobs)
        for id, stored in self._reader.stream(blobs):
            if stored is None:
                raise RepositoryNotFoundError(
                    f"The object {id} is not in the repository.",
                    hint="If it should be, run `git fsck` there.",
                )
            yield stored.data

    def file_above(self, commit: str, name: str) -> tuple[bytes, str] | None:
        """Return the nearest file of a name in the prefix or above it, and the way down from it."""
        parts = self._prefix.split("/") if self._prefix else []
        for depth in range(len(parts), -1, -1):
            stored = self._reader.get(f"{commit}:{'/'.join([*parts[:depth], name])}")
            if stored is not None and stored.kind == "blob":
                return stored.data, "/".join(parts[depth:])
        return None

    def blob_id(self, data: bytes) -> str:
        """Return the id that these bytes have, or would have, in this repository."""
        return objects.object_id("blob", data, self._place.object_format)

    def log(self, revision: str, paths: Sequence[str] = ()) -> Iterator[Commit]:
        """Yield commits reachable from a revision that touched the paths, newest first.

        A path is a file or a folder; without paths, the prefix is meant.
        """
        start = self.resolve(revision)
        limits = [self._full(path) for path in paths] or ([self._prefix] if self._prefix else [])
        process = self._git.start("--literal-pathspecs", "rev-list", start, "--", *limits)
        try:
            ids = (line.decode().strip() for line in process.answers)
            for id, stored in self._reader.stream(ids):
                if stored is None:
                    raise revisions.missing(self._git, id)
                yield objects.read_commit(stored)
            if process.wait() != 0:
                raise Kube2gitError(
                    f"The history of {start} could not be read to its end.",
                    hint="Run `git fsck` in the repository.",
                )
        finally:
            process.stop()

    def changes(self, old: str | None, new: str) -> list[PathChange]:
        """Return what differs below the prefix between two commits; None: the empty tree."""
        before = self._nothing if old is None else self._tree_of(old)
        found = trees.compare(self._git, before, self._tree_of(new))
        changes = (
            PathChange(path, trees.file_id(change.old), trees.file_id(change.new))
            for path, change in sorted(found.items())
        )
        # A file that only became executable has changed nothing that anybody reads here.
        return [change for change in changes if change.old != change.new]

    def removed_paths(self, revision: str, pattern: str) -> list[str]:
        """Return paths that match a glob and that a commit before the revision removed.

        In the glob, ``*`` stands for any characters, ``/`` too.
        """
        start = f"{self._prefix}/" if self._prefix else ""
        # What a prefix holds is meant as it stands; git reads patterns like the shell.
        spec = ("--", ":(top)" + re.sub(r"([*?\[\\])", r"\\\1", start) + pattern)
        commits = self._git.must("rev-list", self.resolve(revision), *spec)
        listing = self._git.must(
            *("diff-tree", "--stdin", "--no-commit-id", "--root", "-m", "-r", "-z"),
            *("--name-only", "--no-renames", "--diff-filter=D", *spec),
            data=commits,
        )
        names = {
            name[len(start) :] for name in listing.decode("utf-8", "surrogateescape").split("\0")
        }
        # To git, a pattern also means everything below a folder of that name.
        return sorted(name for name in names if name and fnmatchcase(name, pattern))

    # ── Writing ──────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def writer(self, parent: str | None) -> Iterator[CommitWriter]:
        """Begin a commit on top of ``parent``; leaving without ``commit`` leaves no trace."""
        with self.lock():
            place, move = self._place, self._branch.move
            writer = Writer(
                self._git, place, self._author, self._signing, self._prefix, parent, move
            )
            try:
                yield writer
            finally:
                writer.discard()

    # ── The remote ───────────────────────────────────────────────────────────────────────────

    def fetch(self) -> Synced:
        """Take over the remote's commits; build unpushed own commits again on top of them."""
        if self._remote is None:
            return Synced("")
        with self.lock():
            return self._fetch(self._remote)

    def _fetch(self, remote: Remote) -> Synced:
        known = self._id_of(remote.tracking)
        with self._branch.step(remote.lock_files(self._place.common_dir)):
            remote.fetch(self._git, known)
        theirs, ours = self._id_of(remote.tracking), self.tip()
        synced = Synced(remote.address.shown)
        if theirs is None or theirs == ours:
            return synced
        ahead, fetched = self._distance(ours, theirs)
        if fetched == 0 and known in {None, theirs}:
            return synced
        own = rebuilding.own_commits(self._git, ours, known, theirs) if ahead and ours else []
        if not own:
            self._branch.move(ours, theirs, f"take over commits from {remote.address.shown}")
            return replace(synced, fetched=fetched)
        if fetched == 0 and len(own) == ahead:
            return synced
        new, rebuilt = rebuilding.rebuild(
            self._git, self._reader, self._place, own, theirs, self._signing
        )
        self._branch.move(ours, new, f"rebuild on commits from {remote.address.shown}")
        return replace(synced, fetched=fetched, rebuilt=rebuilt)

    def state(self) -> RepoState:
        """Return what operators watch; asks nobody else."""
        unpushed = 0
        if self._remote is not None and (tip := self.tip()) is not None:
            unpushed, _ = self._distance(tip, self._id_of(self._remote.tracking))
        return RepoState(unpushed, opening.size_of(self._place.common_dir))

    def check_push(self) -> str:
        """Ask the remote whether it would take a push; return its address, "" without one."""
        if self._remote is None:
            return ""
        self._remote.check(self._git, self.tip())
        return self._remote.address.shown

    def check_signing(self) -> bool:
        """Sign a commit that nobody keeps; False when commits are not to be signed."""
        if self._signing is None:
            return False
        self._signing.prove(self._git, self._author)
        return True

    def push(self) -> Synced:
        """Send unpushed commits; when others were faster, fetch, rebuild and try again."""
        remote = self._remote
        if remote is None:
            return Synced("")
        with self.lock():
            total = Synced(remote.address.shown)
            for attempt in range(_PUSH_ATTEMPTS):
                tip, known = self.tip(), self._id_of(remote.tracking)
                if tip is None or tip == known:
                    return total
                ahead, behind = self._distance(tip, known)
                if behind == 0:
                    if ahead == 0 or self._push(remote, tip, known):
                        return replace(total, pushed=ahead)
                    _log.info("somebody else pushed first; trying again on top of theirs")
                    # Whoever was faster may be at it again: do not march in step.
                    time.sleep(random.SystemRandom().uniform(0.05, 0.25) * (attempt + 1))
                came = self._fetch(remote)
                total = replace(
                    total,
                    fetched=total.fetched + came.fetched,
                    rebuilt=total.rebuilt + came.rebuilt,
                )
            raise PushError(
                f"Somebody else pushed to {remote.address.shown} each of the {_PUSH_ATTEMPTS}"
                f" times that this run tried.{KEPT}",
                hint="Run the command again, or give kube2git a branch of its own.",
            )

    def _push(self, remote: Remote, tip: str, known: str | None) -> bool:
        with self._branch.step(remote.lock_files(self._place.common_dir)):
            return remote.push(self._git, tip, known)

    def _distance(self, ours: str | None, theirs: str | None) -> tuple[int, int]:
        """Return how many commits only we have, and only they."""
        if ours and theirs:
            counts = self._git.must("rev-list", "--count", "--left-right", f"{ours}...{theirs}")
            ahead, behind = counts.split()
            return int(ahead), int(behind)
        present = ours or theirs
        count = int(self._git.must("rev-list", "--count", present)) if present else 0
        return (count, 0) if ours else (0, count)

    # ── Names ────────────────────────────────────────────────────────────────────────────────

    def _full(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def _id_of(self, ref: str) -> str | None:
        stored = self._reader.get(f"{ref}^{{commit}}")
        return stored.id if stored else None

    def _tree_of(self, commit: str) -> str:
        """Return the id of the prefix's tree in a commit; the empty tree when it has none."""
        if self._reader.get(f"{commit}^{{commit}}") is None:
            raise revisions.missing(self._git, commit)
        if not self._prefix:
            return commit
        stored = self._reader.get(f"{commit}:{self._prefix}")
        if stored is None:
            return self._nothing
        if stored.kind != "tree":
            raise RefusedError(
                f"The prefix {self._prefix} is a file in commit {commit[:12]}, not a folder.",
                hint="Choose another prefix.",
            )
        return stored.id


def _as_prefix(prefix: str) -> str:
    """Return a prefix without slashes around it; raise UsageError when it is no folder's name."""
    cleaned = prefix.strip("/")
    if cleaned and not writing.is_path(cleaned):
        raise UsageError(
            f"The prefix {prefix!r} does not name a folder inside a repository.",
            hint="Write it like clusters/prod.",
        )
    return cleaned
