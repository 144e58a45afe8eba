"""Whether the daemon is alive, and whether what it is for works. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

ALIVE = 60.0
"""Seconds without a turn of its loop after which a daemon counts as dead."""


@dataclass(frozen=True, slots=True)
class ScheduleHealth:
    """How one schedule stands."""

    name: str
    next_run: datetime | None
    """None: at once."""
    result: str = ""
    """Of its last run; "" before the first."""
    is_good: bool = False
    last_success: datetime | None = None
    is_running: bool = False
    words: str = ""
    """Why the last run failed."""

    @property
    def has_failed(self) -> bool:
        """Tell whether its last run went wrong."""
        return bool(self.result) and not self.is_good


@dataclass(frozen=True, slots=True)
class Health:
    """How the daemon stands: written by its loop, read by whoever asks."""

    now: datetime
    schedules: Sequence[ScheduleHealth] = ()
    is_leading: bool = True
    lease_problem: str = ""
    config_problem: str = ""
    reach_problem: str = ""
    """Why the first run would fail, as far as that can be told before it."""
    idle_because: str = ""
    """``paused`` or ``restore_only``."""
    patience: timedelta = timedelta(hours=1)
    """How much later than planned a run may begin."""

    def problems(self) -> tuple[str, ...]:
        """Return why the daemon is not ready; a replica that stands by is."""
        found = [self.lease_problem] if self.lease_problem else []
        if self.is_leading and not self.idle_because:
            found += filter(None, (self.reach_problem, *map(self._problem, self.schedules)))
        return tuple(found)

    def _problem(self, schedule: ScheduleHealth) -> str:
        if schedule.has_failed:
            why = f": {schedule.words}" if schedule.words else ""
            return f"The last run of {schedule.name} ended with {schedule.result}{why}"
        if not schedule.result and schedule.next_run is None:
            return f"The first run of {schedule.name} has not ended yet."
        due = schedule.next_run
        if due is not None and self.now - due > self.patience and not schedule.is_running:
            return f"The run of {schedule.name} that was due at {due.isoformat()} has not begun."
        return ""

    def as_data(self) -> dict[str, Any]:
        """Return what /readyz answers."""
        problems = self.problems()
        return {
            "ready": not problems,
            "problems": list(problems),
            "leader": self.is_leading,
            "idle": self.idle_because or None,
            "config": self.config_problem or "ok",
            "schedules": [
                {
                    "name": item.name,
                    "running": item.is_running,
                    "result": item.result or None,
                    "lastSuccess": _text(item.last_success),
                    "nextRun": _text(item.next_run),
                }
                for item in self.schedules
            ],
        }


def is_alive(silence: float) -> bool:
    """Tell whether a loop that turned so many seconds ago is alive."""
    return silence < ALIVE


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
