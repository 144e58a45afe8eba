"""`make demo`: the main job on a local control plane, with the commands printed as they run.

A reader learns the tool by it: load a cluster, export it, change things by hand, export again,
and ask the history what happened.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from tests import controlplane
from tests.csidriver.driver import serve_volumes

ROOT = Path(__file__).parents[1]
WORK = ROOT / "demo-run"
MANIFESTS = ROOT / "config" / "demo"


class Shell:
    """Runs commands as a reader would type them, and shows them."""

    def __init__(self, kubeconfig: Path) -> None:
        self.environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith("KUBE2GIT")},
            "KUBECONFIG": str(kubeconfig),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "XDG_CONFIG_HOME": str(WORK / "config"),
            "KUBE_EDITOR": "sed -i s/log-level:.*/log-level:\\ debug/",
            "GIT_PAGER": "",
            "PYTHONWARNINGS": "ignore",
        }

    def run(self, command: str, *, codes: tuple[int, ...] = (0,), quiet: bool = False) -> str:
        """Run one command line; end the demo when its exit code is none of ``codes``."""
        print(f"\n\033[1m$ {command}\033[0m" if sys.stdout.isatty() else f"\n$ {command}")
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=WORK,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if not quiet or done.returncode not in codes:
            print(done.stdout, end="", flush=True)
        if done.returncode not in codes:
            sys.exit(f"The demo stopped: that exited with {done.returncode}.")
        return done.stdout


def say(text: str) -> None:
    """Tell the reader what comes next."""
    print()
    print(textwrap.fill(text, 96, initial_indent="# ", subsequent_indent="# "), flush=True)


def main() -> None:
    """Run the demo from an empty folder."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    say("A real Kubernetes control plane starts, as plain processes on this machine.")
    with controlplane.start(WORK / "cluster-a") as cluster:
        shell = Shell(cluster.kubeconfig)
        export_half(shell)
        say("And back: a second, empty control plane starts.")
        with controlplane.start(WORK / "cluster-b"):
            replay_half(shell)
    say("Volumes come back, too. A third cluster has storage, behind the real CSI sidecars.")
    with controlplane.start(WORK / "cluster-c", csi=True) as cluster:
        volumes = serve_volumes(cluster)
        data_part(Shell(cluster.kubeconfig), volumes)
    say(f"Done. The repository is {shlex.quote(str(WORK.relative_to(ROOT) / 'kube2git.git'))}.")


def export_half(shell: Shell) -> None:
    """Export, change by hand, export again, and look at the history."""
    demo = os.path.relpath(MANIFESTS, WORK)
    say("A platform team sets up a cluster: three namespaces with what people run in them.")
    shell.run(f"kubectl apply -f {demo}/1-cluster.yaml", quiet=True)
    shell.run("kubectl wait --for=condition=Established crd/coupons.shop.example.com")
    shell.run(f"kubectl apply -f {demo}/2-shop.yaml -f {demo}/3-payments.yaml", quiet=True)
    shell.run("kubectl rollout status --timeout=1s -n shop deploy/web", codes=(0, 1), quiet=True)

    say("kube2git: a repository, a look whether all is well, and the first export.")
    shell.run("kube2git init")
    shell.run("kube2git check | tail -3")
    shell.run("kube2git export | tail -8")

    say("An object in Git is what a person meant: no uid, no clusterIP, no status.")
    shell.run("kube2git show HEAD:service/checkout -n payments")
    say("Why is something not there? Every removal has a rule and a reason.")
    shell.run("kube2git explain service/checkout -n payments")

    say("Nothing has changed since, so there is nothing to commit.")
    shell.run("kube2git export")

    say("Now people work on the cluster by hand, as they do at night.")
    shell.run("kubectl scale -n payments deploy/checkout --replicas=5")
    shell.run("kubectl edit -n shop configmap/web")
    shell.run("kubectl delete -n shop networkpolicy/default-deny")
    shell.run(
        "kubectl create -n shop -f - <<< "
        '\'{"apiVersion":"shop.example.com/v1","kind":"Coupon","metadata":{"name":"sale"},'
        '"spec":{"code":"SALE","percent":20}}\''
    )
    say("Before the next export: what does the cluster have that Git does not know yet?")
    shell.run("kube2git diff HEAD --live", codes=(1,))
    shell.run("kube2git export")

    say("Git is the audit: who changed what, and when.")
    shell.run("kube2git log")
    shell.run("kube2git log deploy/checkout -n payments")
    shell.run("kube2git diff HEAD~1 HEAD -o diff", codes=(1,))
    say("It is a plain Git repository; every tool that knows Git works on it.")
    shell.run("git -C kube2git.git log --stat --format='%h %s' -1 | tail -8")


