"""Runs of the program in processes of their own that need not import it again.

Importing takes longer than most commands do. A server with everything imported is forked for each
run (multiprocessing's forkserver); the run gets its arguments, variables, folder and files as a
fresh process does. What is killed or spoken to while it runs is started afresh: see Tool.start.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path

import kube2git


def run(
    args: Sequence[str], environ: Mapping[str, str], folder: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run the program to its end; raise TimeoutExpired after so many seconds."""
    with tempfile.TemporaryDirectory(prefix="run-") as directory:
        said = [Path(directory) / name for name in ("stdout", "stderr")]
        process = _context().Process(target=_become, args=(args, dict(environ), folder, said))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["kube2git", *args], timeout)
        code = process.exitcode
        process.close()
        return subprocess.CompletedProcess(args, code, *(path.read_text() for path in said))


@functools.cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    modules = pkgutil.walk_packages(kube2git.__path__, "kube2git.")
    names = [module.name for module in modules if not module.name.endswith("__main__")]
    context.set_forkserver_preload([__name__, *names])
    return context


def _become(
    args: Sequence[str], environ: Mapping[str, str], folder: Path, said: Sequence[Path]
) -> None:
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    for number, path in enumerate(said, start=1):
        path.touch()
        handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(handle, number)
        os.close(handle)
    sys.argv = ["kube2git", *args]
    from kube2git.cli.main import main

    main()
