"""What the daemon does again and again: jobs and their periods. The only door to schedule.

The library counts in local time, which leaps; a leap back starts every period anew, or a job
would rest until the clock has caught up. The times of exports are not counted here: see
core/schedules.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import schedule

Job = Callable[[], object]


class Beat:
    """Jobs that are run when their period is over."""

    def __init__(self) -> None:
        self._jobs: list[tuple[int, Job]] = []
        self._clear()

    def _clear(self) -> None:
        self._scheduler = schedule.Scheduler()
        self._last = datetime.now()
        for seconds, job in self._jobs:
            self._scheduler.every(seconds).seconds.do(job)

    def every(self, seconds: int, job: Job) -> None:
        """Run a job with so many seconds between."""
        self._jobs.append((seconds, job))
        self._scheduler.every(seconds).seconds.do(job)

    def run_pending(self) -> None:
        """Run the jobs whose period is over."""
        now = datetime.now()
        if now < self._last:
            self._clear()
        self._last = now
        self._scheduler.run_pending()
