"""The messages of CSI as Python, made of csi.proto in the cache, where they also stay."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.resources
import os
import sys
from pathlib import Path
from typing import Any

from grpc_tools import protoc

from tests.controlplane import binaries
from tests.controlplane.problems import ControlPlaneError

MODULE = "csi_pb2"


def load() -> Any:
    """Import the messages, after making them if this csi.proto has none yet."""
    source = binaries.support_files("csi") / "csi.proto"
    digest = hashlib.sha256(source.read_bytes())
    for package in ("grpcio-tools", "protobuf"):
        digest.update(importlib.metadata.version(package).encode())
    folder = binaries.cache_root() / f"csi-stubs-{digest.hexdigest()[:12]}"
    if not (folder / f"{MODULE}.py").exists():
        make(source, folder)
    sys.path.insert(0, str(folder))
    return importlib.import_module(MODULE)


def make(source: Path, folder: Path) -> None:
    """Compile csi.proto; several processes may do so at once, and the last one wins."""
    included = importlib.resources.files("grpc_tools") / "_proto"
    temporary = folder / f".{os.getpid()}"
    temporary.mkdir(parents=True)
    status = protoc.main(
        ["protoc", f"-I{source.parent}", f"-I{included}", f"--python_out={temporary}", source.name]
    )
    if status != 0:
        raise ControlPlaneError(f"protoc could not compile {source}; it ended with {status}.")
    (temporary / f"{MODULE}.py").rename(folder / f"{MODULE}.py")
    temporary.rmdir()
