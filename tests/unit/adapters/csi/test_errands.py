"""Looks and deletions: what is planned, and what is left behind."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from kube2git.adapters.csi import bodies
from kube2git.adapters.csi.bodies import SINGLE
from kube2git.adapters.csi.errands import Errands, Pair, deletions, is_unknown, looks
from kube2git.adapters.csi.landscape import Surveyor
from kube2git.core.snapshots import Existence
from tests.unit.adapters.csi.objects import DRIVER, body, serving, snapshot, volume


def member(name: str, *members: str) -> Pair:
    attributes = {bodies.MEMBERS: json.dumps(members)}
    return volume(name), snapshot(f"snap-{name}", group="group-1", attributes=attributes)


def test_a_group_is_deleted_as_a_whole_or_not_at_all() -> None:
    both = ("snap-a", "snap-b")
    pairs = [member("a", *both), member("b", *both), (volume("c"), snapshot("snap-c"))]
    errands, refused = deletions(pairs)
    assert [len(errand.pairs) for errand in errands] == [1, 2]
    assert refused == []
    errands, refused = deletions(pairs[1:])
    assert [errand.pairs[0][1].handle for errand in errands] == ["snap-c"]
    (finding,) = refused
    assert finding.existence is Existence.EXISTS
    assert finding.reason == (
        "It belongs to the group snapshot group-1, which goes only as a whole: 1 of its members "
        "are still kept."
    )


def test_two_that_look_at_a_snapshot_do_not_meet_and_two_that_delete_it_do() -> None:
    pair = (volume(), snapshot())
    assert looks([pair])[0].name != looks([pair])[0].name
    assert deletions([pair])[0][0].name == deletions([pair])[0][0].name


def test_only_what_the_driver_does_not_know_is_unknown() -> None:
    assert is_unknown("Can not find snapshot for snapshotID snap-1.")
    assert is_unknown("rpc error: code = NotFound desc = x")
    assert not is_unknown("rpc error: code = Unavailable desc = the storage is not found")


def test_looks_of_processes_that_were_killed_are_removed_and_those_of_others_stay() -> None:
    target = serving()
    label = {"labels": {bodies.LABEL: "look"}}
    target.put(body(SINGLE.content, "kube2git-look-old", metadata=label))
    target.put(body(SINGLE.content, "somebodys"))
    young = target.put(body(SINGLE.content, "kube2git-look-young", metadata=label))
    young["metadata"]["creationTimestamp"] = datetime.now(UTC).isoformat()
    errands = Errands(target, Surveyor(target).landscape(), looks([(volume(), snapshot())]))
    (finding,) = filter(None, errands.run(0))
    assert finding.existence is Existence.UNREACHABLE
    assert finding.reason == "No csi-snapshotter of the driver disk.example.com has answered."
    left = {name for _, name in target.store.at(SINGLE.content)}
    assert left == {"somebodys", "kube2git-look-young"}


def test_what_is_kept_of_a_cut_is_removed_and_the_data_with_it() -> None:
    target = serving()

    def put(name: str, label: str, driver: str = DRIVER) -> None:
        reference = {"namespace": "shop", "name": f"of-{name}"}
        target.put(body(SINGLE.snapshot, f"of-{name}", "shop"))
        target.put(
            body(
                SINGLE.content,
                name,
                metadata={"labels": {bodies.LABEL: label}},
                spec={"driver": driver, "volumeSnapshotRef": reference},
                status={"snapshotHandle": "snap-1"},
            )
        )

    put("kept", "cut")
    put("restored", "restore")
    put("on-tape", "cut", "tape.example.com")
    errands, _ = deletions([(volume(), snapshot())])
    (finding,) = filter(None, Errands(target, Surveyor(target).landscape(), errands).run(60))
    assert finding.existence is Existence.GONE
    content = "volumesnapshotcontent.snapshot.storage.k8s.io/kept"
    assert target.written() == [
        f"apply {content}",
        "delete volumesnapshot.snapshot.storage.k8s.io/of-kept -n shop",
        f"delete {content}",
    ]
    applied = target.sent[0].body
    assert isinstance(applied, dict)
    assert applied["spec"] == {"deletionPolicy": "Delete"}
    assert SINGLE.being_deleted in applied["metadata"]["annotations"]


def test_a_look_that_is_refused_says_so_at_once() -> None:
    target = serving()
    errands = looks([(volume(), snapshot())])
    name = f"volumesnapshotcontent.snapshot.storage.k8s.io/{errands[0].name}"
    target.refuse(name, 403, "Forbidden", message="contents is forbidden")
    (finding,) = filter(None, Errands(target, Surveyor(target).landscape(), errands).run(60))
    assert (finding.existence, finding.reason) == (
        Existence.UNREACHABLE,
        "contents is forbidden.",
    )
