"""Files that cannot be written because the disk is full: told, and nothing half is left behind."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from kube2git.adapters import keyfiles
from kube2git.adapters.gitrepo.locking import RunLock
from kube2git.errors import Kube2gitError, UsageError


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Let files be made, but nothing be written to them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_lock_says_that_the_repository_cannot_be_written(tmp_path: Path) -> None:
    lock = RunLock(tmp_path / "lock", "shop.git", wait=0)
    with full_disk(), pytest.raises(Kube2gitError, match="cannot be written to: File"):
        lock.acquire()
    assert lock.acquire() is None
    lock.release()


def test_half_a_key_is_not_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "age.key"
    with full_disk(), pytest.raises(UsageError, match="cannot be written: File"):
        keyfiles.make(path, lambda: "key")
    assert keyfiles.make(path, lambda: "key")
    assert path.read_text() == "key"
