"""Start a control plane, or find one that runs.

Rule: it starts empty, in a folder that is empty or has held one before.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from tests.controlplane import (
    access,
    aggregation,
    binaries,
    builder,
    certificates,
    components,
    keeper,
    ports,
    processes,
    readiness,
)
from tests.controlplane.components import Layout, Options
from tests.controlplane.plane import ControlPlane
from tests.controlplane.problems import ControlPlaneError, PortTakenError

ATTEMPTS = 5

EXEC_CONFIG = """\
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterExec
metadata:
  name: local
spec:
  selector: {}
  execs:
  - local:
      workDir: %s
"""


def start(
    directory: Path,
    *,
    controllers: bool = True,
    scheduler: bool = False,
    kwok: bool = False,
    csi: bool = False,
    groups: bool = True,
    aggregated: bool = False,
    registered: bool = True,
    events_etcd: bool = False,
    compaction_interval: str | None = None,
    apiserver_args: Iterable[str] = (),
    users: Iterable[str] = access.USERS,
    progress: builder.Progress = builder.print_progress,
) -> ControlPlane:
    """Start a control plane in a folder and wait until it is ready; `Options` says what is what.

    Programs that are missing are built first. All ends when this process does, unless detached.
    """
    options = Options(
        controllers=controllers,
        scheduler=scheduler,
        kwok=kwok,
        csi=csi,
        groups=groups,
        aggregated=aggregated,
        registered=registered,
        events_etcd=events_etcd,
        compaction_interval=compaction_interval,
        apiserver_args=tuple(apiserver_args),
    )
    if csi and not controllers:
        raise ControlPlaneError("Volume snapshots need the controllers; leave them on.")
    layout = Layout(directory.resolve())
    check_directory(layout.directory)
    programs = builder.ensure(components.needed_binaries(options), progress)
    for attempt in range(ATTEMPTS):
        try:
            return start_once(options, layout, programs, access.make_tokens(users))
        except PortTakenError:
            if attempt + 1 == ATTEMPTS:
                raise
    raise AssertionError


def start_once(
    options: Options, layout: Layout, programs: Mapping[str, Path], tokens: Mapping[str, str]
) -> ControlPlane:
    kept = claim_directory(layout.directory)
    names = components.port_names(options)
    chosen = dict(zip(names, ports.choose_ports(len(names)), strict=True))
    plane = ControlPlane(
        layout,
        tokens=tokens,
        server=components.url(chosen["kube-apiserver"], scheme="https"),
        options=options,
        kept=kept,
        programs=programs,
    )
    try:
        write_files(options, layout, plane, tokens)
        launch(plane, options, layout, chosen)
        write_state(options, layout, plane, tokens)
    except BaseException:
        plane.stop()
        raise
    return plane


def check_directory(directory: Path) -> None:
    """Raise if the folder is in use, or holds what is not ours to remove."""
    if processes.is_kept(directory):
        raise ControlPlaneError(f"A control plane is already running in {directory}.")
    if directory.exists() and any(directory.iterdir()) and not (directory / keeper.LOCK).exists():
        raise ControlPlaneError(
            f"{directory} is not empty and has never held a control plane; choose another folder."
        )


def claim_directory(directory: Path) -> processes.Processes:
    """Put a keeper into the folder and remove what an earlier control plane left there."""
    check_directory(directory)
    directory.mkdir(parents=True, exist_ok=True)
    left = list(directory.iterdir())
    kept = processes.Processes(directory)  # only one can be here, so the rest is safe
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in (keeper.LOCK, keeper.STOP, keeper.LOG):
            path.unlink()
    return kept


def write_files(
    options: Options, layout: Layout, plane: ControlPlane, tokens: Mapping[str, str]
) -> None:
    """Write all that the components read when they start."""
    layout.data.mkdir()
    layout.log("etcd").parent.mkdir()
    certificates.write_all(layout.certificates)
    access.write_tokens(layout.tokens, tokens)
    access.write_kubeconfig(
        layout.kubeconfig,
        server=plane.server,
        ca_file=plane.ca_file,
        token=plane.token(),
        user=access.ADMIN,
        cluster=layout.directory.name,
    )
    if options.kwok:
        shutil.copytree(binaries.support_files("kwok") / "stage", layout.stages)
        (layout.stages / "exec.yaml").write_text(EXEC_CONFIG % layout.data)


def write_state(
    options: Options, layout: Layout, plane: ControlPlane, tokens: Mapping[str, str]
) -> None:
    """Write what `attach` reads; it is there only once the control plane is ready."""
    state = {
        "server": plane.server,
        "tokens": dict(tokens),
        "options": asdict(options),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    layout.state.touch(mode=0o600)
    layout.state.write_text(json.dumps(state, indent=2) + "\n")


def launch(
    plane: ControlPlane, options: Options, layout: Layout, chosen: Mapping[str, int]
) -> None:
    """Start the components in order and wait for each to do its part."""
    for store in components.stores(options, layout, chosen):
        plane.run(store)
        # An API server that found somebody else's etcd on a port taken meanwhile would write to it.
        wait_for_port(plane, store.name, store.port)
    plane.run(components.apiserver(options, layout, chosen))
    plane.wait(lambda: readiness.is_ready(plane.get), "Readiness of kube-apiserver")
    if options.csi:
        install_snapshot_kinds(plane, options)
    clients = list(components.clients(options, layout, chosen))
    for client in clients:
        plane.run(client)
    if options.controllers:
        plane.wait(lambda: readiness.has_default_objects(plane.get), "Default service accounts")
    for client in clients:
        wait_for_port(plane, client.name, client.port)
    if options.aggregated and options.registered:
        group, version = aggregation.GROUP, aggregation.VERSION
        plane.register_api(group, version, chosen["sample-apiserver"])
        wait_for_api(plane, group, version)
    plane.check_alive()


def wait_for_port(plane: ControlPlane, name: str, port: int) -> None:
    plane.wait(lambda: ports.answers(port), f"An answer of {name} on port {port}")
    plane.check_alive()


def wait_for_api(plane: ControlPlane, group: str, version: str) -> None:
    path = f"/apis/apiregistration.k8s.io/v1/apiservices/{version}.{group}"
    plane.wait(
        lambda: readiness.has_condition(plane.get, path, "Available"), f"Availability of {group}"
    )


def install_snapshot_kinds(plane: ControlPlane, options: Options) -> None:
    """Create the CRDs of volume snapshots, without which snapshot-controller ends at once."""
    collection = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    groups = ("snapshot.", "groupsnapshot.") if options.groups else ("snapshot.",)
    files = sorted((binaries.support_files("csi") / "crd").glob("*.yaml"))
    paths = [path for path in files if path.name.startswith(groups)]
    names = []
    for path in paths:
        answer = plane.request("POST", collection, path.read_text())
        if not readiness.is_ok(answer):
            raise ControlPlaneError(f"{path.name} got {answer.status}: {answer.body.decode()}")
        names.append(answer.json()["metadata"]["name"])
    plane.wait(
        lambda: all(
            readiness.has_condition(plane.get, f"{collection}/{name}", "Established")
            for name in names
        ),
        "Establishment of the snapshot kinds",
    )


def attach(directory: Path) -> ControlPlane:
    """Find the control plane that another process started in a folder and left running."""
    layout = Layout(directory.resolve())
    if not processes.is_kept(layout.directory):
        raise ControlPlaneError(f"No control plane is running in {layout.directory}.")
    if not layout.state.exists():
        raise ControlPlaneError(
            f"The control plane in {layout.directory} is still starting; try again in a moment."
        )
    state = json.loads(layout.state.read_text())
    return ControlPlane(
        layout,
        tokens=state["tokens"],
        server=state["server"],
        options=Options(**state["options"]),
    )
