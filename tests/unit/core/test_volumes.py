"""volumes: one real volume has one handle, by whatever road it is mounted."""

from __future__ import annotations

import pytest

from kube2git.core.volumes import ClaimName, KnownVolume, adoptable, volume_handle
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import obj, volume


@pytest.mark.parametrize(
    ("spec", "handle"),
    [
        ({"csi": {"driver": "d", "volumeHandle": "h"}}, "d|h"),
        ({"csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"}}, "ebs.csi.aws.com|vol-1"),
        ({"awsElasticBlockStore": {"volumeID": "vol-1"}}, "ebs.csi.aws.com|vol-1"),
        ({"rbd": {"image": "i"}}, "rbd|i"),
        ({"nfs": {"server": "s", "path": "/"}}, ""),
        ({"hostPath": {"path": "/"}}, ""),
        ({"csi": {"driver": "d", "volumeHandle": 5}}, ""),
        ({}, ""),
    ],
)
def test_a_volume_is_known_by_its_handle(spec: Json, handle: str) -> None:
    assert volume_handle(obj("v1", "PersistentVolume", "a", spec=spec)) == handle


def test_only_static_volumes_may_be_adopted() -> None:
    assert adoptable(volume()) == ""
    made = volume()
    made["metadata"]["annotations"] = {"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"}
    assert "made by ebs.csi.aws.com" in adoptable(made)


def test_what_is_known_of_a_volume_is_what_its_cluster_says() -> None:
    body = volume(claimRef={"namespace": "shop", "name": "data"}, storageClassName="fast")
    body["metadata"]["uid"] = "u"
    body["status"] = {"phase": "Bound"}
    claim = ClaimName("shop", "data")
    assert KnownVolume.of(body) == KnownVolume(
        "disk", "u", "ebs.csi.aws.com|vol-disk", claim, "Bound", "Delete", "fast"
    )


def test_a_volume_that_says_nothing_is_for_whichever_claim_comes_and_is_kept() -> None:
    found = KnownVolume.of(obj("v1", "PersistentVolume", "a", spec={"claimRef": {}}))
    assert (found.claim, found.phase, found.policy, found.storage_class) == (None, "", "Retain", "")
