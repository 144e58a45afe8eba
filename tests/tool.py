"""kube2git as a user runs it: the program, a repository, and what is in it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import program

_OWN_TERMINAL = (
    "import fcntl, os, signal, sys, termios; "
    # What runs in the background ignores Ctrl-C, and hands that down.
    "signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
KUBE2GIT = Path(sys.executable).parent / "kube2git"


@dataclass(frozen=True)
class Answer:
    """What one run said."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


class Tool:
    """Runs the program against one cluster and one repository."""

    def __init__(
        self,
        kubeconfig: Path,
        repo: Path | str,
        home: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.repo = repo
        self.environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith("KUBE2GIT_")},
            "KUBECONFIG": str(kubeconfig),
            "KUBE2GIT_REPO": str(repo),
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "NO_COLOR": "1",
            **(environ or {}),
        }
        self.home = home

    def command(self, *args: str | Path) -> list[str]:
        return [str(KUBE2GIT), *map(str, args)]

    def run(
        self,
        *args: str | Path,
        codes: tuple[int, ...] = (0,),
        environ: Mapping[str, str] | None = None,
        timeout: float = 120,
    ) -> Answer:
        """Run one command; fail with all it said when its exit code is none of ``codes``."""
        words = list(map(str, args))
        done = program.run(words, {**self.environ, **(environ or {})}, self.home, timeout)
        answer = Answer(done.returncode, done.stdout, done.stderr)
        assert done.returncode in codes, (
            f"{args} exited with {answer.code}: {answer.stderr}\n{answer.stdout[-2000:]}"
        )
        return answer

    def start(self, *args: str | Path) -> subprocess.Popen[str]:
        """Start one command and leave it running."""
        return subprocess.Popen(
            self.command(*args),
            env=self.environ,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def on_terminal(
        self, *args: str | Path, typed: Mapping[str, str] | None = None, timeout: float = 60
    ) -> tuple[int, str]:
        """Run one command on a terminal of its own; return its exit code and all that it showed.

        ``typed``: what is entered when some words have been shown, each once.
        """
        ours, theirs = os.openpty()
        run = subprocess.Popen(
            [sys.executable, "-c", _OWN_TERMINAL, *self.command(*args)],
            env=self.environ,
            cwd=self.home,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        stop = threading.Timer(timeout, run.kill)
        stop.start()
        shown, waiting = b"", dict(typed or {})
        # Reading fails when the other side has been closed.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 65536):
                shown += part
                for words in [words for words in waiting if words.encode() in shown]:
                    os.write(ours, f"{waiting.pop(words)}\n".encode())
        os.close(ours)
        code = run.wait()
        stop.cancel()
        return code, shown.decode().replace("\r\n", "\n")

    def export(self, *args: str | Path, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """Export and return the report."""
        report: dict[str, Any] = self.run("export", "-o", "json", *args, codes=codes).json
        return report

    def git(self, *args: str, entered: str = "") -> str:
        """Run git in the repository."""
        done = subprocess.run(
            ["git", "-C", str(self.repo), *args],
            env={**self.environ, "GIT_CONFIG_NOSYSTEM": "1"},
            input=entered.encode(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def files(self, revision: str = "main") -> dict[str, str]:
        """Return every file of a revision: path -> text."""
        names = sorted(self.paths(revision))
        wanted = "".join(f"{revision}:{name}\n" for name in names)
        # A line before each file gives its size in bytes, and a newline stands after it.
        left = self.git("cat-file", "--batch=%(objectsize)", entered=wanted).encode()
        found = {}
        for name in names:
            size, _, left = left.partition(b"\n")
            found[name], left = left[: int(size)].decode(), left[int(size) + 1 :]
        return found

    def paths(self, revision: str = "main") -> set[str]:
        """Return the paths of every file of a revision."""
        return set(self.git("ls-tree", "-r", "-z", "--name-only", revision).split("\0")) - {""}

    def commits(self) -> list[str]:
        """Return the commit ids of the branch, newest first; none when it does not exist."""
        known = self.git("for-each-ref", "--format=%(refname)", "refs/heads/main")
        return self.git("rev-list", "main").split() if known else []


def make_tool(kubeconfig: Path, home: Path, environ: Mapping[str, str] | None = None) -> Tool:
    """Return a tool with a fresh bare repository below ``home``."""
    home.mkdir(parents=True, exist_ok=True)
    repo = home / "repo.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(repo)], check=True)
    return Tool(kubeconfig, repo, home, environ)
