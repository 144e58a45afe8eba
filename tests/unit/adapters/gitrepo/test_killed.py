"""Runs that are killed at any moment, and runs that meet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from signal import SIGKILL

import pytest

from kube2git.adapters.gitrepo import GitRepository, Signing, Trust
from kube2git.errors import RepositoryLockedError
from tests.gitservers import create_remote, run_git
from tests.signers import allow, make_ssh_key
from tests.unit.adapters.gitrepo.work import commit, contents, remote_subjects, subjects

RUN = """
import sys
from datetime import UTC, datetime
from itertools import count
from kube2git.adapters.gitrepo import GitRepository, Signing

path, size, runs, remote = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
signing = Signing(is_ssh=True, key=sys.argv[5]) if sys.argv[5] else None
print("ready", flush=True)
for run in count() if runs < 0 else range(runs):
    with GitRepository.open(
        path, lock_timeout=60, remote=remote, signing=signing
    ) as repo, repo.lock():
        tip = repo.tip()
        number = len(list(repo.log("HEAD"))) if tip else 0
        with repo.writer(tip) as writer:
            files = {f"d{n % 7}/f{n}.yaml": writer.add(b"%d %d" % (n, number)) for n in range(size)}
            writer.commit(f"run {number}", datetime.now(UTC), files)
        repo.push()
"""


def start(
    path: Path, size: int, runs: int, remote: str = "", key: str = ""
) -> subprocess.Popen[bytes]:
    """Start a process that commits ``size`` files ``runs`` times, or for ever."""
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(path), str(size), str(runs), remote, key],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert run.stdout
    assert run.stdout.readline() == b"ready\n"
    return run


def kill(run: subprocess.Popen[bytes], *, alone: bool = False) -> None:
    """Kill a process and what it started, or the process alone."""
    (os.kill if alone else os.killpg)(run.pid, SIGKILL)
    run.wait()
    assert run.stdout
    run.stdout.close()


def end(run: subprocess.Popen[bytes]) -> None:
    """Wait for the good end of a process."""
    assert run.stdout
    with run.stdout:
        assert run.wait(60) == 0


@pytest.mark.parametrize("size", [20, 150])
def test_kill_at_any_moment(tmp_path: Path, size: int) -> None:
    path, remote = tmp_path / "local.git", create_remote(tmp_path, "remote.git")
    GitRepository.create(path)
    moments = Random(size)
    for _ in range(6):
        run = start(path, size, -1, str(remote))
        time.sleep(moments.uniform(0, 0.25))
        kill(run)
        run_git("-C", str(path), "fsck", "--strict")
        run_git("-C", str(remote), "fsck", "--strict")
        with GitRepository.open(str(path), remote=str(remote), lock_timeout=0) as repo:
            done = len(subjects(repo)) if repo.tip() else 0
            assert len(contents(repo)) == (size if done else 0)
            commit(repo, {f"d{n % 7}/f{n}.yaml": f"{n} {done}" for n in range(size)}, f"run {done}")
            repo.push()
            assert len(subjects(repo)) == done + 1
    names = [f"run {number}" for number in reversed(range(done + 1))]
    assert remote_subjects(remote) == names
    leftovers = [*path.glob("objects/tmp_*"), *path.rglob("*.lock"), *path.glob("fast_import*")]
    assert leftovers == []


def test_a_killed_run_leaves_no_commit_unsigned(tmp_path: Path) -> None:
    path = tmp_path / "local.git"
    GitRepository.create(path)
    key = make_ssh_key(tmp_path / "key")
    trust = Trust(allow(tmp_path / "signers", {"robot@example.com": key}))
    moments = Random(5)
    for _ in range(5):
        run = start(path, 20, -1, key=str(key))
        time.sleep(moments.uniform(0.05, 0.3))
        kill(run)
        run_git("-C", str(path), "fsck", "--strict")
        with GitRepository.open(
            str(path), lock_timeout=30, signing=Signing(is_ssh=True, key=str(key)), trust=trust
        ) as repo:
            commit(repo, {"last": str(moments.random())})
            assert {repo.signature(each.id).is_trusted for each in repo.log("HEAD")} == {True}
    assert [*path.glob("objects/tmp_*"), *path.rglob("*.lock")] == []


def test_kill_at_any_moment_with_a_work_tree(tmp_path: Path) -> None:
    path = tmp_path / "tree"
    run_git("init", "--quiet", "--initial-branch=main", str(path))
    run_git("-C", str(path), "config", "core.autocrlf", "false")
    moments = Random(3)
    for turn in range(6):
        run = start(path, 60, -1)
        time.sleep(moments.uniform(0, 0.3))
        kill(run, alone=turn % 2 == 1)
        with GitRepository.open(str(path), lock_timeout=30) as repo:
            done = len(subjects(repo)) if repo.tip() else 0
            commit(repo, {"last": str(done)}, f"run {done}")
        run_git("-C", str(path), "fsck", "--strict")
        assert run_git("-C", str(path), "status", "--porcelain") == ""
        assert (path / "last").read_text() == str(done)


def test_runs_that_meet_wait_for_each_other(tmp_path: Path) -> None:
    path, remote = tmp_path / "local.git", create_remote(tmp_path, "remote.git")
    GitRepository.create(path)
    for run in [start(path, 30, 5, str(remote)) for _ in range(3)]:
        end(run)
    assert remote_subjects(remote) == [f"run {number}" for number in reversed(range(15))]
    run_git("-C", str(path), "fsck", "--strict")


def test_two_copies_push_to_one_branch(tmp_path: Path) -> None:
    remote = create_remote(tmp_path, "remote.git")
    runs = []
    for name in ("one.git", "two.git"):
        GitRepository.create(tmp_path / name)
        with GitRepository.open(str(tmp_path / name)) as repo:
            commit(repo, {name: name}, name)
        runs.append(start(tmp_path / name, 3, 3, str(remote)))
    for run in runs:
        end(run)
    names = remote_subjects(remote)
    assert {"one.git", "two.git"} < set(names)
    assert names[0].startswith("run")
    run_git("-C", str(remote), "fsck", "--strict")


def test_the_holder_is_named(tmp_path: Path) -> None:
    GitRepository.create(tmp_path / "r.git")
    with (
        GitRepository.open(str(tmp_path / "r.git")) as one,
        GitRepository.open(str(tmp_path / "r.git"), lock_timeout=0.2) as two,
        one.lock(),
    ):
        before = time.monotonic()
        with pytest.raises(RepositoryLockedError) as failure, two.lock():
            pass
        assert time.monotonic() - before >= 0.2
    words = str(failure.value)
    assert f"process {os.getpid()} on {os.uname().nodename} since 20" in words
    assert "lock timeout" in failure.value.hint


# ── Locks of git that a dead run left ────────────────────────────────────────────────────────


@pytest.fixture
def died(tmp_path: Path) -> Path:
    """A repository whose last run died while git held the branch's lock."""
    path = tmp_path / "r.git"
    GitRepository.create(path)
    with GitRepository.open(str(path)) as repo:
        commit(repo, {"a": "1"}, "one")
    lock = path / "refs/heads/main.lock"
    lock.touch()
    step = {"locks": [str(lock), str(path / "HEAD.lock")], "at": time.time()}
    (path / "kube2git/lock").write_text(json.dumps({"pid": 1, "step": step}))
    return path


