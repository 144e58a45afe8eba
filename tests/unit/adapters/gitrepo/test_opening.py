from __future__ import annotations

from pathlib import Path

import pytest

from kube2git.adapters.gitrepo import Author, GitRepository
from kube2git.errors import (
    Kube2gitError,
    RefusedError,
    RepositoryNotFoundError,
    UsageError,
)
from tests.gitservers import create_remote, run_git
from tests.unit.adapters.gitrepo.work import (
    WHEN,
    commit,
    commit_elsewhere,
    contents,
    remote_subjects,
)


def test_a_new_repository_is_bare_and_valid(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.git"
    GitRepository.create(path, branch="trunk", author=Author("A", "a@b"))
    assert run_git("-C", str(path), "rev-parse", "--is-bare-repository") == "true"
    with GitRepository.open(str(path)) as repo:
        commit(repo, {"a": "1"})
    assert remote_subjects(path, "trunk") == ["ours"]
    run_git("-C", str(path), "fsck", "--strict")


def test_nothing_is_created_over_something(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(RefusedError) as failure:
            GitRepository.create(path)
        assert failure.value.hint
    (tmp_path / "empty").mkdir()
    GitRepository.create(tmp_path / "empty")
    with pytest.raises(RefusedError):
        GitRepository.create(tmp_path / "empty")


@pytest.mark.parametrize("name", ["nowhere", "file", "folder"])
def test_no_repository_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RepositoryNotFoundError) as failure:
        GitRepository.open(str(tmp_path / name))
    assert name in str(failure.value)
    assert "kube2git init" in failure.value.hint


def test_a_folder_inside_a_work_tree_is_no_repository(tmp_path: Path) -> None:
    run_git("init", "--quiet", str(tmp_path))
    (tmp_path / "sub").mkdir()
    with pytest.raises(RepositoryNotFoundError):
        GitRepository.open(str(tmp_path / "sub"))


@pytest.mark.parametrize(
    "branch", ["a b", "-x", "a..b", "a~1", "x.lock", "/x", "x/", "@", "a//b", ".x", "a:b", "x."]
)
def test_branch_names_that_git_forbids(tmp_path: Path, branch: str) -> None:
    with pytest.raises(UsageError, match="branch"):
        GitRepository.create(tmp_path / "r.git", branch=branch)


@pytest.mark.parametrize("branch", ["main", "clusters/prod", "x-1.2_3", "ünïcode", "a@b"])
def test_branch_names_that_git_allows(tmp_path: Path, branch: str) -> None:
    GitRepository.create(tmp_path / "r.git", branch=branch)
    with GitRepository.open(str(tmp_path / "r.git")) as repo:
        commit(repo, {"a": "1"})
        assert repo.resolve("HEAD") == repo.tip()
    assert remote_subjects(tmp_path / "r.git", branch) == ["ours"]


@pytest.mark.parametrize("prefix", ["../x", "a/../b", "a//b", ".git", "a/.GIT/b", "."])
def test_prefixes_that_are_no_folders(tmp_path: Path, prefix: str) -> None:
    GitRepository.create(tmp_path / "r.git")
    with pytest.raises(UsageError, match="prefix"):
        GitRepository.open(str(tmp_path / "r.git"), prefix=prefix)


def test_slashes_around_a_prefix_mean_nothing(tmp_path: Path) -> None:
    GitRepository.create(tmp_path / "r.git")
    with GitRepository.open(str(tmp_path / "r.git"), prefix="/a/b/") as repo:
        commit(repo, {"c": "1"})
    with GitRepository.open(str(tmp_path / "r.git")) as repo:
        assert contents(repo) == {"a/b/c": "1"}


def test_a_prefix_that_is_a_file_is_refused(tmp_path: Path) -> None:
    GitRepository.create(tmp_path / "r.git")
    with GitRepository.open(str(tmp_path / "r.git")) as repo:
        commit(repo, {"a": "1"})
    with GitRepository.open(str(tmp_path / "r.git"), prefix="a") as repo:
        with pytest.raises(RefusedError, match="is a file"):
            contents(repo)
        with pytest.raises(RefusedError):
            commit(repo, {"b": "1"})


@pytest.mark.parametrize("path", ["", "/a", "a//b", "../a", "a/./b", ".git/hooks/x", "a\0b", "a/"])
def test_paths_that_are_none_are_never_written(tmp_path: Path, path: str) -> None:
    GitRepository.create(tmp_path / "r.git")
    with (
        GitRepository.open(str(tmp_path / "r.git")) as repo,
        pytest.raises(ValueError, match="not a path"),
    ):
        commit(repo, {path: "x"})


def test_a_remote_by_name_by_path_and_by_nothing(tmp_path: Path) -> None:
    path, remote = tmp_path / "r.git", create_remote(tmp_path, "remote.git")
    GitRepository.create(path)
    run_git("-C", str(path), "remote", "add", "backup", f"file://x:s3cret@{remote}")
    with GitRepository.open(str(path)) as repo:
        commit(repo, {"a": "1"})
        assert (repo.push().remote, repo.fetch().remote, repo.check_push()) == ("", "", "")
    with GitRepository.open(str(path), remote=str(remote)) as repo:
        assert repo.push().pushed == 1
    with pytest.raises(UsageError, match=r"no remote called elsewhere \(it has: backup\)"):
        GitRepository.open(str(path), remote="elsewhere")


def test_a_url_needs_a_cache_and_no_other_remote(tmp_path: Path) -> None:
    url = f"file://{create_remote(tmp_path)}"
    with pytest.raises(UsageError):
        GitRepository.open(url)
    with pytest.raises(UsageError):
        GitRepository.open(url, cache_dir=tmp_path / "cache", remote="origin")


def test_a_file_url_is_copied(tmp_path: Path) -> None:
    remote = create_remote(tmp_path, "remote.git")
    commit_elsewhere(remote, {"a": "1"})
    with GitRepository.open(f"file://{remote}", cache_dir=tmp_path / "cache") as repo:
        assert contents(repo) == {"a": "1"}
        commit(repo, {"b": "2"})
        assert repo.push().pushed == 1
    assert remote_subjects(remote) == ["ours", "theirs"]
    mode = (tmp_path / "cache").stat().st_mode
    assert mode & 0o077 == 0


def test_a_cache_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(Kube2gitError, match="local copy") as failure:
        GitRepository.open(
            f"file://{create_remote(tmp_path)}", branch="main", cache_dir=tmp_path / "cache"
        )
    assert "cache folder" in failure.value.hint


def test_the_author_is_the_one_that_is_set(tmp_path: Path) -> None:
    GitRepository.create(tmp_path / "r.git")
    author = Author("Zoë Robot", "zoe@example.com")
    with GitRepository.open(str(tmp_path / "r.git"), author=author) as repo:
        found = repo.commit(commit(repo, {"a": "1"}))
    assert found.author == "Zoë Robot <zoe@example.com>"
    form = "--format=%an %ae %cn %ce %gn %ge"
    line = run_git("-C", str(tmp_path / "r.git"), "log", "-g", form, "main")
    assert line == " ".join(["Zoë Robot zoe@example.com"] * 3)


def test_others_submodules_and_links_survive(tmp_path: Path) -> None:
    path = tmp_path / "r.git"
    GitRepository.create(path)
    at = ("-C", str(path))
    blob = run_git(*at, "hash-object", "-w", "--stdin", data=b"target")
    module = f"160000 commit {'5' * 40}\tmodule"
    entries = f"120000 blob {blob}\tlink\n{module}\n100755 blob {blob}\trun\n"
    tree = run_git(*at, "mktree", "--missing", data=entries.encode())
    run_git(*at, "update-ref", "refs/heads/main", run_git(*at, "commit-tree", tree, "-m", "x"))
    with GitRepository.open(str(path)) as repo:
        before = repo.tip()
        assert before
        assert repo.tree(before) == {"link": blob, "run": blob}
        after = commit(repo, {"a": "1"})
        assert [change.path for change in repo.changes(before, after)] == ["a"]
        assert [change.path for change in repo.changes(None, after)] == ["a", "link", "run"]
    assert entries.strip() in run_git(*at, "ls-tree", "main")


def test_a_blob_that_nobody_added_is_told(tmp_path: Path) -> None:
    GitRepository.create(tmp_path / "r.git")
    with GitRepository.open(str(tmp_path / "r.git")) as repo:
        missing = repo.blob_id(b"never added")
        with repo.writer(None) as writer, pytest.raises(Kube2gitError, match=missing) as failure:
            writer.commit("x", WHEN, {"a": missing})
        assert "nothing was committed" in str(failure.value)
        assert repo.tip() is None
        commit(repo, {"a": "1"})
    assert not list((tmp_path / "r.git").glob("fast_import_crash*"))
    assert not list((tmp_path / "r.git/objects").glob("tmp_*"))


def test_a_disk_that_takes_nothing_more_is_told(tmp_path: Path) -> None:
    GitRepository.create(tmp_path / "r.git")
    with GitRepository.open(str(tmp_path / "r.git")) as repo:
        with repo.writer(None) as writer:
            blob = writer.add(b"x" * 100_000)
            (tmp_path / "r.git/objects/pack").rmdir()
            (tmp_path / "r.git/objects/pack").write_text("in the way")
            files = {f"f{n}": writer.add(b"%d" % n) for n in range(200)} | {"a": blob}
            with pytest.raises(Kube2gitError, match="stopped") as failure:
                writer.commit("x", WHEN, files)
        assert "free space" in failure.value.hint
        assert repo.tip() is None
        (tmp_path / "r.git/objects/pack").unlink()
        commit(repo, {"a": "1"})
