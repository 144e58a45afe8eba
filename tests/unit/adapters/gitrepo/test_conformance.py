from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kube2git.adapters.gitrepo import GitRepository
from tests.conformance.repo_port import RepoConformance
from tests.fakes.repo import FakeRemote, FakeRepo
from tests.gitservers import allow_pushes, create_remote, reject_pushes, run_git

LATER = datetime(2025, 1, 1, tzinfo=UTC)


class RealWorld:
    """A bare repository with a bare remote, both on disk."""

    def __init__(self, folder: Path, object_format: str) -> None:
        self.path = folder / "local.git"
        GitRepository.create(self.path, object_format=object_format)
        self.remote = create_remote(folder, "remote.git", object_format=object_format)
        self.opened: list[GitRepository] = []

    def open(self, prefix: str = "") -> GitRepository:
        repo = GitRepository.open(
            str(self.path), prefix=prefix, remote=str(self.remote), lock_timeout=0.1
        )
        self.opened.append(repo)
        return repo

    def commit_elsewhere(self, changes: Mapping[str, bytes | None], message: str = "other") -> None:
        with GitRepository.open(str(self.remote)) as repo, repo.writer(repo.tip()) as writer:
            blobs = {p: None if data is None else writer.add(data) for p, data in changes.items()}
            writer.commit(message, LATER, blobs)

    def remote_files(self) -> dict[str, bytes]:
        with GitRepository.open(str(self.remote)) as repo:
            tip = repo.tip()
            tree = repo.tree(tip) if tip else {}
            return dict(zip(tree, repo.read(tree.values()), strict=True))

    def remote_subjects(self) -> list[str]:
        return run_git("-C", str(self.remote), "log", "--format=%s", "main").splitlines()

    def reject_pushes(self, *, rejects: bool) -> None:
        if rejects:
            reject_pushes(self.remote, "not today")
        else:
            allow_pushes(self.remote)


class TestRealRepository(RepoConformance):
    @pytest.fixture(params=["sha1", "sha256"])
    def world(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealWorld]:
        world = RealWorld(tmp_path, request.param)
        yield world
        for repo in world.opened:
            repo.close()
        for path in (world.path, world.remote):
            run_git("-C", str(path), "fsck", "--strict")


class FakeWorld:
    """A repository and its remote in memory."""

    def __init__(self) -> None:
        self.remote = FakeRemote()
        self.first = FakeRepo(remote=self.remote)

    def open(self, prefix: str = "") -> FakeRepo:
        return FakeRepo(prefix=prefix, of=self.first)

    def commit_elsewhere(self, changes: Mapping[str, bytes | None], message: str = "other") -> None:
        self.remote.commit(changes, message, LATER)

    def remote_files(self) -> dict[str, bytes]:
        store = self.remote.store
        files = store.files[self.remote.tip] if self.remote.tip else {}
        return {path: store.blobs[id] for path, id in files.items()}

    def remote_subjects(self) -> list[str]:
        store = self.remote.store
        return [store.commits[id].subject for id in store.history(self.remote.tip)]

    def reject_pushes(self, *, rejects: bool) -> None:
        self.remote.rejects = "not today" if rejects else ""


class TestFakeRepository(RepoConformance):
    @pytest.fixture
    def world(self) -> FakeWorld:
        return FakeWorld()
