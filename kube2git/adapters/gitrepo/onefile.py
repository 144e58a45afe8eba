"""One file of another repository at a branch, a tag or a commit: for reading only.

Of a URL's history, only the commit that is asked for comes into the copy in the cache.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from kube2git.adapters.gitrepo import addresses, failures, opening
from kube2git.adapters.gitrepo.access import Access
from kube2git.adapters.gitrepo.exchange import Remote
from kube2git.adapters.gitrepo.identity import Author
from kube2git.adapters.gitrepo.objects import ObjectReader
from kube2git.adapters.gitrepo.opening import Opened
from kube2git.errors import Kube2gitError

_COMMIT_ID = re.compile(r"[0-9a-f]{40}")


def read_file(
    location: str,
    revision: str,
    path: str,
    *,
    cache_dir: Path,
    access: Access | None = None,
    lock_timeout: float = 60.0,
    settles_for_last: bool = False,
) -> bytes | None:
    """Return the bytes of a file at a revision, None when there is no such file in it.

    location          A path, or a URL.
    revision          A branch, a tag, or a whole commit id; a tag beats a branch of its name.
    settles_for_last  While the URL does not answer, read what it answered before.

    Raise RepositoryNotFoundError (no such repository, or revision) or PushError.
    """
    who, settings = Author(), access or Access()
    if addresses.is_remote(location):
        opened = opening.open_address(
            *(location, opening.DEFAULT_BRANCH, cache_dir, who, settings, lock_timeout),
            depth=1,
            blobless=False,
        )
    else:
        home = Path(location).expanduser()
        opened = opening.open_path(home, "", "", who, settings, lock_timeout)
    reader = ObjectReader(opened.git)
    try:
        if opened.remote is not None:
            name = _bring(opened, opened.remote, reader, revision, settles_for_last)
        elif reader.get(f"{revision}^{{commit}}") is not None:
            name = revision
        else:
            raise failures.no_such_revision(location, revision)
        stored = reader.get(f"{name}:{path}")
        return stored.data if stored is not None and stored.kind == "blob" else None
    finally:
        reader.close()


def _bring(
    opened: Opened, remote: Remote, reader: ObjectReader, revision: str, settles_for_last: bool
) -> str:
    """Return what the revision is called in the copy, once it is there."""
    if _COMMIT_ID.fullmatch(revision) and reader.get(revision) is not None:
        # What it names does not change: nobody has to be asked.
        return revision
    # A name of its own for each revision: what another one was must not pass for this one.
    ref = f"refs/kube2git/{hashlib.sha256(revision.encode()).hexdigest()}"
    locks = [*remote.lock_files(opened.place.common_dir), opened.place.common_dir / f"{ref}.lock"]
    try:
        with opened.branch.locked(), opened.branch.step(locks):
            remote.fetch_revision(opened.git, revision, ref)
    except Kube2gitError:
        if not settles_for_last or reader.get(ref) is None:
            raise
    return ref
