"""Log, show and diff over a repository in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kube2git.core import layout, yamlio
from kube2git.core.message import Change, ObjectChange, compose
from kube2git.core.objects import ref_of
from kube2git.core.selection import ObjectName, Patterns, Selection
from kube2git.core.wire import Json
from kube2git.errors import Kube2gitError, RepositoryNotFoundError
from kube2git.flows import history
from kube2git.render.differences import as_table
from tests.fakes.repo import FakeRepo

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
WEB = ObjectName("deploy", "web", "shop")


def deployment(name: str = "web", namespace: str = "shop", replicas: int = 1) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas},
    }


class Written:
    """A repository to which exports are written by hand."""

    def __init__(self) -> None:
        self.repo = FakeRepo()
        self.count = 0

    def commit(self, *bodies: Json, removed: Json | None = None, by: str = "") -> str:
        changes = []
        with self.repo.writer(self.repo.tip()) as writer:
            files: dict[str, str | None] = {}
            for body in bodies:
                files[layout.path_of(ref_of(body))] = writer.add(yamlio.encode(body))
                managers = (by,) if by else ()
                changes.append(
                    ObjectChange(Change.CHANGED, ref_of(body), ("spec.replicas",), managers)
                )
            if removed is not None:
                files[layout.path_of(ref_of(removed))] = None
                changes.append(ObjectChange(Change.REMOVED, ref_of(removed)))
            self.count += 1
            when = NOW + timedelta(minutes=self.count)
            return writer.commit(compose(changes, {}), when, files)


@pytest.fixture
def written() -> Written:
    written = Written()
    written.commit(deployment(), deployment("db"))
    written.commit(deployment(replicas=3), by="kubectl")
    written.commit(deployment("db", replicas=2))
    written.commit(removed=deployment())
    return written


def test_the_log_of_an_object_tells_fields_and_managers_after_it_was_deleted(
    written: Written,
) -> None:
    entries = list(history.log(written.repo, "HEAD", [WEB]))
    told = [
        [(str(diff.change), [(change.old, change.new) for change in diff.fields])]
        for entry in entries
        for diff in entry.diffs
    ]
    assert told == [[("removed", [])], [("changed", [(1, 3)])], [("added", [])]]
    assert list(entries[1].managers.values()) == [("kubectl",)]


def test_the_log_of_the_cluster_names_what_each_commit_changed(written: Written) -> None:
    entries = list(history.log(written.repo, "HEAD", limit=2))
    assert [[(str(d.change), d.ref.name) for d in entry.diffs] for entry in entries] == [
        [("removed", "web")],
        [("changed", "db")],
    ]


def test_an_object_that_never_was_is_told(written: Written) -> None:
    with pytest.raises(RepositoryNotFoundError, match="ever held deploy/none"):
        list(history.log(written.repo, "HEAD", [ObjectName("deploy", "none", None)]))


def test_show_finds_an_object_where_it_was(written: Written) -> None:
    ((ref, body),) = history.show(written.repo, "HEAD~1", [WEB])
    assert (ref.name, body["spec"]) == ("web", {"replicas": 3})
    with pytest.raises(RepositoryNotFoundError, match="not in the repository at HEAD"):
        list(history.show(written.repo, "HEAD", [WEB]))


def test_a_revision_lists_its_objects(written: Written) -> None:
    assert [ref.name for ref in history.objects_at(written.repo, "HEAD~1", None)] == ["db", "web"]
    assert [ref.name for ref in history.objects_at(written.repo, "HEAD", "shop")] == ["db"]
    assert history.objects_at(written.repo, "HEAD", "other") == []


def test_two_revisions_differ_object_by_object(written: Written) -> None:
    diffs = list(history.diff(written.repo, "HEAD~3", "HEAD"))
    assert [(str(diff.change), diff.ref.name) for diff in diffs] == [
        ("changed", "db"),
        ("removed", "web"),
    ]
    named = list(history.diff(written.repo, "HEAD~3", "HEAD", [WEB]))
    assert [diff.ref.name for diff in named] == ["web"]
    assert list(history.diff(written.repo, "HEAD", "HEAD")) == []


def test_what_neither_of_two_revisions_holds_is_no_lack_of_differences(written: Written) -> None:
    for name in (ObjectName("deploy", "none", None), ObjectName("v1.1", "", None)):
        with pytest.raises(RepositoryNotFoundError, match=f"neither HEAD~1 nor HEAD holds {name}"):
            list(history.diff(written.repo, "HEAD~1", "HEAD", [name]))
    assert (
        list(history.diff(written.repo, "HEAD", "HEAD", [ObjectName("deploy", "db", None)])) == []
    )


@pytest.mark.parametrize("data", [b"<<<<<<< HEAD\n", b"a: 1\n"], ids=["broken", "no object"])
def test_a_file_that_somebody_broke_is_told_and_hides_no_other(
    written: Written, data: bytes
) -> None:
    written.commit(deployment(replicas=4))
    path = layout.path_of(ref_of(deployment()))
    with written.repo.writer(written.repo.tip()) as writer:
        writer.commit("by hand", NOW, {path: writer.add(data)})
    written.commit(deployment("db", replicas=5))

    (db, web) = history.diff(written.repo, "HEAD~2", "HEAD")
    assert ([change.new for change in db.fields], db.problem) == ([5], "")
    assert (str(web.change), web.ref, web.fields) == ("changed", ref_of(deployment()), ())
    assert web.problem.startswith(path)
    assert "\n    namespaces/shop/" in "\n".join(as_table([web], lambda text, _: text))
    assert [entry.diffs[0].ref.name for entry in history.log(written.repo, "HEAD", limit=2)] == [
        "db",
        "web",
    ]
    assert [entry.diffs[0].problem for entry in history.log(written.repo, "HEAD", [WEB])][:2] == [
        web.problem,
        "",
    ]
    assert [ref.name for ref in history.objects_at(written.repo, "HEAD", None)] == ["db", "web"]
    with pytest.raises(Kube2gitError, match=f"^{path}"):
        list(history.show(written.repo, "HEAD", [WEB]))


def test_a_selection_limits_a_diff(written: Written) -> None:
    written.commit(deployment("x", "other"))
    diffs = list(history.diff(written.repo, "HEAD~1", "HEAD"))
    assert [history.is_selected(diff, Selection()) for diff in diffs] == [True]
    shop = Selection(namespaces=Patterns(("shop",)))
    assert not history.is_selected(diffs[0], shop)


def test_a_word_is_a_revision_or_not(written: Written) -> None:
    assert history.is_revision(written.repo, "HEAD~1")
    assert not history.is_revision(written.repo, "deploy/web")
