"""The chart, installed by the real Helm: its Pods do their work with the rights it gives alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube2git.errors import RefusedError
from tests import helm
from tests.cluster import guides, world
from tests.cluster.conftest import StartControlPlane
from tests.cluster.containers import Container, export
from tests.controlplane import ControlPlane
from tests.gitservers import Certificate, GitHttpServer, GitSshServer, create_remote, run_git
from tests.serving import Watched
from tests.unit.chart.releases import RECIPIENT, RELEASES

ENFORCED = "pod-security.kubernetes.io/enforce"
CRD = {"ServiceMonitor": "servicemonitors", "PrometheusRule": "prometheusrules"}


@pytest.fixture(scope="module")
def plane(control_plane: StartControlPlane) -> ControlPlane:
    """Give a cluster of its own: what is exported here is all of it."""
    plane = control_plane()
    for kind, plural in CRD.items():
        define(plane, "monitoring.coreos.com", kind, plural)
    for name in RELEASES["namespaced"]["config"]["export"]["namespaces"]:
        plane.kubectl("create", "namespace", name)
    plane.kubectl("create", "priorityclass", RELEASES["daemon"]["priorityClassName"], "--value=1")
    return plane


def define(plane: ControlPlane, group: str, kind: str, plural: str) -> None:
    """Serve a kind, whatever it holds."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": anything},
    }
    plane.create(
        world.CRDS,
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "names": {"plural": plural, "kind": kind},
                "scope": "Namespaced",
                "versions": [version],
            },
        },
    )
    world.wait_until(lambda: plane.get(f"/apis/{group}/v1/{plural}").status == 200)
    # What is served is listed a moment later; Helm asks as kubectl does.
    world.wait_until(lambda: f"{group}/v1" in plane.kubectl("api-versions").split())


class Release:
    """An installation in a namespace that enforces Pod Security `restricted`."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane = plane
        self.namespace = plane.create_namespace("k2g")
        self.folder = folder
        plane.kubectl("label", "ns", self.namespace, f"{ENFORCED}=restricted")

    @property
    def releases(self) -> Any:
        """A connection as each call of helm makes it: it remembers which kinds are served."""
        return helm.connect(self.plane.kubeconfig, self.namespace)

    def secret(self, name: str, **files: str) -> None:
        keys = [f"--from-literal={key}={text}" for key, text in files.items()]
        self.plane.kubectl("-n", self.namespace, "create", "secret", "generic", name, *keys)

    def install(self, values: dict[str, Any]) -> None:
        self.releases.install(helm.CHART, helm.RELEASE, values, namespace=self.namespace)

    def upgrade(self, values: dict[str, Any]) -> None:
        self.releases.upgrade(helm.CHART, helm.RELEASE, values, namespace=self.namespace)

    def create_accounts(self, manifests: list[helm.Manifest]) -> None:
        """Create the ServiceAccounts alone, without which no Pod is taken."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        for item in manifests:
            if item["kind"] == "ServiceAccount":
                self.plane.create(path, item)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return an object as the server holds it."""
        text = self.plane.kubectl("-n", self.namespace, "get", kind, name, "-o", "json")
        found: dict[str, Any] = json.loads(text)
        return found

    def container(self, cronjob: str = "state-kube2git") -> Container:
        """Return the container of a CronJob's Pod, as the server holds it."""
        pod = self.get("cronjob", cronjob)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        return Container(self.plane, self.namespace, pod, self.folder / cronjob)

    def may(self, account: str, verb: str, resource: str, namespace: str = "default") -> bool:
        """Tell whether one of the chart's ServiceAccounts has a right.

        A resource is written like pods/exec, or leases.coordination.k8s.io/its-name.
        """
        kind, _, rest = resource.partition("/")
        plural, _, group = kind.partition(".")
        asked = {"verb": verb, "group": group, "resource": plural, "namespace": namespace}
        asked["name" if group else "subresource"] = rest
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": f"system:serviceaccount:{self.namespace}:{account}",
                "resourceAttributes": asked,
            },
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(self.plane.create(path, review)["status"]["allowed"])


