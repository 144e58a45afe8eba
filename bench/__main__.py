"""`make bench`: loads a control plane, runs raw sweep and kube2git in turn, prints a table."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import load
from tests import controlplane

KUBE2GIT = Path(sys.executable).parent / "kube2git"


@dataclass
class Samples:
    """Measured values by name, in the order of the table."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    def median(self, name: str) -> float:
        return statistics.median(self.values[name])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"))
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="kube2git-bench-"))
    try:
        with controlplane.start(work / "cluster", controllers=False) as plane:
            print(f"Creating {options.objects:,} objects …", file=sys.stderr)
            load.fill(plane, options.objects)
            samples = measure(plane, work, options.objects, options.rounds)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    table(samples)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(
        json.dumps({"objects": options.objects, "samples": samples.values}, indent=2) + "\n"
    )
    print(f"\nWritten to {options.json}.")


def measure(plane: controlplane.ControlPlane, work: Path, objects: int, rounds: int) -> Samples:
    """Run raw sweep and exports in turn, so that noise of the machine meets both."""
    samples = Samples()
    for number in range(rounds):
        print(f"Round {number + 1} of {rounds} …", file=sys.stderr)
        repo = work / f"repo-{number}.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", repo], check=True)
        raw = run([sys.executable, "-m", "bench.raw", str(plane.kubeconfig)])
        samples.add("raw sweep", raw["seconds"])
        samples.add("raw sweep memory", raw["memory"])
        export(samples, "first export", plane, repo)
        export(samples, "unchanged", plane, repo)
        raw = run([sys.executable, "-m", "bench.raw", str(plane.kubeconfig)])
        samples.add("raw sweep", raw["seconds"])
        load.change(plane, objects // 100, objects, f"round-{number}")
        export(samples, "1 % changed", plane, repo)
        for memory in repo.glob("**/seen-*"):
            memory.unlink()
        export(samples, "unchanged, nothing remembered", plane, repo)
        begun = time.perf_counter()
        subprocess.run([KUBE2GIT, "--help"], check=True, stdout=subprocess.DEVNULL)
        samples.add("--help", time.perf_counter() - begun)
    return samples


def export(samples: Samples, name: str, plane: controlplane.ControlPlane, repo: Path) -> None:
    """Run one export as a program; note its own time, the program's, and its memory."""
    command = [KUBE2GIT, "export", "--repo", repo, "--kubeconfig", plane.kubeconfig, "-o", "json"]
    begun = time.perf_counter()
    report = run([str(word) for word in command])
    samples.add(f"{name}, program", time.perf_counter() - begun)
    samples.add(name, report["seconds"]["total"])
    samples.add(f"{name} memory", report["memory"])
    for phase, seconds in report["seconds"].items():
        samples.add(f"{name}: {phase}", seconds)


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


def table(samples: Samples) -> None:
    """Print medians with their spread, as ratios to the raw sweep."""
    raw = samples.median("raw sweep")
    print(f"\n{'':42} {'median':>9} {'spread':>19} {'ratio':>7}")
    for name, values in samples.values.items():
        middle = statistics.median(values)
        low, high = min(values), max(values)
        if name.endswith(" memory"):
            mib = 1024 * 1024
            print(f"{name:42} {middle / mib:7.0f} MiB {low / mib:8.0f} … {high / mib:<8.0f}")
        else:
            ratio = f"{middle / raw:6.2f} x"
            print(f"{name:42} {middle:8.3f}s {low:8.3f} … {high:<8.3f} {ratio}")


if __name__ == "__main__":
    main()