def replay_half(shell: Shell) -> None:
    """Replay into an empty cluster under other names, and undo changes in the first one."""
    there = "--kubeconfig cluster-b/kubeconfig.yaml"
    maps = "--map shop=store --map payments=billing"
    say("What would it take to have the commit there, with two namespaces renamed?")
    shell.run(f"kube2git replay HEAD {maps} {there} --dry-run=server | tail -12")
    shell.run(f"kube2git replay HEAD {maps} {there} --yes | tail -1")
    say("Every reference followed: the binding's subjects, and the address in the configuration.")
    shell.run(f"kubectl {there} get -n billing rolebinding/deployer -o yaml | tail -4")
    say("The target is what the commit says: there is nothing left to do, and nothing is written.")
    shell.run(f"kube2git replay HEAD {maps} {there} --yes | tail -1")

    say("Back in the first cluster: one object goes back to what it was before last night.")
    shell.run("kube2git replay HEAD~1 deploy/checkout -n payments --yes")
    say("And a whole namespace: what was added since goes, what was deleted comes back.")
    shell.run("kube2git replay HEAD~1 -n shop --prune=all --take-over='kubectl*' --dry-run=server")
    shell.run("kube2git replay HEAD~1 -n shop --prune=all --take-over='kubectl*' --yes | tail -1")
    shell.run("kube2git diff HEAD~1 --live -n shop -n payments")


def data_part(shell: Shell, volumes: Path) -> None:
    """Snapshot a claim with the export, lose the namespace, and have the bytes back."""
    shell.run("kubectl create namespace shop", quiet=True)
    shell.run(f"kubectl apply -n shop -f - <<'EOF'\n{CLAIM}EOF", quiet=True)
    shell.run("kubectl wait -n shop --for=jsonpath={.status.phase}=Bound pvc/orders")
    handle = shell.run(
        r"""kubectl get pv -o jsonpath='{.items[0].spec.csi.volumeHandle}{"\n"}'"""
    ).strip()
    where = os.path.relpath(volumes, WORK)
    say("Something writes into the volume.")
    shell.run(f"echo '12 boxes of tea' > {where}/{handle}/orders.txt")
    shell.run(f"sha256sum < {where}/{handle}/orders.txt")
    say("One commit: the manifests, and the ids of the snapshots.")
    shell.run("kube2git export --snapshots --prefix clusters/c | tail -3")
    shell.run("git -C kube2git.git show main:clusters/c/snapshots/shop/orders.yaml")
    say("Then somebody deletes the namespace, and the data with it.")
    shell.run("kubectl delete namespace shop")
    shell.run("kube2git replay HEAD -n shop --prefix clusters/c --volumes=restore --wait --yes")
    bound = r"""{.items[?(@.status.phase=="Bound")].spec.csi.volumeHandle}{"\n"}"""
    restored = shell.run(f"kubectl get pv -o jsonpath='{bound}'").strip()
    say("It is another volume, with the same bytes.")
    shell.run(f"sha256sum < {where}/{restored}/orders.txt")


CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: orders}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: folder
  resources: {requests: {storage: 1Gi}}
"""


if __name__ == "__main__":
    main()
