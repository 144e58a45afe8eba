"""A scratch repository that borrows the real one's objects and is thrown away.

What git leaves in it when it is killed is in one folder. It knows no remote, so in a partial clone
an object that is missing is missing, instead of being fetched.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from kube2git.adapters.gitrepo.plumbing import Place
from kube2git.errors import Kube2gitError

_WRITING = "tmp_objdir-kube2git-"
_READING = "tmp_objdir-kube2git_read-"
"""Folder names in ``objects/``. Git's own clean-up knows the first part and removes old ones."""


def make(place: Place, *, to_read: bool = False) -> Path:
    """Create a scratch repository; return its folder. The caller removes it."""
    prefix = _READING if to_read else _WRITING
    try:
        home = Path(tempfile.mkdtemp(prefix=prefix, dir=place.objects))
        _fill(home, place)
    except OSError as error:
        raise Kube2gitError(
            f"The repository cannot be written to: {error.strerror} ({place.objects}).",
            hint="Check the free space on the disk and the permissions of the repository.",
        ) from None
    return home


def _fill(home: Path, place: Place) -> None:
    (home / "refs").mkdir()
    (home / "objects" / "info").mkdir(parents=True)
    (home / "HEAD").write_bytes(b"ref: refs/heads/scratch\n")
    (home / "objects" / "info" / "alternates").write_bytes(quoted(str(place.objects)) + b"\n")
    config = ["[core]", "repositoryformatversion = 1", "bare = true"]
    if place.sharing:
        config.append(f"sharedRepository = {place.sharing}")
    config += ["[extensions]", f"objectFormat = {place.object_format}"]
    (home / "config").write_text("\n".join(config) + "\n")


def remove(home: Path) -> None:
    """Remove a scratch repository."""
    shutil.rmtree(home, ignore_errors=True)


def remove_abandoned(place: Place) -> None:
    """Remove those that writers left behind when they were killed. Only under the lock."""
    for home in place.objects.glob(f"{_WRITING}*"):
        remove(home)


def quoted(path: str) -> bytes:
    """Quote a path as git's streams and lists want it: any byte but NUL may stand in a name."""
    raw = path.encode("utf-8", "surrogateescape")
    return b'"%s"' % b"".join(
        b"\\%03o" % byte if byte < 0x20 or byte in b'"\\' else bytes((byte,)) for byte in raw
    )
