"""What every ``Repo`` must do: one suite, run over the real adapter and over the fake.

A test module subclasses ``RepoConformance`` and gives it a ``world``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Protocol

import pytest

from kube2git.core.ports import PathChange, Repo
from kube2git.errors import (
    PushError,
    RefusedError,
    RepositoryLockedError,
    RepositoryNotFoundError,
)

WHEN = datetime(2024, 5, 17, 12, 30, 15, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))

AWKWARD_PATHS = (
    "plain.yaml",
    "with space/and 'quotes'/\"double\".yaml",
    "back\\slash",
    "new\nline\ttab",
    "ünïcödé/名前.yaml",
    "-dash",
    ":colon",
    "*.glob[a]?",
    "%41~x",
    "undecodable-\udcff\udcfe",
    "Case",
    "case",
    '"',
    "trailing ",
    "a" * 250,
)


class World(Protocol):
    """A repository under test, and its remote."""

    def open(self, prefix: str = "") -> Repo:
        """Open the one repository; a second opening is a second run."""
        ...

    def commit_elsewhere(self, changes: Mapping[str, bytes | None], message: str = "other") -> None:
        """Commit to the remote's branch as somebody else."""
        ...

    def remote_files(self) -> dict[str, bytes]: ...

    def remote_subjects(self) -> list[str]:
        """Return the subjects on the remote's branch, newest first."""
        ...

    def reject_pushes(self, *, rejects: bool) -> None: ...


def commit(
    repo: Repo, changes: Mapping[str, bytes | None], message: str = "change", when: datetime = WHEN
) -> str:
    """Commit files on top of the tip."""
    with repo.writer(repo.tip()) as writer:
        blobs = {p: None if data is None else writer.add(data) for p, data in changes.items()}
        return writer.commit(message, when, blobs)


def contents(repo: Repo, revision: str | None) -> dict[str, bytes]:
    """Return every file of a commit."""
    tree = repo.tree(revision) if revision else {}
    return dict(zip(tree, repo.read(tree.values()), strict=True))


