"""`python -m tests.controlplane up | down | build`: a control plane for people.

Rule: the answer goes to standard output, everything else to standard error.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.controlplane import attach, binaries, builder, start
from tests.controlplane.builder import print_progress
from tests.controlplane.components import Layout
from tests.controlplane.problems import ControlPlaneError
from tests.controlplane.processes import end_keeper, is_kept
from tests.csidriver import driver


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.controlplane",
        description="Run a real Kubernetes control plane, without containers and without root.",
    )
    commands = parser.add_subparsers(dest="command", required=True)

    up_parser = commands.add_parser("up", help="start one, and print the path of its kubeconfig")
    up_parser.add_argument("--dir", type=Path, required=True, help="the folder it lives in")
    up_parser.add_argument("--scheduler", action="store_true", help="run kube-scheduler")
    up_parser.add_argument(
        "--kwok", action="store_true", help="run pods, as kwok and kube-scheduler play it"
    )
    up_parser.add_argument(
        "--csi", action="store_true", help="serve volumes and snapshots, stored in a folder"
    )
    up_parser.add_argument(
        "--aggregated", action="store_true", help="serve an aggregated API, wardle.example.com"
    )
    up_parser.set_defaults(run=up)

    down_parser = commands.add_parser("down", help="stop one and remove its data")
    down_parser.add_argument("--dir", type=Path, required=True, help="the folder it lives in")
    down_parser.set_defaults(run=down)

    build_parser = commands.add_parser("build", help="build the programs into the cache")
    build_parser.add_argument("--all", action="store_true", help="build the optional ones too")
    build_parser.set_defaults(run=build)
    return parser.parse_args(arguments)


def up(options: argparse.Namespace) -> None:
    directory = options.dir.resolve()
    if is_kept(directory):
        attach(directory)  # says so if it is not ready yet
        print_progress(f"A control plane is already running in {directory}.")
    else:
        began = time.monotonic()
        plane = start(
            directory,
            scheduler=options.scheduler,
            kwok=options.kwok,
            csi=options.csi,
            aggregated=options.aggregated,
        )
        if options.csi:
            volumes = driver.serve_volumes(plane)
            print_progress(f"Volumes of the storage class `folder` are folders in {volumes}.")
        plane.detach()
        took = time.monotonic() - began
        print_progress(f"The control plane in {directory} is ready after {took:.1f} seconds.")
        print_progress(f"To stop it: python -m tests.controlplane down --dir {options.dir}")
    print(Layout(directory).kubeconfig)


def down(options: argparse.Namespace) -> None:
    directory = options.dir.resolve()
    if not is_kept(directory):
        print_progress(f"No control plane is running in {directory}.")
        return
    end_keeper(directory)
    print_progress(f"The control plane in {directory} has stopped, and its data are removed.")


def build(options: argparse.Namespace) -> None:
    names = binaries.BINARIES if options.all else binaries.DEFAULT
    for path in builder.ensure(names).values():
        print(path)


def main() -> int:
    options = parse(sys.argv[1:])
    try:
        options.run(options)
    except ControlPlaneError as error:
        print_progress(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
