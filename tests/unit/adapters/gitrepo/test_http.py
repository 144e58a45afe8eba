"""Remotes over HTTP and HTTPS, and everything that can go wrong with them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

import pytest

from kube2git.adapters.gitrepo import Access, GitRepository
from kube2git.errors import PushError, RepositoryNotFoundError, UsageError
from tests.gitservers import (
    Certificate,
    GitHttpServer,
    Misbehaviour,
    allow_pushes,
    create_remote,
    reject_pushes,
    run_git,
)
from tests.unit.adapters.gitrepo.work import (
    commit,
    commit_elsewhere,
    contents,
    remote_subjects,
    subjects,
)

PASSWORD = "s3cr3t/with:odd@chars%41"


@pytest.fixture
def server(served: Path) -> Iterator[GitHttpServer]:
    with GitHttpServer(served, users={"robot": PASSWORD}) as server:
        yield server


@pytest.fixture
def remote(served: Path) -> Path:
    return served / "state.git"


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    return path


class Opener:
    """Opens a server's repository through one cache folder."""

    def __init__(self, server: GitHttpServer, cache: Path, password_file: Path) -> None:
        self.server = server
        self.cache = cache
        self.access = Access(username="robot", password_file=password_file)
        self._opened: list[GitRepository] = []

    def __call__(self, url: str = "", **options: Any) -> GitRepository:
        settings = {"access": self.access, "lock_timeout": 0.1, **options}
        repo = GitRepository.open(url or self.server.url(), cache_dir=self.cache, **settings)
        self._opened.append(repo)
        return repo

    def close(self) -> None:
        for repo in self._opened:
            repo.close()


@pytest.fixture
def opener(server: GitHttpServer, tmp_path: Path, password_file: Path) -> Iterator[Opener]:
    opener = Opener(server, tmp_path / "cache", password_file)
    yield opener
    opener.close()


# ── Ways in ──────────────────────────────────────────────────────────────────────────────────


def test_an_empty_remote_gets_its_first_commit(opener: Opener, remote: Path) -> None:
    repo = opener()
    assert repo.tip() is None
    commit(repo, {"a.yaml": "1"}, "one")
    assert repo.push().pushed == 1
    assert remote_subjects(remote) == ["one"]


def test_a_later_run_uses_the_copy_again(opener: Opener, remote: Path) -> None:
    commit_elsewhere(remote, {"a.yaml": "1"}, "one")
    assert contents(opener()) == {"a.yaml": "1"}
    opener.server.requests.clear()
    again = opener()
    assert contents(again) == {"a.yaml": "1"}
    assert opener.server.requests == []
    assert len(list(opener.cache.iterdir())) == 1
    commit_elsewhere(remote, {"b.yaml": "2"}, "two")
    assert again.fetch().fetched == 1
    assert contents(again) == {"a.yaml": "1", "b.yaml": "2"}


def test_the_branch_is_the_remotes_own_unless_named(tmp_path: Path, opener: Opener) -> None:
    other = create_remote(opener.server.folder, "trunk.git", branch="trunk")
    commit_elsewhere(other, {"a": "trunk"}, branch="trunk")
    commit_elsewhere(other, {"a": "side"}, branch="side")
    assert contents(opener(opener.server.url("trunk.git"))) == {"a": "trunk"}
    side = opener(opener.server.url("trunk.git"), branch="side")
    assert contents(side) == {"a": "side"}
    commit(side, {"b": "1"}, "more")
    side.push()
    assert remote_subjects(other, "side") == ["more", "theirs"]
    assert remote_subjects(other, "trunk") == ["theirs"]


def test_https_with_an_authority_of_its_own(
    served: Path, tmp_path: Path, password_file: Path
) -> None:
    certificate = Certificate.make(tmp_path)
    with GitHttpServer(served, users={"robot": PASSWORD}, certificate=certificate) as server:
        trusting = Access("robot", password_file, ca_file=certificate.path)
        with GitRepository.open(
            server.url(), cache_dir=tmp_path / "cache", access=trusting
        ) as repo:
            commit(repo, {"a": "1"})
            assert repo.push().pushed == 1
        with pytest.raises(PushError, match="TLS") as failure:
            GitRepository.open(
                server.url(),
                branch="main",
                cache_dir=tmp_path / "elsewhere",
                access=Access("robot", password_file),
            )
        assert "CA file" in failure.value.hint


