"""Records: a text for people, the same bytes for the same facts, and clear words for mistakes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube2git.core.snapshots import ClaimRef, SecretRef, Snapshot, Stage, Volume
from kube2git.core.snapshots.records import (
    Entry,
    RecordError,
    Trouble,
    VolumeRecord,
    read_records,
    size_from,
    size_text,
)

PATH = "snapshots/shop/data.yaml"
VOLUME = Volume(
    claim=ClaimRef("shop", "data"),
    claim_uid="",
    volume="pvc-1",
    driver="ebs.csi.aws.com",
    handle="vol-0123",
    storage_class="gp3",
    parameters={"type": "gp3", "throughput": "250"},
    capacity=10 << 30,
    access_modes=("ReadWriteOnce",),
    fs_type="ext4",
    zone="eu-central-1a",
    region="eu-central-1",
)
OLD = Snapshot(
    handle="snap-1",
    method="ebs",
    created=datetime(2026, 3, 3, 5, 6, 7, tzinfo=UTC),
    run="nightly-20260303050607",
    is_ready=True,
    restore_size=10 << 30,
    attributes={"encrypted": "true", "kmsKeyId": "arn:aws:kms:eu-central-1:1:key/a"},
    tags={"team": "shop"},
)
NEW = Snapshot(
    handle="snap-2",
    method="csi",
    created=datetime(2026, 3, 4, 6, 6, 7, tzinfo=timezone(timedelta(hours=1))),
    run="nightly-20260304050607",
    snapshot_class="retain",
    deletion_secret=SecretRef("storage", "keys"),
    group="group-7",
    error="It was not ready within 600 seconds.",
)
RECORD = VolumeRecord(VOLUME, (Entry(VOLUME, OLD),)).having(Entry(VOLUME, NEW))
TEXT = """\
claim:
  name: data
  namespace: shop
format: 1
snapshots:
- class: retain
  created: '2026-03-04T05:06:07Z'
  deletionSecret:
    name: keys
    namespace: storage
  error: 'It was not ready within 600 seconds.'
  group: group-7
  handle: snap-2
  method: csi
  ready: false
  run: nightly-20260304050607
- attributes:
    encrypted: 'true'
    kmsKeyId: arn:aws:kms:eu-central-1:1:key/a
  created: '2026-03-03T05:06:07Z'
  handle: snap-1
  method: ebs
  ready: true
  restoreSize: 10Gi
  run: nightly-20260303050607
  tags:
    team: shop
volume:
  accessModes:
  - ReadWriteOnce
  capacity: 10Gi
  driver: ebs.csi.aws.com
  fsType: ext4
  handle: vol-0123
  name: pvc-1
  parameters:
    throughput: '250'
    type: gp3
  region: eu-central-1
  storageClass: gp3
  volumeMode: Filesystem
  zone: eu-central-1a
