"""adapting: what the target cannot take as it is is changed and told, or left out and told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from kube2git.core.objects import Manifest, ObjectRef, ResourceType
from kube2git.core.planning.adapting import Adapted, Adapter, under_temporary_name, with_owner_uids
from kube2git.core.planning.adoption import SharedStorage
from kube2git.core.planning.live import LiveObject
from kube2git.core.planning.plan import Action
from kube2git.core.planning.policy import Jobs, Policy, Volumes, Webhooks
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import (
    config_map,
    deployment,
    job,
    known_volume,
    live,
    managed,
    manifests,
    obj,
    volume,
)

VOLUME = "PersistentVolume"


def adapt(
    body: Json,
    *others: Json,
    target: list[LiveObject] | None = None,
    types: Mapping[str, ResourceType] | None = None,
    storage: SharedStorage | None = None,
    **choices: Any,
) -> Adapted:
    """Adapt ``body``, which the commit holds beside ``others``, to a target."""
    known = {entry.manifest.ref: entry for entry in target or ()}
    desired = manifests(body, *others)
    volumes = [known_volume(entry) for entry in target or () if entry.manifest.ref.kind == VOLUME]
    storage = storage or SharedStorage(volumes)
    adapter = Adapter(desired, known, Policy(**choices), types, storage)
    return adapter.adapt(desired[0], known.get(desired[0].ref))


def served(
    kind: str, *versions: str, group: str = "", namespaced: bool = True
) -> dict[str, ResourceType]:
    type = ResourceType(group, versions[0], kind, f"{kind.lower()}s", namespaced, versions=versions)
    return {type.kind_group: type}


def test_what_needs_no_change_is_the_same_object() -> None:
    manifest = Manifest.of(config_map())
    adapted = Adapter([manifest], {}, Policy(), None, SharedStorage()).adapt(manifest, None)
    assert adapted == Adapted(manifest, manifest.body)
    assert adapted.manifest is manifest


# ── Versions ─────────────────────────────────────────────────────────────────────────────────


def test_a_version_that_is_served_stays() -> None:
    body = obj("x.io/v1beta1", "Foo", "a", "b")
    found = adapt(body, types=served("Foo", "v1", "v1beta1", group="x.io"))
    assert found.body == body
    assert found.warnings == ()


def test_another_version_is_used_and_told() -> None:
    body = obj("x.io/v1alpha1", "Foo", "a", "b")
    found = adapt(body, types=served("Foo", "v1", "v1beta1", group="x.io"))
    assert found.body == obj("x.io/v1", "Foo", "a", "b")
    (warning,) = found.warnings
    assert warning.startswith("It is recorded as x.io/v1alpha1, which the target does not serve")
    assert warning.endswith("written as x.io/v1.")


def test_a_kind_that_the_target_lacks_blocks_its_objects() -> None:
    found = adapt(obj("x.io/v1", "Foo", "a", "b"), types=served("ConfigMap", "v1"))
    assert found.action is Action.BLOCKED
    assert "does not serve the kind Foo.x.io" in found.reason


def test_a_kind_that_the_same_commit_defines_is_served() -> None:
    definition = obj(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "foos.x.io",
        spec={
            "group": "x.io",
            "names": {"kind": "Foo"},
            "versions": [{"name": "v1", "served": True}, {"name": "v0", "served": False}],
        },
    )
    types = served("ConfigMap", "v1")
    assert adapt(obj("x.io/v1", "Foo", "a", "b"), definition, types=types).action is None
    old = adapt(obj("x.io/v0", "Foo", "a", "b"), definition, types=types)
    assert old.body["apiVersion"] == "x.io/v1"


def test_a_kind_of_an_api_server_of_the_same_commit_is_served() -> None:
    spec: Json = {"group": "x.io", "version": "v1", "service": {"name": "api", "namespace": "b"}}
    api = obj("apiregistration.k8s.io/v1", "APIService", "v1.x.io", spec=spec)
    types = served("ConfigMap", "v1")
    assert adapt(obj("x.io/v1", "Foo", "a", "b"), api, types=types).action is None
    other = adapt(obj("y.io/v1", "Foo", "a", "b"), api, types=types)
    assert other.action is Action.BLOCKED


def test_a_kind_of_another_scope_is_blocked() -> None:
    found = adapt(
        obj("x.io/v1", "Foo", "a", "b"), types=served("Foo", "v1", group="x.io", namespaced=False)
    )
    assert found.action is Action.BLOCKED
    assert "cluster-scoped" in found.reason


# ── Left out ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body", [config_map(namespace="kube-system"), obj("v1", "Namespace", "kube-system")]
)
def test_the_cluster_s_own_namespaces_are_left_alone_unless_named(body: Json) -> None:
    found = adapt(body)
    assert found.action is Action.SKIP
    assert "-n kube-system" in found.reason
    assert adapt(body, named_namespaces=frozenset({"kube-system"})).action is None
    assert adapt(body, protected=frozenset()).action is None


def test_webhooks_can_be_left_out() -> None:
    body = obj("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "a")
    assert adapt(body).action is None
    assert adapt(body, webhooks=Webhooks.SKIP).action is Action.SKIP


# ── Jobs ─────────────────────────────────────────────────────────────────────────────────────


def test_a_new_job_is_suspended_and_told() -> None:
    found = adapt(job())
    assert found.body["spec"]["suspend"] is True
    assert found.manifest.body == found.body
    assert "--jobs=run" in found.warnings[0]


def test_a_job_that_was_suspended_needs_no_word() -> None:
    assert adapt(job(suspend=True)).warnings == ()


def test_a_new_job_runs_when_asked() -> None:
    assert adapt(job(), jobs=Jobs.RUN).body == job()


def test_a_skipped_job_would_not_run_either() -> None:
    found = adapt(job(), jobs=Jobs.SKIP)
    assert found.action is Action.SKIP
    assert found.body["spec"]["suspend"] is True


@pytest.mark.parametrize("policy", [Jobs.SUSPEND, Jobs.SKIP])
@pytest.mark.parametrize("state", [{}, {"suspend": False}, {"suspend": True}])
@pytest.mark.parametrize("recorded", [{}, {"suspend": True}])
def test_a_job_that_is_there_is_neither_started_nor_stopped(
    policy: Jobs, state: Json, recorded: Json
) -> None:
    found = adapt(job(**recorded), target=[live(job(**state))], jobs=policy)
    assert found.manifest.body == job(**state)
    assert found.action is None


# ── Replicas ─────────────────────────────────────────────────────────────────────────────────


def autoscaler(least: int | None = 3) -> Json:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target} | ({"minReplicas": least} if least else {})
    return obj("autoscaling/v2", "HorizontalPodAutoscaler", "h", "shop", spec=spec)


@pytest.mark.parametrize(("least", "replicas"), [(3, 3), (None, 1)])
def test_a_new_workload_begins_with_its_autoscaler_s_minimum(
    least: int | None, replicas: int
) -> None:
    found = adapt(deployment(), autoscaler(least))
    assert found.body == deployment(replicas=replicas)
    assert found.manifest.body == deployment()


def test_without_an_autoscaler_the_server_s_default_holds() -> None:
    assert adapt(deployment()).body == deployment()


def test_replicas_that_kube2git_has_set_are_sent_again() -> None:
    own = managed("kube2git", {"f:spec": {"f:replicas": {}}}, "Apply")
    target = [live(deployment(), replicas=7, managed_fields=(own,))]
    assert adapt(deployment(), autoscaler(), target=target).body == deployment(replicas=7)


def test_replicas_that_the_autoscaler_has_set_are_left_to_it() -> None:
    scale = managed("kube-controller-manager", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    target = [live(deployment(), replicas=7, managed_fields=(scale,))]
    assert adapt(deployment(), autoscaler(), target=target).body == deployment()


def test_everything_can_be_scaled_to_nothing() -> None:
    assert adapt(deployment(replicas=3), replicas=0).manifest.body == deployment(replicas=0)
    new = adapt(deployment(), autoscaler(), replicas=0)
    assert (new.body, new.manifest.body) == (deployment(replicas=0), deployment())
    cron = obj("batch/v1", "CronJob", "a", "b", spec={"suspend": False})
    assert adapt(cron, replicas=0).body["spec"]["suspend"] is True
    assert adapt(job(), replicas=0, jobs=Jobs.RUN).body["spec"]["suspend"] is True
    running = [live(job())]
    assert adapt(job(), target=running, replicas=0).body == job()


def test_what_cannot_be_scaled_is_told() -> None:
    found = adapt(obj("apps/v1", "DaemonSet", "a", "b", spec={}), replicas=2)
    assert found.warnings == ("A DaemonSet cannot be scaled: it runs as it is.",)


def test_scaled_to_nothing_a_daemon_set_finds_no_node_and_a_pod_is_left_out() -> None:
    pods = {"nodeSelector": {"disk": "ssd"}, "containers": []}
    daemons = obj("apps/v1", "DaemonSet", "a", "b", spec={"template": {"spec": pods}})
    found = adapt(daemons, replicas=0)
    selector = found.body["spec"]["template"]["spec"]["nodeSelector"]
    assert selector == {"disk": "ssd", "kube2git.io/scaled-to-nothing": "true"}
    assert "which no node has" in found.warnings[0]
    assert adapt(obj("v1", "Pod", "a", "b", spec={}), replicas=0).action is Action.SKIP


# ── Volumes and claims ───────────────────────────────────────────────────────────────────────


def test_a_volume_is_a_record_by_default() -> None:
    found = adapt(volume())
    assert found.action is Action.SKIP
    assert "--adopt-volumes" in found.reason


def test_an_adopted_volume_is_kept_whatever_happens_to_its_claim() -> None:
    claim = {"namespace": "shop", "name": "data", "uid": "u", "resourceVersion": "3"}
    found = adapt(volume(claimRef=claim), adopt_volumes=True)
    assert found.body == volume(
        claimRef={"namespace": "shop", "name": "data"}, persistentVolumeReclaimPolicy="Retain"
    )
    assert found.manifest.body == found.body
    assert "Retain and stays so, although the commit says Delete" in found.warnings[0]


@pytest.mark.parametrize("phase", ["Available", "Bound", "Released", "Pending", ""])
@pytest.mark.parametrize("recorded", ["Delete", "Recycle"])
def test_it_stays_retained_for_good(phase: str, recorded: str) -> None:
    target = [live(volume(persistentVolumeReclaimPolicy="Retain"), phase=phase)]
    body = volume(persistentVolumeReclaimPolicy=recorded)
    found = adapt(body, target=target, adopt_volumes=True)
    assert found.manifest.body == target[0].manifest.body


def test_a_policy_that_somebody_has_set_as_the_commit_says_stays() -> None:
    found = adapt(volume(), target=[live(volume(), phase="Bound")], adopt_volumes=True)
    assert (found.manifest.body, found.warnings) == (volume(), ())


def test_a_policy_that_deletes_gives_way_to_one_that_keeps() -> None:
    keeps = volume(persistentVolumeReclaimPolicy="Retain")
    found = adapt(keeps, target=[live(volume(), phase="Bound")], adopt_volumes=True)
    assert (found.manifest.body, found.warnings) == (keeps, ())


def test_a_provisioned_volume_is_never_adopted() -> None:
    body = volume()
    body["metadata"]["annotations"] = {"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"}
    found = adapt(body, adopt_volumes=True)
    assert found.action is Action.BLOCKED
    assert found.body["spec"]["persistentVolumeReclaimPolicy"] == "Retain"


def claim(namespace: str = "shop", **spec: Any) -> Json:
    return obj("v1", "PersistentVolumeClaim", "data", namespace, spec=spec)


def test_a_claim_whose_volume_is_missing_gets_a_new_one() -> None:
    found = adapt(claim(volumeName="disk"), volume())
    assert found.manifest.body == claim()
    assert "does not exist in the target" in found.warnings[0]


def test_a_claim_keeps_a_volume_that_exists_or_is_adopted() -> None:
    body = claim(volumeName="disk")
    bound = volume(claimRef={"namespace": "shop", "name": "data"})
    assert adapt(body, volume(), adopt_volumes=True).body == body
    assert adapt(body, bound, adopt_volumes=True).body == body
    assert adapt(body, target=[live(volume())]).body == body
    assert adapt(body, target=[live(bound)]).body == body
    assert adapt(body, target=[live(body)]).body == body


@pytest.mark.parametrize("is_there", [True, False])
def test_a_copy_of_a_claim_does_not_wait_for_the_original_s_volume(is_there: bool) -> None:
    bound = volume(claimRef={"namespace": "shop", "name": "data"})
    known = [live(bound, phase="Bound")] if is_there else []
    found = adapt(claim("copy", volumeName="disk"), bound, target=known, adopt_volumes=True)
    assert found.manifest.body == claim("copy")
    (warning,) = found.warnings
    assert warning == (
        "Its PersistentVolume disk is that of the claim shop/data, so its storage class is asked "
        "for a new one."
    )


def test_a_claim_that_nothing_would_be_made_for_is_blocked() -> None:
    body = claim("copy", volumeName="disk", storageClassName="")
    bound = live(volume(claimRef={"namespace": "shop", "name": "data"}), phase="Bound")
    found = adapt(body, target=[bound])
    assert found.action is Action.BLOCKED
    assert "is that of the claim shop/data, and an empty storage class makes none" in found.reason
    assert adapt(body, target=[bound], volumes=Volumes.SKIP).action is Action.SKIP
    # What a snapshot comes back into names its volume itself.
    assert adapt(body, target=[bound], volumes=Volumes.RESTORE).action is None


def test_a_claim_is_told_how_it_gets_a_volume_that_was_released() -> None:
    released = live(volume(claimRef={"namespace": "shop", "name": "data"}), phase="Released")
    found = adapt(claim(volumeName="disk"), target=[released])
    assert found.body == claim(volumeName="disk")
    assert "kubectl patch pv disk" in found.warnings[0]


# ── Services ─────────────────────────────────────────────────────────────────────────────────


def service(name: str, **spec: Any) -> Json:
    return obj("v1", "Service", name, "shop", spec=spec)


def test_an_address_that_is_taken_is_given_up() -> None:
    body = service("web", clusterIP="10.0.0.9", clusterIPs=["10.0.0.9"], type="ClusterIP")
    taken = live(service("other"), cluster_ips=frozenset({"10.0.0.9"}))
    found = adapt(body, target=[taken])
    assert found.manifest.body == service("web", type="ClusterIP")
    assert found.warnings == (
        "The cluster IP 10.0.0.9 belongs to service/other -n shop: it gets another one.",
    )


def test_a_port_that_is_taken_is_given_up() -> None:
    ports = [{"port": 80, "nodePort": 30080}, {"port": 81, "nodePort": 30081}]
    body = service("web", ports=ports, healthCheckNodePort=30082)
    taken = live(service("other"), node_ports=frozenset({30080, 30082}))
    found = adapt(body, target=[taken])
    assert found.body == service("web", ports=[{"port": 80}, {"port": 81, "nodePort": 30081}])
    assert [warning.split()[3] for warning in found.warnings] == ["30080", "30082"]


def open_at(name: str, *ports: int, type: str = "NodePort") -> Json:
    entries = [{"port": number, "nodePort": port} for number, port in enumerate(ports, 80)]
    return service(name, type=type, ports=entries)


def test_a_port_that_another_service_gives_up_is_taken_over() -> None:
    mine, theirs = open_at("web", 30080), open_at("other", 30081)
    target = [
        live(mine, node_ports=frozenset({30080})),
        live(theirs, node_ports=frozenset({30081})),
    ]
    found = adapt(open_at("web", 30081), open_at("other", 30080), target=target)
    assert found.body == open_at("web", 30081)
    assert found.ports_of_others == {30081: theirs_ref(theirs)}
    assert "takes the node port 30081 over from service/other" in found.warnings[0]


def theirs_ref(body: Json) -> ObjectRef:
    return Manifest.of(body).ref


@pytest.mark.parametrize(
    ("wanted", "is_free"),
    [
        (open_at("other", 30082), True),
        (open_at("other", type="ClusterIP"), True),
        (open_at("other", 30081, 30082), False),
        # Where none is named, the server leaves what is there.
        (service("other", type="NodePort", ports=[{"port": 80}]), False),
        (service("other", type="LoadBalancer", ports=[{"port": 80}]), False),
    ],
)
def test_only_a_port_that_the_server_lets_go_is_given_up(wanted: Json, *, is_free: bool) -> None:
    target = [live(open_at("other", 30081), node_ports=frozenset({30081}))]
    found = adapt(open_at("web", 30081), wanted, target=target)
    assert bool(found.ports_of_others) == is_free


def test_its_own_ports_and_addresses_stay() -> None:
    body = service("web", clusterIP="10.0.0.9", ports=[{"port": 80, "nodePort": 30080}])
    own = live(body, node_ports=frozenset({30080}), cluster_ips=frozenset({"10.0.0.9"}))
    assert adapt(body, target=[own]).body == body


def test_a_headless_service_stays_headless() -> None:
    body = service("web", clusterIP="None", clusterIPs=["None"])
    assert adapt(body, target=[live(service("other"))]).body == body


# ── Owners, and trying out ───────────────────────────────────────────────────────────────────


def owned(*names: str) -> Json:
    references = [{"apiVersion": "x.io/v1", "kind": "Foo", "name": name} for name in names]
    body = config_map()
    body["metadata"]["ownerReferences"] = references
    return body


def test_owners_get_the_uids_of_the_target() -> None:
    uids = {
        ObjectRef("x.io", "Foo", "shop", "near"): "u1",
        ObjectRef("x.io", "Foo", "", "wide"): "u2",
    }
    body, dropped = with_owner_uids(owned("near", "wide", "gone"), uids.get)
    found = [(entry["name"], entry["uid"]) for entry in body["metadata"]["ownerReferences"]]
    assert found == [("near", "u1"), ("wide", "u2")]
    assert dropped == (
        "Its owner foo.x.io/gone -n shop does not exist in the target: it stands alone now.",
    )


def test_no_empty_list_of_owners_is_left() -> None:
    body, _ = with_owner_uids(owned("gone"), lambda _: None)
    assert body == config_map()
    assert with_owner_uids(config_map(), lambda _: None) == (config_map(), ())


def test_a_trial_has_a_name_of_its_own() -> None:
    body = under_temporary_name(config_map("a" * 39 + "-" + "b" * 30))
    assert body["metadata"] == {"name": "a" * 39 + "-kube2git", "namespace": "shop"}
