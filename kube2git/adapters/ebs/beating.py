"""Work in threads, watched by a generator that gives a sign of life (None) while nothing is new."""

from __future__ import annotations

import queue
import threading
from collections import deque
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
    pending = deque(tasks)
    ended: queue.SimpleQueue[tuple[T] | BaseException] = queue.SimpleQueue()

    def work() -> None:
        while True:
            try:
                task = pending.popleft()
            except IndexError:
                return
            try:
                ended.put((task(),))
            except BaseException as error:  # noqa: BLE001 - raised again where results are taken
                ended.put(error)

    left = len(pending)
    # Daemons: a run that is ended must not wait for an EC2 that does not answer.
    for _ in range(min(WORKERS, left)):
        threading.Thread(target=work, name="ebs", daemon=True).start()
    try:
        while left:
            try:
                result = ended.get(timeout=BEAT)
            except queue.Empty:
                yield None
                continue
            if isinstance(result, BaseException):
                raise result
            left -= 1
            yield result
    finally:
        if left:
            pending.clear()
            limit.stop()


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
