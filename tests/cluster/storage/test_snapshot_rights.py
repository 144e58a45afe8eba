"""Snapshots with the rights that the guide lists, and with those of the chart: no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import helm
from tests.cluster.storage import SNAPSHOTS, Started, Storage
from tests.controlplane import access
from tests.tool import Tool, make_tool
from tests.unit.chart.releases import REPO

pytestmark = pytest.mark.needs("csi")

RBAC = "/apis/rbac.authorization.k8s.io/v1"
GUIDE = Path(__file__).parents[3] / "docs" / "snapshots.md"
Rule = dict[str, Any]
PAIR = ("left", "right")
"""Claims that are cut together."""
GROUPING = {"KUBE2GIT_SNAPSHOTS_GROUP_LABEL": "set"}


def documented() -> list[list[Rule]]:
    """Return the rules of the section Rights: the run's, and those of csi."""
    section = GUIDE.read_text().split("\n## Rights\n")[1].split("\n## ")[0]
    return [
        yaml.safe_load(text)["rules"]
        for text in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    ]


@pytest.fixture(scope="module")
def namespace(storage: Storage) -> Iterator[str]:
    """Give a namespace with bound claims; what is bound for it in the cluster goes again.

    Each test has accounts and repositories of its own, and leaves the claims as they are.
    """
    name = storage.plane.create_namespace("rights")
    storage.create_claim(name, "data", files={"data": b"x"})
    for claim in PAIR:
        storage.create_claim(name, claim, labels={"set": "pair"})
    yield name
    for kind in ("clusterrolebindings", "clusterroles"):
        for item in storage.items(f"{RBAC}/{kind}"):
            if item["metadata"]["name"].startswith(name):
                storage.plane.kubectl("delete", kind, item["metadata"]["name"])


def kubeconfig(storage: Storage, namespace: str, account: str, folder: Path) -> Path:
    """Write a kubeconfig for a ServiceAccount."""
    plane = storage.plane
    token = plane.create(
        f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    )["status"]["token"]
    return access.write_kubeconfig(
        folder / f"{account}.yaml",
        server=plane.server,
        ca_file=plane.ca_file,
        token=token,
        user=account,
        cluster="storage",
    )


def bind(storage: Storage, namespace: str, account: str, rules: list[Rule]) -> None:
    """Create a ServiceAccount with these rights; those to Leases in the namespace alone."""
    plane = storage.plane
    plane.kubectl("-n", namespace, "create", "serviceaccount", account)
    leases = [rule for rule in rules if "leases" in rule["resources"]]
    others = [rule for rule in rules if rule not in leases]
    places = (("ClusterRole", RBAC, others), ("Role", f"{RBAC}/namespaces/{namespace}", leases))
    for kind, where, given in places:
        name = f"{namespace}-{account}"
        version = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}}
        plane.create(f"{where}/{kind.lower()}s", {**version, "kind": kind, "rules": given})
        subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
        plane.create(
            f"{where}/{kind.lower()}bindings",
            {**version, "kind": f"{kind}Binding", "roleRef": role, "subjects": [subject]},
        )


def is_ours(item: dict[str, Any]) -> bool:
    name: str = item["metadata"]["name"]
    return name.startswith("kube2git-")


def check_export(storage: Storage, tool: Tool, namespace: str) -> None:
    """Export with snapshots; nothing may be missing, and the record must name the snapshot."""
    report = tool.export("--snapshots", "-n", namespace)
    assert report["incomplete"] == []
    told = report["snapshots"]
    assert [one["outcome"] for one in told["outcomes"]] == ["ready"] * 3, told
    assert told["failures"] == told["warnings"] == []
    record = yaml.safe_load(tool.files()[f"snapshots/{namespace}/data.yaml"])
    (entry,) = record["snapshots"]
    assert entry["handle"] in storage.driver.state.snapshots
    pair = [yaml.safe_load(tool.files()[f"snapshots/{namespace}/{name}.yaml"]) for name in PAIR]
    (group,) = {one["snapshots"][0]["group"] for one in pair}
    assert group in storage.driver.state.groups
    # It may tidy up, too: the snapshot outlives its namespace.
    # What snapshot-controller makes of a group is its own to remove.
    objects = f"{SNAPSHOTS}/namespaces/{namespace}/volumesnapshots"
    storage.plane.wait(
        lambda: not any(is_ours(item) for item in storage.items(objects)), "The removal"
    )
    assert record["volume"]["handle"] == storage.handle(namespace, "data")


