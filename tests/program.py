"""Runs of the program in processes of their own that need not import it again.

Importing takes longer than most commands do. A server with everything imported is forked for each
run (multiprocessing's forkserver); the run gets its arguments, variables, folder and files as a
fresh process does.
"""

from __future__ import annotations

import functools
import multiprocessing.connection
import os
import pkgutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path

import kube2git

_one_at_a_time = threading.Lock()
"""Whoever starts a run has multiprocessing look after all runs; two at once lose an exit code."""


class Running:
    """A run that goes on, handled like a subprocess.Popen; its output goes to the ends of files."""

    def __init__(
        self,
        args: Sequence[str],
        environ: Mapping[str, str],
        folder: Path,
        *,
        stdout: Path,
        stderr: Path,
        before: Callable[[], object] | None = None,
    ) -> None:
        """Start it; ``before``, which can be pickled, is called in it first."""
        self._args = ["kube2git", *args]
        said = (stdout, stderr)
        for path in said:
            path.touch()
        given = (self._args, dict(environ), folder, said, before)
        # As a daemon: it ends with the tests, which would wait for it otherwise.
        self._process = _context().Process(target=_become, args=given, daemon=True)
        with _one_at_a_time:
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, or None while it goes on."""
        with _one_at_a_time:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code when it has ended; raise TimeoutExpired after so many seconds."""
        multiprocessing.connection.wait([self._process.sentinel], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self._args, timeout or 0)
        return code

    def kill(self) -> None:
        """End it like `kill -9`."""
        self._process.kill()


def run(
    args: Sequence[str], environ: Mapping[str, str], folder: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run the program to its end; raise TimeoutExpired after so many seconds."""
    with tempfile.TemporaryDirectory(prefix="run-") as directory:
        stdout, stderr = (Path(directory) / name for name in ("stdout", "stderr"))
        running = Running(args, environ, folder, stdout=stdout, stderr=stderr)
        try:
            code = running.wait(timeout)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            raise
        return subprocess.CompletedProcess(args, code, stdout.read_text(), stderr.read_text())


@functools.cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    modules = pkgutil.walk_packages(kube2git.__path__, "kube2git.")
    names = [module.name for module in modules if not module.name.endswith("__main__")]
    context.set_forkserver_preload([__name__, *names])
    return context


def _become(
    args: list[str],
    environ: Mapping[str, str],
    folder: Path,
    said: Sequence[Path],
    before: Callable[[], object] | None,
) -> None:
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    for number, path in enumerate(said, start=1):
        handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(handle, number)
        os.close(handle)
    if before is not None:
        before()
    sys.argv = args
    from kube2git.cli.main import main

    main()
