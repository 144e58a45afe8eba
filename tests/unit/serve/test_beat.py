"""Jobs come when their period is over."""

from __future__ import annotations

import time

from kube2git.serve.beat import Beat


def test_a_job_comes_again_and_again() -> None:
    beat, times = Beat(), list[float]()
    beat.every(1, lambda: times.append(time.monotonic()))
    deadline = time.monotonic() + 30
    beat.run_pending()
    assert times == []
    while len(times) < 2:
        beat.run_pending()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert times[1] - times[0] > 0.9
