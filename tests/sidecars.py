"""Sidecars: in a thread, or as processes of their own, with EBS behind them.

with Sidecars(socket, environ) as sidecars:
    sidecars.kill()      # as the kernel does; a new one takes its place

The process is ``python -m tests.sidecars SOCKET``.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from kube2git.core.ports import Snapshotter
from kube2git.serve.sidecar import SidecarServer


@contextlib.contextmanager
def serving(path: Path, *snapshotters: Snapshotter, **given: Any) -> Iterator[SidecarServer]:
    """Serve these snapshotters in a thread."""
    log: list[str] = []
    named = {one.method: one for one in snapshotters}
    with SidecarServer(path, named, log=log.append, **given) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join()


class Sidecars:
    """One sidecar at a time; one that ends is followed by the next, as the kubelet does it."""

    def __init__(
        self,
        path: Path,
        environ: Mapping[str, str],
        *,
        restarts: bool = True,
        command: Sequence[str] = (),
    ) -> None:
        """Start the first; ``command`` is another one than that with EBS behind it."""
        self._command = list(command) or [sys.executable, "-m", "tests.sidecars", str(path)]
        self._environ = dict(environ)
        self._restarts = restarts
        self._ends = threading.Event()
        self.started = 0
        self.process = self._start()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.started += 1
        root = Path(__file__).parents[1]
        return subprocess.Popen(self._command, env=self._environ, cwd=root)

    def _keep(self) -> None:
        while True:
            self.process.wait()
            if self._ends.is_set() or not self._restarts:
                return
            self.process = self._start()

    def kill(self) -> None:
        """Kill the one that runs, with signal 9."""
        self.process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        while self._keeper.is_alive():
            self.process.kill()
            self._keeper.join(0.1)


def main(path: Path) -> None:
    from kube2git.adapters.ebs import EbsSnapshotter, Patience

    ebs = EbsSnapshotter(patience=Patience(first=0.02, longest=0.1))
    with SidecarServer(path, {"ebs": ebs}, log=print) as server:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.stop).start())
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
