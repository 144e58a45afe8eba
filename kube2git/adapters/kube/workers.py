"""Work done by several threads, its results taken by one: in no fixed order, a few at a time."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class StoppedError(Exception):
    """Nobody waits for this work any more."""


class Stop:
    """Tells threads that their work is no longer wanted."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def pause(self, seconds: float) -> None:
        """Sleep; raise StoppedError as soon as the work is no longer wanted."""
        if self._event.wait(seconds):
            raise StoppedError


def in_parallel(
    tasks: Iterable[Callable[[], Iterable[T]]], threads: int, stop: Stop
) -> Iterator[T]:
    """Run tasks on a number of threads and yield what they yield; raise what one raises.

    One result waits to be taken, and one in the hands of each thread, so a slow taker slows the
    work down instead of filling the memory. When the taker leaves early, or a task raises,
    ``stop`` is set: no task begins any more, and running ones end at their next result or pause.
    A thread that waits for the network then keeps nobody from leaving.
    """
    pending = deque(tasks)
    results: queue.Queue[T | _Ended] = queue.Queue(1)
    running = min(threads, len(pending))
    for _ in range(running):
        threading.Thread(target=_work, args=(pending, results, stop), daemon=True).start()
    try:
        while running:
            result = results.get()
            if not isinstance(result, _Ended):
                yield result
            elif result.error is not None:
                raise result.error
            else:
                running -= 1
    finally:
        if running:
            stop.set()


class _Ended:
    """A thread has nothing more to do, or cannot go on."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def _work(
    pending: deque[Callable[[], Iterable[T]]], results: queue.Queue[T | _Ended], stop: Stop
) -> None:
    try:
        end = _Ended()
        try:
            while task := _next(pending):
                for result in task():
                    _hand_over(result, results, stop)
        except StoppedError:
            raise
        except BaseException as error:  # noqa: BLE001 - raised again where the results are taken
            end = _Ended(error)
        _hand_over(end, results, stop)
    except StoppedError:
        return


def _next(pending: deque[Callable[[], Iterable[T]]]) -> Callable[[], Iterable[T]] | None:
    try:
        return pending.popleft()
    except IndexError:
        return None


def _hand_over(result: T, results: queue.Queue[T], stop: Stop) -> None:
    while not stop.is_set:
        try:
            results.put(result, timeout=0.05)
        except queue.Full:
            continue
        return
    raise StoppedError
