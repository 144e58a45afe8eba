"""What EC2 does to a run, and what the run makes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from kube2git.adapters.ebs import EbsSnapshotter, Patience
from kube2git.core.snapshots import (
    ClaimRef,
    CutRequest,
    Existence,
    RestoreRequest,
    Snapshot,
    SnapshotEvent,
    Stage,
    Volume,
    Wait,
)
from kube2git.errors import SnapshotterError
from tests import ec2faults
from tests.ec2faults import Ec2
from tests.faults import Answer, Reply, Request
from tests.unit.adapters.ebs.volumes import CLUSTER, QUICK, ebs_volume

RUN = "nightly-20260304050607"


def take(
    snapshotter: EbsSnapshotter,
    *volumes: Volume,
    wait: Wait = Wait.READY,
    seconds: float = 30,
    together: bool = False,
) -> dict[ClaimRef, list[SnapshotEvent]]:
    groups: list[tuple[Volume, ...]] = [volumes] if together else [(one,) for one in volumes]
    requests = [CutRequest(RUN, CLUSTER, group) for group in groups]
    found: dict[ClaimRef, list[SnapshotEvent]] = {}
    for event in snapshotter.create(requests, wait=wait, seconds=seconds):
        if event is not None:
            found.setdefault(event.claim, []).append(event)
    return found


def last(snapshotter: EbsSnapshotter, volume: Volume, seconds: float = 30) -> SnapshotEvent:
    return take(snapshotter, volume, seconds=seconds)[volume.claim][-1]


def taken(snapshotter: EbsSnapshotter, volume: Volume) -> Snapshot:
    event = last(snapshotter, volume)
    assert event.stage is Stage.READY, event.reason
    assert event.snapshot is not None
    return event.snapshot


def tags_of(ec2: Ec2, snapshot: Snapshot) -> dict[str, str]:
    items = ec2.backend().snapshots[snapshot.handle].tag_set
    return {tag["key"]: tag["value"] for tag in items}


# ── what is kept ─────────────────────────────────────────────────────────────────────────────


def test_a_volume_comes_back_as_it_was(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    handle = ec2.new_volume(
        7, volume_type="gp3", iops=4000, throughput=250, encrypted=True, kms_key_id="alias/shop"
    )
    ec2.backend().volumes[handle].add_tags({"team": "shop", "Name": "database", "aws:x": "y"})
    volume = ebs_volume(handle)
    snapshot = taken(snapshotter, volume)
    assert snapshot.restore_size == 7 * 2**30
    assert snapshot.tags == {"Name": "database", "team": "shop"}
    assert snapshot.attributes == {
        "encrypted": "true",
        "iops": "4000",
        "kmsKeyId": "alias/shop",
        "region": "eu-west-1",
        "size": "7",
        "throughput": "250",
        "type": "gp3",
        "zone": "eu-west-1a",
    }
    assert tags_of(ec2, snapshot) == {
        "Name": f"shop/{volume.claim.name}",
        "kube2git.io/cluster": CLUSTER,
        "kube2git.io/namespace": "shop",
        "kube2git.io/pvc": volume.claim.name,
        "kube2git.io/run": RUN,
        "team": "shop",
    }

    request = RestoreRequest(
        ClaimRef("copy", "data"), volume, snapshot, "fast", 8 * 2**30 + 1, "eu-west-1b"
    )
    (answer,) = filter(None, snapshotter.restore([request], run="replay-1", seconds=30))
    (body,) = answer.objects
    made = ec2.backend().volumes[body["spec"]["csi"]["volumeHandle"]]
    assert (made.size, made.volume_type, made.iops, made.throughput) == (9, "gp3", 4000, 250)
    assert (made.zone.name, made.kms_key_id, made.encrypted) == ("eu-west-1b", "alias/shop", True)
    tags = {tag["key"]: tag["value"] for tag in made.tag_set}
    assert tags["Name"] == "database"
    assert tags["team"] == "shop"
    assert answer.claim_spec == {"volumeName": body["metadata"]["name"]}
    spec = body["spec"]
    assert spec["claimRef"]["namespace"] == "copy"
    assert spec["claimRef"]["name"] == "data"
    assert spec["persistentVolumeReclaimPolicy"] == "Retain"
    assert spec["capacity"] == {"storage": "9Gi"}
    assert spec["storageClassName"] == "fast"
    assert spec["csi"] == {"driver": "ebs.csi.aws.com", "volumeHandle": made.id, "fsType": "ext4"}
    (term,) = spec["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["values"] == ["eu-west-1b"]


def test_a_volume_of_the_old_in_tree_kind_is_known(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    handle = ec2.new_volume(zone="us-east-1c")
    volume = ebs_volume(f"aws://us-east-1c/{handle}", zone="", region="")
    assert snapshotter.why_not(volume) == ""
    assert taken(snapshotter, volume).attributes["region"] == "us-east-1"


def test_a_group_is_cut_together_and_nothing_else_of_the_instance(
    ec2: Ec2, snapshotter: EbsSnapshotter
) -> None:
    handles = [ec2.new_volume() for _ in range(3)]
    ec2.attach(*handles)
    one, two, _ = (ebs_volume(handle) for handle in handles)
    assert snapshotter.can_group([one, two])
    told = take(snapshotter, one, two, together=True)
    assert {events[-1].stage for events in told.values()} == {Stage.READY}
    assert len(ec2.calls("CreateSnapshots")) == 1
    assert not ec2.calls("CreateSnapshot")
    assert {item.volume.id for item in ec2.backend().snapshots.values()} == set(handles[:2])
    found = {item.claim: item.snapshot.handle for item in snapshotter.find(CLUSTER)}
    cut = {c: events[-1].snapshot.handle for c, events in told.items() if events[-1].snapshot}
    assert found == cut


def test_volumes_of_two_instances_are_no_group(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    handles = [ec2.new_volume() for _ in range(2)]
    for handle in handles:
        ec2.attach(handle)
    volumes = [ebs_volume(handle) for handle in handles]
    assert not snapshotter.can_group(volumes)
    told = take(snapshotter, *volumes, together=True)
    assert all("not attached to one instance" in told[v.claim][-1].reason for v in volumes)


# ── what EC2 says ────────────────────────────────────────────────────────────────────────────


def test_pending_snapshots_have_their_cut_and_are_waited_for(
    ec2: Ec2, snapshotter: EbsSnapshotter
) -> None:
    ec2.on("DescribeSnapshots", ec2faults.state("pending"), nth={2, 3, 4})
    volume = ebs_volume(ec2.new_volume())
    stages = [event.stage for event in take(snapshotter, volume)[volume.claim]]
    assert stages == [Stage.CUT, Stage.READY]
    assert len(ec2.calls("DescribeSnapshots")) == 5


def test_what_is_not_ready_in_time_is_told_as_cut(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    ec2.on("DescribeSnapshots", ec2faults.state("pending"))
    event = last(snapshotter, ebs_volume(ec2.new_volume()), seconds=1)
    assert event.stage is Stage.CUT
    assert event.snapshot is not None
    assert "still storing the snapshot after 1 s" in event.reason


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("error", "EC2 could not finish the snapshot: the key is disabled."),
        ("recoverable", "The snapshot was deleted and lies in the Recycle Bin; recover it there."),
    ],
)
def test_a_snapshot_that_will_never_be_ready_has_failed(
    ec2: Ec2, snapshotter: EbsSnapshotter, state: str, sentence: str
) -> None:
    ec2.on("DescribeSnapshots", ec2faults.state(state, "the key is disabled"))
    event = last(snapshotter, ebs_volume(ec2.new_volume()))
    assert (event.stage, event.reason) == (Stage.FAILED, sentence)
    assert event.snapshot is not None


def test_fifty_throttled_volumes_have_one_snapshot_each(
    ec2: Ec2, snapshotter: EbsSnapshotter
) -> None:
    volumes = [ebs_volume(ec2.new_volume()) for _ in range(50)]
    ec2.on("CreateSnapshot", ec2faults.throttled, nth=range(1, 80, 2))
    ec2.on("CreateSnapshot", ec2faults.too_often, nth=range(2, 80, 2))
    ec2.on("DescribeVolumes", ec2faults.throttled, nth={1})
    told = take(snapshotter, *volumes)
    assert Counter(events[-1].stage for events in told.values()) == {Stage.READY: 50}
    assert len(ec2.backend().snapshots) == 50
    assert len(ec2.calls("CreateSnapshot")) == 50 + 79


def test_endless_throttling_ends_with_a_sentence(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    ec2.on("CreateSnapshot", ec2faults.throttled)
    event = last(snapshotter, ebs_volume(ec2.new_volume()))
    assert event.stage is Stage.FAILED
    assert event.reason == (
        "EC2 in eu-west-1 was too busy for CreateSnapshot for as long as was waited "
        "(RequestLimitExceeded)."
    )
    assert len(ec2.calls("CreateSnapshot")) == QUICK.attempts


def test_no_try_goes_beyond_the_time_limit(ec2: Ec2) -> None:
    ec2.on("CreateSnapshot", ec2faults.too_often)
    patient = EbsSnapshotter(patience=Patience(first=60, longest=60))
    event = last(patient, ebs_volume(ec2.new_volume()), seconds=5)
    assert event.stage is Stage.FAILED
    assert "(SnapshotCreationPerVolumeRateExceeded)" in event.reason
    assert len(ec2.calls("CreateSnapshot")) == 1


def test_a_snapshot_that_somebody_deletes_meanwhile_has_failed(
    ec2: Ec2, snapshotter: EbsSnapshotter
) -> None:
    def deleting(request: Request, proper: Answer) -> Reply:
        ec2.backend().snapshots.clear()
        return proper(request)

    ec2.on("DescribeSnapshots", ec2faults.state("pending"), nth={2})
    ec2.on("DescribeSnapshots", deleting, nth={3})
    event = last(snapshotter, ebs_volume(ec2.new_volume()))
    assert event.stage is Stage.FAILED
    assert event.reason == "The snapshot was deleted while it was waited for."


def test_a_volume_that_is_gone_fails_alone(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    gone, there = ebs_volume("vol-0123456789abcdef0"), ebs_volume(ec2.new_volume())
    told = take(snapshotter, gone, there)
    assert told[there.claim][-1].stage is Stage.READY
    assert told[gone.claim][-1].reason == (
        "The volume vol-0123456789abcdef0 does not exist in eu-west-1 (InvalidVolume.NotFound); "
        "was it deleted, or is it another account's?"
    )


def test_a_volume_that_goes_in_the_middle_fails_alone(
    ec2: Ec2, snapshotter: EbsSnapshotter
) -> None:
    volume, there = ebs_volume(ec2.new_volume()), ebs_volume(ec2.new_volume())
    ec2.on("CreateSnapshot", ec2faults.error("InvalidVolume.NotFound"), having=volume.handle)
    told = take(snapshotter, volume, there)
    assert told[there.claim][-1].stage is Stage.READY
    assert told[volume.claim][-1].reason.startswith("The volume was deleted before its snapshot")


def test_an_answer_that_is_lost_makes_no_second_snapshot(
    ec2: Ec2, snapshotter: EbsSnapshotter
) -> None:
    ec2.on("CreateSnapshot", ec2faults.answer_lost, nth={1})
    snapshot = taken(snapshotter, ebs_volume(ec2.new_volume()))
    assert list(ec2.backend().snapshots) == [snapshot.handle]


def test_a_request_that_failed_inside_ec2_is_sent_again(
    ec2: Ec2, snapshotter: EbsSnapshotter
) -> None:
    ec2.on("CreateSnapshot", ec2faults.error("InternalError", status=500), nth={1, 2})
    taken(snapshotter, ebs_volume(ec2.new_volume()))
    assert len(ec2.backend().snapshots) == 1


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("AuthFailure", "are not accepted"),
        ("ExpiredToken", "have expired"),
        ("RequestExpired", "have expired"),
    ],
)
def test_credentials_that_do_not_work_end_the_run(
    ec2: Ec2, snapshotter: EbsSnapshotter, code: str, what: str
) -> None:
    ec2.on("CreateSnapshot", ec2faults.error(code, f"the key {ec2faults.SECRET} is bad", 401))
    with pytest.raises(SnapshotterError) as caught:
        take(snapshotter, ebs_volume(ec2.new_volume()))
    assert str(caught.value) == f"the AWS credentials {what} in eu-west-1 ({code})"
    assert len(ec2.calls("CreateSnapshot")) == 1
    assert ec2faults.SECRET not in f"{caught.value}{caught.value.hint}"
    assert "aws sts get-caller-identity" in caught.value.hint
    assert caught.value.__cause__ is None


def test_without_credentials_the_chain_is_named(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SnapshotterError, match="there are no AWS credentials") as caught:
        take(EbsSnapshotter(patience=QUICK), ebs_volume(ec2.new_volume()))
    assert "IRSA" in caught.value.hint
    assert not ec2.calls()


def test_without_a_region_the_setting_is_named(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    volume = ebs_volume(ec2.new_volume(), zone="")
    with pytest.raises(SnapshotterError, match="no AWS region is known"):
        take(EbsSnapshotter(patience=QUICK), volume)
    assert taken(EbsSnapshotter(("eu-west-1",), patience=QUICK), volume).is_ready


def test_an_ec2_that_is_not_there_is_told_as_such(
    ec2: Ec2, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:1")
    with pytest.raises(SnapshotterError, match="EC2 in eu-west-1 does not answer"):
        take(EbsSnapshotter(patience=QUICK), ebs_volume("vol-0123456789abcdef0"))


def test_a_right_that_lacks_is_named(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    denied = ec2faults.error("UnauthorizedOperation", "User arn:aws:iam::1:user/x is not", 403)
    ec2.on("CreateSnapshot", denied)
    event = last(snapshotter, ebs_volume(ec2.new_volume()))
    assert event.reason == (
        "AWS does not allow ec2:CreateSnapshot in eu-west-1 to this identity; docs/ebs.md has "
        "the IAM policy."
    )
    ec2.on("DescribeSnapshots", denied)
    with pytest.raises(SnapshotterError, match="ec2:DescribeSnapshots"):
        list(snapshotter.find(CLUSTER))


# ── many ─────────────────────────────────────────────────────────────────────────────────────


def test_three_thousand_snapshots_come_in_pages(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    marks = {"kube2git.io/cluster": CLUSTER, "kube2git.io/namespace": "shop"}
    tags = [{**marks, "kube2git.io/pvc": f"data-{number}"} for number in range(3000)]
    ec2.on("DescribeSnapshots", ec2faults.many_snapshots(tags))
    found = [(item.claim, item.snapshot.handle) for item in snapshotter.find(CLUSTER)]
    assert found == [
        (ClaimRef("shop", f"data-{number}"), f"snap-{number:017x}") for number in range(3000)
    ]
    calls = ec2.calls("DescribeSnapshots")
    assert [call.get("NextToken") for call in calls] == [None, "1000", "2000"]
    assert all(call["Owner.1"] == "self" for call in calls)


def test_the_findings_of_many_are_right(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    volume = ebs_volume(ec2.new_volume())
    made = [ec2.backend().create_snapshot(volume.handle, "") for _ in range(230)]
    pairs = [(volume, Snapshot(one.id, "ebs", one.start_time, RUN)) for one in made]
    lost = {one.id for one in made[::100]}
    for handle in lost:
        del ec2.backend().snapshots[handle]
    findings = [one for one in snapshotter.verify(pairs) if one is not None]
    assert len(findings) == 230
    assert {f.snapshot.handle for f in findings if f.existence is Existence.GONE} == lost
    kept = {f.existence for f in findings if f.snapshot.handle not in lost}
    assert kept == {Existence.EXISTS}


def test_a_look_tells_apart_what_is_shared_deleted_and_in_the_bin(
    ec2: Ec2, snapshotter: EbsSnapshotter
) -> None:
    volume = ebs_volume(ec2.new_volume())
    mine, shared = (ec2.backend().create_snapshot(volume.handle, "") for _ in range(2))
    shared.owner_id = "999999999999"
    ids = [mine.id, shared.id, "snap-0123456789abcdef0"]
    pairs = [(volume, Snapshot(handle, "ebs", mine.start_time, RUN)) for handle in ids]

    def existence() -> dict[str, Existence]:
        found = (one for one in snapshotter.verify(pairs) if one is not None)
        return {one.snapshot.handle: one.existence for one in found}

    exists, gone = Existence.EXISTS, Existence.GONE
    assert existence() == dict(zip(ids, (exists, exists, gone), strict=True))
    ec2.on("DescribeSnapshots", ec2faults.state("recoverable"), having="snapshot-id")
    assert existence() == dict(zip(ids, (gone, exists, gone), strict=True))


# ── delete, restore, copy ────────────────────────────────────────────────────────────────────


def test_what_bears_no_marks_is_never_deleted(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    volume = ebs_volume(ec2.new_volume())
    foreign = ec2.backend().create_snapshot(volume.handle, "the accountants' own")
    snapshot = Snapshot(foreign.id, "ebs", foreign.start_time, RUN)
    (finding,) = filter(None, snapshotter.delete([(volume, snapshot)], seconds=10))
    assert finding.existence is Existence.EXISTS
    assert "none of kube2git's marks" in finding.reason
    assert foreign.id in ec2.backend().snapshots


def test_what_another_prune_deleted_a_moment_ago_is_gone(
    ec2: Ec2, snapshotter: EbsSnapshotter
) -> None:
    volume = ebs_volume(ec2.new_volume())
    snapshot = taken(snapshotter, volume)
    ec2.on("DeleteSnapshot", ec2faults.error("InvalidSnapshot.NotFound"))
    (finding,) = filter(None, snapshotter.delete([(volume, snapshot)], seconds=10))
    assert (finding.existence, finding.reason) == (Existence.GONE, "")


def test_a_snapshot_that_an_image_uses_stays(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    volume = ebs_volume(ec2.new_volume())
    snapshot = taken(snapshotter, volume)
    ec2.on("DeleteSnapshot", ec2faults.error("InvalidSnapshot.InUse"))
    (finding,) = filter(None, snapshotter.delete([(volume, snapshot)], seconds=10))
    assert finding.existence is Existence.EXISTS
    assert "AMI" in finding.reason


def restoring(volume: Volume, snapshot: Snapshot, zone: str = "") -> RestoreRequest:
    return RestoreRequest(ClaimRef("copy", "data"), volume, snapshot, "fast", 1, zone)


def restored(
    snapshotter: EbsSnapshotter, requests: Sequence[RestoreRequest], seconds: float = 30
) -> str:
    (answer,) = filter(None, snapshotter.restore(requests, run="replay-1", seconds=seconds))
    return answer.reason or str(answer.objects[0]["spec"]["csi"]["volumeHandle"])


def test_a_restore_that_was_killed_goes_on_with_its_volume(
    ec2: Ec2, snapshotter: EbsSnapshotter
) -> None:
    volume = ebs_volume(ec2.new_volume())
    request = restoring(volume, taken(snapshotter, volume))
    first = restored(snapshotter, [request])
    assert restored(snapshotter, [request]) == first
    assert len(ec2.calls("CreateVolume")) == 1
    # The list of volumes lags behind: then the token of the call gives the same volume.
    ec2.on("DescribeVolumes", ec2faults.empty_volumes, having="restore-run")
    assert restored(snapshotter, [request]) == first
    assert len(ec2.backend().volumes) == 2


def test_a_lost_answer_makes_no_second_volume(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    volume = ebs_volume(ec2.new_volume())
    request = restoring(volume, taken(snapshotter, volume))
    ec2.on("CreateVolume", ec2faults.answer_lost, nth={1})
    assert restored(snapshotter, [request]) in ec2.backend().volumes
    assert len(ec2.backend().volumes) == 2


def test_a_zone_of_another_region_asks_for_a_copy(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    volume = ebs_volume(ec2.new_volume())
    snapshot = taken(snapshotter, volume)
    reason = restored(snapshotter, [restoring(volume, snapshot, "us-east-1a")])
    assert "copy it to us-east-1 first" in reason

    pairs = [(volume, snapshot)]
    copies = []
    for _ in range(2):  # the second time as after a crash
        events = snapshotter.copy(pairs, cluster=CLUSTER, region="us-east-1", seconds=10)
        copies += [event.snapshot for event in events if event is not None and event.snapshot]
    assert list(ec2.backend("us-east-1").snapshots) == [copies[0].handle]
    assert copies[1].handle == copies[0].handle
    assert copies[0].attributes["region"] == "us-east-1"
    assert "zone" not in copies[0].attributes
    assert copies[0].created == snapshot.created
    copied = restoring(volume, copies[0], "us-east-1a")
    assert restored(snapshotter, [copied]) in ec2.backend("us-east-1").volumes


def test_a_volume_that_ec2_gives_up_is_told(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    volume = ebs_volume(ec2.new_volume(encrypted=True, kms_key_id="alias/shop"))
    snapshot = taken(snapshotter, volume)
    ec2.on("DescribeVolumes", ec2faults.state("error"), having="volume-id")
    reason = restored(snapshotter, [restoring(volume, snapshot)])
    assert "gave the volume" in reason
    assert "may this identity use the key alias/shop?" in reason


def test_a_snapshot_that_is_not_ready_makes_no_volume_yet(
    ec2: Ec2, snapshotter: EbsSnapshotter
) -> None:
    volume = ebs_volume(ec2.new_volume())
    snapshot = taken(snapshotter, volume)
    ec2.on("CreateVolume", ec2faults.error("IncorrectState", "pending"))
    assert restored(snapshotter, [restoring(volume, snapshot)]) == (
        f"The snapshot {snapshot.handle} is not ready yet; try again when it is."
    )


def test_a_volume_that_is_not_made_in_time_is_told(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    volume = ebs_volume(ec2.new_volume())
    snapshot = taken(snapshotter, volume)
    ec2.on("DescribeVolumes", ec2faults.state("creating"), having="volume-id")
    reason = restored(snapshotter, [restoring(volume, snapshot)], seconds=1)
    assert "still being made after 1 s" in reason
