"""A driver that runs: where it listens, what it stores, and how it is disturbed."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc

from tests.controlplane import ControlPlane, binaries, components, processes, readiness
from tests.controlplane.problems import ControlPlaneError
from tests.csidriver import storage, stubs, switches

DRIVER = "folder.csi.example.com"
ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 30
LONGEST_SOCKET = 100
"""Bytes of a path that every system takes as the address of a socket."""


@dataclass(frozen=True)
class Places:
    """Where a driver keeps what."""

    directory: Path

    @property
    def socket(self) -> Path:
        return self.directory / "csi.sock"

    @property
    def switches(self) -> Path:
        return self.directory / "switches.json"

    @property
    def volumes(self) -> Path:
        return self.directory / "volumes"

    @property
    def snapshots(self) -> Path:
        return self.directory / "snapshots"


def component(places: Places, name: str = DRIVER) -> components.Component:
    """Describe the process, for a keeper to start."""
    if len(bytes(places.socket)) > LONGEST_SOCKET:
        raise ControlPlaneError(
            f"{places.socket} is too long for the address of a socket; choose a shorter folder."
        )
    flags = ("-m", "tests.csidriver", f"--name={name}", f"--dir={places.directory}")
    # The keeper gives its children a home of their own, in which there is no cache.
    cache = {"KUBE2GIT_CACHE": str(binaries.cache_root().parent), "PYTHONPATH": str(ROOT)}
    return components.Component("csi-driver", sys.executable, flags, 0, cache)


class Driver:
    """One driver, which several control planes may share as clusters share a cloud account."""

    def __init__(self, directory: Path, name: str, kept: processes.Processes) -> None:
        self.name = name
        self.places = Places(directory / "data")
        self._kept = kept
        self._log = directory / "driver.log"

    @property
    def socket(self) -> Path:
        return self.places.socket

    @property
    def state(self) -> storage.State:
        """What it has now."""
        return storage.read_state(self.places.directory)

    def bytes_of(self, volume: str) -> Path:
        """Name the folder that a pod would see mounted; tests write there in place of one."""
        return self.places.volumes / volume

    def switch(self, wanted: switches.Switches) -> None:
        """Behave so from the next call on."""
        switches.write(self.places.switches, wanted)

    @contextlib.contextmanager
    def switched(self, wanted: switches.Switches) -> Iterator[None]:
        """Behave so for a while, then well again."""
        self.switch(wanted)
        try:
            yield
        finally:
            self.switch(switches.Switches())

    def delete_snapshot(self, id: str) -> None:
        """Delete a snapshot as somebody would who goes past the cluster."""
        with grpc.insecure_channel(f"unix:{self.socket}") as channel:
            csi = stubs.load()
            call = channel.unary_unary(
                "/csi.v1.Controller/DeleteSnapshot",
                request_serializer=csi.DeleteSnapshotRequest.SerializeToString,
                response_deserializer=csi.DeleteSnapshotResponse.FromString,
            )
            call(csi.DeleteSnapshotRequest(snapshot_id=id), timeout=WAIT_SECONDS)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        process = component(self.places, self.name)
        self._kept.start(
            process.name,
            [process.binary, *process.flags],
            log=self._log,
            environment=process.environment,
        )
        deadline = time.monotonic() + WAIT_SECONDS
        while not answers(self.socket):
            readiness.check_alive(self._kept.status(), lambda _: self._log)
            assert time.monotonic() < deadline, f"No driver answers on {self.socket}."
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it like `kill -9`; its storage stays."""
        self._kept.end(component(self.places, self.name).name)

    def stop(self) -> None:
        """End it and remove its storage."""
        self._kept.stop()


def serve_volumes(plane: ControlPlane) -> Path:
    """Run a driver that lives as long as a control plane; return the folder of its volumes."""
    places = Places(plane.directory / "csi")
    places.directory.mkdir()
    plane.run(component(places))
    plane.wait(lambda: answers(places.socket), "An answer of the CSI driver")
    plane.add_csi_driver(DRIVER, places.socket, classes="folder")
    return places.volumes


def answers(path: Path) -> bool:
    """Tell whether somebody listens on a socket."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def start_driver(
    directory: Path, *, name: str = DRIVER, wanted: switches.Switches | None = None
) -> Driver:
    """Start a driver in a folder of its own; it ends when this process does."""
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    places = Places(directory / "data")
    places.directory.mkdir()
    driver = Driver(directory, name, processes.Processes(directory))
    driver.switch(wanted or switches.Switches())
    try:
        driver.start()
    except BaseException:
        driver.stop()
        raise
    return driver
