"""adoption: a volume that anybody else may know is not written."""

from __future__ import annotations

from typing import Any

import pytest

from kube2git.core.planning.adoption import SharedStorage
from kube2git.core.volumes import KnownVolume
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import known_volume, live, volume

CLAIM = {"namespace": "shop", "name": "data"}
SAME: Json = {"csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-disk"}}


def known(name: str = "disk", phase: str = "Available", **spec: Any) -> KnownVolume:
    return known_volume(live(volume(name, **SAME, **spec), phase=phase))


def elsewhere(*volumes: KnownVolume) -> SharedStorage:
    return SharedStorage(elsewhere={"prod": volumes})


def test_what_nobody_else_knows_may_be_written() -> None:
    other = known_volume(live(volume("other")))
    assert SharedStorage([other], {"prod": [other]}).why_not(volume()) == ""


@pytest.mark.parametrize("where", ["the target", "prod"])
def test_volumes_that_cannot_be_listed_stand_against_every_adoption(where: str) -> None:
    reason = SharedStorage(unknown={where: "403."}).why_not(volume(csi=None))
    assert reason == f"The volumes of {where} are not known, and it may be one of them. 403."


def test_the_target_has_it_under_another_name() -> None:
    reason = SharedStorage([known("other")]).why_not(volume())
    assert reason == "persistentvolume/other in the target is the same volume already."


def test_a_claim_in_the_target_does_not_lose_its_volume_to_another() -> None:
    bound = known(phase="Bound", claimRef=CLAIM)
    storage = SharedStorage([bound])
    reason = storage.why_not(volume(claimRef={**CLAIM, "namespace": "copy"}))
    assert "is the volume of the claim shop/data, which would lose it to copy/data" in reason
    assert storage.why_not(volume(claimRef=CLAIM)) == ""
    assert storage.why_not(volume()) == ""


def test_a_claim_in_another_cluster_is_bound_to_it() -> None:
    reason = elsewhere(known("x", "Bound", claimRef=CLAIM)).why_not(volume())
    assert "in use in prod: the claim shop/data is bound to it there" in reason


@pytest.mark.parametrize("phase", ["Available", "Released", "Failed", "Pending", ""])
def test_another_cluster_may_delete_it(phase: str) -> None:
    reason = elsewhere(known("x", phase)).why_not(volume())
    assert "prod knows the volume as persistentvolume/x with the reclaim policy Delete" in reason
    kept = known("x", phase, persistentVolumeReclaimPolicy="Retain")
    assert elsewhere(kept).why_not(volume()) == ""


def test_a_context_that_leads_to_the_target_itself_does_not_count() -> None:
    own = known(phase="Bound", claimRef=CLAIM)
    assert SharedStorage([own], {"itself": [own]}).why_not(volume(claimRef=CLAIM)) == ""


def test_volumes_without_a_handle_are_not_taken_for_each_other() -> None:
    export: Json = {"csi": None, "nfs": {"server": "nfs.example.com", "path": "/"}}
    here, there = (
        known_volume(live(volume(name, **export), phase="Bound")) for name in ("here", "there")
    )
    assert SharedStorage([here], {"prod": [there]}).why_not(volume(**export)) == ""
