"""From objects to volumes: CSI and in-tree, zones, and reasons why there is nothing to take."""

from __future__ import annotations

from typing import Any

import pytest

from kube2git.core.snapshots import ClaimRef
from kube2git.core.snapshots.volumes import NoVolumeError, unbound, volume_of
from tests.unit.core.snapshots.objects import claim, volume


def affinity(key: str, *values: str) -> dict[str, Any]:
    expression = {"key": key, "operator": "In", "values": list(values)}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}


def test_a_csi_volume_with_all_that_makes_it_again() -> None:
    body = volume(
        "data",
        csi={"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1", "fsType": "xfs"},
        capacity={"storage": "20Gi"},
        volumeMode="Block",
        nodeAffinity=affinity("topology.ebs.csi.aws.com/zone", "eu-central-1b"),
    )
    storage_class = {"metadata": {"name": "fast"}, "parameters": {"type": "io2", "iops": "5000"}}
    found = volume_of(claim("data", labels={"app": "db"}), body, storage_class)
    assert found.claim == ClaimRef("shop", "data")
    assert (found.driver, found.handle, found.volume) == (
        "ebs.csi.aws.com",
        "vol-1",
        "pv-shop-data",
    )
    assert (found.zone, found.region) == ("eu-central-1b", "eu-central-1")
    assert (found.capacity, found.volume_mode, found.fs_type) == (20 << 30, "Block", "xfs")
    assert found.parameters == {"type": "io2", "iops": "5000"}
    assert found.labels == {"app": "db"}


@pytest.mark.parametrize("id", ["aws://eu-central-1c/vol-1", "vol-1"])
def test_an_in_tree_ebs_volume_is_what_its_csi_driver_calls_it(id: str) -> None:
    body = volume("data", awsElasticBlockStore={"volumeID": id, "fsType": "ext4"})
    del body["spec"]["csi"]
    body["metadata"]["labels"] = {"failure-domain.beta.kubernetes.io/zone": "eu-central-1c"}
    found = volume_of(claim("data"), body, None)
    assert (found.driver, found.handle) == ("ebs.csi.aws.com", "vol-1")
    assert (found.zone, found.region, found.fs_type) == ("eu-central-1c", "eu-central-1", "ext4")


def test_a_volume_that_several_zones_share_has_no_zone() -> None:
    body = volume("data", nodeAffinity=affinity("topology.kubernetes.io/zone", "a", "b"))
    assert volume_of(claim("data"), body, None).zone == ""
    body["metadata"]["labels"] = {"topology.kubernetes.io/zone": "a__b"}
    assert volume_of(claim("data"), body, None).zone == ""


def test_what_has_no_volume_says_why() -> None:
    leaving = claim("data")
    leaving["metadata"]["deletionTimestamp"] = "2026-03-04T05:06:07Z"
    stolen = volume("data", claimRef={"uid": "another"})
    owned = claim("data")
    owned["metadata"]["uid"] = "mine"
    path = volume("data", hostPath={"path": "/srv"})
    del path["spec"]["csi"]
    for body, bound, expected in (
        (claim("data", phase="Pending"), None, "is not bound"),
        (leaving, volume("data"), "is being deleted"),
        (claim("data"), None, "PersistentVolume pv-shop-data does not exist"),
        (owned, stolen, "belongs to another claim"),
        (claim("data"), path, r"\(hostPath\) has no snapshots"),
    ):
        with pytest.raises(NoVolumeError, match=expected):
            volume_of(body, bound, None)


def test_a_claim_without_a_volume_is_known_by_name_and_class() -> None:
    found = unbound(claim("data", phase="Pending"))
    assert (found.claim, found.storage_class, found.driver) == (
        ClaimRef("shop", "data"),
        "fast",
        "",
    )
