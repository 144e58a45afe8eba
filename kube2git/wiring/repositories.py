"""Repositories, and what this machine remembers of them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from kube2git.config import Git, Settings, SigningForm
from kube2git.errors import UsageError
from kube2git.wiring.clusters import cluster
from kube2git.wiring.files import cache_home, path_from

if TYPE_CHECKING:
    from kube2git.adapters.gitrepo import Access, GitRepository
    from kube2git.adapters.localfile import LocalFile
    from kube2git.core.ports import Memory


def last_runs(settings: Settings) -> LocalFile:
    """Return the file that keeps when schedules ran last."""
    from kube2git.adapters.localfile import LocalFile

    return LocalFile(path_from(settings.serve.state_file) or cache_home(os.environ) / "serve.json")


def repository(settings: Settings) -> GitRepository:
    """Open the repository, cloning it when it is a URL; raise RepositoryNotFoundError."""
    from kube2git.adapters.gitrepo import Author, GitRepository, Signing, Trust, is_remote

    if not settings.repo:
        raise UsageError(
            "no repository is given",
            hint="Say --repo PATH|URL, set KUBE2GIT_REPO, or write repo: into kube2git.yaml; "
            "`kube2git init` makes a new one.",
        )
    git = settings.git
    name, _, mail = git.author.rpartition("<")
    is_local = not is_remote(settings.repo)
    return GitRepository.open(
        settings.repo,
        branch=git.branch,
        prefix=git.prefix,
        remote=git.remote if is_local else "",
        author=Author(name.strip(), mail.rstrip("> ")),
        access=_access(git),
        cache_dir=_cache(git),
        lock_timeout=git.lock_timeout,
        depth=git.depth,
        blobless=git.partial,
        signing=None
        if git.signing is SigningForm.NONE
        else Signing(
            git.signing is SigningForm.SSH,
            str(path_from(git.signing_key) or "")
            if git.signing is SigningForm.SSH
            else git.signing_key,
        ),
        trust=Trust(path_from(settings.replay.allowed_signers), settings.replay.allowed_gpg_keys),
    )


def config_in_git(settings: Settings, *, settles_for_last: bool = False) -> bytes:
    """Fetch ``serve.config_repo`` and return the file in it; raise Kube2gitError.

    ``settles_for_last``: while the server does not answer, return what was fetched before.
    """
    from kube2git.adapters.gitrepo import read_file

    chosen, git = settings.serve, settings.git
    data = read_file(
        chosen.config_repo,
        chosen.config_revision,
        chosen.config_file,
        # A clone of its own: the runs hold the lock of theirs for as long as they take.
        cache_dir=_cache(git) / "config",
        access=_access(git),
        lock_timeout=git.lock_timeout,
        settles_for_last=settles_for_last,
    )
    if data is None:
        raise UsageError(
            f"the repository of the configuration has no file {chosen.config_file} at "
            f"{chosen.config_revision}",
            hint="Set serve.config_file and serve.config_revision.",
        )
    return data


def _cache(git: Git) -> Path:
    return path_from(git.cache) or cache_home(os.environ) / "repositories"


def _access(git: Git) -> Access:
    from kube2git.adapters.gitrepo import Access

    return Access(
        username=git.username,
        password_file=path_from(git.password_file),
        password_variable=git.password_variable,
        ssh_key=path_from(git.ssh_key_file),
        ssh_known_hosts=path_from(git.known_hosts_file),
        ssh_accept_new_hosts=not git.host_key_checking,
        ca_file=path_from(git.ca_file),
        timeout=git.timeout,
    )


def reach(settings: Settings) -> bool:
    """Ask the repository and the cluster for an answer, as an export would; raise Kube2gitError."""
    with repository(settings) as found:
        if settings.git.push:
            found.check_push()
    cluster(settings).identity()
    return True


def create_repository(where: str, branch: str) -> bool:
    """Make a bare repository at a path; False when it exists, or is a URL, and was left alone."""
    from kube2git.adapters.gitrepo import GitRepository, is_remote

    path = Path(where).expanduser()
    if is_remote(where) or (path.is_dir() and any(path.iterdir())):
        return False
    GitRepository.create(path, branch=branch)
    return True


def memory(settings: Settings, repository: GitRepository) -> Memory:
    """Return the local memory of the last export into this repository, branch and prefix."""
    from kube2git.adapters.localfile import LocalFile

    words = "\0".join((settings.git.branch, settings.git.prefix))
    mark = hashlib.sha256(words.encode()).hexdigest()[:12]
    return LocalFile(repository.private_dir / f"seen-{mark}.json")