"""


def decode(text: str) -> VolumeRecord:
    return VolumeRecord.decode(text.encode(), PATH)


def test_a_record_is_a_text_that_tells_all_and_reads_back() -> None:
    assert RECORD.encode().decode() == TEXT
    assert decode(TEXT) == RECORD


def test_the_newest_stands_first_whoever_entered_it_first() -> None:
    one = VolumeRecord(VOLUME).having(Entry(VOLUME, NEW), Entry(VOLUME, OLD))
    assert one.encode() == RECORD.encode()
    assert [entry.snapshot.handle for entry in one.entries] == ["snap-2", "snap-1"]


def test_an_entry_is_replaced_by_what_is_known_later() -> None:
    ready = replace(NEW, is_ready=True, error="")
    record = RECORD.having(Entry(VOLUME, ready))
    assert [entry.snapshot for entry in record.entries] == [ready, OLD]
    assert [entry.snapshot for entry in record.without([ready]).entries] == [OLD]


def test_a_snapshot_of_an_earlier_volume_keeps_its_facts() -> None:
    anew = replace(VOLUME, volume="pvc-2", driver="other.example.com", handle="vol-9")
    record = replace(RECORD, volume=anew)
    assert decode(record.encode().decode()) == record
    assert record.entries[0].volume == VOLUME
    assert "handle: vol-0123" in record.encode().decode()


def test_a_claim_without_a_volume_has_a_record_that_says_why() -> None:
    volume = Volume(ClaimRef("shop", "data"), "", "", "", "", storage_class="slow")
    trouble = Trouble(Stage.SKIPPED, "The claim is not bound to a volume.")
    record = VolumeRecord(volume, (), trouble)
    text = record.encode().decode()
    assert "outcome: skipped" in text
    assert decode(text) == record


def test_fields_of_later_versions_do_not_matter() -> None:
    later = TEXT.replace("format: 1", "format: 1\nfuture: {a: 1}").replace(
        "  run: nightly-20260303050607", "  run: nightly-20260303050607\n  checksum: abc"
    )
    assert decode(later) == RECORD


def test_a_newer_format_is_refused() -> None:
    with pytest.raises(RecordError, match=r"data\.yaml is in format 2, .* upgrade kube2git"):
        decode(TEXT.replace("format: 1", "format: 2"))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  handle: snap-1\n", "", "snapshots[1].handle: it is missing"),
        ("  handle: snap-1\n", "  handle: 17\n", "snapshots[1].handle: this must be text"),
        ("ready: true", "ready: yup", "snapshots[1].ready: this must be true or false"),
        ("restoreSize: 10Gi", "restoreSize: big", "snapshots[1].restoreSize: this must be a size"),
        ("'2026-03-03T05:06:07Z'", "yesterday", "snapshots[1].created: this must be a time"),
        ("'2026-03-03T05:06:07Z'", "'2026-03-03T05:06:07'", "snapshots[1].created: this must"),
        ("    name: keys\n", "", "snapshots[0].deletionSecret.name: it is missing"),
        ("  - ReadWriteOnce", "    ReadWriteOnce: 1", "volume.accessModes: this must be a list"),
        ("format: 1\n", "", "format: it is missing"),
        ("  name: data\n", "", "claim.name: it is missing"),
        ("type: gp3", "type: 3", "volume.parameters.type: this must be text"),
        ("team: shop", "team: [1]", "snapshots[1].tags.team: this must be text"),
    ],
)
def test_a_mistake_is_told_by_its_place(old: str, new: str, expected: str) -> None:
    assert old in TEXT
    with pytest.raises(RecordError) as caught:
        decode(TEXT.replace(old, new))
    assert expected in str(caught.value)
    assert str(caught.value).startswith(PATH)


def test_all_mistakes_are_told_at_once() -> None:
    broken = TEXT.replace("ready: true", "ready: 1").replace("capacity: 10Gi", "capacity: x")
    with pytest.raises(RecordError, match=r"volume\.capacity: .*; snapshots\[1\]\.ready: "):
        decode(broken)


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n", "just words\n", "snapshots: 3\n"])
def test_what_is_no_record_at_all_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match=r"data\.yaml"):
        decode(text)


def test_files_that_are_no_records_are_told_apart() -> None:
    files = {
        PATH: TEXT.encode(),
        "snapshots/shop/copy.yaml": TEXT.encode(),
        "snapshots/shop/broken.yaml": b"format: [",
    }
    records, unreadable = read_records(files)
    assert records == {ClaimRef("shop", "data"): RECORD}
    assert unreadable.keys() == {"snapshots/shop/copy.yaml", "snapshots/shop/broken.yaml"}
    assert "whose record has another path" in unreadable["snapshots/shop/copy.yaml"]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
times = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
snapshots = st.builds(
    Snapshot,
    handle=texts.filter(bool),
    method=st.sampled_from(["csi", "ebs"]),
    created=times,
    run=texts,
    is_ready=st.booleans(),
    restore_size=st.integers(0, 1 << 60),
    snapshot_class=texts,
    deletion_secret=st.none() | st.builds(SecretRef, texts.filter(bool), texts.filter(bool)),
    group=texts,
    attributes=st.dictionaries(texts, texts.filter(bool), max_size=3),
    error=texts,
)


@given(st.lists(snapshots, max_size=4), st.integers(0, 1 << 60))
def test_every_record_reads_back_and_its_bytes_do_not_depend_on_the_order(
    found: list[Snapshot], capacity: int
) -> None:
    volume = replace(VOLUME, capacity=capacity)
    entries = [Entry(volume, snapshot) for snapshot in found]
    unique = list({(e.snapshot.method, e.snapshot.handle): e for e in entries}.values())
    record = VolumeRecord(volume).having(*unique)
    data = record.encode()
    assert VolumeRecord.decode(data, PATH) == record
    assert VolumeRecord(volume).having(*reversed(unique)).encode() == data


@given(st.integers(0, 1 << 70))
def test_sizes_lose_nothing(size: int) -> None:
    assert size_from(size_text(size)) == size


def test_sizes_are_rounded_up_to_whole_bytes() -> None:
    assert (size_from("1500m"), size_from("1.5Ki"), size_from("1e3")) == (2, 1536, 1000)
    with pytest.raises(ValueError, match="not a size"):
        size_from("-1Gi")
