"""The promises of an export, on a real API server, with the program as a user runs it."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from kube2git.adapters.gitrepo import GitRepository
from kube2git.adapters.kube.cluster import KubeCluster
from kube2git.adapters.kube.connection import ConnectionSettings, connect
from kube2git.adapters.localfile import LocalFile
from kube2git.core import wire, yamlio
from kube2git.core.cleaning import RuleSet
from kube2git.core.objects import ref_of
from kube2git.core.selection import Patterns, Selection
from kube2git.core.wire import Json
from kube2git.flows.exporting import ExportRequest, export
from tests import faults
from tests.controlplane import ControlPlane
from tests.tool import Tool, make_tool

CORPUS = Path(__file__).parent / "corpus"
DEMO = Path(__file__).parents[2] / "config" / "demo"


@pytest.fixture
def tool(cluster: ControlPlane, tmp_path: Path) -> Tool:
    return make_tool(cluster.kubeconfig, tmp_path)


def create_map(cluster: ControlPlane, namespace: str, name: str, **data: str) -> None:
    body = {"metadata": {"name": name}, "data": data}
    cluster.create(f"/api/v1/namespaces/{namespace}/configmaps", body)


def body_of(tool: Tool, path: str) -> Any:
    return yaml.safe_load(tool.files()[path])


def test_an_object_becomes_a_clean_file(cluster: ControlPlane, namespace: str, tool: Tool) -> None:
    create_map(cluster, namespace, "web", level="info")
    report = tool.export("-n", namespace)
    assert tool.files()[f"namespaces/{namespace}/ConfigMap/web.yaml"] == (
        "apiVersion: v1\n"
        "kind: ConfigMap\n"
        "metadata:\n"
        "  name: web\n"
        f"  namespace: {namespace}\n"
        "data:\n"
        "  level: info\n"
    )
    assert report["atomic"] is True
    assert report["commit"] == tool.commits()[0]


def test_a_quiet_cluster_gives_no_commit(cluster: ControlPlane, tool: Tool) -> None:
    tool.export()
    second = tool.export()
    assert second["changes"] == []
    assert second["commit"] is None
    assert len(tool.commits()) == 1


def test_the_same_without_the_memory_of_the_last_run(tool: Tool) -> None:
    tool.export()
    for memory in Path(tool.repo).rglob("seen-*"):
        memory.unlink()
    assert tool.export()["commit"] is None


def test_only_what_changed_is_committed(cluster: ControlPlane, namespace: str, tool: Tool) -> None:
    for name in ("a", "b", "c"):
        create_map(cluster, namespace, name, k="1")
    tool.export("-n", namespace)
    cluster.kubectl("delete", "-n", namespace, "configmap/a")
    cluster.kubectl("patch", "-n", namespace, "configmap/b", "-p", '{"data":{"k":"2"}}')
    create_map(cluster, namespace, "d", k="1")
    report = tool.export("-n", namespace)
    found = {(item["change"], item["object"]["name"]) for item in report["changes"]}
    assert found == {("removed", "a"), ("changed", "b"), ("added", "d")}
    message = tool.git("log", "-1", "--format=%B", "main")
    assert f"~ configmap/b -n {namespace}: data.k (kubectl-patch)" in message
    assert f"Kube2git-Revision: {report['revision']}" in message
    assert "Kube2git-Atomic: true" in message


def test_files_of_others_survive(cluster: ControlPlane, namespace: str, tool: Tool) -> None:
    create_map(cluster, namespace, "web", k="1")
    tool.export("-n", namespace)
    work = tool.home / "work"
    tool.git("clone", "-q", str(tool.repo), str(work))
    strangers = ["README.md", f"namespaces/{namespace}/kustomization.yaml", ".github/ci.yaml"]
    for name in strangers:
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text("mine\n")
    commit = ["-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "mine"]
    subprocess.run(["git", "-C", str(work), "add", "-A"], check=True)
    subprocess.run(["git", "-C", str(work), *commit], check=True)
    subprocess.run(["git", "-C", str(work), "push", "-q", "origin", "main"], check=True)
    cluster.kubectl("delete", "-n", namespace, "configmap/web")
    tool.export("-n", namespace)
    paths = tool.paths()
    assert set(strangers) <= paths
    assert f"namespaces/{namespace}/ConfigMap/web.yaml" not in paths


def test_no_value_of_a_secret_leaves_the_cluster(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    canary = f"canary-{random.getrandbits(64):x}"
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "db", "namespace": namespace},
        "stringData": {"password": canary},
    }
    cluster.kubectl("apply", "-f", "-", input=json.dumps(manifest))
    answer = tool.run("export", "-n", namespace, "-o", "json")
    assert "Secrets are left out" in answer.stderr
    texts = [answer.stdout, answer.stderr, *tool.files().values()]
    texts.append(tool.run("explain", "secret/db", "-n", namespace).stdout)
    assert [text for text in texts if canary in text] == []
    assert body_of(tool, ".kube2git/coverage.yaml")["leftOut"]["Secret"]


def test_another_cluster_is_not_written_over(
    cluster: ControlPlane, target: ControlPlane, tool: Tool
) -> None:
    tool.export("--kind", "ns")
    other = Tool(target.kubeconfig, tool.repo, tool.home)
    refused = other.run("export", "--kind", "ns", codes=(5,))
    assert "holds another cluster" in refused.stderr
    assert "--adopt" in refused.stderr
    assert len(tool.commits()) == 1
    other.run("export", "--kind", "ns", "--prefix", "other")
    other.run("export", "--kind", "ns", "--adopt", "--allow-mass-removal")
    assert len(tool.commits()) == 3


def test_mass_removal_is_stopped(cluster: ControlPlane, namespace: str, tool: Tool) -> None:
    for number in range(15):
        create_map(cluster, namespace, f"m{number}", k="1")
    tool.export("-n", namespace)
    cluster.kubectl("delete", "-n", namespace, "configmap", "--all")
    refused = tool.run("export", "-n", namespace, codes=(5,))
    assert "would remove 15 of the" in refused.stderr
    assert len(tool.commits()) == 1
    tool.export("-n", namespace, "--allow-mass-removal")
    assert not [path for path in tool.paths() if "/ConfigMap/m" in path]


def test_a_dry_run_writes_nothing(cluster: ControlPlane, namespace: str, tool: Tool) -> None:
    create_map(cluster, namespace, "web", k="1")
    report = tool.export("-n", namespace, "--dry-run")
    assert "web" in {item["object"]["name"] for item in report["changes"]}
    assert tool.commits() == []


def test_selected_namespaces_bring_what_they_need(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    cluster.kubectl("create", "clusterrole", f"role-{namespace}", "--verb=get", "--resource=pods")
    cluster.kubectl("create", "clusterrole", f"other-{namespace}", "--verb=get", "--resource=pods")
    cluster.kubectl(
        *("create", "rolebinding", "-n", namespace, "b", f"--clusterrole=role-{namespace}"),
        "--user=somebody",
    )
    tool.export("-n", namespace)
    roles = {path for path in tool.paths() if "/ClusterRole." in path}
    assert roles == {f"cluster/ClusterRole.rbac.authorization.k8s.io/role-{namespace}.yaml"}
    assert f"cluster/Namespace/{namespace}.yaml" in tool.paths()
    tool.export("-n", namespace, "--cluster-scoped", "no")
    assert roles <= tool.paths()


def test_labels_select_and_limit_removals(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    for name, app in (("a", "web"), ("b", "db"), ("c", "web")):
        create_map(cluster, namespace, name, k="1")
        cluster.kubectl("label", "-n", namespace, f"configmap/{name}", f"app={app}")
    tool.export("-n", namespace)
    cluster.kubectl("delete", "-n", namespace, "configmap/a", "configmap/b")
    report = tool.export("-n", namespace, "-l", "app=web")
    assert [item["object"]["name"] for item in report["changes"]] == ["a"]


NASTY = ["a" * 253, "with.dots.in.it", "con", "0", "1e3", "null"]


def test_every_name_and_string_comes_back(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    for name in NASTY:
        create_map(cluster, namespace, name, k=name)
    for name in ("Case", "case", "system:with:colons"):
        body = {"metadata": {"name": name}, "rules": []}
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles"
        cluster.create(path, body)
    report = tool.export("-n", namespace)
    wanted = {*NASTY, "Case", "case", "system:with:colons"}
    kept = {item["object"]["name"] for item in report["changes"]}
    assert wanted <= kept
    for name in NASTY:
        shown = tool.run("show", f"HEAD:configmap/{name}", "-n", namespace, "-o", "json").json
        assert shown["data"] == {"k": name}
    folded = [path.lower() for path in tool.paths()]
    assert len(folded) == len(set(folded))
    assert max(len(part.encode()) for path in folded for part in path.split("/")) <= 255


def test_a_user_who_may_read_two_namespaces_exports_those(
    cluster: ControlPlane, tool: Tool
) -> None:
    names = [cluster.create_namespace() for _ in range(3)]
    for name in names:
        create_map(cluster, name, "web", k="1")
    for name in names[:2]:
        cluster.kubectl(
            *("create", "rolebinding", "-n", name, "reader", "--clusterrole=view"),
            "--user=two-namespaces",
        )
    limited = Tool(cluster.kubeconfig_for("two-namespaces"), tool.repo, tool.home)
    asked = [word for name in names for word in ("-n", name)]
    answer = limited.run("export", "-o", "json", *asked, codes=(3,))
    found = {path for path in tool.paths() if path.endswith("/ConfigMap/web.yaml")}
    assert found == {f"namespaces/{name}/ConfigMap/web.yaml" for name in names[:2]}
    partial = {item["kind"]: item for item in answer.json["incomplete"]}
    assert partial["ConfigMap"]["status"] == "partial"
    assert sorted(partial["ConfigMap"]["namespaces"]) == sorted(names[:2])
    assert "configmaps" in answer.stderr
    coverage = body_of(tool, ".kube2git/coverage.yaml")["kinds"]["ConfigMap"]
    assert coverage["status"] == "partial"


def test_a_user_who_may_read_no_secrets_is_told_so(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    create_map(cluster, namespace, "web", k="1")
    cluster.kubectl(
        *("create", "rolebinding", "-n", namespace, "view", "--clusterrole=view"),
        "--user=no-secrets",
    )
    limited = Tool(cluster.kubeconfig_for("no-secrets"), tool.repo, tool.home)
    limited.environ["KUBE2GIT_SEALING_RECIPIENTS"] = (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDYh2yEr9T9rZz6U1h4Yp0n0mVHn5T5B1yJvO2h4dPqS x"
    )
    answer = limited.run("export", "-n", namespace, "-o", "json", codes=(3,))
    missing = {item["kind"]: item["status"] for item in answer.json["incomplete"]}
    assert missing["Secret"] == "forbidden"
    assert 'resources: ["secrets"], verbs: ["list"]' in answer.stderr
    assert f"namespaces/{namespace}/ConfigMap/web.yaml" in tool.paths()


def test_a_list_that_breaks_off_removes_nothing_and_the_next_run_repairs(
    cluster: ControlPlane, namespace: str, tool: Tool, tmp_path: Path
) -> None:
    create_map(cluster, namespace, "gone", k="1")
    tool.export("-n", namespace)
    cluster.kubectl("delete", "-n", namespace, "configmap/gone")
    create_map(cluster, namespace, "new", k="1")
    with faults.FaultProxy.before(cluster) as proxy:
        proxy.on(r"/configmaps\?", faults.status(500))
        folder = tmp_path / "proxy"
        folder.mkdir()
        broken = Tool(proxy.kubeconfig(folder), tool.repo, tool.home)
        answer = broken.run("export", "-n", namespace, "-o", "json", codes=(3,))
    assert {item["kind"]: item["status"] for item in answer.json["incomplete"]} == {
        "ConfigMap": "failed"
    }
    gone = f"namespaces/{namespace}/ConfigMap/gone.yaml"
    assert gone in tool.paths()
    assert "Kube2git-Incomplete: ConfigMap failed" in tool.git("log", "-1", "--format=%B", "main")
    tool.export("-n", namespace)
    assert gone not in tool.paths()
    assert body_of(tool, ".kube2git/coverage.yaml")["kinds"]["ConfigMap"]["status"] == "partial"


def test_a_user_without_rights_is_told_which(cluster: ControlPlane, tool: Tool) -> None:
    nobody = Tool(cluster.kubeconfig_for("nobody"), tool.repo, tool.home)
    answer = nobody.run("export", codes=(3, 4, 21))
    assert "list" in answer.stderr
    assert not [path for path in (tool.paths() if tool.commits() else ()) if "namespaces/" in path]


@pytest.mark.timeout(900)  # three hundred exports
def test_no_commit_holds_half_of_a_change(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    """A writer changes two objects of two kinds in turn: at no revision is the second ahead."""
    create_map(cluster, namespace, "first", k="0")
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    cluster.create(account, {"metadata": {"name": "second", "annotations": {"k": "0"}}})
    done = threading.Event()

    def write() -> None:
        number = 0
        headers = {"Content-Type": "application/merge-patch+json"}
        # Without this breath the writer takes most of Python's time away from the exports; with
        # it some pairs still change between any two lists.
        while not done.wait(0.01):
            number += 1
            first = json.dumps({"data": {"k": str(number)}}).encode()
            second = json.dumps({"metadata": {"annotations": {"k": str(number)}}}).encode()
            path = f"/api/v1/namespaces/{namespace}/configmaps/first"
            cluster.request("PATCH", path, first, headers=headers)
            cluster.request("PATCH", f"{account}/second", second, headers=headers)

    writer = threading.Thread(target=write)
    writer.start()
    request = ExportRequest(
        Selection(namespaces=Patterns((namespace,)), kinds=Patterns(("cm", "sa")))
    )
    target = KubeCluster(connect(ConnectionSettings(kubeconfig=str(cluster.kubeconfig))))
    rules = RuleSet.default()
    try:
        with GitRepository.open(str(tool.repo)) as repository:
            for number in range(300):
                memory = LocalFile(tool.home / f"memory-{number % 2}")
                when = partial(datetime.fromtimestamp, 1_700_000_000 + number, UTC)
                events = export(
                    *(target, repository, request),
                    rules=rules,
                    memory=memory,
                    clock=when,
                )
                assert len(list(events)) > 1
    finally:
        done.set()
        writer.join()
    commits = tool.commits()
    assert len(commits) > 100
    with GitRepository.open(str(tool.repo)) as repository:
        for commit in commits:
            tree = repository.tree(commit)
            names = ("ConfigMap/first", "ServiceAccount/second")
            blobs = [tree[f"namespaces/{namespace}/{name}.yaml"] for name in names]
            first, second = map(yamlio.decode, repository.read(blobs))
            ahead = int(first["data"]["k"]) - int(second["metadata"]["annotations"]["k"])
            assert ahead in (0, 1)


def test_killed_at_any_moment_the_repository_is_valid(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    for number in range(60):
        create_map(cluster, namespace, f"m{number}", k="0")
    tool.export("-n", namespace)
    for attempt in range(8):
        cluster.kubectl(
            *("annotate", "-n", namespace, "configmap", "--all", "--overwrite"),
            f"attempt={attempt}",
        )
        process = tool.start("export", "-n", namespace)
        time.sleep(0.15 + 0.1 * attempt)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        tool.git("fsck", "--strict", "--no-dangling")
    cluster.kubectl("annotate", "-n", namespace, "configmap", "--all", "--overwrite", "attempt=x")
    tool.export("-n", namespace)
    assert tool.export("-n", namespace)["commit"] is None
    for path, text in tool.files().items():
        if f"/{namespace}/ConfigMap/m" in path:
            assert "attempt: x" in text


def test_two_exports_at_once_do_not_meet(cluster: ControlPlane, namespace: str, tool: Tool) -> None:
    for number in range(30):
        create_map(cluster, namespace, f"m{number}", k="0")
    running = [tool.start("export", "-n", namespace) for _ in range(4)]
    codes = []
    for process in running:
        process.communicate()
        codes.append(process.returncode)
    assert set(codes) <= {0, 11}
    assert codes.count(0) >= 1
    assert len(tool.commits()) == 1
    tool.git("fsck", "--strict")


def test_one_waits_no_longer_than_it_was_told(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    create_map(cluster, namespace, "m", k="0")
    held = Tool(cluster.kubeconfig, tool.repo, tool.home, {"KUBE2GIT_GIT_LOCK_TIMEOUT": "0"})
    with GitRepository.open(str(tool.repo)) as repository, repository.lock():
        answer = held.run("export", "-n", namespace, codes=(11,))
    assert "is in use by process" in answer.stderr


def test_a_failed_push_is_made_up_for_when_nothing_changed(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    create_map(cluster, namespace, "m", k="0")
    tool.export("-n", namespace)
    create_map(cluster, namespace, "n", k="0")
    remote = tool.home / "remote.git"
    pushing = Tool(cluster.kubeconfig, tool.repo, tool.home, {"KUBE2GIT_GIT_REMOTE": str(remote)})
    answer = pushing.run("export", "-n", namespace, codes=(12,))
    assert "The next run sends them" in answer.stderr
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)
    report = pushing.export("-n", namespace)
    assert report["commit"] is None
    assert report["pushed"] == 2
    there = subprocess.run(
        ["git", "-C", str(remote), "rev-parse", "main"], capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == tool.commits()[0]


def load_corpus(cluster: ControlPlane, namespace: str) -> None:
    """Create every built-in kind with the traps of cleaning."""
    for name in ("cluster", "namespaced", "custom"):
        text = (CORPUS / f"{name}.yaml").read_text().replace("NAMESPACE", namespace)
        scope = ["-n", namespace] if name != "cluster" else []
        # Not by apply: the API server's reader of apply bodies refuses some of the strings.
        cluster.kubectl("create", *scope, "-f", "-", input=text)
        if name == "cluster":
            cluster.kubectl("wait", "--for=condition=Established", "crd/traps.corpus.k8s.example")
    cluster.kubectl("label", "-n", namespace, "serviceaccount/default", "touched=by-a-person")


def load_demo(cluster: ControlPlane) -> None:
    """Apply the manifests of `make demo`."""
    for path in sorted(DEMO.glob("*.yaml")):
        cluster.kubectl("apply", "-f", str(path))
        cluster.kubectl("wait", "--for=condition=Established", "crd/coupons.shop.example.com")


@pytest.fixture
def corpus(
    control_plane: Callable[..., ControlPlane], tmp_path: Path
) -> Iterator[tuple[ControlPlane, Tool]]:
    plane = control_plane()
    plane.kubectl("create", "namespace", "corpus")
    load_corpus(plane, "corpus")
    load_demo(plane)
    yield plane, make_tool(plane.kubeconfig, tmp_path)
    plane.stop()


def test_every_clean_object_is_accepted_as_it_is(
    corpus: tuple[ControlPlane, Tool], control_plane: Callable[..., ControlPlane]
) -> None:
    """Applied over itself it changes nothing; an empty cluster takes it."""
    plane, tool = corpus
    # The corpus has an APIService without a backend.
    report = tool.export(codes=(3,))
    assert list(report["missingGroups"]) == ["corpus.example.com/v1alpha1"]
    assert tool.export(codes=(3,))["commit"] is None
    bodies = [
        yamlio.decode(text.encode(), source=path)
        for path, text in tool.files().items()
        if path.startswith(("cluster/", "namespaces/"))
    ]
    assert len(bodies) > 80
    different = []
    for body in bodies:
        status, applied = apply(plane, body, "dryRun=All&force=true&")
        live = json.loads(plane.get(path_of(plane, body)).body)
        if status != 200 or without_books(applied) != without_books(live):
            different.append(f"{ref_of(body)}: {status} {applied.get('message', applied)}")
    assert not different, "\n".join(different)

    empty = control_plane()
    waiting = sorted(bodies, key=lambda body: body["kind"] not in FIRST)
    for _ in range(4):
        answers = [(body, *apply(empty, body)) for body in waiting]
        waiting = [body for body, status, _ in answers if status not in (200, 201)]
        if not waiting:
            break
        time.sleep(1)
    refused = [answer for body, _, answer in answers if body in waiting]
    assert not refused, refused
    empty.stop()


FIRST = ("Namespace", "CustomResourceDefinition")


def path_of(plane: ControlPlane, body: Json) -> str:
    """Return the URL path of an object."""
    version, kind = body["apiVersion"], body["kind"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    resources = json.loads(plane.get(root).body).get("resources", ())
    plurals = [
        item["name"] for item in resources if item["kind"] == kind and "/" not in item["name"]
    ]
    plural = plurals[0] if plurals else "unknown"
    namespace = body["metadata"].get("namespace")
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{scope}/{plural}/{quote(body['metadata']['name'])}"


def apply(plane: ControlPlane, body: Json, options: str = "") -> tuple[int, Json]:
    """Apply an object as a manager who has never seen it; return status and answer."""
    status, _, answer = plane.request(
        "PATCH",
        f"{path_of(plane, body)}?{options}fieldManager=probe",
        wire.apply_body(body),
        headers={"Content-Type": "application/apply-patch+yaml"},
    )
    try:
        return status, json.loads(answer)
    except json.JSONDecodeError:
        return status, {"answer": answer.decode()}


def without_books(body: Json) -> Json:
    """Return an object without the server's notes on who set what."""
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    # The server stores an empty list of rules, and gives null back, as the two mean the same.
    rules = {"rules": body["rules"] or []} if "rules" in body else {}
    return {**body, "metadata": metadata, **rules}