@pytest.fixture
def release(plane: ControlPlane, tmp_path: Path) -> Iterator[Release]:
    release = Release(plane, tmp_path / "pods")
    yield release
    release.releases.uninstall(helm.RELEASE, ignore_not_found=True)


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return create_remote(tmp_path / "served")


@pytest.fixture
def ssh(tmp_path: Path, remote: Path, release: Release) -> Iterator[str]:
    """Give the URL of a server whose deploy key and host key are in the Secret `git`."""
    keys = tmp_path / "keys"
    keys.mkdir()
    with GitSshServer(remote.parent, keys) as server:
        private, known = server.key_path.read_text(), server.known_hosts_path.read_text()
        release.secret("git", **{"ssh-privatekey": private, "known_hosts": known})
        yield server.url()


def paths(remote: Path) -> set[str]:
    return set(run_git("-C", str(remote), "ls-tree", "-r", "--name-only", "main").splitlines())


def commits(remote: Path) -> list[str]:
    return run_git("-C", str(remote), "rev-list", "main").split()


def test_the_default_job_exports_everything_but_secrets_and_pushes_over_ssh(
    release: Release, ssh: str, remote: Path
) -> None:
    values = {"config": {"repo": ssh}, "git": {"existingSecret": "git"}}
    release.install(values)
    job = release.container()
    report = export(job)
    assert report["incomplete"] == []
    assert f"namespaces/{release.namespace}/CronJob.batch/state-kube2git.yaml" in paths(remote)
    assert not [path for path in paths(remote) if "/Secret/" in path]
    assert not release.may("state-kube2git", "list", "secrets")
    # A kind that came after the installation is missed, and said so, until the next upgrade.
    define(release.plane, "late.example.com", "Late", "lates")
    assert export(job, codes=(3,))["incomplete"] != []
    release.upgrade(values)
    assert export(job)["incomplete"] == []
    assert len(commits(remote)) == 3


def test_a_job_seals_secrets_and_pushes_over_https_and_keeps_its_key_for_ever(
    release: Release, remote: Path, tmp_path: Path
) -> None:
    certificate = Certificate.make(tmp_path)
    with GitHttpServer(remote.parent, users={"git": "t0ken"}, certificate=certificate) as server:
        release.secret("git", password="t0ken")
        release.secret("ca", **{"ca.crt": certificate.path.read_text()})
        release.secret("payroll", password="correct horse battery staple")
        values = {
            "config": {"repo": server.url(), "sealing": {"recipients": [RECIPIENT]}},
            "git": {"existingSecret": "git", "caSecret": "ca"},
        }
        release.install(values)
        job = release.container()
        assert export(job)["incomplete"] == []
        name = f"namespaces/{release.namespace}/Secret/payroll.yaml"
        sealed = run_git("-C", str(remote), "show", f"main:{name}")
        [begun] = commits(remote)
        assert "\nsops:" in sealed
        assert "horse" not in sealed

        def key() -> str:
            return str(release.get("secret", "state-kube2git-fingerprint")["data"])

        made = key()
        release.upgrade({**values, "schedule": "0 * * * *"})
        assert release.get("cronjob", "state-kube2git")["spec"]["schedule"] == "0 * * * *"
        release.releases.rollback(helm.RELEASE, version=1)
        assert release.get("cronjob", "state-kube2git")["spec"]["schedule"] == "*/15 * * * *"
        assert key() == made
        release.releases.uninstall(helm.RELEASE)
        release.install(values)
        assert key() == made
        # With the same key the sealed file is recognised; with another one it would be new bytes.
        export(release.container())
        assert run_git("-C", str(remote), "show", f"main:{name}") == sealed
        assert commits(remote)[-1] == begun


def test_chosen_kinds_are_read_with_the_rights_to_them_alone(
    release: Release, ssh: str, remote: Path
) -> None:
    kinds = ["cm", "role.rbac.authorization.k8s.io", "*.monitoring.coreos.com", "!deploy"]
    release.install(
        {
            "config": {"repo": ssh, "export": {"kinds": kinds}},
            "git": {"existingSecret": "git"},
        }
    )
    assert export(release.container())["incomplete"] == []
    assert f"namespaces/{release.namespace}/ConfigMap/state-kube2git.yaml" in paths(remote)
    rights = {
        resource: release.may("state-kube2git", "list", resource)
        for resource in (
            "configmaps",
            "roles.rbac.authorization.k8s.io",
            "prometheusrules.monitoring.coreos.com",
            "deployments.apps",
            "pods",
            "secrets",
        )
    }
    assert rights == dict(zip(rights, (True, True, True, False, False, False), strict=True))


