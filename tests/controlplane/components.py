"""The processes of a control plane and their flags, computed from options, folders and ports.

Boundary: pure; nothing here starts, reads or writes anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.controlplane import binaries
from tests.controlplane.certificates import FRONT_PROXY

SERVICE_RANGE = "10.0.0.0/16"
POD_RANGE = "10.244.0.0/16"
Object = dict[str, Any]
REVISIONS_FROM_ETCD = "--feature-gates=ListFromCacheSnapshot=false"
"""A server flag: lists at a revision come from etcd, so that a compaction shows at once."""


@dataclass(frozen=True)
class Options:
    """What a control plane consists of, beyond etcd and kube-apiserver."""

    controllers: bool = True
    """Run kube-controller-manager: service accounts, garbage collection, volume binding."""
    scheduler: bool = False
    kwok: bool = False
    """Run kwok, which plays the kubelet of every Node; it brings the scheduler along."""
    csi: bool = False
    """Install the snapshot CRDs and run snapshot-controller; needs the controllers."""
    groups: bool = True
    """With csi: serve snapshots of groups of volumes too; clusters in the wild often do not."""
    aggregated: bool = False
    """Run sample-apiserver with an etcd of its own, registered as wardle.example.com."""
    registered: bool = True
    """With aggregated: False leaves it to a test to register the API that runs."""
    events_etcd: bool = False
    """Keep events in a second etcd, so that they have revisions of their own."""
    compaction_interval: str | None = None
    """How often revisions are compacted, e.g. `10s`; the server's default is 5 minutes.

    A revision answers 410 some two to three intervals later, never before some ten seconds.
    """
    apiserver_args: tuple[str, ...] = ()
    """Further flags of kube-apiserver, after all others."""


@dataclass(frozen=True)
class Component:
    """A process: what it is called, what it runs, and the port it should answer on."""

    name: str
    binary: str
    flags: tuple[str, ...]
    port: int
    """0: nothing is waited for."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Besides PATH and HOME."""
    restarts: bool = False
    """When it ends by itself, as kubelet does it."""


@dataclass(frozen=True)
class Layout:
    """Where a control plane keeps what, below its directory."""

    directory: Path

    @property
    def data(self) -> Path:
        """Removed when the control plane ends."""
        return self.directory / "data"

    @property
    def certificates(self) -> Path:
        return self.directory / "certificates"

    @property
    def tokens(self) -> Path:
        return self.directory / "tokens.csv"

    @property
    def state(self) -> Path:
        return self.directory / "controlplane.json"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig.yaml"

    @property
    def stages(self) -> Path:
        return self.directory / "stages"

    @property
    def kubectl_cache(self) -> Path:
        return self.data / "kubectl"

    def log(self, name: str) -> Path:
        return self.directory / "logs" / f"{name}.log"


def needed_binaries(options: Options) -> list[str]:
    """Name the programs that the options call for, in the order in which they are built."""
    wanted = {
        "etcd": True,
        "kube-apiserver": True,
        "kube-controller-manager": options.controllers,
        "kube-scheduler": options.scheduler or options.kwok,
        "sample-apiserver": options.aggregated,
        "kwok": options.kwok,
        **dict.fromkeys(binaries.CSI, options.csi),
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]


def port_names(options: Options) -> list[str]:
    """Name the ports that the options call for."""
    names = ["etcd", "etcd-peer", "kube-apiserver"]
    if options.controllers:
        names.append("kube-controller-manager")
    if options.scheduler or options.kwok:
        names.append("kube-scheduler")
    if options.kwok:
        names.append("kwok")
    if options.events_etcd:
        names += ["etcd-events", "etcd-events-peer"]
    if options.aggregated:
        names += ["etcd-wardle", "etcd-wardle-peer", "sample-apiserver"]
    if options.csi:
        names.append("snapshot-controller")
    return names


