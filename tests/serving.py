"""`kube2git serve` as a process of its own, watched through its log and over HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.program import Running
from tests.tool import Tool

Process = Running | subprocess.Popen[bytes]
PATIENCE = 120.0
"""Seconds; no test waits for a time, only for what must come."""


class Watched:
    """A daemon's process, its log in a file, and its pages."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: Process | None = None

    def watch(self, process: Process) -> None:
        """Take over a process that has begun, and wait until it serves."""
        self._process = process
        self.wait(lambda: any("listen" in line for line in self.lines()), "The daemon to serve")

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End the daemon like `kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """Ask the daemon to stop; return its exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def lines(self) -> list[dict[str, Any]]:
        """Return the log; every whole line of it must be JSON."""
        return [json.loads(line) for line in self._log.read_text().split("\n")[:-1]]

    def said(self, words: str) -> list[dict[str, Any]]:
        """Return the lines of the log whose message holds some words."""
        return [line for line in self.lines() if words in line["message"]]

    def runs(self) -> list[dict[str, Any]]:
        """Return the lines of the log about runs that ended."""
        return self.said("A run has ended")

    def wait(self, claim: Callable[[], Any], what: str) -> Any:
        """Wait until a claim holds; fail with the log when the daemon dies or it never does."""
        deadline = time.monotonic() + PATIENCE
        while not (found := claim()):
            code = self.process.poll()
            assert code is None, f"The daemon ended with {code}: {self._log.read_text()}"
            assert time.monotonic() < deadline, f"{what} did not come: {self._log.read_text()}"
            time.sleep(0.05)
        return found

    def wait_for_runs(self, count: int, result: str = "") -> list[dict[str, Any]]:
        """Wait until so many runs have ended, with this result if one is given."""

        def found() -> list[dict[str, Any]]:
            runs = [run for run in self.runs() if result in ("", run["result"])]
            return runs if len(runs) >= count else []

        ended: list[dict[str, Any]] = self.wait(found, f"{count} runs that end with {result!r}")
        return ended

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of a page."""
        address = self.said("The daemon serves")[0]["listen"]
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def is_ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def metric(self, name: str, **labels: str) -> float | None:
        """Return one figure of /metrics, or None when it is not there."""
        wanted = set(labels.items())
        for line in self.get("/metrics")[1].splitlines():
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match and match[1] == f"kube2git_{name}":
                found = set(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
                if found == wanted:
                    return float(match[3])
        return None


class Serving(Watched):
    """One daemon, with a configuration that a test may rewrite."""

    def __init__(
        self, tool: Tool, name: str = "a", *, is_afresh: bool = False, **settings: Any
    ) -> None:
        """``settings`` are those of the section serve.

        ``is_afresh``: its Python begins with nothing imported, which takes a second.
        """
        self._is_afresh = is_afresh
        self.tool = tool
        self.folder = tool.home / f"daemon-{name}"
        self.folder.mkdir()
        self.config = self.folder / "kube2git.yaml"
        self.settings: dict[str, Any] = {
            "listen": "127.0.0.1:0",
            "log_format": "json",
            "retry": 1,
            "state_file": str(self.folder / "state.json"),
            **settings,
        }
        self.configure()
        super().__init__(self.folder / "log")

    def configure(self, text: str | None = None, **settings: Any) -> None:
        """Write the configuration: with other settings, or (``text``) as it is given."""
        self.settings.update(settings)
        words = text if text is not None else json.dumps({"serve": self.settings})
        new = self.folder / "new.yaml"
        new.write_text(words)
        new.replace(self.config)

    def start(self, before: Callable[[], object] | None = None) -> Self:
        """Start the process; ``before``, which can be pickled, is called in it first."""
        self._log.write_bytes(b"")
        args = ("serve", "--config", str(self.config))
        environ, home = self.tool.environ, self.tool.home
        if self._is_afresh:
            with self._log.open("ab") as log:
                command = self.tool.command(*args)
                afresh = subprocess.Popen(
                    command, env=environ, cwd=home, stderr=log, preexec_fn=before
                )
                self.watch(afresh)
        else:
            out = self.folder / "stdout"
            self.watch(Running(args, environ, home, stdout=out, stderr=self._log, before=before))
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()


def schedule(when: str = "every 1s", **settings: Any) -> dict[str, Any]:
    return {"when": when, **settings}


def state_of(folder: Path) -> dict[str, Any]:
    """Return what a daemon keeps of its last runs."""
    found: dict[str, Any] = json.loads((folder / "state.json").read_text())
    return found
