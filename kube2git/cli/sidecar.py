"""kube2git sidecar."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import click

from kube2git.cli import options, output


@click.command("sidecar")
@click.option(
    "--socket",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Where to listen. [snapshots.socket]",
)
@click.option(
    "--mode",
    type=click.Choice(["0600", "0660"]),
    default="0600",
    show_default=True,
    help="Who may use it: the same user, or the group too.",
)
@options.cluster_options
@click.option("--config", metavar="FILE", help="Configuration file. [./kube2git.yaml]")
def command(*, socket: Path | None, mode: str, **given: Any) -> int:
    """Take, check, delete and restore snapshots for an exporter without such rights.

    It listens on a Unix socket until it is stopped. An exporter finds it by the setting
    snapshots.socket. docs/sidecar.md shows both in one Pod.

    Exit codes: 0 stopped as asked; 2 the socket cannot be used.
    """
    from kube2git import wiring
    from kube2git.serve.sidecar import SidecarServer

    settings = options.settings_from(given)
    path = socket or (Path(settings.snapshots.socket) if settings.snapshots.socket else None)
    if path is None:
        raise click.UsageError("Say where to listen, with --socket or snapshots.socket.")
    snapshotters = wiring.own_snapshotters(settings, lambda: wiring.target(settings))
    with SidecarServer(
        path, snapshotters, mode=int(mode, 8), log=lambda line: output.tell([line])
    ) as server:

        def stop(signum: int, frame: FrameType | None) -> None:
            del signum, frame
            # It waits for the loop below, in whose thread this runs.
            threading.Thread(target=server.stop).start()

        signal.signal(signal.SIGTERM, stop)
        output.tell([f"{', '.join(snapshotters) or 'No snapshotter'} at {path}"])
        server.serve_forever()
    return 0
