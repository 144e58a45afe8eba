"""Repositories with a checked-out work tree."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from kube2git.adapters.gitrepo import GitRepository
from kube2git.errors import RefusedError, RepositoryLockedError
from tests.gitservers import run_git
from tests.unit.adapters.gitrepo.work import commit, contents, subjects


class Checkout:
    """A work tree, seen as its owner sees it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # What kube2git's user has set elsewhere does not count here.
        run_git("-C", str(root), "config", "core.autocrlf", "false")

    def git(self, *arguments: str) -> str:
        return run_git("-C", str(self.root), *arguments)

    def status(self) -> str:
        return self.git("status", "--porcelain")

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def files(self) -> dict[str, str]:
        paths = (path for path in self.root.rglob("*") if path.is_file())
        return {
            str(path.relative_to(self.root)): path.read_text()
            for path in paths
            if ".git" not in path.relative_to(self.root).parts
        }


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A repository with one commit, of three files, checked out."""
    root = tmp_path / "tree"
    run_git("init", "--quiet", "--template=", "--initial-branch=main", str(root))
    checkout = Checkout(root)
    checkout.write("a.yaml", "a0\n")
    checkout.write("deep/er/b.yaml", "b0\n")
    checkout.write("README", "theirs\n")
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "-m", "first")
    return checkout


@pytest.fixture
def repo(checkout: Checkout) -> Iterator[GitRepository]:
    with GitRepository.open(str(checkout.root), lock_timeout=0.1) as repo:
        yield repo


def test_files_and_index_follow_the_branch(checkout: Checkout, repo: GitRepository) -> None:
    commit(repo, {"a.yaml": "a1\n", "deep/er/b.yaml": None, "new/c.yaml": "c1\n"})
    expected = {"a.yaml": "a1\n", "new/c.yaml": "c1\n", "README": "theirs\n"}
    assert checkout.files() == expected
    assert contents(repo) == expected
    assert checkout.status() == ""
    assert not (checkout.root / "deep").exists()


def test_the_first_commit_of_a_branch_is_checked_out(tmp_path: Path) -> None:
    run_git("init", "--quiet", "--initial-branch=main", str(tmp_path / "tree"))
    checkout = Checkout(tmp_path / "tree")
    checkout.write("mine", "untracked\n")
    with GitRepository.open(str(checkout.root)) as repo:
        commit(repo, {"a.yaml": "a1\n"})
    assert checkout.files() == {"a.yaml": "a1\n", "mine": "untracked\n"}
    assert checkout.status() == "?? mine"


def test_other_changes_survive(checkout: Checkout, repo: GitRepository) -> None:
    checkout.write("README", "edited\n")
    checkout.write("untracked", "u\n")
    checkout.write("staged", "s\n")
    checkout.git("add", "staged")
    (checkout.root / "deep/er/b.yaml").unlink()
    before = checkout.status()
    commit(repo, {"a.yaml": "a1\n"})
    assert checkout.status() == before
    assert checkout.files() == {
        "a.yaml": "a1\n",
        "README": "edited\n",
        "untracked": "u\n",
        "staged": "s\n",
    }


def modify(checkout: Checkout) -> None:
    checkout.write("a.yaml", "mine\n")


def stage(checkout: Checkout) -> None:
    checkout.write("a.yaml", "mine\n")
    checkout.git("add", "a.yaml")
    checkout.write("a.yaml", "a0\n")


def stage_removal(checkout: Checkout) -> None:
    checkout.git("rm", "--quiet", "--cached", "a.yaml")


def remove(checkout: Checkout) -> None:
    (checkout.root / "a.yaml").unlink()


def put_there(checkout: Checkout) -> None:
    checkout.write("new/c.yaml", "mine\n")


def put_there_ignored(checkout: Checkout) -> None:
    checkout.write("new/c.yaml", "mine\n")
    (checkout.root / ".git/info").mkdir()
    checkout.write(".git/info/exclude", "new\n")


def put_a_file_where_a_folder_goes(checkout: Checkout) -> None:
    checkout.write("new", "mine\n")


def stage_addition(checkout: Checkout) -> None:
    checkout.write("new/c.yaml", "mine\n")
    checkout.git("add", "new/c.yaml")


@pytest.mark.parametrize(
    "change",
    [
        modify,
        stage,
        stage_removal,
        remove,
        put_there,
        put_there_ignored,
        put_a_file_where_a_folder_goes,
        stage_addition,
    ],
)
def test_changes_in_the_way_stop_the_run(
    checkout: Checkout, repo: GitRepository, change: object
) -> None:
    assert callable(change)
    change(checkout)
    before = (checkout.status(), checkout.files(), repo.tip())
    with pytest.raises(RefusedError, match=r"a\.yaml|new") as failure:
        commit(repo, {"a.yaml": "a1\n", "new/c.yaml": "c1\n"})
    assert "run the command again" in failure.value.hint
    assert (checkout.status(), checkout.files(), repo.tip()) == before
    checkout.git("reset", "--quiet", "--hard")
    checkout.git("clean", "-fdxq")
    commit(repo, {"a.yaml": "a1\n", "new/c.yaml": "c1\n"})
    assert checkout.status() == ""


def test_a_refusal_names_a_few_files(checkout: Checkout, repo: GitRepository) -> None:
    names = [f"f{number}" for number in range(9)]
    for name in names:
        checkout.write(name, "mine")
    with pytest.raises(RefusedError, match="f0, f1, f2, f3, f4 and 4 more"):
        commit(repo, dict.fromkeys(names, "ours"))


def test_a_merge_under_way_stops_the_run(checkout: Checkout, repo: GitRepository) -> None:
    checkout.git("checkout", "--quiet", "-b", "side")
    checkout.write("README", "side\n")
    checkout.git("commit", "--quiet", "-am", "side")
    checkout.git("checkout", "--quiet", "main")
    checkout.write("README", "main\n")
    checkout.git("commit", "--quiet", "-am", "main")
    with pytest.raises(subprocess.CalledProcessError):
        checkout.git("merge", "side")
    before = (checkout.status(), repo.tip())
    with pytest.raises(RefusedError, match="cannot follow"):
        commit(repo, {"a.yaml": "a1\n"})
    assert (checkout.status(), repo.tip()) == before


def test_a_touched_file_is_no_change(checkout: Checkout, repo: GitRepository) -> None:
    os.utime(checkout.root / "a.yaml", (1, 1))
    commit(repo, {"a.yaml": "a1\n"})
    assert checkout.status() == ""


def test_a_change_in_the_moment_of_the_last_commit_is_seen(
    checkout: Checkout, repo: GitRepository
) -> None:
    # Same size, same time as the index: only that tells git to look inside.
    checkout.git("config", "core.checkStat", "minimal")
    checkout.git("config", "core.trustctime", "false")
    file, index = checkout.root / "a.yaml", checkout.root / ".git/index"
    moment = file.stat().st_mtime_ns
    file.write_text("x0\n")
    for path in (file, index):
        os.utime(path, ns=(moment, moment))
    with pytest.raises(RefusedError, match=r"a\.yaml"):
        commit(repo, {"a.yaml": "a1\n"})
    assert checkout.files()["a.yaml"] == "x0\n"


def test_line_endings_are_the_owners(checkout: Checkout, repo: GitRepository) -> None:
    checkout.git("config", "core.autocrlf", "true")
    commit(repo, {"a.yaml": "a1\n"})
    assert (checkout.root / "a.yaml").read_bytes() == b"a1\r\n"
    assert checkout.status() == ""
    commit(repo, {"a.yaml": "a2\n"})
    assert contents(repo)["a.yaml"] == "a2\n"


def test_another_branch_checked_out_stays_as_it_is(checkout: Checkout, repo: GitRepository) -> None:
    checkout.git("checkout", "--quiet", "-b", "work")
    checkout.write("a.yaml", "mine\n")
    with GitRepository.open(str(checkout.root), branch="main") as main:
        commit(main, {"a.yaml": "a1\n"}, "second")
        assert main.resolve("HEAD") == main.tip()
        assert subjects(main) == ["second", "first"]
    assert checkout.files()["a.yaml"] == "mine\n"
    assert checkout.status() == "M a.yaml"
    assert checkout.git("log", "--format=%s") == "first"


def test_a_linked_work_tree_follows_too(checkout: Checkout, tmp_path: Path) -> None:
    checkout.git("checkout", "--quiet", "-b", "work")
    checkout.git("worktree", "add", "--quiet", str(tmp_path / "linked"), "main")
    linked = Checkout(tmp_path / "linked")
    with GitRepository.open(str(checkout.root), branch="main") as repo:
        commit(repo, {"a.yaml": "a1\n"})
    assert linked.files()["a.yaml"] == "a1\n"
    assert linked.status() == ""
    with GitRepository.open(str(linked.root)) as repo:
        commit(repo, {"a.yaml": "a2\n"})
    assert linked.status() == ""
    assert checkout.files()["a.yaml"] == "a0\n"
    assert checkout.status() == ""


def test_commits_of_others_are_checked_out(checkout: Checkout, tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    run_git("clone", "--quiet", "--bare", str(checkout.root), str(remote))
    run_git("clone", "--quiet", str(remote), str(tmp_path / "other"))
    other = Checkout(tmp_path / "other")
    other.write("README", "newer\n")
    other.git("commit", "--quiet", "-am", "theirs")
    other.git("push", "--quiet", "origin", "main")
    checkout.git("remote", "add", "upstream", f"file://{remote}")
    with GitRepository.open(str(checkout.root), remote="upstream") as repo:
        commit(repo, {"a.yaml": "a1\n"}, "ours")
        checkout.write("README", "mine\n")
        with pytest.raises(RefusedError, match="README"):
            repo.fetch()
        assert subjects(repo) == ["ours", "first"]
        checkout.git("checkout", "--quiet", "README")
        assert repo.fetch().rebuilt == 1
    assert checkout.files()["README"] == "newer\n"
    assert checkout.files()["a.yaml"] == "a1\n"
    assert checkout.status() == ""


def test_an_index_that_is_in_use(checkout: Checkout, repo: GitRepository) -> None:
    lock = checkout.root / ".git/index.lock"
    lock.touch()
    before = repo.tip()
    for _ in range(2):
        with pytest.raises(RepositoryLockedError, match=r"index\.lock"):
            commit(repo, {"a.yaml": "a1\n"})
    assert repo.tip() == before
    assert lock.exists()
    lock.unlink()
    commit(repo, {"a.yaml": "a1\n"})
    assert checkout.status() == ""


# ── Killed in the middle ─────────────────────────────────────────────────────────────────────

RUN = """
import sys
from datetime import UTC, datetime
from kube2git.adapters.gitrepo import GitRepository
with GitRepository.open(sys.argv[1]) as repo, repo.writer(repo.tip()) as writer:
    changes = {f"f{n}": writer.add(b"new %d" % n) for n in range(9)}
    changes["a.yaml"] = writer.add(b"a1")
    changes["deep/er/b.yaml"] = None
    changes["z.yaml"] = writer.add(b"z1")
    writer.commit("cut off", datetime.now(UTC), changes)
