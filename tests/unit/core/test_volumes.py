"""volumes: one real volume has one handle, by whatever road it is mounted."""

from __future__ import annotations

import pytest

from kube2git.core.volumes import adoptable, volume_handle
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
