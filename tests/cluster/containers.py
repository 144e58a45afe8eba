"""A Pod's container as a process of this machine: its command, environment, files and identity.

What a kubelet would do, as far as a program can tell the difference: volumes are folders, mount
paths in the environment lead to them, and the mounted ServiceAccount token is used by a kubeconfig.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests import program
from tests.controlplane import ControlPlane
from tests.tool import KUBE2GIT, Answer

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


class Container:
    """One container of a Pod in a namespace, started with fresh emptyDirs each time."""

    def __init__(
        self, plane: ControlPlane, namespace: str, pod: Mapping[str, Any], folder: Path
    ) -> None:
        self.plane = plane
        self.namespace = namespace
        self.pod = pod
        self.container = pod["containers"][0]
        self.folder = folder

    def run(self, *more: str, codes: tuple[int, ...] = (0,)) -> Answer:
        """Run its command; fail with all it said when its exit code is none of ``codes``."""
        done = program.run(self._args(*more), self._environ(), self.folder, timeout=120)
        assert done.returncode in codes, (
            f"exit code {done.returncode}: {done.stderr}\n{done.stdout}"
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def start(self, log: Path) -> program.Running:
        """Start its command and leave it running; its log goes to a file.

        A Pod has an address and a mounted namespace of its own. Here a free port takes the place of
        the one, and a setting that of the other.
        """
        own = {
            "KUBE2GIT_SERVE_LISTEN": "127.0.0.1:0",
            "KUBE2GIT_SERVE_LEASE_NAMESPACE": self.namespace,
        }
        environ = self._environ() | own
        out = self.folder / "stdout"
        return program.Running(self._args(), environ, self.folder, stdout=out, stderr=log)

    def _args(self, *more: str) -> list[str]:
        assert self.container["command"] == ["kube2git"]
        return [*self.container["args"], *more]

    def _environ(self) -> dict[str, str]:
        """Make the volumes anew, and return the environment that leads to them."""
        shutil.rmtree(self.folder, ignore_errors=True)
        volumes = {item["name"]: item for item in self.pod["volumes"]}
        mounts: dict[str, Path] = {}
        for mount in self.container["volumeMounts"]:
            place = self.folder / mount["name"]
            place.mkdir(parents=True)
            mounts[mount["mountPath"]] = place
            for name, data in self._files(volumes[mount["name"]]).items():
                # In a Pod the files are root's, and their mode does not concern ssh; here they are
                # ours, and it refuses a private key that others could read.
                (place / name).write_bytes(data)
                (place / name).chmod(0o400)
        inherited = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        path = f"{KUBE2GIT.parent}{os.pathsep}{os.environ['PATH']}"
        environ = {"PATH": path, "NO_COLOR": "1", **inherited}
        for item in self.container["env"]:
            environ[item["name"]] = self._here(item["value"], mounts)
        environ["KUBECONFIG"] = str(self._kubeconfig(mounts[ACCOUNT]))
        return environ

    def _here(self, text: str, mounts: Mapping[str, Path]) -> str:
        for path, place in mounts.items():
            if text == path or text.startswith(f"{path}/"):
                return f"{place}{text.removeprefix(path)}"
        return text

    def _kubeconfig(self, account: Path) -> Path:
        named = {"name": "pod"}
        server = {"server": self.plane.server, "certificate-authority": str(account / "ca.crt")}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "pod",
            "clusters": [named | {"cluster": server}],
            "users": [named | {"user": {"tokenFile": str(account / "token")}}],
            "contexts": [named | {"context": {"cluster": "pod", "user": "pod"}}],
        }
        path = self.folder / "kubeconfig.yaml"
        path.write_text(yaml.safe_dump(config))
        return path

    def _files(self, volume: Mapping[str, Any]) -> dict[str, bytes]:
        if "configMap" in volume:
            return self._keys("configmaps", volume["configMap"]["name"], volume["configMap"])
        if "secret" in volume:
            return self._keys("secrets", volume["secret"]["secretName"], volume["secret"])
        found: dict[str, bytes] = {}
        for source in volume.get("projected", {}).get("sources", ()):
            if "serviceAccountToken" in source:
                found[source["serviceAccountToken"]["path"]] = self._token().encode()
            elif "configMap" in source:
                found |= self._keys("configmaps", source["configMap"]["name"], source["configMap"])
            else:
                found |= {
                    item["path"]: self.namespace.encode() for item in source["downwardAPI"]["items"]
                }
        return found

    def _keys(self, kind: str, name: str, source: Mapping[str, Any]) -> dict[str, bytes]:
        answer = self.plane.get(f"/api/v1/namespaces/{self.namespace}/{kind}/{name}")
        assert answer.status == 200, answer.body.decode()
        data = {
            key: base64.b64decode(text) if kind == "secrets" else text.encode()
            for key, text in answer.json()["data"].items()
        }
        if items := source.get("items"):
            return {item["path"]: data[item["key"]] for item in items}
        return data

    def _token(self) -> str:
        """Ask for the token that a kubelet would mount."""
        account = self.pod["serviceAccountName"]
        answer = self.plane.create(
            f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{account}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
        )
        return str(answer["status"]["token"])


def export(container: Container, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """Run an export and return its report."""
    report: dict[str, Any] = json.loads(container.run("-o", "json", codes=codes).stdout)
    return report
