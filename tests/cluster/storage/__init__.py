"""Claims with bytes, and what became of them, in a cluster whose driver is a folder."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import program
from tests.controlplane import ControlPlane
from tests.csidriver import Driver
from tests.tool import Tool

CLASSES = "folder"
"""Name of the storage class and of the snapshot classes of the shared driver."""
SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1"
Object = dict[str, Any]


@dataclass(frozen=True)
class Storage:
    """A control plane and the driver that it has its volumes from."""

    plane: ControlPlane
    driver: Driver

    def create_claim(
        self,
        namespace: str,
        name: str,
        *,
        files: Mapping[str, bytes] | None = None,
        labels: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> None:
        """Create a claim, wait until it is bound, and write files into its volume."""
        self.request_claim(namespace, name, labels=labels, **spec)
        self.wait_bound(namespace, name)
        for path, data in (files or {}).items():
            file = self.folder(namespace, name) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    def request_claim(
        self,
        namespace: str,
        name: str,
        *,
        size: str = "1Gi",
        storage_class: str = CLASSES,
        labels: Mapping[str, str] | None = None,
        source: Mapping[str, str] | None = None,
        volume: str = "",
        mode: str = "Filesystem",
    ) -> None:
        """Create a claim.

        The source is a dataSourceRef, for example a VolumeSnapshot; the volume is one that is
        there.
        """
        spec: Object = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": size}},
            "volumeMode": mode,
        }
        if source is not None:
            spec["dataSourceRef"] = dict(source)
        if volume:
            spec["volumeName"] = volume
        self.plane.create(
            f"/api/v1/namespaces/{namespace}/persistentvolumeclaims",
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": name, "labels": dict(labels or {})},
                "spec": spec,
            },
        )

    def claim(self, namespace: str, name: str) -> Object:
        return self.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")

    def wait_bound(self, namespace: str, name: str) -> None:
        self.plane.wait(
            lambda: self.claim(namespace, name)["status"].get("phase") == "Bound",
            f"Binding of the claim {name} in {namespace}",
        )

    def volume(self, namespace: str, name: str) -> Object:
        """Return the PersistentVolume of a bound claim."""
        bound = self.claim(namespace, name)["spec"]["volumeName"]
        return self.get(f"/api/v1/persistentvolumes/{bound}")

    def handle(self, namespace: str, name: str) -> str:
        """Return what the driver calls the volume of a bound claim."""
        handle: str = self.volume(namespace, name)["spec"]["csi"]["volumeHandle"]
        return handle

    def folder(self, namespace: str, name: str) -> Path:
        """Name the folder with the bytes of a bound claim."""
        return self.driver.bytes_of(self.handle(namespace, name))

    def checksums(self, namespace: str, name: str) -> dict[str, str]:
        """Return the SHA-256 of each file of a bound claim."""
        root = self.folder(namespace, name)
        return {
            str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(root.rglob("*"))
            if file.is_file()
        }

    def get(self, path: str) -> Object:
        """Return the object at a path; {} when there is none."""
        answer = self.plane.get(path)
        assert answer.status in (200, 404), answer.body
        body: Object = answer.json() if answer.status == 200 else {}
        return body

    def items(self, path: str) -> list[Object]:
        """Return the objects of a collection."""
        items: list[Object] = self.get(path)["items"]
        return items


class Started(program.Running):
    """A run of the program that goes on meanwhile, and that a test may end."""

    def __init__(self, tool: Tool, *args: str | Path) -> None:
        number = len(list(tool.home.glob("stdout-*")))
        self._said = [tool.home / f"{name}-{number}" for name in ("stdout", "stderr")]
        words = list(map(str, args))
        super().__init__(words, tool.environ, tool.home, stdout=self._said[0], stderr=self._said[1])

    def terminate(self) -> None:
        """Ask it to end."""
        os.kill(self.pid, signal.SIGTERM)

    def finish(self, *codes: int) -> str:
        """Wait for its end; return all that it said, and fail with it on another exit code."""
        code = self.wait(180)
        told = "\n".join(path.read_text() for path in self._said)
        assert code in codes, f"It ended with exit code {code}: {told}"
        return told