def test_without_cluster_wide_rights_the_named_namespaces_are_exported(
    release: Release, ssh: str, remote: Path
) -> None:
    theirs = release.plane.create_namespace()
    mine = [release.plane.create_namespace() for _ in range(2)]
    for namespace in (*mine, theirs):
        release.plane.kubectl("-n", namespace, "create", "configmap", "here", "--from-literal=a=b")
    release.install(
        {
            "config": {"repo": ssh, "export": {"namespaces": mine}},
            "git": {"existingSecret": "git"},
            "rbac": {"namespaced": True},
        }
    )
    assert export(release.container())["incomplete"] == []
    written = {path for path in paths(remote) if not path.startswith(".kube2git/")}
    assert {f"namespaces/{namespace}/ConfigMap/here.yaml" for namespace in mine} <= written
    assert {path.split("/")[1] for path in written} == set(mine)
    assert release.may("state-kube2git", "list", "configmaps", mine[0])
    assert not release.may("state-kube2git", "list", "configmaps", theirs)


def test_a_replay_is_planned_and_then_carried_out_by_the_job_for_it(
    release: Release, ssh: str
) -> None:
    values: dict[str, Any] = {
        "config": {"repo": ssh},
        "git": {"existingSecret": "git"},
        "replay": {"enabled": True},
    }
    release.plane.kubectl(
        "-n", release.namespace, "create", "configmap", "lost", "--from-literal=a=b"
    )
    release.install(values)
    export(release.container())
    release.plane.kubectl("-n", release.namespace, "delete", "configmap", "lost")
    plan = release.container("state-kube2git-replay").run(codes=(0, 3))
    assert f"+ configmap/lost -n {release.namespace}" in plan.stdout
    values["replay"]["args"] = ["configmap/lost", "-n", release.namespace, "--yes"]
    release.upgrade(values)
    release.container("state-kube2git-replay").run()
    assert release.get("configmap", "lost")["data"] == {"a": "b"}


def test_the_check_of_helm_test_finds_nothing_missing(release: Release, ssh: str) -> None:
    values = {"config": {"repo": ssh}, "git": {"existingSecret": "git"}}
    release.install(values)
    pod = helm.one(helm.render(values, namespace=release.namespace), "Pod")
    check = Container(release.plane, release.namespace, pod["spec"], release.folder / "check")
    assert "would take a push" in check.run().stdout


def test_exporter_and_sidecar_have_their_own_rights_and_no_others(release: Release) -> None:
    release.install({**RELEASES["snapshots"], "snapshots": {"enabled": True}})
    exporter, sidecar = "state-kube2git", "state-kube2git-snapshots"
    storage = "volumesnapshotcontents.snapshot.storage.k8s.io"
    assert release.may(exporter, "list", "configmaps")
    for verb, resource in (
        ("get", "pods/exec"),
        ("create", "pods/exec"),
        ("get", "nodes/proxy"),
        ("get", "secrets"),
        ("list", "secrets"),
        ("create", storage),
        ("patch", "deployments.apps"),
        ("delete", "configmaps"),
    ):
        assert not release.may(exporter, verb, resource), (verb, resource)
    assert release.may(sidecar, "create", storage)
    for verb, resource in (
        ("create", "pods/exec"),
        ("list", "secrets"),
        ("list", "configmaps"),
        ("create", "pods"),
    ):
        assert not release.may(sidecar, verb, resource), (verb, resource)
    release.upgrade(RELEASES["snapshots"])
    assert release.may(exporter, "create", "pods/exec")
    # The exporter's files speak for the exporter, the Pod's own account for the sidecar.
    job = release.container()
    world.wait_until(
        lambda: "token" in release.get("secret", "state-kube2git-exporter-token").get("data", {})
    )
    assert job.pod["serviceAccountName"] == sidecar
    mounted = {mount["name"] for mount in job.container["volumeMounts"]}
    assert "token" in mounted
    assert "sidecar-token" not in mounted