class RepoConformance:
    """The suite."""

    # ── Reading and writing ──────────────────────────────────────────────────────────────────

    def test_a_new_repository_is_empty(self, world: World) -> None:
        repo = world.open()
        assert repo.tip() is None
        with pytest.raises(RepositoryNotFoundError) as failure:
            repo.resolve("HEAD")
        assert failure.value.hint

    def test_a_commit_holds_what_was_written(self, world: World) -> None:
        repo = world.open()
        message = (
            "Two files\n\nA body.\n\nKube2git-Run: r-1\nKube2git-Note: a\n b\nKube2git-Note: c"
        )
        id = commit(repo, {"a/b.yaml": b"one\n", "c": b""}, message)
        assert repo.tip() == id
        assert contents(repo, id) == {"a/b.yaml": b"one\n", "c": b""}
        found = repo.commit(id)
        assert found.id == id
        assert found.parents == ()
        assert found.message == message
        assert found.subject == "Two files"
        assert found.trailers == {"Kube2git-Run": "r-1", "Kube2git-Note": "a b\nc"}
        assert found.author == "kube2git <kube2git@localhost>"
        assert found.time == WHEN
        assert found.time.utcoffset() == WHEN.utcoffset()

    def test_a_commit_without_signature_is_not_trusted(self, world: World) -> None:
        repo = world.open()
        found = repo.signature(commit(repo, {"a": b"1"}))
        assert not found.is_trusted
        assert found.reason == "It is not signed."
        assert not repo.check_signing()
        with pytest.raises(RepositoryNotFoundError):
            repo.signature("0" * 40)

    def test_a_second_commit_builds_on_the_first(self, world: World) -> None:
        repo = world.open()
        first = commit(repo, {"keep": b"k", "change": b"1", "remove": b"r"})
        second = commit(repo, {"change": b"2", "remove": None, "new/deep/er": b"n"})
        assert repo.commit(second).parents == (first,)
        assert contents(repo, second) == {"keep": b"k", "change": b"2", "new/deep/er": b"n"}
        assert contents(repo, first) == {"keep": b"k", "change": b"1", "remove": b"r"}

    def test_removing_what_is_not_there_is_no_error(self, world: World) -> None:
        repo = world.open()
        commit(repo, {"a": b"1"})
        assert contents(repo, commit(repo, {"gone": None, "b": b"2"})) == {"a": b"1", "b": b"2"}

    def test_a_folder_may_follow_a_file_that_is_removed(self, world: World) -> None:
        repo = world.open()
        commit(repo, {"x": b"file"})
        assert contents(repo, commit(repo, {"x/y": b"in a folder", "x": None})) == {
            "x/y": b"in a folder"
        }
        assert contents(repo, commit(repo, {"x/y": None, "x": b"file"})) == {"x": b"file"}

    def test_awkward_paths_survive(self, world: World) -> None:
        repo = world.open()
        files = {path: f"content of {path!r}".encode() for path in AWKWARD_PATHS}
        id = commit(repo, files)
        assert contents(repo, id) == files
        assert [change.path for change in repo.changes(None, id)] == sorted(AWKWARD_PATHS)
        removed = commit(repo, dict.fromkeys(AWKWARD_PATHS[1:]))
        assert contents(repo, removed) == {"plain.yaml": files["plain.yaml"]}

    def test_awkward_bytes_survive(self, world: World) -> None:
        repo = world.open()
        files = {
            "empty": b"",
            "newlines": b"\n\n\n",
            "crlf": b"a\r\nb\r\n",
            "binary": bytes(range(256)) * 40,
            "no newline": b"x",
            "looks like git": b"blob\nmark :1\ndata 3\nabc\ndone\n",
            "large": b"0123456789abcdef" * 100_000,
        }
        assert contents(repo, commit(repo, files)) == files

    def test_a_blob_has_the_same_id_before_and_after(self, world: World) -> None:
        repo = world.open()
        with repo.writer(None) as writer:
            id = writer.add(b"data\n")
            assert writer.add(b"data\n") == id
            assert repo.blob_id(b"data\n") == id
            writer.commit("one", WHEN, {"a": id, "b": id})
        assert repo.tree(repo.resolve("HEAD")) == {"a": id, "b": id}
        assert list(repo.read([id, id])) == [b"data\n", b"data\n"]

    def test_a_blob_of_an_earlier_commit_can_be_used_again(self, world: World) -> None:
        repo = world.open()
        first = commit(repo, {"a": b"old"})
        commit(repo, {"a": b"new"})
        with repo.writer(repo.tip()) as writer:
            id = writer.commit("back", WHEN, {"a": repo.tree(first)["a"]})
        assert contents(repo, id) == {"a": b"old"}

    def test_leaving_without_commit_leaves_no_trace(self, world: World) -> None:
        repo = world.open()
        before = commit(repo, {"a": b"1"})
        with repo.writer(before) as writer:
            writer.add(b"never committed")
        with pytest.raises(ZeroDivisionError), repo.writer(before) as writer:
            writer.add(b"%d" % (1 // 0))
        assert repo.tip() == before
        assert contents(repo, commit(repo, {"b": b"2"})) == {"a": b"1", "b": b"2"}

    def test_a_commit_on_something_else_than_the_tip_is_turned_down(self, world: World) -> None:
        repo = world.open()
        first = commit(repo, {"a": b"1"})
        second = commit(repo, {"a": b"2"})
        with repo.writer(first) as writer, pytest.raises(RepositoryLockedError):
            writer.commit("late", WHEN, {"a": writer.add(b"3")})
        with repo.writer(None) as writer, pytest.raises(RepositoryLockedError):
            writer.commit("as if first", WHEN, {"a": writer.add(b"3")})
        assert repo.tip() == second

    @pytest.mark.parametrize(
        ("theirs", "ours"), [("cluster", "cluster/Node/a.yaml"), ("cluster/Node/a.yaml", "cluster")]
    )
    def test_a_file_of_others_is_not_replaced_by_a_folder_nor_the_other_way(
        self, world: World, theirs: str, ours: str
    ) -> None:
        repo = world.open()
        before = commit(repo, {theirs: b"somebody's"})
        with pytest.raises(RefusedError, match=theirs):
            commit(repo, {ours: b"ours"})
        assert repo.tip() == before

    def test_reading_what_is_not_there_is_told(self, world: World) -> None:
        repo = world.open()
        missing = repo.blob_id(b"nowhere")
        with pytest.raises(RepositoryNotFoundError, match=missing):
            list(repo.read([missing]))
        for ask in (repo.commit, repo.tree):
            with pytest.raises(RepositoryNotFoundError, match=missing):
                ask(missing)

    def test_readers_may_interleave(self, world: World) -> None:
        repo = world.open()
        id = commit(repo, {f"f{n}": f"{n}".encode() for n in range(600)})
        tree = repo.tree(id)
        one, two = repo.read(tree.values()), repo.read(reversed(tree.values()))
        pairs = []
        for _ in range(300):
            pairs.append((next(one), next(two)))
            assert repo.tip() == id
        expected = [name.removeprefix("f").encode() for name in tree]
        assert pairs == list(zip(expected[:300], expected[:-301:-1], strict=True))

    def test_a_reader_may_be_left_early(self, world: World) -> None:
        repo = world.open()
        id = commit(repo, {f"f{n}": f"{n}".encode() for n in range(9)})
        blobs = list(repo.tree(id).values())
        expected = [f"{n}".encode() for n in range(9)]
        for taken in range(9):
            reader = repo.read(blobs)
            assert [next(reader) for _ in range(taken)] == expected[:taken]
            del reader
            assert list(repo.read(blobs)) == expected

    # ── Prefix ───────────────────────────────────────────────────────────────────────────────

    def test_a_prefix_is_a_world_of_its_own(self, world: World) -> None:
        whole, prod, test = world.open(), world.open("clusters/prod"), world.open("clusters/test")
        readme = commit(whole, {"README.md": b"hello"}, "readme")
        first = commit(prod, {"a.yaml": b"prod"}, "prod")
        second = commit(test, {"a.yaml": b"test"}, "test")
        assert contents(prod, readme) == {}
        assert contents(prod, second) == {"a.yaml": b"prod"}
        assert contents(test, second) == {"a.yaml": b"test"}
        assert contents(whole, second) == {
            "README.md": b"hello",
            "clusters/prod/a.yaml": b"prod",
            "clusters/test/a.yaml": b"test",
        }
        assert prod.changes(first, second) == []
        assert prod.changes(None, second) == prod.changes(readme, first)
        assert [commit.subject for commit in prod.log("HEAD")] == ["prod"]
        assert [commit.subject for commit in test.log("HEAD", ["a.yaml"])] == ["test"]
        assert [commit.subject for commit in whole.log("HEAD")] == ["test", "prod", "readme"]

    # ── History ──────────────────────────────────────────────────────────────────────────────

    def test_changes_name_both_sides(self, world: World) -> None:
        repo = world.open()
        first = commit(repo, {"same": b"s", "changed": b"1", "removed": b"r"})
        second = commit(repo, {"changed": b"2", "removed": None, "added": b"a"})
        ids = repo.blob_id
        assert repo.changes(first, second) == [
            PathChange("added", None, ids(b"a")),
            PathChange("changed", ids(b"1"), ids(b"2")),
            PathChange("removed", ids(b"r"), None),
        ]
        assert repo.changes(second, first) == [
            PathChange("added", ids(b"a"), None),
            PathChange("changed", ids(b"2"), ids(b"1")),
            PathChange("removed", None, ids(b"r")),
        ]
        assert repo.changes(first, first) == []

    def test_log_follows_paths_even_after_they_are_gone(self, world: World) -> None:
        repo = world.open()
        commit(repo, {"a/x": b"1", "b": b"1"}, "one")
        commit(repo, {"b": b"2"}, "two")
        commit(repo, {"a/x": None}, "three")
        commit(repo, {"b": b"3"}, "four")

        def subjects(revision: str, *paths: str) -> list[str]:
            return [commit.subject for commit in repo.log(revision, paths)]

        assert subjects("HEAD") == ["four", "three", "two", "one"]
        assert subjects("HEAD", "a/x") == ["three", "one"]
        assert subjects("HEAD", "a") == ["three", "one"]
        assert subjects("HEAD", "a/x", "b") == ["four", "three", "two", "one"]
        assert subjects("HEAD~2", "b") == ["two", "one"]
        assert subjects("HEAD", "never") == []

    def test_removed_paths_are_found_by_pattern(self, world: World) -> None:
        whole, repo = world.open(), world.open("a[b]/*")
        commit(whole, {"other/x.yaml": b"1", "a[b]/y/x.yaml": b"1"})
        commit(repo, {"x.yaml": b"1", "deep/er/x.yaml": b"1", "kept/x.yaml": b"1", "y": b"1"})
        commit(repo, {"x.yaml": None, "y": None})
        before = commit(repo, {"deep/er/x.yaml": None})
        commit(whole, {"other/x.yaml": None, "a[b]/y/x.yaml": None})
        commit(repo, {"kept/x.yaml": None})
        assert repo.removed_paths("HEAD", "*x.yaml") == ["deep/er/x.yaml", "kept/x.yaml", "x.yaml"]
        assert repo.removed_paths(before, "*/x.yaml") == ["deep/er/x.yaml"]
        assert repo.removed_paths("HEAD", "y") == ["y"]
        assert repo.removed_paths("HEAD", "deep") == []
        assert repo.removed_paths("HEAD", "never*") == []
        assert whole.removed_paths("HEAD", "other") == []
        assert "other/x.yaml" in whole.removed_paths("HEAD", "*.yaml")

    def test_log_can_be_left_early(self, world: World) -> None:
        repo = world.open()
        for number in range(5):
            commit(repo, {"a": b"%d" % number}, f"change {number}")
        assert next(iter(repo.log("HEAD"))).subject == "change 4"
        assert len(list(repo.log("HEAD"))) == 5

    def test_revisions(self, world: World) -> None:
        repo = world.open()
        first = commit(repo, {"a": b"1"})
        second = commit(repo, {"a": b"2"})
        third = commit(repo, {"a": b"3"})
        for revision, expected in {
            "HEAD": third,
            "@": third,
            "main": third,
            "HEAD~1": second,
            "HEAD^": second,
            "HEAD~2": first,
            "main~2": first,
            first: first,
            second[:10]: second,
        }.items():
            assert repo.resolve(revision) == expected, revision
        for unknown in ("HEAD~3", "nothing", "f" * 40, "", "HEAD..HEAD~1", "-x", "--all"):
            with pytest.raises(RepositoryNotFoundError) as failure:
                repo.resolve(unknown)
            assert failure.value.hint, unknown

    # ── Lock ─────────────────────────────────────────────────────────────────────────────────

    def test_one_run_at_a_time(self, world: World) -> None:
        one, two = world.open(), world.open()
        with one.lock():
            with pytest.raises(RepositoryLockedError), two.lock():
                pass
            with pytest.raises(RepositoryLockedError), two.writer(None):
                pass
            with one.lock():
                commit(one, {"a": b"1"})
            with pytest.raises(RepositoryLockedError), two.lock():
                pass
        with two.lock():
            commit(two, {"a": b"2"})
        with pytest.raises(ZeroDivisionError), one.lock():
            raise ZeroDivisionError
        with two.lock():
            assert contents(two, two.tip()) == {"a": b"2"}

    # ── Remote ───────────────────────────────────────────────────────────────────────────────

    def test_push_sends_what_the_remote_lacks_once(self, world: World) -> None:
        repo = world.open()
        assert (repo.fetch().fetched, repo.push().pushed) == (0, 0)
        commit(repo, {"a": b"1"}, "one")
        commit(repo, {"a": b"2"}, "two")
        sent = repo.push()
        assert sent.remote
        assert (sent.fetched, sent.rebuilt, sent.pushed) == (0, 0, 2)
        assert world.remote_files() == {"a": b"2"}
        assert repo.push().pushed == 0
        commit(repo, {"a": b"3"}, "three")
        assert repo.push().pushed == 1
        assert world.remote_subjects() == ["three", "two", "one"]

    def test_the_remote_can_be_asked_beforehand(self, world: World) -> None:
        repo = world.open()
        assert repo.check_push()
        commit(repo, {"a": b"1"})
        assert repo.check_push()
        assert world.remote_files() == {}

    def test_fetch_takes_over_what_others_pushed(self, world: World) -> None:
        repo = world.open()
        commit(repo, {"a": b"1"}, "ours")
        repo.push()
        world.commit_elsewhere({"README": b"theirs"}, "theirs 1")
        world.commit_elsewhere({"a": b"edited"}, "theirs 2")
        came = repo.fetch()
        assert (came.fetched, came.rebuilt, came.pushed) == (2, 0, 0)
        assert contents(repo, repo.tip()) == {"a": b"edited", "README": b"theirs"}
        assert repo.fetch().fetched == 0
        assert repo.push().pushed == 0

    def test_fetch_rebuilds_own_commits_on_those_of_others(self, world: World) -> None:
        repo = world.open()
        commit(repo, {"both": b"0", "ours": b"0", "theirs": b"0"}, "base")
        repo.push()
        commit(repo, {"ours": b"1", "both": b"ours"}, "ours 1\n\nKube2git-Run: x")
        commit(repo, {"new": b"n", "ours": None}, "ours 2", WHEN + timedelta(hours=1))
        world.commit_elsewhere({"both": b"theirs", "theirs": b"1"}, "theirs")
        came = repo.fetch()
        assert (came.fetched, came.rebuilt) == (1, 2)
        assert contents(repo, repo.tip()) == {"both": b"ours", "theirs": b"1", "new": b"n"}
        newest, older, *_ = repo.log("HEAD")
        assert (newest.subject, older.subject) == ("ours 2", "ours 1")
        assert older.trailers == {"Kube2git-Run": "x"}
        assert older.author == "kube2git <kube2git@localhost>"
        assert repo.push().pushed == 2
        assert world.remote_subjects() == ["ours 2", "ours 1", "theirs", "base"]

    def test_an_own_commit_that_others_made_too_is_dropped(self, world: World) -> None:
        repo = world.open()
        commit(repo, {"a": b"0"}, "base")
        repo.push()
        commit(repo, {"a": b"1"}, "ours")
        world.commit_elsewhere({"a": b"1"}, "theirs")
        came = repo.push()
        assert (came.fetched, came.rebuilt, came.pushed) == (1, 0, 0)
        assert world.remote_subjects() == ["theirs", "base"]
        assert contents(repo, repo.tip()) == {"a": b"1"}

    def test_push_after_others_were_faster(self, world: World) -> None:
        repo = world.open()
        commit(repo, {"a": b"0"}, "base")
        repo.push()
        world.commit_elsewhere({"b": b"theirs"}, "theirs")
        commit(repo, {"a": b"1"}, "ours")
        came = repo.push()
        assert (came.fetched, came.rebuilt, came.pushed) == (1, 1, 1)
        assert world.remote_subjects() == ["ours", "theirs", "base"]
        assert world.remote_files() == {"a": b"1", "b": b"theirs"}

    def test_first_push_to_a_remote_that_others_began(self, world: World) -> None:
        repo = world.open()
        world.commit_elsewhere({"README": b"theirs"}, "theirs")
        commit(repo, {"a": b"1"}, "ours")
        came = repo.push()
        assert (came.fetched, came.rebuilt, came.pushed) == (1, 1, 1)
        assert world.remote_files() == {"README": b"theirs", "a": b"1"}

    def test_a_rejected_push_is_made_up_for_later(self, world: World) -> None:
        repo = world.open()
        world.reject_pushes(rejects=True)
        kept = commit(repo, {"a": b"1"}, "one")
        with pytest.raises(PushError) as failure:
            repo.push()
        assert failure.value.hint
        assert repo.tip() == kept
        assert world.remote_files() == {}
        assert repo.fetch().fetched == 0
        world.reject_pushes(rejects=False)
        assert world.open().push().pushed == 1
        assert world.remote_files() == {"a": b"1"}

    def test_operators_see_what_is_unpushed_and_how_large_it_is(self, world: World) -> None:
        repo = world.open()
        assert repo.state().unpushed == 0
        small = repo.state().size
        words = " ".join(str(number * number) for number in range(20_000)).encode()
        commit(repo, {"a": words}, "one")
        commit(repo, {"b": b"1"}, "two")
        assert repo.state().unpushed == 2
        assert repo.state().size > small + 10_000
        repo.push()
        assert repo.state().unpushed == 0
        commit(repo, {"b": b"2"}, "three")
        assert world.open().state().unpushed == 1

    def test_what_was_removed_once_is_found_by_a_pattern(self, world: World) -> None:
        world.commit_elsewhere({"elsewhere/x/web.yaml": b"not below the prefix\n"})
        repo = world.open("clusters/[prod]")
        repo.fetch()
        commit(repo, {"ns/a/web.yaml": b"1", "ns/b/web.yaml": b"1", "ns/b/db.yaml": b"1"})
        commit(repo, {"ns/a/web.yaml": None, "ns/b/db.yaml": None})
        tip = commit(repo, {"other": b"1"})
        assert repo.removed_paths(tip, "*/web.yaml") == ["ns/a/web.yaml"]
        assert repo.removed_paths(tip, "*") == ["ns/a/web.yaml", "ns/b/db.yaml"]
        assert repo.removed_paths(tip, "*/none.yaml") == []

    def test_asking_whether_a_push_would_be_taken_pushes_nothing(self, world: World) -> None:
        repo = world.open()
        assert repo.check_push()
        commit(repo, {"a": b"1"})
        assert repo.check_push()
        assert world.remote_files() == {}

    def test_the_nearest_file_above_is_found(self, world: World) -> None:
        world.commit_elsewhere({"rules": b"top", "a/b/rules": b"near", "a/b/c/x": b"1"})
        for prefix, expected in (
            ("", (b"top", "")),
            ("a", (b"top", "a")),
            ("a/b", (b"near", "")),
            ("a/b/c", (b"near", "c")),
        ):
            repo = world.open(prefix)
            repo.fetch()
            tip = repo.resolve("HEAD")
            assert repo.file_above(tip, "rules") == expected
            assert repo.file_above(tip, "none") is None
