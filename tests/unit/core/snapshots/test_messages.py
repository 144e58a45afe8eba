"""What goes through the sidecar's socket comes out as it went in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube2git.core import wire
from kube2git.core.snapshots import (
    ClaimRef,
    CutRequest,
    Existence,
    Finding,
    FoundSnapshot,
    Restoration,
    RestoreRequest,
    SecretRef,
    Snapshot,
    SnapshotEvent,
    Stage,
    Volume,
    Wait,
    messages,
)
from kube2git.errors import ClusterDeniedError, Kube2gitError, SnapshotterError

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
maps: st.SearchStrategy[Mapping[str, str]] = st.dictionaries(words, words, max_size=3)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(timezones=zones | st.just(UTC))
sizes = st.integers(0, 2**60)
seconds = st.floats(0, 1e6)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=5,
)
bodies = st.dictionaries(words, values, max_size=3)

claims = st.builds(ClaimRef, words, words)
volumes = st.builds(
    Volume,
    claim=claims,
    claim_uid=words,
    volume=words,
    driver=words,
    handle=words,
    storage_class=words,
    parameters=maps,
    capacity=sizes,
    access_modes=st.lists(words, max_size=2).map(tuple),
    volume_mode=words,
    fs_type=words,
    zone=words,
    region=words,
    labels=maps,
)
snapshots = st.builds(
    Snapshot,
    handle=words,
    method=words,
    created=times,
    run=words,
    is_ready=st.booleans(),
    restore_size=sizes,
    snapshot_class=words,
    deletion_secret=st.none() | st.builds(SecretRef, words, words),
    group=words,
    attributes=maps,
    tags=maps,
    error=words,
)
several_volumes = st.lists(volumes, max_size=2).map(tuple)
pairs = st.lists(st.tuples(volumes, snapshots), max_size=2).map(tuple)
cuts = st.builds(CutRequest, words, words, several_volumes, words)
restores = st.builds(RestoreRequest, claims, volumes, snapshots, words, sizes, words)
orders = st.one_of(
    st.builds(messages.VolumesOrder, words, several_volumes),
    st.builds(
        messages.CreateOrder,
        words,
        st.lists(cuts, max_size=2).map(tuple),
        st.sampled_from(Wait),
        seconds,
    ),
    st.builds(messages.SnapshotsOrder, words, pairs, seconds),
    st.builds(messages.FindOrder, words, words),
    st.builds(
        messages.RestoreOrder, words, st.lists(restores, max_size=2).map(tuple), words, seconds
    ),
    st.builds(messages.CopyOrder, words, pairs, words, words, words, seconds),
)
items = st.one_of(
    st.builds(SnapshotEvent, claims, st.sampled_from(Stage), st.none() | snapshots, words),
    st.builds(Finding, snapshots, st.sampled_from(Existence), words),
    st.builds(FoundSnapshot, claims, words, snapshots),
    st.builds(
        Restoration,
        claims,
        st.lists(bodies, max_size=2).map(tuple),
        bodies,
        st.lists(bodies, max_size=2).map(tuple),
        words,
    ),
    words,
    st.booleans(),
)


@given(orders)
def test_an_order_arrives_as_it_was_given(order: messages.Order) -> None:
    line = wire.encode(order)
    assert b"\n" not in line
    assert wire.convert(wire.decode(line), type(order)) == order


@given(items)
def test_an_item_arrives_as_it_was_told(item: object) -> None:
    line = messages.item(item)
    assert b"\n" not in line
    assert messages.read_line(line, type(item)) == item


@given(words, words)
def test_an_error_arrives_as_it_was_raised(message: str, hint: str) -> None:
    for kind in (SnapshotterError, ClusterDeniedError):
        with pytest.raises(kind) as caught:
            messages.read_line(messages.failure(kind(message, hint=hint)), str)
        assert (str(caught.value), caught.value.hint) == (message, hint)


def test_an_error_of_an_unknown_kind_is_one_of_the_storage() -> None:
    with pytest.raises(SnapshotterError, match="what"):
        messages.read_line(messages.failure(Kube2gitError("what")), str)


def test_signs_of_life_and_the_end_are_no_items() -> None:
    assert messages.read_line(messages.BEAT, str) is None
    assert messages.read_line(messages.DONE, str) == messages.Done()


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"other": 1}', b'{"item": 3}', b"\xff"])
def test_what_is_no_line_is_refused(line: bytes) -> None:
    with pytest.raises(wire.MalformedJsonError):
        messages.read_line(line, SnapshotEvent)


def test_versions_that_differ_are_told() -> None:
    assert messages.skew(str(messages.PROTOCOL), "9.9") == ""
    assert "kube2git 9.9, speaks the sidecar's protocol 2" in messages.skew("2", "9.9")
    assert "protocol of none" in messages.skew("", "")


def test_a_datetime_without_a_zone_is_not_made_up() -> None:
    told = messages.item(Finding(Snapshot("h", "m", datetime.now(UTC), "r"), Existence.EXISTS))
    assert b"Z" in told or b"+00:00" in told
