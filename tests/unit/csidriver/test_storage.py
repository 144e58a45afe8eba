"""Bytes and ids of the driver's storage, through crashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.csidriver.storage import GIB, RefusedCall, Storage, read_state


def make_volume(storage: Storage, name: str, **files: str) -> str:
    volume = storage.create_volume(name, least=GIB, most=0).id
    for file, text in files.items():
        (storage.directory / "volumes" / volume / file).write_text(text)
    return volume


def test_what_was_there_is_there_again(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    volume = make_volume(storage, "v", a="one")
    storage.create_snapshot("s", volume)
    storage.create_group("g", (volume,))
    with Storage(tmp_path).look() as state:
        assert state == read_state(tmp_path)
        assert list(state.volumes) == [volume]
        assert len(state.snapshots) == 2
        assert len(state.groups) == 1


def test_asking_twice_gives_the_same_and_asking_otherwise_is_refused(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    one, two = make_volume(storage, "v"), make_volume(storage, "w")
    first = storage.create_snapshot("s", one)
    assert storage.create_snapshot("s", one) == first
    with pytest.raises(RefusedCall) as refused:
        storage.create_snapshot("s", two)
    assert refused.value.code == "ALREADY_EXISTS"


def test_a_call_that_was_killed_in_the_middle_is_done_anew(tmp_path: Path) -> None:
    volume = make_volume(Storage(tmp_path), "v", a="one")
    half = Storage(tmp_path).create_snapshot("s", volume).id
    (tmp_path / "state.json").unlink()
    storage = Storage(tmp_path)
    assert make_volume(storage, "v", a="two") == volume
    assert storage.create_snapshot("s", volume).id == half
    assert (tmp_path / "snapshots" / half / "a").read_text() == "two"


def test_a_group_goes_as_a_whole(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    group = storage.create_group("g", (make_volume(storage, "v"), make_volume(storage, "w")))
    with pytest.raises(RefusedCall) as refused:
        storage.delete_snapshot(group.snapshots[0])
    assert refused.value.code == "INVALID_ARGUMENT"
    with pytest.raises(RefusedCall):
        storage.delete_group(group.id, group.snapshots[:1])
    storage.delete_group(group.id, group.snapshots)
    assert read_state(tmp_path).snapshots == {}


def test_a_volume_is_not_smaller_than_what_it_is_made_of(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    snapshot = storage.create_snapshot("s", make_volume(storage, "v", a="one")).id
    with pytest.raises(RefusedCall) as refused:
        storage.create_volume("small", least=GIB - 1, most=0, snapshot=snapshot)
    assert refused.value.code == "OUT_OF_RANGE"
    made = storage.create_volume("any", least=0, most=0, snapshot=snapshot)
    assert made.size == GIB
    assert (tmp_path / "volumes" / made.id / "a").read_text() == "one"
