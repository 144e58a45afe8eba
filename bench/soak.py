"""The daemon's memory over many exports: ``python -m bench.soak --exports 500``.

Starts a control plane and a daemon that exports every second, changes an object for each run, and
prints how much memory the daemon holds as it goes. Judges nothing.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from tests import controlplane
from tests.serving import Serving
from tests.tool import make_tool

OBJECTS = 300


def memory(daemon: Serving) -> float:
    """Return the daemon's resident memory in MiB, as it says itself."""
    match = re.search(
        r"^process_resident_memory_bytes (\S+)$", daemon.get("/metrics")[1], re.MULTILINE
    )
    return float(match[1]) / 2**20 if match else 0.0


def put(plane: controlplane.ControlPlane, number: int, turn: int) -> None:
    """Write one of the objects anew."""
    path = "/api/v1/namespaces/default/configmaps"
    metadata = {"name": f"map-{number % OBJECTS}"}
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"turn": str(turn), "text": "x" * 500},
    }
    if plane.request("PUT", f"{path}/{metadata['name']}", body).status == 404:
        plane.create(path, body)


def main() -> None:
    """Run the soak and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exports", type=int, default=500)
    exports = parser.parse_args().exports
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        plane = controlplane.start(home / "plane", controllers=False)
        try:
            for number in range(OBJECTS):
                put(plane, number, 0)
            tool = make_tool(plane.kubeconfig, home / "home")
            plan = {"when": "every 1s", "namespaces": ["default"], "kinds": ["cm"]}
            with Serving(tool, is_afresh=True, schedules={"a": plan}) as daemon:
                print("exports  commits  MiB", flush=True)
                for done in range(1, exports + 1):
                    put(plane, done, done)
                    daemon.wait_for_runs(done)
                    if done in (1, 10) or done % 50 == 0:
                        commits = len(tool.commits())
                        print(f"{done:7}  {commits:7}  {memory(daemon):.1f}", flush=True)
        finally:
            plane.stop()


if __name__ == "__main__":
    main()
