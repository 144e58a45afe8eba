"""Waiting on fakes: what is ready is seen, also when there is no time left to watch it."""

from __future__ import annotations

import time
from typing import Any

from kube2git.core.objects import ObjectRef
from kube2git.flows.replaying.readiness import Waiter, readiness
from kube2git.flows.replaying.survey import Live
from kube2git.flows.replaying.target import TargetView
from tests.fakes.target import FakeTarget

NEW = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data", "namespace": "shop"},
}
BOUND = {**NEW, "status": {"phase": "Bound"}}
DATA = ObjectRef("", "PersistentVolumeClaim", "shop", "data")


def left(target: FakeTarget, known: dict[ObjectRef, Any]) -> dict[ObjectRef, str]:
    """Return what is said of the claim when the time is over before the waiting begins."""
    view = TargetView.of(target, Live(), target.discover().types)
    judge = readiness(lambda _: False)
    found = Waiter(view, lambda: False).wait({DATA: judge}, known, time.monotonic() - 1)
    return {ref: health.message for ref, health in found.items()}


def test_what_became_ready_since_it_was_written_is_seen_when_no_time_is_left() -> None:
    assert left(FakeTarget(objects=[BOUND]), {DATA: NEW}) == {}
    assert "not Bound" in left(FakeTarget(objects=[NEW]), {DATA: NEW})[DATA]


def test_what_may_not_be_read_is_as_it_was_known() -> None:
    target = FakeTarget(objects=[BOUND])
    target.forbid("PersistentVolumeClaim")
    assert "not Bound" in left(target, {DATA: NEW})[DATA]
    assert left(target, {}) == {DATA: "may not be read by this identity"}