def test_two_replicas_of_the_daemon_take_turns_with_the_rights_of_the_chart(
    release: Release, ssh: str, remote: Path, tmp_path: Path
) -> None:
    here, account = release.namespace, "state-kube2git"
    plan = {"when": "every 1s", "namespaces": [here], "kinds": ["cm"], "cluster_scoped": "no"}
    release.install(
        {
            "mode": "daemon",
            "daemon": {"replicas": 2},
            "config": {
                "repo": ssh,
                "serve": {"schedules": {"often": plan}, "lease_seconds": 8, "retry": 1},
            },
            "git": {"existingSecret": "git"},
        }
    )
    deployment = release.get("deployment", account)["spec"]
    assert deployment["replicas"] == 2
    one, two = replicas = [Watched(tmp_path / f"log-{name}") for name in "ab"]
    try:
        for name, replica in zip("ab", replicas, strict=True):
            pod = deployment["template"]["spec"]
            container = Container(release.plane, here, pod, tmp_path / f"pod-{name}")
            replica.watch(container.start(tmp_path / f"log-{name}"))
        one.wait(lambda: one.metric("leader") or two.metric("leader"), "A leader")
        leader, other = (one, two) if one.metric("leader") else (two, one)
        leader.wait_for_runs(1, "success")
        assert f"namespaces/{here}/ConfigMap/{account}.yaml" in paths(remote)
        other.wait(other.is_ready, "Readiness of the one that stands by")
        assert other.metric("leader") == 0
        assert other.runs() == []
        leader.kill()
        other.wait(lambda: other.metric("leader"), "The takeover")
        release.plane.kubectl("-n", here, "create", "configmap", "late", "--from-literal=a=b")
        late = f"namespaces/{here}/ConfigMap/late.yaml"
        other.wait(lambda: late in paths(remote), "The change")
        other.wait(other.is_ready, "Readiness")
        assert release.get("lease", account)["spec"]["leaseTransitions"] >= 1
        assert other.stop() == 0
    finally:
        for replica in replicas:
            replica.kill()
    run_git("-C", str(remote), "fsck", "--strict")
    assert not release.may(account, "update", "leases.coordination.k8s.io/other", here)
    assert not release.may(account, "list", "deployments.apps", here)
    assert release.may(account, "create", "events", here)
    assert not release.may(account, "create", "events")


@pytest.mark.parametrize("name", RELEASES)
def test_the_server_takes_every_object_and_pod_security_every_pod(
    release: Release, name: str, tmp_path: Path
) -> None:
    manifests = helm.render(RELEASES[name], namespace=release.namespace)
    release.create_accounts(manifests)
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all(manifests))
    done = release.plane.run_kubectl("apply", "--server-side", "--dry-run=server", "-f", str(file))
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    for number, spec in enumerate(pod_specs(manifests)):
        release.plane.create(
            f"/api/v1/namespaces/{release.namespace}/pods",
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"pod-{number}"},
                "spec": spec,
            },
        )


def pod_specs(manifests: list[helm.Manifest]) -> list[dict[str, Any]]:
    """Return the spec of every Pod that the objects come to."""
    into: dict[str, Callable[[Any], Any]] = {
        "CronJob": lambda spec: spec["jobTemplate"]["spec"]["template"]["spec"],
        "Deployment": lambda spec: spec["template"]["spec"],
        "Pod": lambda spec: spec,
    }
    return [into[item["kind"]](item["spec"]) for item in manifests if item["kind"] in into]


def test_pod_security_would_refuse_a_pod_with_more_rights(release: Release) -> None:
    values = {**RELEASES["cronjob"], "securityContext": {"allowPrivilegeEscalation": True}}
    manifests = helm.render(values, namespace=release.namespace)
    release.create_accounts(manifests)
    spec = pod_specs(manifests)[0]
    answer = release.plane.request(
        "POST",
        f"/api/v1/namespaces/{release.namespace}/pods",
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bold"}, "spec": spec},
    )
    assert answer.status == 403
    assert "allowPrivilegeEscalation" in answer.body.decode()


