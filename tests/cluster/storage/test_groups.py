"""Groups of volumes: one cut, which comes back whole where groups are known, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kube2git.core.snapshots import ClaimRef, CutRequest, Existence, RestoreRequest, Wait
from tests.cluster.storage import CLASSES, SNAPSHOTS, Storage
from tests.cluster.storage.test_csi import (
    GIB,
    CsiWorld,
    new_volume,
    objects,
    open_snapshotter,
    restore,
    write,
)
from tests.conformance import snapshotter_port as port
from tests.tool import Tool, make_tool

pytestmark = pytest.mark.needs("csi")

GROUPS = "/apis/groupsnapshot.storage.k8s.io/v1"
MEMBERS = ("index", "log", "table")


@pytest.fixture
def shop(storage: Storage) -> str:
    """Give a namespace with three claims that belong together."""
    namespace = storage.plane.create_namespace()
    for name in MEMBERS:
        storage.create_claim(
            namespace, name, files={name: name.encode() * 1000}, labels={"set": "db"}
        )
    return namespace


@pytest.fixture
def tool(storage: Storage, tmp_path: Path) -> Tool:
    grouping = {"KUBE2GIT_SNAPSHOTS_GROUP_LABEL": "set"}
    return make_tool(storage.plane.kubeconfig, tmp_path / "home", grouping)


def left_over(storage: Storage, namespace: str, *, groups: bool = True) -> list[str]:
    """Name the snapshot objects of a cluster that concern a namespace."""
    found = storage.items(f"{SNAPSHOTS}/namespaces/{namespace}/volumesnapshots")
    contents = storage.items(f"{SNAPSHOTS}/volumesnapshotcontents")
    if groups:
        found += storage.items(f"{GROUPS}/namespaces/{namespace}/volumegroupsnapshots")
        contents += storage.items(f"{GROUPS}/volumegroupsnapshotcontents")
    found += [one for one in contents if f'"{namespace}"' in str(one["spec"]).replace("'", '"')]
    return [f"{one['kind']}/{one['metadata']['name']}" for one in found]


def test_a_group_comes_back_in_another_cluster_and_not_where_it_would_do_harm(
    storage: Storage,
    storage_target: Storage,
    storage_without_groups: Storage,
    shop: str,
    tool: Tool,
) -> None:
    before = {name: storage.checksums(shop, name) for name in MEMBERS}
    tool.export("--snapshots", "-n", shop)
    records: list[Any] = [
        yaml.safe_load(tool.files()[f"snapshots/{shop}/{name}.yaml"])["snapshots"]
        for name in MEMBERS
    ]
    cuts = [entry for entries in records for entry in entries]
    assert len(cuts) == len(MEMBERS)
    (group,) = {entry["group"] for entry in cuts}
    assert len({entry["created"] for entry in cuts}) == 1
    storage.plane.wait(lambda: left_over(storage, shop) == [], "The end of the group's objects")

    replay = ("replay", "HEAD", "-n", shop, "--volumes=restore", "--wait")
    poor = storage_without_groups
    into_poor = ("--kubeconfig", poor.plane.kubeconfig)
    told = tool.run(*replay, "--dry-run=server", *into_poor, codes=(3,))
    assert told.stdout.count("does not serve the group snapshot API") == len(MEMBERS)
    assert poor.get(f"/api/v1/namespaces/{shop}") == {}
    tool.run(*replay, "--yes", *into_poor, codes=(3,))
    assert poor.items(f"/api/v1/namespaces/{shop}/persistentvolumeclaims") == []
    assert left_over(poor, shop, groups=False) == []
    poor.plane.check_alive()

    tool.run(*replay, "--yes", "--kubeconfig", storage_target.plane.kubeconfig)
    for name in MEMBERS:
        storage_target.wait_bound(shop, name)
    assert {name: storage_target.checksums(shop, name) for name in MEMBERS} == before
    rich = storage_target.plane
    rich.wait(lambda: left_over(storage_target, shop) == [], "The end of the helpers")
    storage_target.plane.check_alive()
    assert len(storage.driver.state.groups[group].snapshots) == len(MEMBERS)


def test_a_group_is_one_cut_that_comes_back_in_a_second_cluster(
    storage: Storage, storage_target: Storage, storage_without_groups: Storage
) -> None:
    namespace = storage.plane.create_namespace("csi")
    volumes = [new_volume(storage, namespace, f"part-{n}", f"bytes {n}") for n in range(3)]
    bystander = new_volume(storage, namespace, "bystander")
    snapshotter, run = open_snapshotter(storage), port.new_run()
    assert snapshotter.can_group(volumes)
    told = port.events_of(
        CsiWorld(storage, namespace),
        [CutRequest(run, port.CLUSTER, tuple(volumes))],
        wait=Wait.READY,
    )
    snapshots = [told[volume.claim][-1].snapshot for volume in volumes]
    pairs = [(v, s) for v, s in zip(volumes, snapshots, strict=True) if s is not None]
    assert len(pairs) == 3
    (group,) = {snapshot.group for _, snapshot in pairs}
    assert len({snapshot.created for _, snapshot in pairs}) == 1
    assert all(snapshot.restore_size == GIB for _, snapshot in pairs)
    assert storage.driver.state.groups[group].volumes != ()
    assert bystander.handle not in storage.driver.state.groups[group].volumes
    for volume in volumes:
        labels = storage.claim(namespace, volume.claim.name)["metadata"].get("labels") or {}
        assert "kube2git.io/snapshot-group" not in labels
    found = [one.snapshot for one in snapshotter.find(port.CLUSTER)]
    assert sorted(one.handle for one in found if one.group == group) == sorted(
        snapshot.handle for _, snapshot in pairs
    )

    snapshotter.settle(pairs)
    storage.plane.wait(
        lambda: (
            objects(storage, namespace) == []
            and storage.items(f"{GROUPS}/namespaces/{namespace}/volumegroupsnapshots") == []
        ),
        "The end of the group's objects",
    )
    assert group in storage.driver.state.groups

    elsewhere = storage_target.plane.create_namespace("csi")
    requests = [
        RestoreRequest(ClaimRef(elsewhere, v.claim.name), v, s, CLASSES, GIB) for v, s in pairs
    ]
    answers = [
        answer
        for answer in open_snapshotter(storage_target).restore(requests, run="r", seconds=60)
        if answer is not None
    ]
    assert [answer.reason for answer in answers] == ["", "", ""]
    for answer in answers:
        for body in answer.objects:
            write(storage_target, body)
        storage_target.create_claim(
            elsewhere, answer.claim.name, source=answer.claim_spec["dataSourceRef"]
        )
    for volume in volumes:
        name = volume.claim.name
        assert storage_target.checksums(elsewhere, name) == storage.checksums(namespace, name)

    poor = storage_without_groups
    reason = restore(storage, poor, poor.plane.create_namespace(), volumes[0], pairs[0][1])
    assert "does not serve the group snapshot API" in reason
    looked = port.findings(open_snapshotter(poor).verify(pairs))
    assert {one.existence for one in looked.values()} == {Existence.EXISTS}
    poor.plane.check_alive()

    (refused,) = port.findings(snapshotter.delete(pairs[:1], seconds=60)).values()
    assert "goes only as a whole: 2 of its members" in refused.reason
    gone = port.findings(snapshotter.delete(pairs, seconds=60))
    assert {one.existence for one in gone.values()} == {Existence.GONE}
    assert group not in storage.driver.state.groups


def test_a_driver_can_be_without_snapshots_and_a_cluster_without_groups(
    storage_without_groups: Storage,
) -> None:
    plane, driver = storage_without_groups.plane, storage_without_groups.driver
    plane.add_csi_driver(driver.name, driver.socket, classes="plain", snapshots=False)
    namespace = plane.create_namespace()
    storage_without_groups.create_claim(namespace, "data", storage_class="plain")
    classes = storage_without_groups.items(f"{SNAPSHOTS}/volumesnapshotclasses")
    assert "plain" not in {one["metadata"]["name"] for one in classes}
    assert plane.get("/apis/groupsnapshot.storage.k8s.io").status == 404
    assert "csi-snapshotter-plain" not in plane.components
