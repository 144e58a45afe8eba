"""A group of volumes, cut at one instant by an export, comes back whole by a replay elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.storage import SNAPSHOTS, Storage
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
