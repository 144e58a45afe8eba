"""`make bench`, second half: replays against a plain client, kubectl, and the raw sweep."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from bench import load
from bench.measuring import KUBE2GIT, Samples, run, table
from tests import controlplane
from tests.controlplane import ControlPlane

_COUNTER = re.compile(
    r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<count>\S+)$", re.MULTILINE
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.replay", description=__doc__)
    parser.add_argument("--new", type=int, default=2_000, help="objects into an empty cluster")
    parser.add_argument("--objects", type=int, default=10_000, help="objects that are there")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("build/bench-replay.json"))
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="kube2git-bench-"))
    try:
        empty = into_empty(work / "empty", options.new, options.rounds)
        there = unchanged(work / "there", options.objects, options.rounds)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    table(empty, "plain client")
    table(there, "raw sweep")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    found = {"new": empty.values, "unchanged": there.values}
    options.json.write_text(json.dumps(found, indent=2) + "\n")
    print(f"\nWritten to {options.json}.")


def into_empty(work: Path, objects: int, rounds: int) -> Samples:
    """Send one commit into empty clusters, each time a fresh one, by each tool in turn."""
    work.mkdir()
    repo, files = work / "repo.git", work / "files"
    with started(work / "source") as plane:
        # Pods and ReplicaSets, a quarter of the load, and Secrets (no recipient) stay behind.
        load.fill(plane, objects * 100 // 68)
        export(plane, repo)
        subprocess.run(["git", "clone", "-q", repo, files], check=True)
        stages = stages_of(plane, files)
    written = work / "stages.json"
    written.write_text("".join(f"{json.dumps(stage)}\n" for stage in stages))
    print(f"{sum(map(len, stages)):,} objects go into empty clusters.", file=sys.stderr)
    samples = Samples()

    def plain(plane: ControlPlane) -> float:
        command = [sys.executable, "-m", "bench.plain", str(plane.kubeconfig), str(written)]
        return float(run(command)["seconds"])

    def own(plane: ControlPlane) -> float:
        return replay(samples, "kube2git", plane, repo)

    def kubectl(plane: ControlPlane) -> float:
        begun = time.perf_counter()
        for part in ("cluster", "namespaces"):
            plane.kubectl("apply", "--server-side", "-R", "-f", str(files / part))
        return time.perf_counter() - begun

    tools: list[tuple[str, Callable[[ControlPlane], float]]] = [
        ("plain client", plain),
        ("kube2git", own),
        ("kubectl apply", kubectl),
    ]
    for number in range(rounds):
        print(f"Round {number + 1} of {rounds} …", file=sys.stderr)
        # Each goes first as often as the others.
        for name, tool in tools[number % 3 :] + tools[: number % 3]:
            with started(work / f"target-{number}-{name.split()[0]}") as plane:
                before = requests(plane)
                samples.add(name, tool(plane))
                samples.add(f"{name} requests", requests(plane) - before)
    return samples


def unchanged(work: Path, objects: int, rounds: int) -> Samples:
    """Replay what is there already, and with one object in a hundred changed."""
    work.mkdir()
    repo, samples = work / "repo.git", Samples()
    with started(work / "cluster") as plane:
        print(f"Creating {objects:,} objects …", file=sys.stderr)
        load.fill(plane, objects)
        export(plane, repo)
        for number in range(rounds):
            print(f"Round {number + 1} of {rounds} …", file=sys.stderr)
            sweep(samples, plane)
            measured(samples, "nothing to do", plane, repo)
            load.change(plane, objects // 100, objects, f"round-{number}")
            sweep(samples, plane)
            measured(samples, "1 % drift", plane, repo)
    return samples


def measured(samples: Samples, name: str, plane: ControlPlane, repo: Path) -> None:
    before = requests(plane)
    samples.add(name, replay(samples, name, plane, repo))
    samples.add(f"{name} requests", requests(plane) - before)


def sweep(samples: Samples, plane: ControlPlane) -> None:
    raw = run([sys.executable, "-m", "bench.raw", str(plane.kubeconfig)])
    samples.add("raw sweep", raw["seconds"])


def started(directory: Path) -> ControlPlane:
    return controlplane.start(directory, controllers=False)


def export(plane: ControlPlane, repo: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", repo], check=True)
    run([str(KUBE2GIT), "export", *where(plane, repo)])


def replay(samples: Samples, name: str, plane: ControlPlane, repo: Path) -> float:
    """Replay, note phases, the whole program's time and its memory; return the flow's own time."""
    begun = time.perf_counter()
    answer = run([str(KUBE2GIT), "replay", "main", "--yes", *where(plane, repo)])
    samples.add(f"{name}, program", time.perf_counter() - begun)
    report = answer["report"]
    if not report["complete"]:
        sys.exit(f"The replay is not complete: {json.dumps(report)[:2000]}")
    for phase, seconds in answer["seconds"].items():
        samples.add(f"{name}: {phase}", seconds)
    samples.add(f"{name} memory", answer["memory"])
    return float(sum(answer["seconds"].values()))


def where(plane: ControlPlane, repo: Path) -> list[str]:
    return ["--repo", str(repo), "--kubeconfig", str(plane.kubeconfig), "-o", "json"]


def stages_of(plane: ControlPlane, files: Path) -> list[list[tuple[str, Any]]]:
    """Return paths and bodies: namespaces and definitions first, for the rest needs them."""
    plurals: dict[tuple[str, str], str] = {}
    groups = ["/api/v1"]
    for group in plane.get("/apis").json()["groups"]:
        groups += [f"/apis/{version['groupVersion']}" for version in group["versions"]]
    for group in groups:
        for found in plane.get(group).json()["resources"]:
            plurals.setdefault((group, found["kind"]), found["name"])
    first, rest = list[tuple[str, Any]](), list[tuple[str, Any]]()
    for file in sorted([*files.glob("cluster/**/*.yaml"), *files.glob("namespaces/**/*.yaml")]):
        body = yaml.load(file.read_text(), yaml.CSafeLoader)
        version = body["apiVersion"]
        group = f"/apis/{version}" if "/" in version else f"/api/{version}"
        home = body["metadata"].get("namespace")
        place = f"/namespaces/{home}" if home else ""
        plural = plurals[group, body["kind"]]
        is_first = body["kind"] in ("Namespace", "CustomResourceDefinition")
        path = f"{group}{place}/{plural}/{body['metadata']['name']}"
        (first if is_first else rest).append((path, body))
    return [first, rest]


def requests(plane: ControlPlane) -> float:
    """Return how many requests the API server has answered, but for its own and for watches."""
    text = plane.get("/metrics").body.decode()
    return sum(
        float(match["count"])
        for match in _COUNTER.finditer(text)
        if 'verb="WATCH"' not in match["labels"] and 'resource="leases"' not in match["labels"]
    )


if __name__ == "__main__":
    main()