def test_its_lock_is_broken(died: Path) -> None:
    with GitRepository.open(str(died)) as repo:
        commit(repo, {"a": "2"}, "two")
        assert subjects(repo) == ["two", "one"]
    assert not (died / "refs/heads/main.lock").exists()


def test_a_lock_from_before_that_step_is_not(died: Path) -> None:
    os.utime(died / "refs/heads/main.lock", (1, 1))
    with (
        GitRepository.open(str(died)) as repo,
        pytest.raises(RepositoryLockedError, match=r"main\.lock"),
    ):
        commit(repo, {"a": "2"}, "two")
    assert (died / "refs/heads/main.lock").exists()


def test_a_lock_after_a_run_that_ended_well_is_not(died: Path) -> None:
    (died / "kube2git/lock").write_text("")
    with (
        GitRepository.open(str(died)) as repo,
        pytest.raises(RepositoryLockedError, match=r"main\.lock"),
    ):
        commit(repo, {"a": "2"}, "two")
    assert (died / "refs/heads/main.lock").exists()


def test_a_note_that_was_cut_off_is_survived(died: Path) -> None:
    (died / "refs/heads/main.lock").unlink()
    (died / "kube2git/lock").write_text('{"pid": 1, "st')
    scratch = died / "objects/tmp_objdir-kube2git-abc"
    scratch.mkdir()
    (scratch / "half a pack").touch()
    with GitRepository.open(str(died)) as repo:
        commit(repo, {"a": "2"}, "two")
    assert not scratch.exists()


def test_many_commits_are_packed_now_and_then(tmp_path: Path) -> None:
    path = tmp_path / "r.git"
    GitRepository.create(path)
    with GitRepository.open(str(path)) as repo:
        for number in range(6):
            commit(repo, {f"f{n}": f"{n} {number}" for n in range(101)}, str(number))
        assert len(list((path / "objects/pack").glob("*.pack"))) == 6
        run_git("-C", str(path), "config", "gc.autoPackLimit", "5")
        for number in range(40):
            commit(repo, {f"f{n}": f"{n} x{number}" for n in range(101)}, str(number))
        assert len(list((path / "objects/pack").glob("*.pack"))) < 10
        assert len(subjects(repo)) == 46
