"""Names, marks, and what is read out of the controllers' objects."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kube2git.adapters.csi import bodies
from kube2git.adapters.csi.bodies import GROUP, SINGLE
from kube2git.core.snapshots import ClaimRef, CutRequest, SecretRef
from kube2git.core.wire import Json
from tests.unit.adapters.csi.objects import CUT, body, snapshot, volume

CLUSTER = "11111111-2222-3333-4444-555555555555"
ONE = CutRequest("nightly-1", CLUSTER, (volume("a"),))
TWO = CutRequest("nightly-1", CLUSTER, (volume("a"), volume("b")))


def kept(request: CutRequest, **status: object) -> Json:
    """Return the content of a cut as it is once it has its marks."""
    family = GROUP if len(request.volumes) > 1 else SINGLE
    handles = [one.handle for one in request.volumes]
    source = {"volumeHandle": handles[0]} if family is SINGLE else {"volumeHandles": handles}
    return body(
        family.content,
        "content-1",
        metadata={**bodies.marks(request), "uid": "u-1"},
        spec={
            "deletionPolicy": "Retain",
            "driver": "d",
            "source": source,
            family.reference: {"namespace": "shop", "name": bodies.name_of(request)},
        },
        status=status,
    )


# ── names and marks ──────────────────────────────────────────────────────────────────────────


def test_a_cut_has_one_name_whoever_asks_and_in_whatever_order() -> None:
    turned = replace(TWO, volumes=TWO.volumes[::-1])
    assert bodies.name_of(TWO) == bodies.name_of(turned)
    others = [
        ONE,
        TWO,
        replace(ONE, run="nightly-2"),
        replace(ONE, cluster="other"),
        replace(ONE, volumes=(replace(volume("a"), claim=ClaimRef("bank", "a")),)),
    ]
    names = {bodies.name_of(one) for one in others}
    assert len(names) == len(others)
    # As a label's value it may have 63 characters.
    assert all(name.startswith("kube2git-") and len(name) <= 63 for name in names)


def test_the_marks_lead_back_to_the_claims() -> None:
    for request, label in ((ONE, "cut"), (TWO, "group")):
        content = kept(request)
        assert content["metadata"]["labels"] == {
            "kube2git.io/snapshot-object": label,
            "kube2git.io/cluster": CLUSTER,
        }
        family = GROUP if label == "group" else SINGLE
        found = bodies.claims_of(content, family)
        assert found == {one.handle: one.claim for one in request.volumes}


def test_marks_that_somebody_edited_lead_nowhere() -> None:
    content = kept(ONE)
    content["metadata"]["annotations"][bodies.CLAIMS] = "{"
    assert bodies.claims_of(content, SINGLE) == {}
    del content["metadata"]["annotations"]
    assert bodies.claims_of(content, SINGLE) == {}


def test_a_group_is_selected_by_the_name_of_its_cut() -> None:
    assert bodies.snapshot_spec(ONE, "fast") == {
        "volumeSnapshotClassName": "fast",
        "source": {"persistentVolumeClaimName": "a"},
    }
    assert bodies.snapshot_spec(TWO, "fast") == {
        "volumeGroupSnapshotClassName": "fast",
        "source": {"selector": {"matchLabels": {bodies.GROUP_LABEL: bodies.name_of(TWO)}}},
    }


# ── keeping and letting go ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lost", ["policy", "label", "run", "claims"])
def test_a_content_is_kept_only_with_everything_by_which_it_is_found(lost: str) -> None:
    content = kept(ONE)
    assert bodies.is_kept(content)
    if lost == "policy":
        content["spec"]["deletionPolicy"] = "Delete"
    elif lost == "label":
        del content["metadata"]["labels"][bodies.LABEL]
    else:
        del content["metadata"]["annotations"][{"run": bodies.RUN, "claims": bodies.CLAIMS}[lost]]
    assert not bodies.is_kept(content)
    applied = bodies.keeping(content, ONE)
    assert applied["spec"] == {"deletionPolicy": "Retain"}
    assert applied["metadata"] == {**bodies.marks(ONE), "name": "content-1", "uid": "u-1"}


def test_letting_go_deletes_the_data_of_this_very_object() -> None:
    for family, request in ((SINGLE, ONE), (GROUP, TWO)):
        applied = bodies.releasing(family, kept(request))
        assert applied["spec"] == {"deletionPolicy": "Delete"}
        assert applied["metadata"]["uid"] == "u-1"
        assert applied["metadata"]["annotations"] == {family.being_deleted: "yes"}


def test_what_the_storage_has_is_pinned_for_a_look_or_a_deletion() -> None:
    secret = SecretRef("storage", "login")

    def pinned(purpose: str, **more: str) -> Json:
        return bodies.pinned(
            SINGLE,
            "snapshot.storage.k8s.io/v1",
            "name",
            volume(volume_mode="Block"),
            snapshot(deletion_secret=secret),
            purpose=purpose,
            namespace="shop",
            refers_to="owner",
            **more,
        )

    look, delete = pinned("look"), pinned("delete", snapshot_class="fast")
    assert look["spec"] == {
        "deletionPolicy": "Retain",
        "driver": "disk.example.com",
        "source": {"snapshotHandle": "snap-1"},
        "volumeSnapshotRef": {"namespace": "shop", "name": "owner"},
        "sourceVolumeMode": "Block",
    }
    assert "finalizers" not in look["metadata"]
    assert delete["spec"]["deletionPolicy"] == "Delete"
    assert delete["spec"]["volumeSnapshotClassName"] == "fast"
    assert delete["metadata"]["finalizers"] == [SINGLE.finalizer]
    assert delete["metadata"]["labels"] == {bodies.LABEL: "delete"}
    assert delete["metadata"]["annotations"] == {
        "snapshot.storage.kubernetes.io/deletion-secret-name": "login",
        "snapshot.storage.kubernetes.io/deletion-secret-namespace": "storage",
    }


# ── what the controllers tell ────────────────────────────────────────────────────────────────


def test_before_the_cut_there_is_no_snapshot() -> None:
    assert bodies.snapshots_of(kept(ONE)) == {}
    assert bodies.snapshots_of(kept(ONE, snapshotHandle="snap-1")) == {}


def test_a_snapshot_is_read_with_its_time_size_class_and_secret() -> None:
    nanoseconds = int(CUT.timestamp()) * 10**9 + 500 * 10**6
    content = kept(
        ONE,
        snapshotHandle="snap-1",
        creationTime=nanoseconds,
        restoreSize=5,
        error={"message": "still\nuploading"},
    )
    content["spec"]["volumeSnapshotClassName"] = "fast"
    content["metadata"]["annotations"] |= {
        "snapshot.storage.kubernetes.io/deletion-secret-name": "login",
        "snapshot.storage.kubernetes.io/deletion-secret-namespace": "storage",
    }
    (found,) = bodies.snapshots_of(content).values()
    assert (found.handle, found.run, found.is_ready) == ("snap-1", "nightly-1", False)
    assert found.created == CUT + timedelta(seconds=0.5)
    assert (found.restore_size, found.snapshot_class) == (5, "fast")
    assert found.deletion_secret == SecretRef("storage", "login")
    assert found.error == "still uploading."
    content["status"]["readyToUse"] = True
    assert bodies.snapshots_of(content)["vol-a"].is_ready


def test_every_member_of_a_group_knows_all_the_others() -> None:
    members = [
        {"volumeHandle": f"vol-{name}", "snapshotHandle": f"snap-{name}", "restoreSize": 7}
        for name in "ba"
    ]
    content = kept(
        TWO,
        volumeGroupSnapshotHandle="group-1",
        creationTime="2026-03-04T05:06:07Z",
        readyToUse=True,
        volumeSnapshotInfoList=members,
    )
    found = bodies.snapshots_of(content)
    assert {handle: one.handle for handle, one in found.items()} == {
        "vol-a": "snap-a",
        "vol-b": "snap-b",
    }
    for one in found.values():
        assert (one.group, one.created, one.restore_size) == ("group-1", CUT, 7)
        assert bodies.members_of(one) == ("snap-a", "snap-b")
    assert bodies.members_of(snapshot()) == ()


def test_times_are_read_in_both_forms() -> None:
    assert bodies.created_of(kept(ONE)) is None
    assert bodies.created_of(kept(ONE, creationTime=0)) == datetime.fromtimestamp(0, UTC)
    assert bodies.created_of(kept(ONE, creationTime="2026-03-04T05:06:07Z")) == CUT


def test_what_a_controller_says_becomes_one_sentence() -> None:
    failed = {"status": {"error": {"message": "rpc error:\n  busy"}}}
    assert bodies.error_of(None, {}, failed) == "rpc error: busy."
    assert bodies.error_of({"status": {"error": {}}}) == ""
    assert bodies.sentence("Why?") == "Why?"
    long = bodies.sentence("x" * 500)
    assert (len(long), long[-1]) == (398, "…")
