from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator

import pytest

from kube2git.adapters.kube.workers import Stop, StoppedError, in_parallel


def counting(*numbers: int) -> Callable[[], Iterable[int]]:
    return lambda: iter(numbers)


def workers() -> int:
    return sum(thread.name.endswith("(_work)") for thread in threading.enumerate())


def settle(left: int = 0) -> None:
    """Wait until no worker is left, or so many."""
    deadline = time.monotonic() + 10
    while workers() > left:
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("threads", [1, 3, 20])
def test_every_result_of_every_task_comes_once(threads: int) -> None:
    tasks = [counting(*range(10 * number, 10 * number + number)) for number in range(10)]
    expected = [number for task in tasks for number in task()]
    assert sorted(in_parallel(tasks, threads, Stop())) == expected


def test_no_task_gives_no_result() -> None:
    assert list(in_parallel([], 4, Stop())) == []


def test_the_results_of_one_task_keep_their_order() -> None:
    found = list(in_parallel([counting(*range(100)), counting(*range(1000, 1100))], 2, Stop()))
    assert [number for number in found if number < 1000] == list(range(100))
    assert [number for number in found if number >= 1000] == list(range(1000, 1100))


def test_a_slow_taker_slows_the_work_down() -> None:
    made: list[int] = []

    def make() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    results = in_parallel([make, make], 2, Stop())
    next(results)
    time.sleep(0.05)
    # One waits in the queue, and each thread holds one that it cannot hand over.
    assert len(made) <= 4
    assert len(list(results)) == 1999


def test_what_a_task_raises_is_raised_and_the_others_end() -> None:
    begun = []

    def endless() -> Iterator[int]:
        begun.append(True)
        while True:
            yield 1

    def broken() -> Iterator[int]:
        yield 2
        raise ValueError("broken")

    stop = Stop()
    with pytest.raises(ValueError, match="broken"):
        list(in_parallel([endless, endless, broken, *[endless] * 5], 3, stop))
    assert stop.is_set
    settle()
    assert len(begun) < 7


def test_leaving_early_ends_the_work_even_in_a_long_pause() -> None:
    stop = Stop()

    def sleepy() -> Iterator[int]:
        yield 1
        stop.pause(3600)
        yield 2

    results = in_parallel([sleepy, sleepy], 2, stop)
    assert next(results) == 1
    results.close()  # type: ignore[attr-defined]
    settle()
    with pytest.raises(StoppedError):
        stop.pause(0)


def test_who_waits_for_the_network_keeps_nobody_from_leaving() -> None:
    network = threading.Event()

    def waiting() -> Iterator[int]:
        network.wait(60)
        yield 1

    results = in_parallel([waiting, counting(2)], 2, Stop())
    assert next(results) == 2
    results.close()  # type: ignore[attr-defined]
    settle(left=1)
    assert workers() == 1
    network.set()
    settle()


def test_a_finished_run_leaves_its_stop_alone() -> None:
    stop = Stop()
    assert list(in_parallel([counting(1)], 1, stop)) == [1]
    assert not stop.is_set
