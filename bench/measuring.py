"""What each benchmark does: run a program, keep what was measured, print it with its spread."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KUBE2GIT = Path(sys.executable).parent / "kube2git"


@dataclass
class Samples:
    """Measured values by name, in the order of the table."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    def median(self, name: str) -> float:
        return statistics.median(self.values[name])


def run(command: list[str]) -> dict[str, Any]:
    """Run a program and return its JSON answer, with its peak memory in bytes."""
    environ = {**os.environ, "KUBE2GIT_CONFIG": os.devnull}
    with tempfile.TemporaryFile() as answer:
        process = subprocess.Popen(command, stdout=answer, stderr=subprocess.PIPE, env=environ)
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 3):
            sys.exit(f"{command} exited with {process.returncode}:\n{errors.decode()}")
        answer.seek(0)
        found: dict[str, Any] = json.load(answer)
    found["memory"] = usage.ru_maxrss * 1024
    return found


def table(samples: Samples, base: str) -> None:
    """Print medians with their spread, as ratios to the median named ``base``."""
    raw = samples.median(base)
    print(f"\n{'':42} {'median':>9} {'spread':>19} {'ratio':>7}")
    for name, values in samples.values.items():
        middle = statistics.median(values)
        low, high = min(values), max(values)
        if name.endswith(" memory"):
            mib = 1024 * 1024
            print(f"{name:42} {middle / mib:7.0f} MiB {low / mib:8.0f} … {high / mib:<8.0f}")
        elif name.endswith(" requests"):
            print(f"{name:42} {middle:9.0f} {low:9.0f} … {high:<9.0f}")
        else:
            ratio = f"{middle / raw:6.2f} x"
            print(f"{name:42} {middle:8.3f}s {low:8.3f} … {high:<8.3f} {ratio}")
