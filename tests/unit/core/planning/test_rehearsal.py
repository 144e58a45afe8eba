"""rehearsal: what may be written beside a living cluster, and what must not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube2git.core.objects import Manifest, ObjectRef
from kube2git.core.planning import rehearsal
from kube2git.core.planning.plan import Action, Header, Plan, PlannedAction
from kube2git.core.planning.rehearsal import Confinement
from kube2git.core.remap.mapping import is_namespace_name
from kube2git.core.volumes import KnownVolume
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import config_map, known_volume, live, obj, volume

STARTED = "20240506070809"
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)


@given(NAMES, NAMES)
def test_scratch_names_are_namespace_names_and_never_meet(one: str, other: str) -> None:
    names = [rehearsal.scratch_name(name, STARTED) for name in (one, other)]
    assert all(is_namespace_name(name) for name in names)
    assert (names[0] == names[1]) is (one == other)
    if len(one) <= 42:
        assert names[0] == f"{one}-drill-{STARTED}"


def confined(body: Json, *volumes: KnownVolume, knows_volumes: bool = True) -> PlannedAction:
    manifest = Manifest.of(body)
    kinds = {"ConfigMap", manifest.ref.kind_group} - {"Widget"}
    bounds = Confinement({"scratch"}, kinds, volumes if knows_volumes else None)
    plan = Plan(Header(), (PlannedAction(manifest.ref, Action.CREATE),))
    (action,) = bounds.apply(plan, {manifest.ref: manifest}).actions
    return action


def claim(storage_class: str | None = "fast") -> Json:
    spec = {} if storage_class is None else {"storageClassName": storage_class}
    return obj("v1", "PersistentVolumeClaim", "data", "scratch", spec=spec)


def service(**spec: Any) -> Json:
    return obj("v1", "Service", "web", "scratch", spec=spec)


@pytest.mark.parametrize(
    ("body", "action"),
    [
        (config_map(name="a", namespace="scratch"), Action.CREATE),
        (obj("v1", "Namespace", "scratch"), Action.CREATE),
        (service(type="ClusterIP"), Action.CREATE),
        (service(type="NodePort"), Action.CREATE),
        (claim(), Action.CREATE),
        (config_map(name="a", namespace="shop"), Action.SKIP),
        (obj("v1", "Namespace", "shop"), Action.SKIP),
        (obj("rbac.authorization.k8s.io/v1", "ClusterRole", "a"), Action.SKIP),
        (service(type="LoadBalancer"), Action.SKIP),
        (service(type="ClusterIP", externalIPs=["192.0.2.1"]), Action.SKIP),
        (obj("networking.k8s.io/v1", "Ingress", "a", "scratch"), Action.SKIP),
        (obj("gateway.networking.k8s.io/v1", "HTTPRoute", "a", "scratch"), Action.SKIP),
        (obj("v1", "Widget", "a", "scratch"), Action.BLOCKED),
    ],
    ids=str,
)
def test_what_a_rehearsal_writes(body: Json, action: Action) -> None:
    found = confined(body)
    assert found.action is action
    assert bool(found.reason) is (action is not Action.CREATE)


@pytest.mark.parametrize(
    ("storage_class", "phase", "action"),
    [
        ("fast", "Available", Action.SKIP),
        (None, "Available", Action.SKIP),
        ("fast", "", Action.SKIP),
        ("fast", "Bound", Action.CREATE),
        ("other", "Available", Action.CREATE),
    ],
)
def test_a_claim_that_could_take_a_volume_that_is_there_is_left_out(
    storage_class: str | None, phase: str, action: Action
) -> None:
    body = volume()
    body["spec"]["storageClassName"] = "fast"
    found = known_volume(live(body, phase=phase))
    assert confined(claim(storage_class), found).action is action


def test_where_volumes_cannot_be_listed_no_claim_is_made() -> None:
    assert confined(claim(), knows_volumes=False).action is Action.SKIP


def test_a_claim_names_no_volume_and_has_no_snapshots() -> None:
    body = claim()
    body["spec"]["volumeName"] = "pv-1"
    wanted = claim()
    wanted["metadata"]["annotations"] = {"kube2git.io/snapshot": "false"}
    assert rehearsal.as_rehearsed(Manifest.of(body)).body == wanted
    other = Manifest.of(config_map())
    assert rehearsal.as_rehearsed(other) is other


def test_every_namespace_is_made_even_if_the_commit_lacks_it() -> None:
    given = [Manifest.of(config_map(name="a", namespace=name)) for name in ("b", "a")]
    given.append(Manifest.of(obj("v1", "Namespace", "b")))
    found = [one.ref for one in rehearsal.with_namespaces(given)]
    assert found == [ObjectRef("", "Namespace", "", "a"), *(one.ref for one in given)]


def test_claims_whose_volumes_stay_are_told() -> None:
    keeps = obj("storage.k8s.io/v1", "StorageClass", "fast", reclaimPolicy="Retain")
    drops = obj("storage.k8s.io/v1", "StorageClass", "other", reclaimPolicy="Delete")
    known = {entry.manifest.ref: entry for entry in (live(keeps), live(drops))}
    claims = [Manifest.of(claim("fast")), Manifest.of(claim("other"))]
    assert rehearsal.claims_that_stay(claims, known) == [claims[0].ref]
