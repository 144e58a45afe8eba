"""Work beside the loop: done again and again, and what it came to last is at hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from kube2git.errors import Kube2gitError, PushError
from kube2git.serve.errands import Errand


def test_the_last_end_counts_be_it_good_or_bad() -> None:
    steps: Iterator[str] = iter(("one", "", "three"))
    turn, ended = threading.Semaphore(0), threading.Semaphore(0)

    def do() -> str:
        turn.acquire()
        ended.release()
        if word := next(steps):
            return word
        raise PushError("the server is away")

    errand = Errand("test", do, 0.001)
    assert errand.last is None
    seen: list[str | Kube2gitError | None] = []
    for _ in range(3):
        turn.release()
        ended.acquire()
        seen.append(settled(errand, seen[-1] if seen else None))
    assert seen[0] == "one"
    assert isinstance(seen[1], PushError)
    assert seen[2] == "three"
    errand.stop()


def settled(errand: Errand[str], before: object) -> str | Kube2gitError | None:
    """Return what it has come to, another thing than before."""
    pause = threading.Event()
    for _ in range(6000):
        if errand.last is not before:
            return errand.last
        pause.wait(0.01)
    raise AssertionError("nothing came of it")


def test_what_is_stopped_is_not_done_again() -> None:
    count, is_under_way, may_end = 0, threading.Event(), threading.Event()

    def do() -> int:
        nonlocal count
        count += 1
        is_under_way.set()
        may_end.wait(60)
        return count

    errand = Errand("once", do, 0.0)
    assert is_under_way.wait(60)
    errand.stop()
    may_end.set()
    for thread in threading.enumerate():
        if thread.name == "once":
            thread.join(60)
    assert (count, errand.last) == (1, 1)