def test_one_process_needs_the_rights_of_the_guide(
    storage: Storage, namespace: str, tmp_path: Path
) -> None:
    run, csi = documented()
    reading = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["list"]}
    bind(storage, namespace, "all", [reading, *run, *csi])
    config = kubeconfig(storage, namespace, "all", tmp_path)
    environ = {**GROUPING, "KUBE2GIT_SNAPSHOTS_LEASE_NAMESPACE": namespace}
    tool = make_tool(config, tmp_path / "home", environ)
    check_export(storage, tool, namespace)
    tool.run("snapshot", "verify", "-n", namespace)
    # Without those of csi there is no snapshot: what was seen above was not a right to everything.
    bind(storage, namespace, "reader", [reading, *run])
    few = make_tool(kubeconfig(storage, namespace, "reader", tmp_path), tmp_path / "few", environ)
    report = few.export("--snapshots", "-n", namespace, codes=(3,))
    assert {one["outcome"] for one in report["snapshots"]["outcomes"]} == {"failed"}


def test_who_may_only_read_can_plan_what_comes_back(
    storage: Storage, namespace: str, tmp_path: Path
) -> None:
    owner = make_tool(storage.plane.kubeconfig, tmp_path)
    owner.export("--snapshots", "-n", namespace)
    verbs = ["get", "list", "watch"]
    bind(storage, namespace, "viewer", [{"apiGroups": ["*"], "resources": ["*"], "verbs": verbs}])
    viewer = Tool(kubeconfig(storage, namespace, "viewer", tmp_path), owner.repo, tmp_path)
    moved = ("-n", namespace, "--map", f"{namespace}={namespace}-copy")
    plan = ("replay", "HEAD", *moved, "--volumes=restore", "--dry-run=client")
    told = viewer.run(*plan).stdout
    assert "Its data comes back as of" in told
    assert "could not be looked at: volumesnapshotcontents" in told
    assert "cannot create resource" in told
    assert "It will be looked at when the replay runs." in told
    assert "looked at" not in owner.run(*plan).stdout


def test_the_sidecar_holds_the_rights_on_the_storage_and_the_exporter_reads(
    storage: Storage, namespace: str, tmp_path: Path
) -> None:
    values = {"config": {"repo": REPO}, "snapshots": {"enabled": True, "groups": True}}
    releases = helm.connect(storage.plane.kubeconfig, namespace)
    releases.install(helm.CHART, helm.RELEASE, values, namespace=namespace)
    try:
        socket = tmp_path / "sidecar.sock"
        sidecar = Tool(
            kubeconfig(storage, namespace, "state-kube2git-snapshots", tmp_path),
            "",
            tmp_path,
        )
        environ = {
            **GROUPING,
            "KUBE2GIT_SNAPSHOTS_LEASE_NAMESPACE": namespace,
            "KUBE2GIT_SNAPSHOTS_SOCKET": str(socket),
        }
        reader = kubeconfig(storage, namespace, "state-kube2git", tmp_path)
        tool = make_tool(reader, tmp_path / "home", environ)
        process = Started(sidecar, "sidecar", "--socket", socket)
        try:
            check_export(storage, tool, namespace)
        finally:
            process.terminate()
            told = process.finish(0)
        assert "/snapshots csi" in told
        # The exporter itself may not do what the sidecar does.
        alone = tool.run(
            *("export", "--snapshots", "-n", namespace),
            codes=(3,),
            environ={"KUBE2GIT_SNAPSHOTS_SOCKET": ""},
        )
        assert "failed" in alone.stdout
    finally:
        releases.uninstall(helm.RELEASE)
