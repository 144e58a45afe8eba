"""Work in threads, watched by a generator that gives a sign of life (None) while nothing is new."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

from kube2git.adapters.ebs.api import WORKERS, Limit

T = TypeVar("T")

BEAT = 1.0
"""Seconds between two signs of life, at most."""


def in_parallel(tasks: Iterable[Callable[[], T]], limit: Limit) -> Iterator[tuple[T] | None]:
    """Run tasks; yield each result, in a tuple, as it comes, and None in between.

    What a task raises is raised. Leaving early stops the limit, so that no task goes on trying.
    """
    pool = concurrent.futures.ThreadPoolExecutor(WORKERS, thread_name_prefix="ebs")
    try:
        running = {pool.submit(task) for task in tasks}
        while running:
            done, running = concurrent.futures.wait(
                running, timeout=BEAT, return_when=concurrent.futures.FIRST_COMPLETED
            )
            if not done:
                yield None
            for one in done:
                yield (one.result(),)
    except BaseException:
        limit.stop()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def outcome(task: Callable[[], T], limit: Limit) -> Generator[None, None, T]:
    """Run one task; return its result after having yielded None in between."""
    result: tuple[T] | None = None
    for result in in_parallel([task], limit):
        if result is None:
            yield None
    assert result is not None  # noqa: S101 - told to the type checker
    return result[0]


def pause(seconds: float, limit: Limit) -> Generator[None, None, bool]:
    """Wait, yielding None in between; return False when the limit does not leave so much."""
    while seconds > 0:
        if not limit.pause(min(seconds, BEAT)):
            return False
        seconds -= BEAT
        yield None
    return True
