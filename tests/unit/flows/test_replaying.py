"""Replays on fakes: what is written in which order, what a failure stops, what is remembered."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import starmap
from typing import Any

import pytest

from kube2git.core import layout, yamlio
from kube2git.core.cleaning import RuleSet
from kube2git.core.coverage import Coverage, KindCoverage
from kube2git.core.objects import ResourceType, ref_of
from kube2git.core.planning.plan import Action, PlannedAction
from kube2git.core.planning.policy import Allowance, Policy, Prune
from kube2git.core.ports import KindStatus, Signature, Verb, WriteRequest
from kube2git.core.report import Progress
from kube2git.core.sealing import Recipients, Sealing, fingerprints, new_identity, seal_rules
from kube2git.core.selection import Patterns, Selection, parse_object_names
from kube2git.errors import ClusterDeniedError, RefusedError, RepositoryNotFoundError
from kube2git.flows import replaying
from kube2git.flows.replaying import Draft, DryRun, ReplayReport, ReplayRequest, Verdict
from tests.fakes.cluster import FakeCluster
from tests.fakes.repo import FakeRepo
from tests.fakes.target import FakeTarget

Json = dict[str, Any]
NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
RULES = RuleSet.default()


def namespace(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def config_map(name: str, **data: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "shop"},
        "data": data,
    }


SHOP = (namespace("shop"), config_map("a", k="1"), config_map("b", k="1"))
SEALED: Json = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "db", "namespace": "shop"},
    "data": {"password": "ENC[AES256_GCM,data:xx]"},
    "sops": {"mac": "x"},
}
KINDS = ("ConfigMap", "Namespace", "Secret")


def commit(repo: FakeRepo, *bodies: Json) -> None:
    """Make the tip hold these objects and nothing else."""
    kinds = {kind: KindCoverage(KindStatus.LISTED, ("v1",)) for kind in KINDS}
    data = {layout.path_of(ref_of(body)): yamlio.encode(body) for body in bodies}
    data[layout.COVERAGE] = yamlio.encode(Coverage("source", kinds).to_data())
    tip = repo.tip()
    gone: dict[str, str | None] = dict.fromkeys(repo.tree(tip)) if tip else {}
    with repo.writer(tip) as writer:
        changes = gone | {path: writer.add(text) for path, text in data.items()}
        writer.commit("made", NOW, changes)


def plan(target: FakeTarget, repo: FakeRepo, request: ReplayRequest | None = None) -> Draft:
    events = list(
        replaying.make_plan(
            target, repo, request or ReplayRequest("main"), rules=RULES, clock=lambda: NOW
        )
    )
    draft = events[-1]
    assert isinstance(draft, Draft)
    assert all(isinstance(event, Progress) for event in events[:-1])
    return draft


def replay(
    target: FakeTarget, repo: FakeRepo, request: ReplayRequest | None = None, **options: Any
) -> ReplayReport:
    *_, report = replaying.carry_out(target, plan(target, repo, request), **options)
    assert isinstance(report, ReplayReport)
    return report


def verdicts(report: ReplayReport) -> dict[str, Verdict]:
    return {outcome.ref.name: outcome.verdict for outcome in report.outcomes}


def entries(target: FakeTarget) -> dict[str, tuple[str, bool]]:
    """Return the inventory: name -> (uid, is leaving)."""
    found: dict[str, tuple[str, bool]] = {}
    for (_, name), body in target.store.at("ConfigMap").items():
        if name.startswith("kube2git-inventory-"):
            packed = base64.b64decode(body["binaryData"]["entries.json.gz"])
            found |= {row[3]: (row[4], row[6]) for row in json.loads(gzip.decompress(packed))}
    return found


@pytest.fixture
def repo() -> FakeRepo:
    repo = FakeRepo()
    commit(repo, *SHOP)
    return repo


def test_a_commit_goes_into_an_empty_cluster_in_its_order_and_then_there_is_nothing_to_do(
    repo: FakeRepo,
) -> None:
    target = FakeTarget()
    report = replay(target, repo)
    assert verdicts(report) == {"shop": "created", "a": "created", "b": "created"}
    assert report.is_complete
    written = target.written()
    assert written[0].startswith("create configmap/kube2git-inventory-")
    assert written[1] == "apply namespace/shop"
    assert sorted(written[2:4]) == ["apply configmap/a -n shop", "apply configmap/b -n shop"]
    made = target.store.at("ConfigMap")["shop", "a"]["metadata"]
    assert made["labels"] == {"kube2git.io/replay": report.name}
    assert report.name.endswith("-20240506070809")

    target.sent.clear()
    assert replay(target, repo).outcomes == ()
    assert target.sent == []


def test_progress_counts_the_kinds_that_are_wanted(repo: FakeRepo) -> None:
    request = ReplayRequest("main", names=parse_object_names(["cm/a"], "shop"))
    events = replaying.make_plan(FakeTarget(), repo, request, rules=RULES, clock=lambda: NOW)
    told = [one for one in events if isinstance(one, Progress) and one.kinds_total]
    assert told
    assert max(one.kinds_done for one in told) == told[-1].kinds_total


def test_the_inventory_is_there_before_the_first_object_and_knows_uids_afterwards(
    repo: FakeRepo,
) -> None:
    target = FakeTarget()
    seen: list[dict[str, tuple[str, bool]]] = []

    def look(request: WriteRequest) -> None:
        if request.verb is Verb.APPLY:
            seen.append(entries(target))

    target.before_write = look
    replay(target, repo)
    assert seen[0] == {"shop": ("", False), "a": ("", False), "b": ("", False)}
    made = target.store.at("ConfigMap")["shop", "a"]["metadata"]["uid"]
    assert entries(target)["a"] == (made, False)


def test_only_the_parts_of_a_large_inventory_that_change_are_written(repo: FakeRepo) -> None:
    target = FakeTarget()
    many = [config_map(f"m{number:04}") for number in range(1005)]
    commit(repo, namespace("shop"), *many)
    replay(target, repo)
    target.sent.clear()
    commit(repo, namespace("shop"), *many, config_map("z"))
    assert verdicts(replay(target, repo)) == {"z": "created"}
    before, made, after = target.written()
    assert made == "apply configmap/z -n shop"
    assert before == after
    assert re.fullmatch(r"replace configmap/kube2git-inventory-\w+-1 -n kube-system", before)
    assert entries(target).keys() == {"shop", "z", *(body["metadata"]["name"] for body in many)}


def test_a_commit_of_a_newer_kube2git_is_not_read(repo: FakeRepo) -> None:
    with repo.writer(repo.tip()) as writer:
        writer.commit("newer", NOW, {layout.FORMAT: writer.add(b"version: 2\n")})
    with pytest.raises(RefusedError, match="is in format 2"):
        plan(FakeTarget(), repo)


def test_a_client_dry_run_sends_nothing_but_reads(repo: FakeRepo) -> None:
    target = FakeTarget(objects=[namespace("shop"), config_map("a", k="2")])
    draft = plan(target, repo, ReplayRequest("main", dry_run=DryRun.CLIENT))
    assert [action.action for action in draft.plan.writes] == [Action.UPDATE, Action.CREATE]
    assert (target.sent, target.dry_runs) == ([], [])


def test_what_needs_something_that_failed_is_not_tried(repo: FakeRepo) -> None:
    target = FakeTarget()
    # The dry run is accepted, the write is not.
    target.before_write = lambda _: target.refuse("namespace/shop", 403, "Forbidden")
    report = replay(target, repo)
    assert verdicts(report) == {"shop": "failed", "a": "not tried", "b": "not tried"}
    assert "it needs namespace/shop, which failed" in report.outcomes[0].message
    assert not report.is_complete
    assert not [one for one in target.written() if "configmap/a" in one]


def test_a_stopped_run_tells_what_was_not_tried_and_the_next_one_goes_on(repo: FakeRepo) -> None:
    target = FakeTarget()
    report = replay(
        target, repo, is_stopped=lambda: "apply configmap/a -n shop" in target.written()
    )
    assert verdicts(report) == {"shop": "created", "a": "created", "b": "not tried"}
    assert report.is_interrupted
    assert verdicts(replay(target, repo)) == {"b": "created"}


def test_a_run_that_is_ended_tells_what_was_done_so_far(repo: FakeRepo) -> None:
    def end(request: WriteRequest) -> None:
        if request.verb is Verb.APPLY and request.name == "a":
            raise KeyboardInterrupt

    report = replay(FakeTarget(before_write=end), repo, is_stopped=lambda: False)
    assert verdicts(report) == {"shop": "created", "a": "failed", "b": "not tried"}
    (failed,) = [one for one in report.outcomes if one.verdict == "failed"]
    assert "it may be done or not" in failed.message
    assert verdicts(replay(FakeTarget(), repo)) == dict.fromkeys(("shop", "a", "b"), "created")


def balanced_service(name: str, health_port: int) -> Json:
    spec = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "healthCheckNodePort": health_port,
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    }
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def test_one_writer_is_enough_to_make_services_anew_that_swap_a_port(repo: FakeRepo) -> None:
    """The fake carries one action out after the other, as ``replay.connections: 1`` does."""
    ports = {"lb-1": 30001, "lb-2": 30002, "lb-3": 30003}
    target = FakeTarget(objects=[namespace("shop"), *starmap(balanced_service, ports.items())])
    moved = zip(ports, (30002, 30003, 30001), strict=True)
    commit(repo, namespace("shop"), *starmap(balanced_service, moved))

    def keep_ports_apart(request: WriteRequest) -> None:
        target.allow_all()
        if request.verb is Verb.APPLY and isinstance(request.body, dict):
            port = request.body["spec"]["healthCheckNodePort"]
            if port in [one["spec"]["healthCheckNodePort"] for one in services(target)]:
                target.refuse(f"service/{request.name} -n shop", 422, "Invalid")

    draft = plan(target, repo)
    # This port never changes on a server, so that one plans what the fake lets be updated.
    anew = [replace(one, action=Action.RECREATE) for one in draft.plan.writes]
    draft.plan = draft.plan.with_actions(anew)
    target.before_write = keep_ports_apart
    *_, report = replaying.carry_out(target, draft)
    assert isinstance(report, ReplayReport)
    assert verdicts(report) == dict.fromkeys(ports, "recreated")
    found = {
        one["metadata"]["name"]: one["spec"]["healthCheckNodePort"] for one in services(target)
    }
    assert found == {"lb-1": 30002, "lb-2": 30003, "lb-3": 30001}


def services(target: FakeTarget) -> list[Json]:
    return list(target.store.at("Service").values())


def prune(kind: Prune) -> ReplayRequest:
    allowed = frozenset({Allowance.MANY})
    return ReplayRequest("main", policy=Policy(prune=kind, allowed=allowed))


def test_prune_owned_deletes_what_replays_made_and_forgets_it(repo: FakeRepo) -> None:
    target = FakeTarget()
    replay(target, repo)
    target.put(config_map("mine", k="1"))
    commit(repo, *SHOP[:2])
    report = replay(target, repo, prune(Prune.OWNED))
    assert verdicts(report) == {"b": "deleted"}
    assert set(entries(target)) == {"shop", "a"}
    assert ("shop", "mine") in target.store.at("ConfigMap")


def test_a_crash_before_the_uids_were_known_leaves_nothing_untracked(repo: FakeRepo) -> None:
    target = FakeTarget()

    def crash(request: WriteRequest) -> None:
        if request.verb is Verb.REPLACE:
            raise SystemExit

    target.before_write = crash
    with pytest.raises(SystemExit):
        replay(target, repo)
    assert entries(target)["b"] == ("", False)
    target.before_write = None
    commit(repo, *SHOP[:2])
    assert verdicts(replay(target, repo, prune(Prune.OWNED))) == {"b": "deleted"}


def test_nothing_is_deleted_while_something_could_not_be_written(repo: FakeRepo) -> None:
    target = FakeTarget()
    replay(target, repo)
    commit(repo, *SHOP[:2], config_map("c", k="1"))
    target.refuse("configmap/c -n shop", 500, "InternalError")
    report = replay(target, repo, replace(prune(Prune.OWNED), timeout=0.01))
    assert verdicts(report) == {"b": "not tried", "c": "failed"}
    assert ("shop", "b") in target.store.at("ConfigMap")


def test_what_has_changed_since_the_plan_is_not_deleted(repo: FakeRepo) -> None:
    target = FakeTarget()
    replay(target, repo)
    commit(repo, *SHOP[:2])
    drafted = plan(target, repo, prune(Prune.OWNED))
    target.put(config_map("b", k="changed"))
    *_, report = replaying.carry_out(target, drafted)
    assert isinstance(report, ReplayReport)
    assert verdicts(report) == {"b": "failed"}
    assert target.store.at("ConfigMap")["shop", "b"]["data"] == {"k": "changed"}


def test_a_guard_stops_everything_before_the_first_write(repo: FakeRepo) -> None:
    target = FakeTarget()
    replay(target, repo)
    commit(repo, *SHOP[:2], config_map("c", k="1"))
    target.sent.clear()
    with pytest.raises(RefusedError, match="would be deleted, more than 10%"):
        replay(target, repo, ReplayRequest("main", policy=Policy(prune=Prune.OWNED)))
    assert target.sent == []


@pytest.mark.parametrize(("passes", "action"), [(False, Action.BLOCKED), (True, Action.SKIP)])
def test_a_sealed_object_without_a_key_is_told(
    repo: FakeRepo, passes: bool, action: Action
) -> None:
    commit(repo, *SHOP, SEALED)
    request = ReplayRequest("main", policy=Policy(without_secrets=passes))
    draft = plan(FakeTarget(), repo, request)
    (found,) = [one for one in draft.plan.actions if one.ref.kind == "Secret"]
    assert found.action is action
    assert draft.plan.is_complete is passes


def test_what_cannot_be_unsealed_is_known_by_its_name_in_the_target(repo: FakeRepo) -> None:
    commit(repo, *SHOP, SEALED)
    live = {**SEALED, "metadata": {"name": "db", "namespace": "copy"}, "data": {"password": "eA=="}}
    request = ReplayRequest(
        "main",
        selection=Selection(Patterns(("shop",))),
        maps=("shop=copy",),
        policy=Policy(prune=Prune.ALL, allowed=frozenset(Allowance), without_secrets=True),
    )
    draft = plan(FakeTarget(objects=[namespace("copy"), live]), repo, request)
    (found,) = [one for one in draft.plan.actions if one.ref.kind == "Secret"]
    assert (found.ref.namespace, found.action) == ("copy", Action.SKIP)
    others = replace(request, selection=Selection(Patterns(("shop",)), labels="app=other"))
    assert plan(FakeTarget(), repo, others).plan.actions == ()


@pytest.mark.parametrize("kind", [Prune.ALL, Prune.OWNED])
def test_what_the_commit_holds_under_other_labels_is_not_pruned(
    repo: FakeRepo, kind: Prune
) -> None:
    target = FakeTarget()
    maps = ("shop=copy",)
    replay(target, repo, ReplayRequest("main", maps=maps))
    labelled = config_map("a", k="1")
    labelled["metadata"] = {"name": "a", "namespace": "copy", "labels": {"app": "web"}}
    target.put(labelled)
    policy = Policy(prune=kind, allowed=frozenset(Allowance))
    request = ReplayRequest("main", selection=Selection(labels="app=web"), maps=maps, policy=policy)
    found = {str(action.ref): action for action in plan(target, repo, request).plan.actions}
    assert found["configmap/a -n copy"].action is Action.SKIP
    assert "The commit holds it" in found["configmap/a -n copy"].reason
    commit(repo, namespace("shop"), config_map("b", k="1"))
    found = {str(action.ref): action for action in plan(target, repo, request).plan.actions}
    assert found["configmap/a -n copy"].action is Action.DELETE


def test_a_version_that_the_commit_is_to_bring_is_not_asked_for(repo: FakeRepo) -> None:
    def definition(version: str) -> Json:
        served = {"name": version, "served": True, "storage": True}
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.example.com"},
            "spec": {
                "group": "example.com",
                "names": {"kind": "Thing", "plural": "things"},
                "scope": "Namespaced",
                "versions": [served],
            },
        }

    def thing(version: str) -> Json:
        place = {"name": "t", "namespace": "shop"}
        return {"apiVersion": f"example.com/{version}", "kind": "Thing", "metadata": place}

    commit(repo, *SHOP, definition("v1"), thing("v1"))
    target = FakeTarget(objects=[*SHOP])
    target.add_type(ResourceType("example.com", "v2", "Thing", "things", True, versions=("v2",)))
    target.put(definition("v2"))
    target.put(thing("v2"))
    draft = plan(target, repo)
    assert "Thing" in {action.ref.kind for action in draft.plan.writes}
    assert "Thing" not in {one.type.kind for one in target.dry_runs}


def test_an_object_that_the_commit_lacks_is_told_at_once(repo: FakeRepo) -> None:
    names = parse_object_names(["cm/none"], "shop")
    with pytest.raises(RepositoryNotFoundError, match="cm/none -n shop is not in the repository"):
        plan(FakeTarget(), repo, ReplayRequest("main", names=names))


def test_a_name_is_looked_for_where_the_selection_says(repo: FakeRepo) -> None:
    long = "a" * 253  # Its path is cut.
    commit(repo, *SHOP, config_map(long))
    for name in ("b", long):
        request = ReplayRequest("main", names=parse_object_names([f"cm/{name}"], None))
        there = replace(request, selection=Selection(Patterns(("sh*",))))
        found = {action.ref.name for action in plan(FakeTarget(), repo, there).plan.writes}
        assert found == {"shop", name}
    away = replace(request, selection=Selection(Patterns(("!shop",))))
    with pytest.raises(RepositoryNotFoundError, match=f"cm/{long} -n !shop is not in the repo"):
        plan(FakeTarget(), repo, away)


def test_a_namespace_that_the_commit_lacks_is_told_unless_it_is_to_go(repo: FakeRepo) -> None:
    request = ReplayRequest("main", selection=Selection(Patterns(("shop", "shpo"))))
    with pytest.raises(RepositoryNotFoundError, match="namespace shpo is not in the repository"):
        plan(FakeTarget(), repo, request)
    pruned = replace(request, policy=Policy(prune=Prune.ALL, allowed=frozenset(Allowance)))
    assert plan(FakeTarget(), repo, pruned).plan.writes
    globbed = replace(request, selection=Selection(Patterns(("shop", "shpo*"))))
    assert plan(FakeTarget(), repo, globbed).plan.writes


@pytest.mark.parametrize(
    ("limits", "is_left"),
    [({}, False), ({"kinds": Patterns(("configmap",))}, True), ({"labels": "app=a"}, True)],
)
def test_a_part_of_a_namespace_leaves_what_it_needs_and_the_target_has(
    repo: FakeRepo, limits: dict[str, Any], is_left: bool
) -> None:
    labelled = config_map("a", k="1")
    labelled["metadata"]["labels"] = {"app": "a"}
    commit(repo, namespace("shop"), labelled)
    changed = namespace("shop")
    changed["metadata"]["labels"] = {"by": "hand"}
    request = ReplayRequest("main", selection=Selection(Patterns(("shop",)), **limits))
    writes = plan(FakeTarget(objects=[changed]), repo, request).plan.writes
    told = {action.ref.kind: str(action.action) for action in writes}
    assert told == {"ConfigMap": "create"} | ({} if is_left else {"Namespace": "update"})
    # Without it, it comes along.
    assert len(plan(FakeTarget(), repo, request).plan.writes) == 2


def test_who_may_not_read_the_inventory_learns_how_to_do_without(repo: FakeRepo) -> None:
    target = FakeTarget()
    target.forbid("ConfigMap", except_in=["shop"])
    with pytest.raises(ClusterDeniedError, match="kube2git-inventory") as told:
        replay(target, repo)
    assert "replay.inventory_namespace" in told.value.hint


def test_a_broken_file_of_seals_does_not_stop_a_replay(repo: FakeRepo) -> None:
    with repo.writer(repo.tip()) as writer:
        writer.commit("merge", NOW, {layout.SEALS: writer.add(b"<<<<<<< HEAD\n")})
    _, recipient = new_identity(NOW)
    key = fingerprints.parse_key(fingerprints.new_key())
    sealing = Sealing(seal_rules({}), Recipients.parse([recipient]), key)
    *_, draft = replaying.make_plan(
        FakeTarget(), repo, ReplayRequest("main"), rules=RULES, clock=lambda: NOW, sealing=sealing
    )
    assert isinstance(draft, Draft)
    assert len(draft.plan.writes) == len(SHOP)


def test_a_commit_that_nobody_allowed_has_signed_is_refused_before_it_is_read(
    repo: FakeRepo,
) -> None:
    tip = repo.resolve("main")
    files = repo.store.files.pop(tip)
    asked = ReplayRequest("main", requires_signature=True)
    with pytest.raises(RefusedError, match="is not trusted"):
        plan(FakeTarget(), repo, asked)
    repo.store.files[tip] = files
    repo.store.signatures[tip] = Signature(False, "eve@example.com", "SHA256:e", "Not that key.")
    with pytest.raises(RefusedError, match="Not that key"):
        plan(FakeTarget(), repo, asked)
    assert plan(FakeTarget(), repo).plan.header.signed_by == ""
    repo.store.signatures[tip] = Signature(True, "ops@example.com", "SHA256:o")
    assert plan(FakeTarget(), repo, asked).plan.header.signed_by == "ops@example.com (SHA256:o)"


VOLUME: Json = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": {"name": "disk"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "csi": {"driver": "csi.example.com", "volumeHandle": "h"},
        "persistentVolumeReclaimPolicy": "Delete",
    },
}
PROVISIONED = {"annotations": {"pv.kubernetes.io/provisioned-by": "csi.example.com"}}


def adoption(target: FakeTarget, repo: FakeRepo, neighbour: FakeCluster) -> PlannedAction:
    """Return what the plan says of the volume."""
    request = ReplayRequest("main", policy=Policy(adopt_volumes=True), dry_run=DryRun.CLIENT)
    *_, draft = replaying.make_plan(
        target,
        repo,
        request,
        rules=RULES,
        clock=lambda: NOW,
        find_neighbours=lambda: {"prod": neighbour},
    )
    assert isinstance(draft, Draft)
    return draft.plan.actions[0]


def test_a_volume_is_adopted_only_when_everybody_who_may_know_it_was_asked(repo: FakeRepo) -> None:
    commit(repo, VOLUME)
    prod = FakeCluster()
    assert adoption(FakeTarget(), repo, prod).action is Action.CREATE
    prod.fail("PersistentVolume")
    assert "volumes of prod are not known" in adoption(FakeTarget(), repo, prod).reason
    prod.heal()
    prod.is_unreachable = True
    assert "usable answer." in adoption(FakeTarget(), repo, prod).reason
    target = FakeTarget()
    target.forbid("PersistentVolume")
    assert "volumes of the target are not known" in adoption(target, repo, FakeCluster()).reason


def test_a_volume_that_a_provisioner_made_in_the_target_is_known_too(repo: FakeRepo) -> None:
    commit(repo, VOLUME)
    target = FakeTarget()
    target.put({**VOLUME, "metadata": {"name": "pvc-1", **PROVISIONED}})
    refused = adoption(target, repo, FakeCluster())
    assert refused.reason == "persistentvolume/pvc-1 in the target is the same volume already."


def test_no_other_cluster_is_asked_when_nothing_is_adopted(repo: FakeRepo) -> None:
    asked: list[ResourceType] = []
    prod = FakeCluster(before_kind=asked.append)
    adoption(FakeTarget(), repo, prod)
    assert asked == []
    commit(repo, VOLUME)
    adoption(FakeTarget(), repo, prod)
    assert [type.kind for type in asked] == ["PersistentVolume"]
