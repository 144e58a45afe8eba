"""Build the programs of a control plane into the cache, once for each version.

Rule: a program appears in the cache whole or not at all, and two builds never meet.
Boundary: only this module runs Go; what is in the cache afterwards needs no Go any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.controlplane import binaries, toolchain
from tests.controlplane.binaries import BINARIES, HERE, INSTALLED_VERSIONS, Binary
from tests.controlplane.problems import ControlPlaneError

Progress = Callable[[str], None]

FLAGS = ("-trimpath", "-pgo=off", "-buildvcs=false")

SUPPORT_FILES = {
    "csi": (
        (
            "github.com/kubernetes-csi/external-snapshotter/client/v8",
            "config/crd/*_*.yaml",
            "crd",
        ),
        ("github.com/container-storage-interface/spec", "csi.proto", "."),
    ),
    "kwok": (("sigs.k8s.io/kwok", "kustomize/stage/*/*/*.yaml", "stage"),),
}
"""What is copied beside a family's programs: the module, the files, the folder they go to."""


def print_progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def ensure(names: Iterable[str], progress: Progress = print_progress) -> dict[str, Path]:
    """Find the named programs, build those that are missing, and return where they all are."""
    names = list(names)
    found = binaries.find_all(names)
    if None in found.values():
        with build_lock(progress):
            found = binaries.find_all(names)  # somebody else may have built them meanwhile
            missing = [BINARIES[name] for name, path in found.items() if path is None]
            found |= build_all(missing, progress)
    return {name: path for name, path in found.items() if path is not None}


def build_all(missing: list[Binary], progress: Progress) -> dict[str, Path]:
    """Build programs one after the other, saying how long each may take."""
    if not missing:
        return {}
    go = toolchain.find_go(max(toolchain.wanted_version(binary.family) for binary in missing))
    built = {}
    for number, binary in enumerate(missing, start=1):
        about = describe_seconds(binary.seconds)
        progress(f"Building {binary.name}, {number} of {len(missing)}, about {about} on two cores.")
        built[binary.name] = build(binary, go)
    return built


def describe_seconds(seconds: int) -> str:
    """Say a duration the way people do: `30 seconds`, `1 minute`, `4 minutes`."""
    if seconds < 60:
        return f"{seconds} seconds"
    minutes = round(seconds / 60)
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


@contextlib.contextmanager
def build_lock(progress: Progress) -> Iterator[None]:
    """Let one build run at a time, over all processes that share the cache."""
    root = binaries.cache_root()
    root.mkdir(parents=True, exist_ok=True)
    with (root / "build.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("Another process is building; waiting until it has finished.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(binary: Binary, go: toolchain.Go) -> Path:
    """Build one program, and copy the files that its family needs at run time."""
    folder = binaries.built_folder(binary.family, go.version)
    folder.mkdir(parents=True, exist_ok=True)
    if binary.family in INSTALLED_VERSIONS:
        install(binary, go, folder)
    else:
        temporary = folder / f".{binary.name}.building"
        run_go(
            go,
            "build",
            "-mod=readonly",
            *FLAGS,
            "-ldflags",
            linker_flags(binary),
            "-o",
            str(temporary),
            binary.package,
            cwd=HERE / binary.family,
        )
        temporary.rename(folder / binary.name)
    copy_support_files(go, binary.family, folder)
    return folder / binary.name


def linker_flags(binary: Binary) -> str:
    """Strip the program and tell it its version, which a module build would not know."""
    stamps: list[tuple[str, str]] = []
    if binary.family == "kwok":
        stamps = [("sigs.k8s.io/kwok/pkg/consts.Version", INSTALLED_VERSIONS["kwok"])]
    if binary.family == "csi":
        module = binary.package.partition("/cmd/")[0]
        stamps = [("main.version", binaries.required_version("csi", module))]
    if binary.family == "kubernetes":
        version = binaries.required_version("kubernetes", "k8s.io/kubernetes")
        major, minor, _ = version.removeprefix("v").split(".")
        stamps = [
            ("k8s.io/component-base/version.gitVersion", version),
            ("k8s.io/component-base/version.gitMajor", major),
            ("k8s.io/component-base/version.gitMinor", minor),
            ("k8s.io/client-go/pkg/version.gitVersion", version),
        ]
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in stamps)])


def install(binary: Binary, go: toolchain.Go, folder: Path) -> None:
    """Install a program from its own module."""
    temporary = folder / f".{binary.name}.building"
    package = f"{binary.package}@{INSTALLED_VERSIONS[binary.family]}"
    stamp = linker_flags(binary)
    run_go(go, "install", *FLAGS, "-ldflags", stamp, package, cwd=folder, GOBIN=str(temporary))
    (temporary / binary.name).rename(folder / binary.name)
    temporary.rmdir()


def copy_support_files(go: toolchain.Go, family: str, folder: Path) -> None:
    """Copy what is needed at run time out of the module cache, so that nothing asks Go later."""
    if family not in SUPPORT_FILES or (folder / "files").exists():
        return
    temporary = folder / ".files.building"
    shutil.rmtree(temporary, ignore_errors=True)  # left by a build that was killed
    for module, pattern, destination in SUPPORT_FILES[family]:
        source = module_folder(go, family, module)
        root = source / pattern.split("*", maxsplit=1)[0].rpartition("/")[0]
        for file in source.glob(pattern):
            target = temporary / destination / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    temporary.rename(folder / "files")


def module_folder(go: toolchain.Go, family: str, module: str) -> Path:
    """Ask Go where it keeps the source of a module, downloading it when needed."""
    version = f"@{INSTALLED_VERSIONS[family]}" if family in INSTALLED_VERSIONS else ""
    cwd = HERE if version else HERE / family
    answer = json.loads(run_go(go, "mod", "download", "-json", f"{module}{version}", cwd=cwd))
    return Path(answer["Dir"])


def run_go(go: toolchain.Go, *arguments: str, cwd: Path, **environment: str) -> str:
    """Run a Go command; a failure carries the end of what it said."""
    done = subprocess.run(
        [go.path, *arguments],
        cwd=cwd,
        env=toolchain.environment() | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last_words = "\n".join(done.stderr.splitlines()[-20:])
        raise ControlPlaneError(
            f"{go.version} failed with `go {arguments[0]} {arguments[-1]}` in {cwd}:\n{last_words}"
        )
    return done.stdout
