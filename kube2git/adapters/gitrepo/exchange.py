"""One branch of one remote: fetch it, push to it, know what it has.

What the remote had when we last spoke to it is the ref ``refs/remotes/<name>/<branch>``. A push
names that as the state it expects, so that it never undoes what somebody else did meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kube2git.adapters.gitrepo import access, failures, scratch
from kube2git.adapters.gitrepo.access import Access, Credentials
from kube2git.adapters.gitrepo.addresses import Address
from kube2git.adapters.gitrepo.plumbing import Git, Place, Result

_NO_SUCH_BRANCH = "couldn't find remote ref"
_NO_SUCH_REVISION = re.compile(
    rf"{_NO_SUCH_BRANCH}|not our ref|unadvertised object|not a valid object name|bad object"
)
_OVERTAKEN = re.compile(
    r"^!\t.*(\[rejected\]"
    r"|\[remote rejected\] \((incorrect old value|failed to update ref|cannot lock ref"
    r"|reference already exists|failed to lock|fetch first))",
    re.MULTILINE,
)
_AT_ONCE = 1000
"""Objects in one request."""
KEPT = " The commits are safe in the local repository and go with the next push."


@dataclass(frozen=True, slots=True)
class Remote:
    """A branch of a remote repository."""

    address: Address
    access: Access
    branch: str
    name: str
    """Under ``refs/remotes/``."""
    target: str
    """What git is given: a configured remote's name, or the URL."""
    depth: int = 0
    """Commits that the first fetch asks for; 0: all."""
    blobless: bool = False
    """Ask the first fetch for no file contents; they come when they are read."""

    @property
    def tracking(self) -> str:
        return f"refs/remotes/{self.name}/{self.branch}"

    def credentials(self) -> Credentials:
        """Read the credentials anew: a mounted token may have been replaced."""
        return access.credentials(self.access, self.address)

    def lock_files(self, common_dir: Path) -> list[Path]:
        """Return the lock files that git takes during a fetch or a push."""
        return [
            common_dir / f"{self.tracking}.lock",
            common_dir / "shallow.lock",
            common_dir / "packed-refs.lock",
        ]

    def fetch(self, git: Git, known: str | None) -> None:
        """Bring the tracking ref up to date; it goes when the remote has no such branch.

        Raise PushError, or RepositoryNotFoundError when there is no such repository.
        """
        options = []
        if known is None:
            options += [f"--depth={self.depth}"] if self.depth else []
            options += ["--filter=blob:none"] if self.blobless else []
        result = git.run(
            *("fetch", "--quiet", "--no-write-fetch-head", *options, "--", self.target),
            f"+refs/heads/{self.branch}:{self.tracking}",
            credentials=self.credentials(),
        )
        if result.ok:
            return
        if _NO_SUCH_BRANCH not in result.error:
            raise failures.explain("Fetching from", result, self.address)
        if known is not None:
            git.must("update-ref", "-d", self.tracking)

    def fetch_revision(self, git: Git, revision: str, ref: str) -> None:
        """Bring one commit, by a branch, a tag or its id, and point a ref of ours at it.

        Raise PushError, or RepositoryNotFoundError when there is no such repository or revision.
        """
        result = git.run(
            *("fetch", "--quiet", "--no-write-fetch-head", "--no-tags", "--depth=1"),
            *("--", self.target, f"+{revision}:{ref}"),
            credentials=self.credentials(),
        )
        if result.ok:
            return
        if _NO_SUCH_REVISION.search(result.error):
            raise failures.no_such_revision(self.address.shown, revision)
        raise failures.explain("Fetching from", result, self.address)

    def push(self, git: Git, tip: str, known: str | None) -> bool:
        """Send the branch; False when somebody else was faster. Raise PushError."""
        ref = f"refs/heads/{self.branch}"
        result = git.run(
            *("push", "--porcelain", "--no-verify", f"--force-with-lease={ref}:{known or ''}"),
            *("--", self.target, f"{tip}:{ref}"),
            credentials=self.credentials(),
        )
        report = result.out.decode("utf-8", "replace")
        if result.ok:
            git.must("update-ref", self.tracking, tip)
            return True
        if _OVERTAKEN.search(report):
            return False
        rejections = [line for line in report.splitlines() if line.startswith("!")]
        said = Result(
            result.code, b"", "\n".join([result.error, *rejections]), timed_out=result.timed_out
        )
        raise failures.explain("Pushing to", said, self.address, KEPT)

    def check(self, git: Git, tip: str | None) -> None:
        """Find out whether a push would be taken, without doing it; raise PushError."""
        if tip is None:
            arguments = ["ls-remote", "--", self.target, f"refs/heads/{self.branch}"]
        else:
            ref = f"refs/heads/{self.branch}"
            arguments = ["push", "--porcelain", "--dry-run", "--no-verify"]
            arguments += ["--", self.target, f"{tip}:{ref}"]
        result = git.run(*arguments, credentials=self.credentials())
        if not result.ok and not _OVERTAKEN.search(result.out.decode("utf-8", "replace")):
            raise failures.explain("Pushing to", result, self.address)

    def bring(self, git: Git, place: Place, blobs: Iterable[str]) -> Iterator[str]:
        """Pass blob ids through, having fetched those that a partial clone lacks, many at once."""
        source = iter(blobs)
        home = scratch.make(place, to_read=True)
        try:
            borrower = git.at(home)
            while batch := list(islice(source, _AT_ONCE)):
                ids = "".join(f"{id}\n" for id in batch).encode()
                listing = borrower.must("cat-file", "--batch-check", data=ids).decode()
                lines = listing.splitlines()
                self._fetch_objects(git, [line[:-8] for line in lines if line.endswith(" missing")])
                yield from batch
        finally:
            scratch.remove(home)

    def _fetch_objects(self, git: Git, ids: list[str]) -> None:
        if not ids:
            return
        result = git.run(
            *("-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "--no-tags"),
            *("--no-write-fetch-head", "--filter=blob:none", "--stdin", self.target),
            data="".join(f"{id}\n" for id in ids).encode(),
            credentials=self.credentials(),
        )
        if not result.ok:
            raise failures.explain("Fetching from", result, self.address)


def default_branch(git: Git, address: Address, settings: Access) -> str:
    """Ask a remote which branch its HEAD names; "" when it has none yet."""
    result = git.run(
        *("ls-remote", "--symref", "--", address.url, "HEAD"),
        credentials=access.credentials(settings, address),
    )
    if not result.ok:
        raise failures.explain("Reading from", result, address)
    listing = result.out.decode("utf-8", "surrogateescape")
    match = re.match(r"ref: refs/heads/(.+)\tHEAD\n", listing)
    return match[1] if match else ""
