"""A guide's commands, run as they are written, with real kubectl, git, kube2git and Helm.

What no process of this machine can do, a kubelet's part and a registry's, is played: a container is
run by `containers.py` when its log is asked for.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests import helm, program
from tests.cluster.containers import Container
from tests.controlplane import ControlPlane
from tests.tool import KUBE2GIT

ROOT = Path(__file__).parents[2]


def commands(document: str) -> list[str]:
    """Return every line of the document's ``sh`` blocks."""
    blocks = re.findall(
        r"^```sh\n(.*?)^```", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL
    )
    return [line for block in blocks for line in block.splitlines()]


class Reader:
    """Somebody who types what a guide says, with `changes` to what only an example can say."""

    def __init__(self, plane: ControlPlane, home: Path, changes: Mapping[str, str]) -> None:
        self.plane = plane
        self.home = home
        self.changes = changes
        self.environ = {
            **{name: text for name, text in os.environ.items() if not name.startswith("KUBE2GIT_")},
            "PATH": f"{KUBE2GIT.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "KUBECONFIG": str(plane.kubeconfig),
        }
        (home / "charts").symlink_to(ROOT / "charts")

    def type(self, line: str) -> str:
        """Run one line and return what it printed; fail when it fails."""
        for example, real in self.changes.items():
            line = line.replace(example, real)
        words = shlex.split(line.partition(" | ")[0])
        if words[0] == "docker":
            return self._docker(words)
        if words[0] == "helm":
            return self._helm(words[1], words[2:])
        if words[0] == "kubectl" and "logs" in words:
            return self._log(words[words.index("-n") + 1], words[words.index("-f") + 1])
        if words[0] == "export":
            for word in words[1:]:
                name, _, value = word.partition("=")
                self.environ[name] = value.replace("$PWD", str(self.home))
            return ""
        if words[0] == "kube2git" and not re.search(r"[|<>;&$()]", line):
            return self._kube2git(words[1:])
        done = subprocess.run(
            ["bash", "-ec", line],
            env=self.environ,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{line}: {done.stderr}{done.stdout}"
        return done.stdout

    def _kube2git(self, words: list[str]) -> str:
        done = program.run(words, self.environ, self.home, timeout=120)
        assert done.returncode == 0, f"{words}: {done.stderr}{done.stdout}"
        return done.stdout

    def _docker(self, words: list[str]) -> str:
        """Check what can be checked without Docker: the arguments that the recipe knows."""
        given = {
            word.partition("=")[0]
            for flag, word in itertools.pairwise(words)
            if flag == "--build-arg"
        }
        recipe = (ROOT / "Dockerfile").read_text()
        assert given <= set(re.findall(r"^ARG (\w+)", recipe, re.MULTILINE))
        return ""

    def _helm(self, verb: str, words: list[str]) -> str:
        flags, names = {"-n": "", "-f": ""}, list[str]()
        values: dict[str, Any] = {}
        rest = iter(words)
        for word in rest:
            if word in ("-n", "-f"):
                flags[word] = next(rest)
            elif word == "--set":
                values = helm.merged(values, helm.set_values(next(rest)))
            elif word != "--logs":
                names.append(word)
        if flags["-f"]:
            values = helm.merged(yaml.safe_load((self.home / flags["-f"]).read_text()), values)
        namespace = flags["-n"]
        server = helm.connect(self.plane.kubeconfig, namespace)
        if verb == "test":
            pod = next(item for item in helm.hooks(server, names[0]) if item["kind"] == "Pod")
            return self._run(namespace, pod["spec"])
        if verb == "rollback":
            server.rollback(names[0], version=int(names[1]))
        else:
            assert verb in ("install", "upgrade")
            getattr(server, verb)(self.home / names[1], names[0], values, namespace=namespace)
        return ""

    def _log(self, namespace: str, job: str) -> str:
        text = self.plane.kubectl("-n", namespace, "get", job, "-o", "yaml")
        return self._run(namespace, yaml.safe_load(text)["spec"]["template"]["spec"])

    def _run(self, namespace: str, pod: Mapping[str, Any]) -> str:
        answer = Container(self.plane, namespace, pod, self.home / "pod").run()
        return answer.stdout + answer.stderr
