"""One run: a process of its own, `kube2git export`, held on a leash, and what it said.

A process per run keeps the daemon's memory flat, lets a run be stopped however it hangs, and makes
a scheduled run the same thing as a run by hand.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from kube2git.config import as_environment
from kube2git.core.schedules import Schedule
from kube2git.errors import EXIT_CODES
from kube2git.serve.leash import Holder

KILL_AFTER = 5.0
"""Seconds that a run may take to roll back before it is killed."""
_MOST_WORDS = 16_384
"""Bytes of a run's warnings and errors that are kept, the last ones."""

RESULTS: dict[int, str] = {
    0: "success",
    2: "misconfigured",
    3: "incomplete",
    5: "refused",
    10: "repository_not_found",
    11: "locked",
    12: "push_failed",
    20: "cluster_unreachable",
    21: "cluster_denied",
}
"""Exit code -> the word of it in the metrics; any other one is ``failed``."""
GOOD = frozenset({"success", "incomplete"})
"""The commit is made, and pushed. What is incomplete is said in it, and in a metric."""
_FINAL = frozenset({*GOOD, "refused"})
"""Trying again would give the same."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run came to."""

    schedule: Schedule
    result: str
    """A word of RESULTS, ``failed``, ``timeout``, ``stopped`` or ``superseded``."""
    seconds: float
    report: Mapping[str, Any] = field(repr=False)
    """As `kube2git export -o json` says it; empty when there is none."""
    words: str = ""
    """What it said to people: its warnings, or why it failed."""

    @property
    def is_good(self) -> bool:
        return self.result in GOOD

    @property
    def may_retry(self) -> bool:
        """Tell whether it may go better soon."""
        return self.result not in _FINAL


class Run:
    """A run that goes on."""

    def __init__(
        self,
        schedule: Schedule,
        *,
        config: bytes | None,
        environ: Mapping[str, str],
        until: float,
        timeout: float,
    ) -> None:
        """Start it, with the accepted config's text; raise OSError when that is not possible."""
        self.schedule = schedule
        self._begun = time.monotonic()
        self._deadline = self._begun + timeout
        self._reason = ""
        self._kill_at = float("inf")
        self._answer: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - outlive this call
        self._words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.leash = Holder()
        self.leash.allow_until(until)
        command = [sys.executable, "-P", "-m", "kube2git.cli.main", "export", "-o", "json"]
        command += ["--schedule", schedule.name, "--leash", str(self.leash.descriptor)]
        with tempfile.TemporaryFile() as file:
            passed = [self.leash.descriptor]
            if config is not None:
                file.write(config)
                file.seek(0)
                passed.append(file.fileno())
                command += ["--config", f"/dev/fd/{file.fileno()}"]
            try:
                self._process = subprocess.Popen(
                    command,
                    env=environ_of(schedule, environ),
                    stdin=subprocess.DEVNULL,
                    stdout=self._answer,
                    stderr=self._words,
                    pass_fds=passed,
                    # Ctrl-C at a terminal is for the daemon, which decides what becomes of the run.
                    start_new_session=True,
                )
            finally:
                self.leash.pass_on()

    @property
    def pid(self) -> int:
        """The process, which leads a group of its own."""
        return self._process.pid

    def poll(self) -> Ended | None:
        """Return what the run came to, or None while it goes on; stop it when it takes too long."""
        code = self._process.poll()
        now = time.monotonic()
        if code is None:
            if now >= self._deadline and not self._reason:
                self.stop("timeout")
            if now >= self._kill_at:
                self._process.kill()
            return None
        try:
            words = self._tail()
            report = self._report()
        finally:
            self.close()
        result = self._reason or RESULTS.get(code, "failed")
        if code < 0 and not words:
            words = f"The run was killed by signal {signal.Signals(-code).name}."
        if not words and code:
            words = EXIT_CODES.get(code, f"exit code {code}")
        return Ended(self.schedule, result, now - self._begun, report, words)

    def stop(self, reason: str) -> None:
        """Have the run roll back and end; ``reason`` becomes its result."""
        if self._reason:
            return
        self._reason = reason
        self._kill_at = time.monotonic() + KILL_AFTER
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def close(self) -> None:
        """Let go; a run that still goes on stops by itself."""
        self.leash.close()
        self._answer.close()
        self._words.close()

    def _report(self) -> Mapping[str, Any]:
        self._answer.seek(0)
        try:
            report = json.load(self._answer)
        except ValueError:
            return {}
        return report if isinstance(report, dict) else {}

    def _tail(self) -> str:
        size = self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, size - _MOST_WORDS))
        return self._words.read().decode(errors="replace").strip()


def environ_of(schedule: Schedule, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a run: a schedule's own selection beats the section export."""
    # Why a run failed is not why the daemon's container ends.
    own = {"KUBE2GIT_TERMINATION_LOG": ""}
    chosen = {
        "export.namespaces": schedule.namespaces,
        "export.kinds": schedule.kinds,
        "export.selector": schedule.selector,
        "export.cluster_scoped": schedule.cluster_scoped,
        "snapshots.enabled": schedule.snapshots,
    }
    said = {name: value for name, value in chosen.items() if value is not None}
    return {**environ, **as_environment(said), **own}
