"""What every ``Lease`` must do: one suite, run over the real adapter and over the fake."""

from __future__ import annotations

from typing import Protocol

from kube2git.core.ports import Lease


class World(Protocol):
    """A Lease that several may claim, and a clock that the test moves."""

    def open(self, holder: str) -> Lease: ...

    def pass_time(self, seconds: float) -> None: ...


class LeaseConformance:
    """The suite."""

    def test_one_holds_it_and_others_learn_who(self, world: World) -> None:
        one, two = world.open("one"), world.open("two")
        assert one.claim()
        assert one.other == ""
        assert not two.claim()
        assert two.other == "one"
        assert one.claim()

    def test_who_gives_it_up_is_not_displaced(self, world: World) -> None:
        one, two = world.open("one"), world.open("two")
        one.claim()
        assert not two.claim()
        one.release()
        assert two.claim()
        assert two.other == ""
        one.release()
        assert not world.open("three").claim()

    def test_who_is_silent_for_too_long_is_displaced(self, world: World) -> None:
        one, two = world.open("one"), world.open("two")
        one.claim()
        assert not two.claim()
        world.pass_time(10)
        assert one.claim()
        assert not two.claim()
        world.pass_time(10)
        assert not two.claim()
        world.pass_time(10)
        assert two.claim()
        assert two.other == "one"
        assert not one.claim()