def test_a_job_made_of_the_cronjob_fails_with_the_exit_code_as_its_reason(
    release: Release, ssh: str
) -> None:
    release.install({"config": {"repo": ssh}, "git": {"existingSecret": "git"}})
    kubectl = ("-n", release.namespace)
    release.plane.kubectl(
        *kubectl, "create", "job", "--from=cronjob/state-kube2git", "first-export"
    )
    pods = f"/api/v1/namespaces/{release.namespace}/pods"

    def made() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = release.plane.get(pods).json()["items"]
        return items

    world.wait_until(lambda: len(made()) == 1)
    # As a kubelet would say it of a container that has ended.
    [pod] = made()
    ended = {"terminated": {"exitCode": RefusedError.exit_code, "reason": "Error"}}
    state = {"name": "kube2git", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    pod["status"] |= {"phase": "Failed", "containerStatuses": [state | {"state": ended}]}
    answer = release.plane.request("PUT", f"{pods}/{pod['metadata']['name']}/status", pod)
    assert answer.status == 200, answer.body

    def why() -> dict[str, str]:
        conditions = release.get("job", "first-export").get("status", {}).get("conditions") or []
        return {item["type"]: f"{item['reason']}: {item['message']}" for item in conditions}

    world.wait_until(lambda: "Failed" in why())
    assert why()["Failed"].startswith("PodFailurePolicy: ")
    assert "failed with exit code 5 matching FailJob rule" in why()["Failed"]
    assert len(made()) == 1


def test_the_table_of_built_in_kinds_is_that_of_the_server(plane: ControlPlane) -> None:
    found: dict[str, dict[str, list[str]]] = {}
    answers = [("", plane.get("/api/v1").json())]
    for group in plane.get("/apis").json()["groups"]:
        version = group["preferredVersion"]["groupVersion"]
        answers.append((group["name"], plane.get(f"/apis/{version}").json()))
    for name, answer in answers:
        if name.endswith(".example.com") or name == "monitoring.coreos.com":
            continue
        for item in answer["resources"]:
            if "/" not in item["name"] and "list" in item["verbs"]:
                others = {item["singularName"] or item["kind"].lower(), *item.get("shortNames", [])}
                found.setdefault(name, {})[item["name"]] = sorted(others)
    table = yaml.safe_load((helm.CHART / "files" / "kinds.yaml").read_text())
    assert table == found


def test_the_guides_of_installing_and_operating_work_as_they_are_written(
    plane: ControlPlane, tmp_path: Path
) -> None:
    folder, keys, home = (tmp_path / name for name in ("served", "keys", "home"))
    keys.mkdir()
    home.mkdir()
    create_remote(folder)
    create_remote(folder, "team.git")
    shop = ("-n", RELEASES["namespaced"]["config"]["export"]["namespaces"][0])
    plane.kubectl(*shop, "create", "configmap", "web", "--from-literal=log-level=info")
    plane.kubectl(*shop, "create", "secret", "generic", "db", "--from-literal=password=s3cret-w0rd")
    with GitSshServer(folder, keys) as server:
        port = server.url().partition("127.0.0.1:")[2].partition("/")[0]
        reader = guides.Reader(
            plane,
            home,
            {
                "ssh://git@git.example.com/state.git": server.url("state.git"),
                "ssh://git@git.example.com/team.git": server.url("team.git"),
                "ssh-keyscan git.example.com": f"ssh-keyscan -p {port} 127.0.0.1",
            },
        )
        said = {}
        for line in [*guides.commands("docs/install.md"), *guides.commands("docs/operations.md")]:
            said[line] = reader.type(line)
            if line.startswith("ssh-keygen"):
                # The key that the server knows takes the place of the new one.
                for name in ("deploy_key", "deploy_key.pub"):
                    (home / name).unlink()
                (home / "deploy_key").write_text(server.key_path.read_text())
                (home / "deploy_key").chmod(0o600)

    def heard(beginning: str) -> str:
        [text] = [text for line, text in said.items() if line.startswith(beginning)]
        return text

    assert "would take a push" in heard("helm test")
    assert "Committed" in heard("kubectl -n kube2git logs -f job/first-export")
    assert "It works" in heard("kube2git check")
    assert "secret/db" in heard("kubectl -n shop-drill get")
    assert "kind: CronJob" in heard("kube2git show")
    assert len((home / "fingerprint.key").read_text()) == 44
