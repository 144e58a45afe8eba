"""`python -m tests.csidriver`: the process behind the socket."""

from __future__ import annotations

import argparse
import contextlib
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from tests.csidriver import services, stubs
from tests.csidriver.driver import Places
from tests.csidriver.storage import Storage

SERVICES = {
    "Identity": services.Identity,
    "Controller": services.Controller,
    "GroupController": services.GroupController,
    "Node": services.Node,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.csidriver", description=__doc__)
    parser.add_argument("--name", required=True, help="of the driver, as classes name it")
    parser.add_argument("--dir", type=Path, required=True, help="the folder that is its storage")
    options = parser.parse_args()

    places = Places(options.dir.resolve())
    csi = stubs.load()
    storage, gate = Storage(places.directory), services.Gate(places.switches)
    server = grpc.server(ThreadPoolExecutor(max_workers=16))
    server.add_generic_rpc_handlers(
        tuple(
            services.make_handler(csi, service, answers(csi, options.name, storage, gate), gate)
            for service, answers in SERVICES.items()
        )
    )
    places.socket.unlink(missing_ok=True)  # a killed one leaves it behind
    server.add_insecure_port(f"unix:{places.socket}")
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=None))
    server.start()
    with contextlib.suppress(KeyboardInterrupt):
        server.wait_for_termination()


if __name__ == "__main__":
    main()