def test_the_password_may_come_from_a_variable(
    opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    opener.access = Access(username="robot", password_variable="STATE_TOKEN")
    with pytest.raises(PushError, match="credentials"):
        opener()
    monkeypatch.setenv("STATE_TOKEN", PASSWORD)
    assert opener().tip() is None


def test_a_password_in_the_url_is_used_and_never_kept(opener: Opener, remote: Path) -> None:
    opener.access = Access()
    repo = opener(opener.server.url(userinfo="robot:s3cr3t%2Fwith%3Aodd%40chars%2541"))
    commit(repo, {"a": "1"})
    sent = repo.push()
    assert sent.remote == opener.server.url()
    assert remote_subjects(remote) == ["ours"]
    assert {path for path, _ in _mentions(opener.cache, ["s3cr3t", "robot"])} == set()
    assert len(list(opener.cache.iterdir())) == 1


def test_a_token_alone_in_the_url_is_a_user_name(served: Path, tmp_path: Path) -> None:
    with (
        GitHttpServer(served, users={"t0ken": ""}) as server,
        GitRepository.open(server.url(userinfo="t0ken"), cache_dir=tmp_path / "cache") as repo,
    ):
        assert repo.fetch().remote == server.url()


# ── What must not leak ───────────────────────────────────────────────────────────────────────


def _mentions(folder: Path, words: list[str]) -> list[tuple[Path, str]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [(path, word) for path in files for word in words if word.encode() in path.read_bytes()]


def _commands() -> list[str]:
    """Return the arguments of every process that runs now."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text("utf-8", "replace").replace("\0", " "))
        except OSError:
            continue
    return found


def test_no_process_shows_the_password(opener: Opener) -> None:
    repo = opener()
    opener.server.misbehaviour.hangs = True
    opener.server.requests.clear()
    failures: list[PushError] = []

    def fetch() -> None:
        with pytest.raises(PushError) as failure:
            repo.fetch()
        failures.append(failure.value)

    thread = Thread(target=fetch)
    thread.start()
    while not opener.server.requests:
        time.sleep(0.01)
    commands = _commands()
    opener.server.released.set()
    thread.join()
    assert any(opener.server.url() in command for command in commands)
    assert not any("s3cr3t" in command for command in commands)
    assert "s3cr3t" not in f"{failures[0]} {failures[0].hint}"


@pytest.mark.parametrize(
    "misbehaviour",
    [
        Misbehaviour(forbids_push=True),
        Misbehaviour(drops_pushes=True),
        Misbehaviour(redirects_to="http://robot:s3cr3t@127.0.0.1:1"),
    ],
)
def test_no_message_shows_credentials(opener: Opener, misbehaviour: Misbehaviour) -> None:
    url = opener.server.url(userinfo="robot:s3cr3t%2Fwith%3Aodd%40chars%2541")
    repo = opener(url)
    commit(repo, {"a": "1"})
    opener.server.misbehaviour = misbehaviour
    with pytest.raises(PushError) as failure:
        repo.push()
    shown = f"{failure.value!r} {failure.value.hint} {failure.value.__cause__}"
    assert "s3cr3t" not in shown
    assert "robot" not in shown


def test_a_redirect_to_another_host_gets_no_credentials(opener: Opener, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    create_remote(tmp_path / "other")
    with GitHttpServer(tmp_path / "other", users={"robot": PASSWORD}) as other:
        opener.server.misbehaviour.redirects_to = other.url("").rstrip("/")
        with pytest.raises(PushError, match="credentials"):
            opener(branch="main")
        assert other.requests
        assert other.offered == []


def test_a_file_of_credentials_is_never_shown(opener: Opener, tmp_path: Path) -> None:
    (tmp_path / "two lines").write_text("s3cr3t-1\ns3cr3t-2\n")
    opener.access = Access(password_file=tmp_path / "two lines")
    with pytest.raises(UsageError, match="exactly one line") as failure:
        opener()
    assert "s3cr3t" not in str(failure.value)
    opener.access = Access(password_file=tmp_path / "missing")
    with pytest.raises(UsageError, match="No such file"):
        opener()
    assert PASSWORD not in repr(opener.access)


# ── What can go wrong ────────────────────────────────────────────────────────────────────────


def test_a_wrong_password_keeps_the_commits(
    opener: Opener, remote: Path, password_file: Path
) -> None:
    repo = opener()
    kept = commit(repo, {"a": "1"})
    password_file.write_text("wrong")
    with pytest.raises(PushError, match="credentials") as failure:
        repo.push()
    assert "safe in the local repository" in str(failure.value)
    assert "token" in failure.value.hint
    with pytest.raises(PushError, match="credentials"):
        repo.fetch()
    assert repo.tip() == kept
    password_file.write_text(PASSWORD)
    assert opener().push().pushed == 1
    assert remote_subjects(remote) == ["ours"]


def test_no_password_at_all_is_told_without_asking(opener: Opener) -> None:
    opener.access = Access()
    with pytest.raises(PushError, match="credentials"):
        opener(branch="main")


def test_a_user_who_may_not_push(opener: Opener) -> None:
    repo = opener()
    kept = commit(repo, {"a": "1"})
    opener.server.misbehaviour.forbids_push = True
    with pytest.raises(PushError, match="does not allow") as failure:
        repo.push()
    assert "right to read and write" in failure.value.hint
    assert repo.tip() == kept


def test_a_hook_that_turns_the_push_down(opener: Opener, remote: Path) -> None:
    reject_pushes(remote, "main is frozen")
    repo = opener()
    commit(repo, {"a": "1"})
    with pytest.raises(PushError, match="rejected") as failure:
        repo.push()
    assert "main is frozen" in str(failure.value)
    assert "branch protection" in failure.value.hint
    allow_pushes(remote)
    assert repo.push().pushed == 1


def test_no_such_repository(opener: Opener) -> None:
    with pytest.raises(RepositoryNotFoundError) as failure:
        opener(opener.server.url("nowhere.git"), branch="main")
    assert "nowhere.git" in str(failure.value)
    assert failure.value.hint


def test_nobody_at_home(opener: Opener) -> None:
    with pytest.raises(PushError, match="could not be reached"):
        opener("http://127.0.0.1:1/state.git", branch="main")


@pytest.mark.parametrize("after", [0, 200, 20_000])
def test_a_server_that_breaks_off_while_fetching(opener: Opener, remote: Path, after: int) -> None:
    commit_elsewhere(remote, {f"f{n}": Random(n).randbytes(2000).hex() for n in range(40)})
    opener.server.misbehaviour.breaks_off_after = after
    with pytest.raises(PushError, match="broke off"):
        opener(branch="main")
    opener.server.misbehaviour.breaks_off_after = None
    repo = opener(branch="main")
    assert len(contents(repo)) == 40
    commit_elsewhere(remote, {f"g{n}": Random(1000 + n).randbytes(2000).hex() for n in range(40)})
    opener.server.misbehaviour.breaks_off_after = after
    with pytest.raises(PushError, match="broke off"):
        repo.fetch()
    assert len(contents(repo)) == 40
    opener.server.misbehaviour.breaks_off_after = None
    assert repo.fetch().fetched == 1
    assert len(contents(repo)) == 80


def test_a_server_that_breaks_off_while_pushing(opener: Opener, remote: Path) -> None:
    repo = opener()
    kept = commit(repo, {"a": "1"})
    opener.server.misbehaviour.drops_pushes = True
    with pytest.raises(PushError, match="broke off"):
        repo.push()
    assert repo.tip() == kept
    opener.server.misbehaviour.drops_pushes = False
    assert opener().push().pushed == 1
    assert remote_subjects(remote) == ["ours"]


def test_a_server_that_never_answers_is_given_up(opener: Opener) -> None:
    repo = opener()
    opener.server.misbehaviour.hangs = True
    impatient = Access("robot", opener.access.password_file, timeout=0.5)
    with pytest.raises(PushError, match="did not end in time"):
        opener(access=impatient, branch="other")
    url = opener.server.url()
    while any(url in command for command in _commands()):
        time.sleep(0.01)
    opener.server.misbehaviour.hangs = False
    assert repo.fetch().fetched == 0


# ── Others on the same branch ────────────────────────────────────────────────────────────────


def test_others_who_are_faster_again_and_again(opener: Opener, remote: Path) -> None:
    repo = opener()
    commit(repo, {"a": "0"}, "base")
    repo.push()
    commit(repo, {"a": "1"}, "ours")
    times = iter(range(2))

    def overtake() -> None:
        for number in times:
            commit_elsewhere(remote, {f"other{number}": "x"}, f"theirs {number}")
            return

    opener.server.misbehaviour.before_push = overtake
    came = repo.push()
    assert (came.fetched, came.rebuilt, came.pushed) == (2, 2, 1)
    assert remote_subjects(remote) == ["ours", "theirs 1", "theirs 0", "base"]
    assert subjects(repo) == remote_subjects(remote)


def test_others_who_are_always_faster(opener: Opener, remote: Path) -> None:
    repo = opener()
    commit(repo, {"a": "0"}, "base")
    repo.push()
    commit(repo, {"a": "1"}, "ours")
    numbers = count()
    opener.server.misbehaviour.before_push = lambda: commit_elsewhere(
        remote, {"other": str(next(numbers))}
    )
    with pytest.raises(PushError, match="5 times"):
        repo.push()
    assert subjects(repo)[0] == "ours"
    assert remote_subjects(remote) == ["theirs"] * 5 + ["base"]
    opener.server.misbehaviour.before_push = None
    assert repo.push().pushed == 1


def test_rewritten_history_gets_only_what_was_not_pushed_yet(opener: Opener, remote: Path) -> None:
    repo = opener()
    commit(repo, {"a": "1"}, "one")
    commit(repo, {"secret": "oops"}, "two")
    repo.push()
    commit(repo, {"b": "1"}, "three")
    one = repo.resolve("HEAD~2")
    run_git("-C", str(remote), "update-ref", "refs/heads/main", one)
    commit_elsewhere(remote, {"c": "1"}, "instead of two")
    came = repo.fetch()
    assert (came.fetched, came.rebuilt) == (1, 1)
    assert contents(repo) == {"a": "1", "b": "1", "c": "1"}
    repo.push()
    assert remote_subjects(remote) == ["three", "instead of two", "one"]


def test_history_that_was_cut_back_is_not_pushed_again(opener: Opener, remote: Path) -> None:
    repo = opener()
    commit(repo, {"a": "1"}, "one")
    commit(repo, {"secret": "oops"}, "two")
    repo.push()
    one = repo.resolve("HEAD~1")
    run_git("-C", str(remote), "update-ref", "refs/heads/main", one)
    commit(repo, {"b": "1"}, "three")
    assert repo.push().pushed == 1
    assert remote_subjects(remote) == ["three", "one"]
    run_git("-C", str(remote), "update-ref", "refs/heads/main", one)
    repo.fetch()
    assert subjects(repo) == ["one"]


def test_a_branch_that_was_deleted_is_pushed_again(opener: Opener, remote: Path) -> None:
    repo = opener()
    commit(repo, {"a": "1"}, "one")
    repo.push()
    run_git("-C", str(remote), "update-ref", "-d", "refs/heads/main")
    assert repo.fetch().fetched == 0
    assert subjects(repo) == ["one"]
    assert repo.push().pushed == 1
    assert remote_subjects(remote) == ["one"]


# ── Shallow and partial copies ───────────────────────────────────────────────────────────────


def test_a_shallow_copy_works_like_a_whole_one(opener: Opener, remote: Path) -> None:
    for number in range(4):
        commit_elsewhere(remote, {"a": str(number), f"f{number}": "x"}, f"theirs {number}")
    repo = opener(depth=1)
    assert subjects(repo) == ["theirs 3"]
    assert contents(repo) == {"a": "3", "f0": "x", "f1": "x", "f2": "x", "f3": "x"}
    commit(repo, {"ours": "1"}, "ours 1")
    assert repo.push().pushed == 1
    commit(repo, {"ours": "2"}, "ours 2")
    commit_elsewhere(remote, {"a": "4"}, "theirs 4")
    came = repo.push()
    assert (came.fetched, came.rebuilt, came.pushed) == (1, 1, 1)
    expected = ["ours 2", "theirs 4", "ours 1", "theirs 3"]
    assert remote_subjects(remote) == [*expected, "theirs 2", "theirs 1", "theirs 0"]
    assert subjects(repo) == expected


def test_a_copy_without_contents_fetches_what_is_read_at_once(opener: Opener, remote: Path) -> None:
    commit_elsewhere(remote, {f"f{n:03}": f"content {n}" for n in range(300)})
    repo = opener(depth=1, blobless=True)
    before = len(opener.server.requests)
    tip = repo.tip()
    assert tip
    tree = repo.tree(tip)
    assert len(tree) == 300
    assert repo.changes(None, tip)
    assert len(opener.server.requests) == before
    assert list(repo.read(tree.values())) == [f"content {n}".encode() for n in range(300)]
    assert len(opener.server.requests) - before < 10
    before = len(opener.server.requests)
    assert list(repo.read(tree.values()))[7] == b"content 7"
    assert len(opener.server.requests) == before
    commit(repo, {"f000": "ours", "f001": None}, "ours")
    commit_elsewhere(remote, {"f002": "theirs"}, "more")
    assert repo.push().rebuilt == 1
    assert contents(opener(depth=1, blobless=True))["f002"] == "theirs"


def test_a_server_that_cannot_leave_contents_out_sends_them(opener: Opener, remote: Path) -> None:
    run_git("-C", str(remote), "config", "uploadpack.allowFilter", "false")
    commit_elsewhere(remote, {"a": "1"})
    assert contents(opener(blobless=True)) == {"a": "1"}
