"""CustomResourceDefinitions of public projects, taken from their Go modules.

Rule: version and checksum are pinned here, the files go to the cache and never into the tree.
Boundary: only what builder.py offers runs Go; nothing is asked once the files are in the cache.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane import binaries, builder, toolchain
from tests.controlplane.problems import ControlPlaneError


@dataclass(frozen=True)
class Module:
    """A Go module that holds definitions."""

    path: str
    version: str
    checksum: str
    """As go.sum has it."""
    pattern: str


MODULES = {
    "gateway-api": Module(
        "sigs.k8s.io/gateway-api",
        "v1.4.1",
        "h1:NPxFutNkKNa8UfLd2CMlEuhIPMQgDQ6DXNKG9sHbJU8=",
        "config/crd/standard/gateway.*.yaml",
    ),
    "cert-manager": Module(
        "github.com/cert-manager/cert-manager",
        "v1.19.1",
        "h1:Txh8L/nLWTDcb7ZnXuXbTe15BxQnLbLirXmbNk0fGgY=",
        "deploy/crds/*cert-manager.io_*.yaml",
    ),
    "snapshots": Module(
        "github.com/kubernetes-csi/external-snapshotter/client/v8",
        "v8.6.0",
        "h1:FtGewu2k6HWw6evLGXY8JqUZ9eHpti1kd3e4amj+ilA=",
        "config/crd/snapshot.*.yaml",
    ),
}


def ensure(name: str) -> list[Path]:
    """Return the files with a project's definitions, fetching its module when needed."""
    module = MODULES[name]
    folder = binaries.cache_root() / f"definitions-{name}-{module.version}"
    if not folder.is_dir():
        with builder.build_lock(builder.print_progress):
            if not folder.is_dir():
                _fetch(module, folder)
    return sorted(folder.glob("*.yaml"))


def _fetch(module: Module, folder: Path) -> None:
    go = toolchain.find_go(toolchain.wanted_version("kubernetes"))
    builder.print_progress(f"Fetching {module.path} {module.version}.")
    what = f"{module.path}@{module.version}"
    answer = json.loads(builder.run_go(go, "mod", "download", "-json", what, cwd=binaries.HERE))
    if answer["Sum"] != module.checksum:
        raise ControlPlaneError(
            f"{what} has the checksum {answer['Sum']}, and {module.checksum} was expected."
        )
    temporary = folder.with_name(f".{folder.name}.fetching")
    shutil.rmtree(temporary, ignore_errors=True)  # left by a run that was killed
    temporary.mkdir()
    for file in Path(answer["Dir"]).glob(module.pattern):
        shutil.copyfile(file, temporary / file.name)
    temporary.rename(folder)
