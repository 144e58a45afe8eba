"""Who leads, and until when a claim holds."""

from __future__ import annotations

import time
from collections.abc import Callable

from kube2git.errors import ClusterUnreachableError
from kube2git.serve.leadership import Leadership


class Lease:
    """A Lease in memory."""

    other = ""

    def __init__(self) -> None:
        self.is_ours = True
        self.is_away = False
        self.claims = 0
        self.is_released = False

    def claim(self) -> bool:
        self.claims += 1
        if self.is_away:
            raise ClusterUnreachableError("the API server is away")
        return self.is_ours

    def release(self) -> None:
        self.is_released = True


def wait(claim: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_claim_holds_until_it_is_lost() -> None:
    lease, renewed = Lease(), list[float]()
    leadership = Leadership(lease, 0.3, renewed.append)
    assert not leadership.is_leading
    assert leadership.problem
    leadership.start()
    wait(lambda: leadership.is_leading)
    assert leadership.problem == ""
    wait(lambda: len(renewed) > 2)
    assert renewed == sorted(renewed)
    lease.is_ours = False
    wait(lambda: not leadership.is_leading)
    assert leadership.problem == ""
    leadership.stop()
    assert lease.is_released


def test_a_claim_that_cannot_be_renewed_ends_before_others_take_over() -> None:
    lease = Lease()
    leadership = Leadership(lease, 3.0, lambda _: None)
    leadership.start()
    wait(lambda: leadership.is_leading)
    lease.is_away = True
    wait(lambda: leadership.problem)
    assert leadership.problem == "the API server is away"
    assert leadership.until - time.monotonic() < 2.0
    wait(lambda: not leadership.is_leading)
    lease.is_away = False
    wait(lambda: leadership.is_leading)
    leadership.stop()
    assert not leadership.is_leading
