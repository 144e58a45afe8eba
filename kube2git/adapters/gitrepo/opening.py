"""From a location to a repository on this machine: a path as it is, a URL as a copy in the cache.

The copy is bare, has the one branch, and is used again by later runs. Its configuration holds the
address without credentials.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kube2git.adapters.gitrepo import addresses, exchange, plumbing
from kube2git.adapters.gitrepo.access import Access
from kube2git.adapters.gitrepo.addresses import Address
from kube2git.adapters.gitrepo.branch import Branch
from kube2git.adapters.gitrepo.exchange import Remote
from kube2git.adapters.gitrepo.identity import Author
from kube2git.adapters.gitrepo.locking import RunLock
from kube2git.adapters.gitrepo.plumbing import Git, Place
from kube2git.errors import Kube2gitError, RefusedError, UsageError

DEFAULT_BRANCH = "main"
_ORIGIN = "origin"


@dataclass(frozen=True, slots=True)
class Opened:
    """What a repository is made of."""

    git: Git
    place: Place
    branch: Branch
    remote: Remote | None


def create(path: Path, branch: str, author: Author, object_format: str) -> None:
    """Create an empty bare repository; raise RefusedError when something is there already."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RefusedError(
            f"{path} exists already and is not empty, so no repository was created there.",
            hint="Use it as it is with --repo, or name a new folder.",
        )
    git = Git(path, author.environment())
    _check_branch(branch)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Kube2gitError(f"{path} cannot be created: {error.strerror}.") from None
    _init(git, branch, f"--object-format={object_format}")


def open_path(
    path: Path, branch: str, remote: str, author: Author, access: Access, lock_wait: float
) -> Opened:
    """Open a repository on this machine; ``remote`` is a configured name, an address or ""."""
    place = plumbing.find(path)
    git = Git(place.git_dir, author.environment())
    name = branch or place.head_branch or DEFAULT_BRANCH
    _check_branch(name)
    lock = RunLock(place.common_dir / "kube2git" / "lock", str(path), lock_wait)
    other = _remote_of(place, remote, name, access) if remote else None
    return Opened(git, place, Branch(git, place, name, lock, is_cache=False), other)


def _remote_of(place: Place, remote: str, branch: str, access: Access) -> Remote:
    if remote in place.remotes:
        # Its address, not its name: the one that is configured may hold a password.
        address = addresses.parse(place.remotes[remote])
        return Remote(address, access, branch, remote, address.url)
    if "/" not in remote and ":" not in remote:
        names = ", ".join(sorted(place.remotes)) or "none"
        raise UsageError(
            f"The repository has no remote called {remote} (it has: {names}).",
            hint="Name one of those, or give the remote's address.",
        )
    address = addresses.parse(remote)
    return Remote(address, access, branch, "kube2git", address.url)


def open_address(
    location: str,
    branch: str,
    cache_dir: Path,
    author: Author,
    access: Access,
    lock_wait: float,
    *,
    depth: int,
    blobless: bool,
) -> Opened:
    """Open the local copy of a remote repository; make an empty one when there is none yet.

    Raise PushError or RepositoryNotFoundError when the remote has to be asked and fails.
    """
    address = addresses.parse(location)
    home = cache_dir.expanduser().absolute() / address.cache_name
    if not home.is_dir():
        _make_copy(home, address, branch, author, access)
    place = plumbing.find(home)
    git = Git(place.git_dir, author.environment())
    name = branch or place.head_branch or DEFAULT_BRANCH
    _check_branch(name)
    lock = RunLock(place.common_dir / "kube2git" / "lock", address.shown, lock_wait)
    remote = Remote(address, access, name, _ORIGIN, _ORIGIN, depth, blobless)
    return Opened(git, place, Branch(git, place, name, lock, is_cache=True), remote)


def _make_copy(home: Path, address: Address, branch: str, author: Author, access: Access) -> None:
    try:
        home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".new-", dir=home.parent))
    except OSError as error:
        raise Kube2gitError(
            f"The local copy of {address.shown} cannot be made in {home.parent}: {error.strerror}.",
            hint="Name another cache folder in the settings.",
        ) from None
    try:
        git = Git(draft, author.environment())
        _check_branch(branch or DEFAULT_BRANCH)
        known = branch or exchange.default_branch(git, address, access) or DEFAULT_BRANCH
        _init(git, known)
        git.must("config", "remote.origin.url", address.url)
        git.must("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
        # In one move, so that a copy is whole or absent; another run may have been faster.
        with contextlib.suppress(OSError):
            draft.rename(home)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _init(git: Git, branch: str, *options: str) -> None:
    git.must("init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}", *options)


_FORBIDDEN = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|(^|/)\.|\.lock(/|$)|^[/-]|[/.]$|^@?$"
)
"""What git allows in no branch name (git-check-ref-format)."""


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder, as they are while others write there."""
    total = 0
    folders = [str(folder)]
    while folders:
        # Not Path.rglob, which takes ten times longer: a repository has thousands of files.
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                    continue
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def _check_branch(name: str) -> None:
    if _FORBIDDEN.search(name):
        raise UsageError(
            f"Git does not allow a branch to be called {name!r}.",
            hint="Choose another name for the branch in the settings for the repository.",
        )
