"""Which snapshot class is taken, and the sentences when there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from kube2git.adapters.csi.bodies import FAMILIES, GROUP, SINGLE, Family
from kube2git.adapters.csi.landscape import Landscape, Surveyor, follow
from kube2git.core.ports import WatchEnded, WatchEvent, WatchPlace
from kube2git.errors import SnapshotterError
from tests.fakes.target import FakeTarget
from tests.unit.adapters.csi.objects import DRIVER, body, serving, type_of


def put_class(
    target: FakeTarget, family: Family, name: str, driver: str = DRIVER, *, default: bool = False
) -> None:
    mark = {f"{family.domain}/is-default-class": "true"} if default else {}
    target.put(body(family.snapshot_class, name, metadata={"annotations": mark}, driver=driver))


def landscape(target: FakeTarget) -> Landscape:
    return Surveyor(target).landscape()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_only_class_of_a_driver_is_taken_or_the_default_one(family: Family) -> None:
    target = serving()
    put_class(target, family, "other", "tape.example.com", default=True)
    put_class(target, family, "slow")
    assert landscape(target).class_for(family, DRIVER) == ("slow", "")
    put_class(target, family, "fast", default=True)
    assert landscape(target).class_for(family, DRIVER) == ("fast", "")
    assert landscape(target).class_for(family, DRIVER, "slow") == ("slow", "")


def test_without_exactly_one_default_nobody_guesses() -> None:
    target = serving()
    for name in "ab":
        put_class(target, SINGLE, name)
    sentence = (
        "2 VolumeSnapshotClasses of the driver disk.example.com exist and not exactly one is its "
        "default. Name one in the configuration."
    )
    assert landscape(target).class_for(SINGLE, DRIVER) == ("", sentence)
    for name in "ab":
        put_class(target, SINGLE, name, default=True)
    assert landscape(target).class_for(SINGLE, DRIVER) == ("", sentence)


def test_each_refusal_has_its_sentence() -> None:
    target = serving()
    found = landscape(target)
    assert found.class_for(SINGLE, DRIVER)[1] == (
        "There is no VolumeSnapshotClass of the driver disk.example.com, so it takes no snapshots "
        "here."
    )
    put_class(target, SINGLE, "fast", "tape.example.com")
    assert landscape(target).class_for(SINGLE, DRIVER, "fast")[1] == (
        "No VolumeSnapshotClass fast of disk.example.com."
    )
    target.forbid(SINGLE.snapshot_class)
    assert "volumesnapshotclass" in landscape(target).class_for(SINGLE, DRIVER)[1]
    bare = landscape(serving(groups=False))
    assert (bare.serves(SINGLE), bare.serves(GROUP)) == (True, False)
    assert bare.class_for(GROUP, DRIVER)[1].startswith("The cluster does not serve the snapshot")


def test_a_content_names_no_class_that_is_not_here() -> None:
    target = serving()
    put_class(target, SINGLE, "fast")
    found = landscape(target)
    assert found.known_class(SINGLE, "fast") == "fast"
    assert found.known_class(SINGLE, "gone") == ""
    assert found.known_class(GROUP, "fast") == ""


def test_the_landscape_is_not_read_for_every_question() -> None:
    target = serving()
    surveyor = Surveyor(target)
    first = surveyor.landscape()
    put_class(target, SINGLE, "late")
    assert surveyor.landscape() is first


class Forgetful(FakeTarget):
    """Its watches end at once, and something goes meanwhile."""

    def watch(self, places: Sequence[WatchPlace], seconds: float) -> Iterator[WatchEvent | None]:
        del seconds
        self.remove(SINGLE.content, "", "a")
        yield WatchEnded(places[0])


def test_what_went_while_nobody_watched_is_told_as_gone() -> None:
    target = Forgetful()
    target.add_type(type_of(SINGLE.content))
    target.put(body(SINGLE.content, "a"))
    told = []
    for change in follow(target, [type_of(SINGLE.content)], 60):
        told.append(change and (change.body["metadata"]["name"], change.is_gone))
        if len(told) == 4:
            break
    assert told == [("a", False), None, ("a", True), None]


def test_what_may_not_be_listed_cannot_be_followed() -> None:
    target = serving()
    target.forbid(SINGLE.content)
    with pytest.raises(SnapshotterError):
        next(follow(target, [type_of(SINGLE.content)], 1))
