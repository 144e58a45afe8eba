"""`make bench`: loads a control plane, runs raw sweep and kube2git in turn, prints a table."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import load
from bench.measuring import KUBE2GIT, Samples, run, table
from tests import controlplane


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
    table(samples, "raw sweep")
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


if __name__ == "__main__":
    main()
