"""The pipe between the daemon and a run: both ends."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from kube2git.serve.leash import Holder, Leash


@pytest.fixture
def terminated() -> Iterator[threading.Event]:
    """Give what SIGTERM to this process sets, instead of ending it."""
    seen = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: seen.set())
    try:
        yield seen
    finally:
        signal.signal(signal.SIGTERM, before)


def wait(claim: threading.Event) -> None:
    # The handler runs in this thread, between two of its steps.
    deadline = time.monotonic() + 30
    while not claim.is_set():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_run_may_write_while_word_comes(terminated: threading.Event) -> None:
    holder = Holder()
    leash = Leash(holder.descriptor)
    holder.allow_until(math.inf)
    assert not leash.is_superseded()
    holder.allow_until(time.monotonic() - 1)
    deadline = time.monotonic() + 30
    while not leash.is_superseded():
        assert time.monotonic() < deadline
    holder.allow_until(time.monotonic() + 1000)
    while leash.is_superseded():
        assert time.monotonic() < deadline
    assert not terminated.is_set()
    holder.close()
    wait(terminated)
    assert leash.is_superseded()
    os.close(holder.descriptor)


def test_a_run_stops_when_the_daemon_dies() -> None:
    holder = Holder()
    script = (
        "import sys, time; from kube2git.serve.leash import Leash\n"
        "Leash(int(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", script, str(holder.descriptor)],
        pass_fds=[holder.descriptor],
        stdout=subprocess.PIPE,
    )
    with run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"held\n"
        holder.pass_on()
        holder.close()
        assert run.wait(30) == -signal.SIGTERM


def test_word_for_a_run_that_has_ended_or_does_not_listen_is_no_error() -> None:
    holder = Holder()
    for _ in range(20_000):
        holder.allow_until(1.0)
    holder.pass_on()
    holder.allow_until(1.0)
    holder.close()
