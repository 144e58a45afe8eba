"""When a daemon is ready, and when it is alive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kube2git.serve.health import ALIVE, Health, ScheduleHealth, is_alive

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SOON = NOW + timedelta(minutes=5)


def shop(**facts: Any) -> ScheduleHealth:
    return ScheduleHealth(**{"name": "shop", "next_run": SOON, **facts})


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        (shop(result="success", is_good=True), ""),
        (shop(result="incomplete", is_good=True), ""),
        (shop(), ""),  # not yet due
        (shop(next_run=None), "The first run of shop has not ended yet."),
        (shop(next_run=None, is_running=True), "The first run of shop has not ended yet."),
        (shop(result="failed", words="no disk."), "ended with failed: no disk."),
        (shop(result="failed", is_running=True), "ended with failed"),
        (shop(next_run=NOW - timedelta(minutes=59)), ""),
        (shop(next_run=NOW - timedelta(hours=2)), "has not begun"),
        (shop(next_run=NOW - timedelta(hours=2), is_running=True), ""),
    ],
)
def test_readiness_follows_the_schedules(schedule: ScheduleHealth, problem: str) -> None:
    problems = Health(NOW, (schedule,)).problems()
    assert bool(problems) is bool(problem)
    assert problem in "".join(problems)


@pytest.mark.parametrize(
    "facts", [{"is_leading": False}, {"idle_because": "paused"}, {"idle_because": "restore_only"}]
)
def test_who_need_not_work_is_ready(facts: dict[str, Any]) -> None:
    assert Health(NOW, (shop(result="failed"),), **facts).as_data()["ready"] is True


def test_who_cannot_tell_whether_it_leads_is_not_ready() -> None:
    health = Health(NOW, (), is_leading=False, lease_problem="The API server is away.")
    assert health.problems() == ("The API server is away.",)


def test_what_readyz_answers() -> None:
    good = shop(result="success", is_good=True, last_success=NOW)
    health = Health(NOW, (good,), config_problem="line 3: no.")
    assert health.as_data() == {
        "ready": True,
        "problems": [],
        "leader": True,
        "idle": None,
        "config": "line 3: no.",
        "schedules": [
            {
                "name": "shop",
                "running": False,
                "result": "success",
                "lastSuccess": "2026-03-04T05:06:07+00:00",
                "nextRun": "2026-03-04T05:11:07+00:00",
            }
        ],
    }


def test_a_loop_that_does_not_turn_is_dead() -> None:
    assert is_alive(ALIVE - 1)
    assert not is_alive(ALIVE + 1)


def test_before_its_first_run_a_daemon_is_ready_once_that_run_would_work() -> None:
    health = Health(NOW, (shop(),), reach_problem="The Git server is away.")
    assert health.problems() == ("The Git server is away.",)
    assert Health(NOW, (shop(),), reach_problem="", is_leading=True).problems() == ()
    assert Health(NOW, (shop(),), reach_problem="Away.", is_leading=False).problems() == ()
    assert Health(NOW, (shop(),), reach_problem="Away.", idle_because="paused").problems() == ()