def url(port: int, *, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{port}"


def stores(options: Options, layout: Layout, ports: Mapping[str, int]) -> Iterator[Component]:
    """Give the etcds: one for the server, one for each split-off store."""
    yield etcd("etcd", layout, ports)
    if options.events_etcd:
        yield etcd("etcd-events", layout, ports)
    if options.aggregated:
        yield etcd("etcd-wardle", layout, ports)


def etcd(name: str, layout: Layout, ports: Mapping[str, int]) -> Component:
    client, peer = url(ports[name]), url(ports[f"{name}-peer"])
    flags = (
        f"--data-dir={layout.data / name}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    )
    return Component(name, "etcd", flags, ports[name])


def apiserver(options: Options, layout: Layout, ports: Mapping[str, int]) -> Component:
    keys = layout.certificates
    flags = [
        f"--etcd-servers={url(ports['etcd'])}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={ports['kube-apiserver']}",
        f"--tls-cert-file={keys / 'server.crt'}",
        f"--tls-private-key-file={keys / 'server.key'}",
        f"--client-ca-file={keys / 'ca.crt'}",
        f"--cert-dir={keys}",
        f"--token-auth-file={layout.tokens}",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        f"--service-account-key-file={keys / 'sa.pub'}",
        f"--service-account-signing-key-file={keys / 'sa.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--endpoint-reconciler-type=none",
        f"--requestheader-client-ca-file={keys / 'front-proxy-ca.crt'}",
        f"--requestheader-allowed-names={FRONT_PROXY}",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={keys / 'front-proxy.crt'}",
        f"--proxy-client-key-file={keys / 'front-proxy.key'}",
    ]
    if options.events_etcd:
        flags.append(f"--etcd-servers-overrides=/events#{url(ports['etcd-events'])}")
    if options.compaction_interval is not None:
        flags.append(f"--etcd-compaction-interval={options.compaction_interval}")
    flags += options.apiserver_args
    return Component("kube-apiserver", "kube-apiserver", tuple(flags), ports["kube-apiserver"])


def clients(options: Options, layout: Layout, ports: Mapping[str, int]) -> Iterator[Component]:
    """Give the processes that need the server, none of which needs another."""
    if options.controllers:
        yield controller_manager(layout, ports["kube-controller-manager"])
    if options.scheduler or options.kwok:
        yield scheduler(layout, ports["kube-scheduler"])
    if options.kwok:
        yield kwok(layout, ports["kwok"])
    if options.csi:
        yield snapshot_controller(options, layout, ports["snapshot-controller"])
    if options.aggregated:
        yield sample_apiserver(layout, ports)


def controller_manager(layout: Layout, port: int) -> Component:
    keys = layout.certificates
    flags = (
        f"--kubeconfig={layout.kubeconfig}",
        f"--service-account-private-key-file={keys / 'sa.key'}",
        f"--root-ca-file={keys / 'ca.crt'}",
        "--use-service-account-credentials=true",
        "--kube-api-qps=500",  # the default of 20 makes its start wait for five seconds
        "--kube-api-burst=1000",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cluster-signing-cert-file={keys / 'ca.crt'}",
        f"--cluster-signing-key-file={keys / 'ca.key'}",
    )
    return Component("kube-controller-manager", "kube-controller-manager", flags, port)


def scheduler(layout: Layout, port: int) -> Component:
    flags = (
        f"--kubeconfig={layout.kubeconfig}",
        f"--authentication-kubeconfig={layout.kubeconfig}",
        f"--authorization-kubeconfig={layout.kubeconfig}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
    )
    return Component("kube-scheduler", "kube-scheduler", flags, port)


STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
)


def kwok(layout: Layout, port: int) -> Component:
    flags = (
        f"--kubeconfig={layout.kubeconfig}",
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=40",
        f"--cidr={POD_RANGE}",
        "--node-ip=127.0.0.1",
        f"--node-port={port}",
        f"--server-address=127.0.0.1:{port}",
        f"--tls-cert-file={layout.certificates / 'server.crt'}",
        f"--tls-private-key-file={layout.certificates / 'server.key'}",
        *(f"--config={layout.stages / stage}" for stage in STAGES),
        f"--config={layout.stages / 'exec.yaml'}",
    )
    return Component("kwok", "kwok", flags, port)


GROUPS = "--feature-gates=CSIVolumeGroupSnapshot=true"
RETRIES = ("--retry-interval-start=200ms", "--retry-interval-max=2s")
"""Of the controllers of CSI, which else wait up to five minutes after a few failures."""


def snapshot_controller(options: Options, layout: Layout, port: int) -> Component:
    flags = [
        f"--kubeconfig={layout.kubeconfig}",
        "--leader-election=false",
        "--kube-api-qps=50",
        "--kube-api-burst=100",
        *RETRIES,
        f"--http-endpoint=127.0.0.1:{port}",
    ]
    if options.groups:
        flags.append(GROUPS)
    return Component("snapshot-controller", "snapshot-controller", tuple(flags), port)


def sample_apiserver(layout: Layout, ports: Mapping[str, int]) -> Component:
    keys = layout.certificates
    flags = (
        f"--etcd-servers={url(ports['etcd-wardle'])}",
        f"--kubeconfig={layout.kubeconfig}",
        f"--authentication-kubeconfig={layout.kubeconfig}",
        f"--authorization-kubeconfig={layout.kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={ports['sample-apiserver']}",
        f"--tls-cert-file={keys / 'server.crt'}",
        f"--tls-private-key-file={keys / 'server.key'}",
    )
    return Component("sample-apiserver", "sample-apiserver", flags, ports["sample-apiserver"])


def csi_sidecars(
    options: Options, layout: Layout, name: str, socket: Path, *, snapshots: bool
) -> Iterator[Component]:
    """Give the provisioner and the snapshotter for a driver that listens on a socket.

    The snapshotter ends at once when the driver has no snapshots, so it is left out then. Both end
    when the driver takes more than a second to accept a connection, and count on a restart.
    """
    shared = (f"--csi-address={socket}", f"--kubeconfig={layout.kubeconfig}")
    pace = ("--kube-api-qps=50", "--kube-api-burst=100", *RETRIES)
    provisioner = (
        *shared,
        "--extra-create-metadata=true",
        "--immediate-topology=false",
        *pace,
        # When another writes to a snapshot just then, its own finalizer stays until the next sweep.
        "--snapshot-orphan-sweep-interval=2s",
    )
    yield Component(f"csi-provisioner-{name}", "csi-provisioner", provisioner, 0, restarts=True)
    if snapshots:
        snapshotter = [*shared, "--extra-create-metadata=true", "--leader-election=false", *pace]
        # When its cache is behind at the retry, it asks no more whether a snapshot is ready.
        snapshotter.append("--resync-period=3s")
        if options.groups:
            snapshotter.append(GROUPS)
        yield Component(
            f"csi-snapshotter-{name}", "csi-snapshotter", tuple(snapshotter), 0, restarts=True
        )


def csi_classes(options: Options, name: str, driver: str, *, snapshots: bool) -> list[Object]:
    """Give the classes of a driver, all of one name; those of snapshots are its default ones."""
    storage = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": driver}
    default = "storage.kubernetes.io/is-default-class"
    of_snapshots = {"driver": driver, "deletionPolicy": "Delete"}
    made: list[Object] = [storage | {"metadata": {"name": name}}]
    if snapshots:
        made.append(
            of_snapshots
            | {
                "apiVersion": "snapshot.storage.k8s.io/v1",
                "kind": "VolumeSnapshotClass",
                "metadata": {"name": name, "annotations": {f"snapshot.{default}": "true"}},
            }
        )
    if snapshots and options.groups:
        made.append(
            of_snapshots
            | {
                "apiVersion": "groupsnapshot.storage.k8s.io/v1",
                "kind": "VolumeGroupSnapshotClass",
                "metadata": {"name": name, "annotations": {f"groupsnapshot.{default}": "true"}},
            }
        )
    return made