"""


def start_slow_run(checkout: Checkout, started: Path, seconds: float) -> subprocess.Popen[bytes]:
    """Start a run, and return when git is about half-way through the files, at a slow one."""
    checkout.git("config", "filter.slow.smudge", f"touch {started}; sleep {seconds}; cat")
    checkout.write(".gitattributes", "f5 filter=slow\n")
    checkout.git("add", ".gitattributes")
    checkout.git("commit", "--quiet", "-m", "slow f5")
    run = subprocess.Popen([sys.executable, "-c", RUN, str(checkout.root)], start_new_session=True)
    while not started.exists():
        assert run.poll() is None
        time.sleep(0.01)
    return run


@pytest.fixture
def cut_off(checkout: Checkout, tmp_path: Path) -> Checkout:
    """A work tree whose run was killed while it was being checked out, about half-way."""
    run = start_slow_run(checkout, tmp_path / "started", 30)
    os.killpg(run.pid, SIGKILL)
    run.wait()
    checkout.git("config", "--unset", "filter.slow.smudge")
    assert checkout.git("log", "-1", "--format=%s") == "cut off"
    assert "f4" in checkout.files()
    assert "f6" not in checkout.files()
    assert (checkout.root / ".git/index.lock").exists()
    return checkout


def test_a_git_that_outlives_its_run_is_waited_for(checkout: Checkout, tmp_path: Path) -> None:
    run = start_slow_run(checkout, tmp_path / "started", 2)
    run.kill()
    run.wait()
    with (
        GitRepository.open(str(checkout.root), lock_timeout=0) as repo,
        pytest.raises(RepositoryLockedError),
        repo.lock(),
    ):
        pass
    with GitRepository.open(str(checkout.root), lock_timeout=60) as repo, repo.lock():
        assert checkout.files() == contents(repo)
    assert checkout.status() == ""


def test_the_next_run_finishes_what_was_cut_off(cut_off: Checkout) -> None:
    with GitRepository.open(str(cut_off.root)) as repo:
        commit(repo, {"a.yaml": "a2"}, "next")
        assert subjects(repo)[:2] == ["next", "cut off"]
        assert cut_off.files() == contents(repo)
    assert cut_off.status() == ""
    assert not list((cut_off.root / ".git").glob("*.lock"))
    assert not list((cut_off.root / ".git").glob("kube2git-*"))


def test_what_people_did_meanwhile_survives(cut_off: Checkout) -> None:
    cut_off.write("z.yaml", "mine")
    cut_off.write("f0", "mine too")
    cut_off.write("untracked", "u")
    with GitRepository.open(str(cut_off.root)) as repo, repo.lock():
        pass
    assert cut_off.status().split("\n") == ["M f0", " M z.yaml", "?? untracked"]
    files = cut_off.files()
    assert (files["z.yaml"], files["f0"]) == ("mine", "mine too")
    assert files["f6"] == "new 6"
    assert "deep/er/b.yaml" not in files


def test_a_file_that_was_half_written_is_finished(cut_off: Checkout) -> None:
    cut_off.write("f0", "ne")
    cut_off.write("f1", "")
    (cut_off.root / "f2").unlink()
    cut_off.write("a.yaml", "a")
    with GitRepository.open(str(cut_off.root)) as repo, repo.lock():
        assert cut_off.files() == contents(repo)
    assert cut_off.status() == ""


def test_a_lock_that_somebody_else_took_meanwhile_stays(cut_off: Checkout) -> None:
    lock = cut_off.root / ".git/index.lock"
    lock.unlink()
    lock.touch()
    with (
        GitRepository.open(str(cut_off.root)) as repo,
        pytest.raises(RepositoryLockedError),
        repo.lock(),
    ):
        pass
    assert lock.exists()
    lock.unlink()
    with GitRepository.open(str(cut_off.root)) as repo, repo.lock():
        pass
    assert cut_off.status() == ""
