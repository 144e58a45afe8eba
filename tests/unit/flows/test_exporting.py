"""The export over fakes of its ports: what is written, what stays, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kube2git.core import yamlio
from kube2git.core.cleaning import RuleSet
from kube2git.core.objects import ResourceType
from kube2git.core.ports import KindStatus
from kube2git.core.report import ExportReport, Progress
from kube2git.core.sealing import (
    LeakPolicy,
    Recipients,
    Sealing,
    fingerprints,
    is_sealed,
    new_identity,
    seal_rules,
)
from kube2git.core.selection import ClusterScoped, Patterns, Selection
from kube2git.core.snapshots import ClaimRef
from kube2git.core.wire import Json
from kube2git.errors import Kube2gitError, PushError, RefusedError
from kube2git.flows.exporting import ExportRequest, export
from kube2git.flows.snapshotting import SnapshotRequest, Snapshotting
from tests.fakes.cluster import FakeCluster
from tests.fakes.lease import FakeHeld, FakeLease
from tests.fakes.repo import FakeRemote, FakeRepo
from tests.fakes.snapshotter import FakeCommands, FakeSnapshotter, FakeStorage
from tests.fakes.target import FakeTarget
from tests.unit.core.snapshots import objects as volumes

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Memory:
    """The port in memory."""

    def __init__(self) -> None:
        self.data: bytes | None = None

    def load(self) -> bytes | None:
        return self.data

    def save(self, data: bytes) -> None:
        self.data = data


class World:
    """One cluster, one repository, and what was remembered of the last run."""

    def __init__(self, repo: FakeRepo | None = None) -> None:
        self.cluster: FakeCluster = FakeCluster()
        self.repo = repo or FakeRepo()
        self.memory = Memory()
        self.sealing: Sealing | None = None
        self.is_superseded: Callable[[], bool] = lambda: False

    def put_map(self, name: str, namespace: str = "shop", **data: str) -> None:
        self.cluster.put(config_map(name, namespace, **data))

    def export(self, **request: Any) -> ExportReport:
        events = export(
            self.cluster,
            self.repo,
            ExportRequest(**request),
            rules=RuleSet.default(),
            memory=self.memory,
            clock=lambda: NOW,
            sealing=self.sealing,
            is_superseded=self.is_superseded,
        )
        *progress, report = list(events)
        assert all(isinstance(event, Progress) for event in progress)
        assert isinstance(report, ExportReport)
        return report

    @property
    def files(self) -> dict[str, bytes]:
        tip = self.repo.tip()
        tree = self.repo.tree(tip) if tip else {}
        return dict(zip(tree, self.repo.read(tree.values()), strict=True))

    @property
    def objects(self) -> set[str]:
        return {path for path in self.files if not path.startswith(".kube2git/")}

    def write(self, files: dict[str, bytes]) -> None:
        """Commit files as a person would."""
        with self.repo.writer(self.repo.tip()) as writer:
            changes = {path: writer.add(data) for path, data in files.items()}
            writer.commit("by hand", NOW, changes)

    def coverage(self, kind: str) -> Json:
        found: Json = yamlio.decode(self.files[".kube2git/coverage.yaml"])["kinds"][kind]
        return found


def config_map(name: str, namespace: str = "shop", **data: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "data": data,
    }


def path(name: str, namespace: str = "shop", kind: str = "ConfigMap") -> str:
    return f"namespaces/{namespace}/{kind}/{name}.yaml"


@pytest.fixture
def world() -> World:
    world = World()
    for name in ("a", "b", "c"):
        world.put_map(name, k="1")
    return world


def test_a_commit_tells_what_and_when(world: World) -> None:
    report = world.export(schedule="nightly")
    commit = world.repo.commit(report.commit)
    assert report.run == "nightly-20260304050607"
    assert commit.subject == "export: 3 added"
    assert commit.time == NOW
    assert commit.trailers["Kube2git-Revision"] == report.revision
    assert commit.trailers["Kube2git-Atomic"] == "true"
    assert commit.trailers["Kube2git-Cluster"] == world.cluster.uid
    assert commit.trailers["Kube2git-Run"] == report.run
    assert "Kube2git-Incomplete" not in commit.trailers


@pytest.mark.parametrize("forgets", [False, True])
def test_nothing_changed_means_no_commit(world: World, forgets: bool) -> None:
    world.export()
    if forgets:
        world.memory.data = None
    report = world.export()
    assert (report.commit, report.changes, report.objects) == ("", (), 3)


def test_memory_of_other_rules_is_not_believed(world: World) -> None:
    world.export()
    world.cluster.server_version = "v1.99.0"
    world.put_map("a", k="2")
    assert [change.ref.name for change in world.export().changes] == ["a"]


def test_a_file_that_somebody_changed_in_git_is_put_right(world: World) -> None:
    world.export()
    tip = world.repo.tip()
    with world.repo.writer(tip) as writer:
        writer.commit("by hand", NOW, {path("a"): writer.add(b"broken: true\n"), path("b"): None})
    report = world.export()
    assert {change.ref.name: str(change.change) for change in report.changes} == {
        "a": "changed",
        "b": "added",
    }


def test_a_sweep_that_starts_again_leaves_nothing_of_the_first_try(world: World) -> None:
    world.export()
    world.cluster.restarts = 2
    world.cluster.remove("ConfigMap", "shop", "a")
    report = world.export()
    assert [(str(change.change), change.ref.name) for change in report.changes] == [
        ("removed", "a")
    ]
    assert report.objects == 2


Trouble = Callable[[FakeCluster], None]
TROUBLES: dict[str, tuple[Trouble, KindStatus]] = {
    "fails": (lambda cluster: cluster.fail("ConfigMap"), KindStatus.FAILED),
    "is forbidden": (lambda cluster: cluster.forbid("ConfigMap"), KindStatus.FORBIDDEN),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_nothing_of_a_kind_that_was_not_listed_is_removed(world: World, trouble: str) -> None:
    make, status = TROUBLES[trouble]
    world.export()
    before = world.objects
    world.cluster.remove("ConfigMap", "shop", "a")
    make(world.cluster)
    report = world.export()
    assert world.objects == before
    assert [read.status for read in report.incomplete] == [status]
    assert not report.is_complete
    assert world.coverage("ConfigMap")["status"] == str(status)
    trailers = world.repo.commit(report.commit).trailers
    assert trailers["Kube2git-Incomplete"] == f"ConfigMap {status}"
    assert world.export().commit == "", "the same trouble again is no news"

    world.cluster.heal()
    world.export()
    assert world.objects == before - {path("a")}
    assert world.coverage("ConfigMap")["status"] == "listed"


def test_a_kind_readable_in_some_namespaces_is_exported_there(world: World) -> None:
    world.put_map("x", "other", k="1")
    for name in ("shop", "other"):
        world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    world.export()
    world.cluster.remove("ConfigMap", "shop", "a")
    world.cluster.remove("ConfigMap", "other", "x")
    world.cluster.forbid("ConfigMap", except_in=["shop"])
    world.export()
    assert path("a") not in world.objects
    assert path("x", "other") in world.objects
    assert world.coverage("ConfigMap") == {
        "status": "partial",
        "versions": ["v1"],
        "namespaces": ["shop"],
    }


def test_a_kind_that_is_gone_takes_its_files_along(world: World) -> None:
    world.export()
    world.cluster.remove_type("ConfigMap")
    report = world.export()
    assert world.objects == set()
    assert report.is_complete


def test_a_group_that_is_down_keeps_its_files(world: World) -> None:
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 1},
    }
    world.cluster.put(deployment)
    world.export()
    world.cluster.store.down["apps/v1"] = "Its backend does not answer."
    report = world.export()
    assert path("web", kind="Deployment.apps") in world.objects
    assert report.missing_groups == {"apps/v1": "Its backend does not answer."}
    assert world.coverage("Deployment.apps")["status"] == "failed"


def test_a_kind_with_a_store_of_its_own_is_said(world: World) -> None:
    world.cluster.split("ConfigMap")
    report = world.export()
    assert not report.atomic
    trailers = world.repo.commit(report.commit).trailers
    assert trailers["Kube2git-Atomic"].startswith("false (")


def test_mass_removal_is_refused_and_can_be_allowed(world: World) -> None:
    for number in range(20):
        world.put_map(f"m{number}")
    world.export()
    for number in range(20):
        world.cluster.remove("ConfigMap", "shop", f"m{number}")
    before = world.repo.tip()
    with pytest.raises(RefusedError, match="20 of the 23 objects") as refused:
        world.export()
    assert "--allow-mass-removal" in refused.value.hint
    assert world.repo.tip() == before
    world.export(allow_mass_removal=True)
    assert world.objects == {path("a"), path("b"), path("c")}


def test_another_cluster_is_refused_and_can_be_adopted(world: World) -> None:
    world.export()
    world.cluster.uid = "another"
    with pytest.raises(RefusedError, match="holds another cluster"):
        world.export()
    assert world.export(adopt=True).commit


def test_a_newer_format_is_refused(world: World) -> None:
    with world.repo.writer(None) as writer:
        blob = writer.add(b"version: 99\n")
        writer.commit("from the future", NOW, {".kube2git/format.yaml": blob})
    with pytest.raises(RefusedError, match="format 99"):
        world.export()


def test_a_dry_run_tells_and_leaves_no_trace(world: World) -> None:
    report = world.export(dry_run=True)
    assert len(report.changes) == 3
    assert world.repo.tip() is None
    assert world.memory.data is None


def test_a_run_that_was_superseded_writes_nothing() -> None:
    world = World(FakeRepo(remote=FakeRemote()))
    world.put_map("web")
    world.is_superseded = lambda: True
    with pytest.raises(RefusedError, match="another replica has taken over"):
        world.export()
    assert world.repo.tip() is None
    assert world.memory.data is None


def test_a_run_that_is_superseded_after_its_commit_does_not_push() -> None:
    remote = FakeRemote()
    world = World(FakeRepo(remote=remote))
    world.put_map("web")
    world.is_superseded = lambda: world.repo.tip() is not None
    with pytest.raises(RefusedError, match="before it pushed"):
        world.export()
    assert world.repo.tip()
    assert remote.tip is None
    world.is_superseded = lambda: False
    assert world.export().synced.pushed == 1


def test_the_report_says_how_the_repository_stands() -> None:
    remote = FakeRemote(rejects="not today")
    world = World(FakeRepo(remote=remote))
    world.put_map("web")
    world.put_map("api", "shop2")
    first = world.export()
    assert first.by_kind["ConfigMap"] == 2
    assert first.state.unpushed == 1
    narrow = world.export(selection=Selection(Patterns(("shop",))))
    assert narrow.by_kind["ConfigMap"] == 2
    assert narrow.state.size == first.state.size
    remote.rejects = ""
    assert world.export().state.unpushed == 0


def test_a_push_that_fails_is_told_and_made_up_for() -> None:
    remote = FakeRemote()
    world = World(FakeRepo(remote=remote))
    world.put_map("a")
    remote.rejects = "not today"
    report = world.export()
    assert "not today" in report.push_error
    assert remote.tip is None
    remote.rejects = ""
    again = world.export()
    assert (again.commit, again.push_error, again.synced.pushed) == ("", "", 1)


def test_an_unreachable_remote_stops_only_the_first_run() -> None:
    remote = FakeRemote()
    world = World(FakeRepo(remote=remote))
    world.put_map("a")
    remote.is_unreachable = True
    with pytest.raises(PushError):
        world.export()
    remote.is_unreachable = False
    world.export()
    remote.is_unreachable = True
    world.put_map("b")
    report = world.export()
    assert report.commit
    assert "could not be reached" in report.push_error


def test_a_run_over_one_namespace_says_nothing_about_others(world: World) -> None:
    world.put_map("x", "other")
    world.export()
    world.cluster.remove("ConfigMap", "shop", "a")
    world.cluster.remove("ConfigMap", "other", "x")
    world.export(selection=Selection(namespaces=Patterns(("sh*",))))
    assert path("a") not in world.objects
    assert path("x", "other") in world.objects


def test_a_run_over_labels_says_nothing_about_others(world: World) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "namespace": "shop"},
        "spec": {"ports": []},
    }
    world.cluster.put(service)
    world.export()
    for name in ("a", "b"):
        world.cluster.remove("ConfigMap", "shop", name)
    chosen = Selection(labels="app=a", cluster_scoped=ClusterScoped.NO)
    report = world.export(selection=chosen)
    assert [change.ref.name for change in report.changes] == ["a"]
    fresh = World()
    fresh.cluster = world.cluster
    fresh.put_map("c", k="2")
    fresh.export(selection=Selection(labels="app=c", cluster_scoped=ClusterScoped.NO))
    assert fresh.objects == {path("c")}


def test_objects_in_deletion_are_exported_and_named(world: World) -> None:
    body = config_map("dying")
    body["metadata"]["deletionTimestamp"] = "2026-03-04T05:06:07Z"
    world.cluster.put(body)
    for _ in range(2):
        assert [ref.name for ref in world.export().terminating] == ["dying"]
    assert b"deletion" not in world.files[path("dying")]


# ── Secrets ──────────────────────────────────────────────────────────────────────────────────

PASSWORD = "correct-horse-battery"


def secret(name: str, password: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "shop"},
        "stringData": {"password": password},
        "type": "Opaque",
    }


@pytest.fixture
def sealing() -> Sealing:
    _, recipient = new_identity(NOW)
    return Sealing(
        seal_rules({}),
        Recipients.parse([recipient]),
        fingerprints.parse_key(fingerprints.new_key()),
    )


def test_without_a_recipient_secrets_are_left_out(world: World) -> None:
    world.cluster.put(secret("db", PASSWORD))
    report = world.export()
    assert any("Secrets are left out" in warning for warning in report.warnings)
    assert path("db", kind="Secret") not in world.objects


def test_a_sealed_secret_keeps_its_bytes_until_it_changes(world: World, sealing: Sealing) -> None:
    world.sealing = sealing
    world.cluster.put(secret("db", PASSWORD))
    world.export()
    first = world.files[path("db", kind="Secret")]
    assert PASSWORD.encode() not in first
    assert is_sealed(yamlio.decode(first))
    assert world.export().commit == ""
    world.memory.data = None
    assert world.export().commit == ""
    world.cluster.put(secret("db", "another-password"))
    assert [change.ref.name for change in world.export().changes] == ["db"]
    assert world.files[path("db", kind="Secret")] != first


@pytest.mark.parametrize("forgets", [False, True])
def test_a_sealed_file_that_somebody_edited_is_sealed_again(
    world: World, sealing: Sealing, forgets: bool
) -> None:
    world.sealing = sealing
    world.cluster.put(secret("db", PASSWORD))
    world.export()
    file = path("db", kind="Secret")
    edited = world.files[file].replace(b"password: 'ENC[AES256_GCM,data:", b"password: 'ENC[x")
    assert edited != world.files[file]
    world.write({file: edited})
    if forgets:
        world.memory.data = None
    assert [change.ref.name for change in world.export().changes] == ["db"]
    assert world.files[file] != edited
    assert world.export().commit == ""


def test_files_that_somebody_broke_are_written_anew_or_removed(
    world: World, sealing: Sealing
) -> None:
    world.sealing = sealing
    world.cluster.put(secret("db", PASSWORD))
    world.export()
    files = {path(name): b"<<<<<<< HEAD\n" for name in ("a", "b")}
    files |= {path("c"): b"no: object\n", path("db", kind="Secret"): b"\xff"}
    world.write(files)
    world.cluster.remove("ConfigMap", "shop", "b")
    told = [(str(item.change), item.ref.name) for item in world.export().changes]
    assert told == [("changed", "a"), ("removed", "b"), ("changed", "c"), ("changed", "db")]
    assert world.export().commit == ""


def test_runs_over_other_parts_do_not_take_turns_in_changing_the_coverage(world: World) -> None:
    world.cluster.add_type(ResourceType("", "v1", "Node", "nodes", False, frozenset({"list"})))
    world.export()
    coverage = yamlio.decode(world.files[".kube2git/coverage.yaml"])
    assert coverage["leftOut"]["Node"] == "nodes"
    for selection in (Selection(cluster_scoped=ClusterScoped.NO), Selection()):
        assert world.export(selection=selection).commit == ""


def test_a_kind_that_the_cluster_does_not_have_is_told(world: World) -> None:
    for text in ("configmpas", "!Secrt", "ConfigMap", "cm*", "nope.*"):
        report = world.export(selection=Selection(kinds=Patterns((text,))))
        named = [warning for warning in report.warnings if text.strip("!").lower() in warning]
        assert bool(named) == (text in ("configmpas", "!Secrt")), text


def test_with_labels_a_broken_file_stays_since_nobody_knows_its_labels(world: World) -> None:
    world.export()
    world.write({path("a"): b"["})
    world.cluster.remove("ConfigMap", "shop", "a")
    world.export(selection=Selection(labels="app=a"))
    assert path("a") in world.objects


@pytest.mark.parametrize("seals", [False, True])
def test_what_no_reader_could_read_back_is_withheld(
    world: World, sealing: Sealing, seals: bool
) -> None:
    world.sealing = sealing if seals else None
    nested: Json = {}
    for _ in range(300):
        nested = {"a": nested}
    world.cluster.put({**config_map("deep"), "data": nested})
    report = world.export()
    assert [item.subject for item in report.withheld] == ["configmap/deep -n shop"]
    assert report.withheld[0].reason == "It is nested more than 200 levels deep."
    assert path("deep") not in world.objects
    assert path("a") in world.objects


def test_a_broken_coverage_file_stops_the_run_and_is_named(world: World) -> None:
    world.export()
    world.write({".kube2git/coverage.yaml": b"<<<<<<< HEAD\n"})
    with pytest.raises(Kube2gitError, match=r"^\.kube2git/coverage\.yaml: the file"):
        world.export()


def test_what_holds_a_secret_in_clear_keeps_its_old_file(world: World, sealing: Sealing) -> None:
    world.sealing = sealing
    world.cluster.put(secret("db", PASSWORD))
    world.export()
    before = world.files[path("a")]
    world.put_map("a", url=f"pg://u:{PASSWORD}@h")
    for _ in range(2):
        report = world.export()
        assert [item.subject for item in report.withheld] == ["configmap/a -n shop"]
        assert PASSWORD not in report.withheld[0].reason
        assert world.files[path("a")] == before
    world.put_map("a", url="pg://h")
    assert world.export().is_complete


@pytest.mark.parametrize("leaks", list(LeakPolicy))
def test_a_value_of_a_secret_in_its_own_annotations_is_a_leak(
    world: World, sealing: Sealing, leaks: LeakPolicy
) -> None:
    world.sealing = replace(sealing, leaks=leaks)
    copied = secret("db", PASSWORD)
    copied["metadata"]["annotations"] = {"example.com/note": f"it is {PASSWORD}"}
    world.cluster.put(copied)
    report = world.export()
    is_written = path("db", kind="Secret") in world.objects
    assert is_written is (leaks is not LeakPolicy.WITHHOLD)
    told = [f"{one.subject}: {one.reason}" for one in report.withheld] + list(report.warnings)
    if leaks is LeakPolicy.SEAL:
        document = yamlio.decode(world.files[path("db", kind="Secret")])
        assert document["metadata"]["annotations"]["example.com/note"].startswith("ENC[")
        assert told == []
    else:
        assert [line.partition(" holds ")[0] for line in told] == [
            'secret/db -n shop: metadata.annotations["example.com/note"]'
        ]
        assert PASSWORD not in told[0]
    assert world.export().commit == ""


def test_the_seals_of_removed_secrets_go_too(world: World, sealing: Sealing) -> None:
    world.sealing = sealing
    for name in ("x", "y"):
        world.cluster.put(secret(name, f"{PASSWORD}-{name}"))
    world.export()
    world.cluster.remove("Secret", "shop", "x")
    world.export()
    seals = yamlio.decode(world.files[".kube2git/seals.yaml"])["seals"]
    assert list(seals) == [path("y", kind="Secret")]


def test_secrets_whose_recipients_are_gone_stay_as_they_are(world: World, sealing: Sealing) -> None:
    world.sealing = sealing
    world.cluster.put(secret("db", PASSWORD))
    world.export()
    world.sealing = None
    world.export()
    assert path("db", kind="Secret") in world.objects


# ── snapshots in the same commit ─────────────────────────────────────────────────────────────


class VolumeWorld(World):
    """A cluster with claims, exported with snapshots."""

    def __init__(self, *claims: str) -> None:
        super().__init__(FakeRepo(remote=FakeRemote()))
        self.target = FakeTarget()
        self.cluster = self.target
        self.storage = FakeStorage(clock=lambda: NOW)
        self.held = FakeHeld()
        for name in claims:
            self.target.put(volumes.claim(name))
            self.target.put(volumes.volume(name))

    def export_with_snapshots(
        self, *, pause: Callable[[float], None] = lambda _: None, **request: Any
    ) -> ExportReport:
        taker = Snapshotting(
            self.target,
            {"fake": FakeSnapshotter(self.storage)},
            FakeCommands(),
            SnapshotRequest(seconds=5),
            lease=FakeLease("export", self.held, NOW.timestamp),
            pause=pause,
        )
        *_, report = export(
            self.cluster,
            self.repo,
            ExportRequest(**request),
            rules=RuleSet.default(),
            memory=self.memory,
            clock=lambda: NOW,
            snapshots=taker,
        )
        assert isinstance(report, ExportReport)
        return report


def test_records_of_snapshots_are_in_the_same_commit_as_the_manifests() -> None:
    world = VolumeWorld("data")
    report = world.export_with_snapshots(schedule="nightly")
    (handle,) = world.storage.snapshots
    assert handle in world.files["snapshots/shop/data.yaml"].decode()
    assert path("data", kind="PersistentVolumeClaim") in world.files
    assert len(world.repo.store.history(world.repo.tip())) == 1
    commit = world.repo.commit(report.commit)
    assert commit.subject.endswith(", 1 snapshot")
    assert f"* persistentvolumeclaim/data -n shop: fake {handle}, ready" in commit.message
    assert commit.trailers["Kube2git-Snapshots"] == "1 ready"
    assert world.storage.snapshots[handle].snapshot.run == report.run
    assert world.storage.settled == {handle}
    assert report.is_complete


def test_records_stay_when_an_export_takes_no_snapshots() -> None:
    world = VolumeWorld("data")
    world.export_with_snapshots()
    before = world.files["snapshots/shop/data.yaml"]
    world.cluster.remove("PersistentVolumeClaim", "shop", "data")
    report = world.export()
    assert report.snapshots is None
    assert [str(change.change) for change in report.changes] == ["removed"]
    assert world.files["snapshots/shop/data.yaml"] == before


def test_a_snapshot_that_fails_does_not_stop_the_export() -> None:
    world = VolumeWorld("data", "logs")
    world.storage.broken[ClaimRef("shop", "data")] = "The disk is broken."
    report = world.export_with_snapshots()
    assert not report.is_complete
    assert report.commit
    assert path("data", kind="PersistentVolumeClaim") in world.files
    assert b"The disk is broken." in world.files["snapshots/shop/data.yaml"]
    assert len(world.storage.snapshots) == 1


def test_a_dry_run_of_an_export_takes_no_snapshots() -> None:
    world = VolumeWorld("data")
    report = world.export_with_snapshots(dry_run=True)
    assert report.snapshots is not None
    assert report.is_complete
    assert (world.storage.snapshots, world.files) == ({}, {})


def test_a_push_that_fails_settles_nothing_and_the_lease_is_given_up() -> None:
    world = VolumeWorld("data")
    assert world.repo.remote is not None
    world.repo.remote.rejects = "not today"
    report = world.export_with_snapshots()
    assert "not today" in report.push_error
    assert report.commit
    assert not world.storage.settled
    assert world.held.holder == ""


def test_an_export_reads_the_records_when_the_runs_before_it_have_ended() -> None:
    world = VolumeWorld("data")
    world.export_with_snapshots()
    (old,) = world.storage.snapshots
    assert old in world.files["snapshots/shop/data.yaml"].decode()
    other = FakeLease("prune-other", world.held, NOW.timestamp)
    assert other.claim()

    def end_the_prune(_: float) -> None:
        del world.storage.snapshots[old]
        clone = FakeRepo(remote=world.repo.remote)
        clone.fetch()
        with clone.writer(clone.tip()) as writer:
            writer.commit("deleted", NOW, {"snapshots/shop/data.yaml": None})
        clone.push()
        other.release()

    report = world.export_with_snapshots(pause=end_the_prune, schedule="nightly")
    assert report.is_complete
    (new,) = world.storage.snapshots
    record = world.files["snapshots/shop/data.yaml"].decode()
    assert new in record
    assert old not in record


def test_an_export_that_is_refused_takes_no_snapshots() -> None:
    world = VolumeWorld("data")
    for number in range(20):
        world.put_map(f"map-{number}")
    world.export()
    for number in range(20):
        world.cluster.remove("ConfigMap", "shop", f"map-{number}")
    with pytest.raises(RefusedError, match="would remove 20"):
        world.export_with_snapshots()
    assert not world.storage.snapshots
