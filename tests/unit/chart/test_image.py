"""The image, as far as that goes without Docker: its recipe, its locks, and the wheel in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import yaml

from tests import helm
from tests.unit.chart.releases import RELEASES
from tests.unit.chart.test_rendering import containers

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def pinned(name: str) -> dict[str, str]:
    """Return what a lock pins: package -> version and marker."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    found = re.findall(r"^([a-z0-9][\w.-]*(?:\[.*\])?)==(\S+(?: ;[^\\\n]*)?)", text, re.MULTILINE)
    return {package: version.strip() for package, version in found}


@pytest.mark.parametrize("name", ["runtime", "build"])
def test_locks_of_the_image_have_hashes_no_addresses_and_the_tested_versions(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    entries = re.split(r"\n(?=\S)", text)
    assert all("--hash=sha256:" in entry for entry in entries if "==" in entry)
    versions = {package: version.split()[0] for package, version in pinned(name).items()}
    tested = {package: version.split()[0] for package, version in pinned("dev").items()}
    assert versions
    assert versions.items() <= tested.items()


def test_the_lock_of_the_image_covers_every_dependency_and_nothing_for_tests() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    section = project.partition("\ndependencies = [")[2].partition("\n]")[0]
    wanted = {name.lower() for name in re.findall(r'"([\w.-]+?)(?:\[.*?\])?>=', section)}
    assert wanted
    locked = {package.partition("[")[0] for package in pinned("runtime")}
    assert {name.replace(".", "-") for name in wanted} <= {
        name.replace(".", "-") for name in locked
    }
    assert not locked & {"pytest", "moto", "ruff", "mypy", "hypothesis"}


def test_the_image_runs_as_the_user_of_the_chart_with_the_programs_it_needs() -> None:
    values = yaml.safe_load((helm.CHART / "values.yaml").read_text())
    security = values["podSecurityContext"]
    user = f"{security['runAsUser']}:{security['runAsGroup']}"
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == [user]
    installed = re.search(r"--no-install-recommends (.+?) \\", DOCKERFILE)
    assert installed
    assert {"git", "openssh-client", "ca-certificates"} <= set(installed[1].split())
    homes = {
        item["value"]
        for item in containers(RELEASES["cronjob"])[0]["env"]
        if item["name"] == "HOME"
    }
    assert homes == set(re.findall(r" HOME=(\S+)", DOCKERFILE))


def test_the_recipe_copies_only_what_docker_is_shown() -> None:
    shown = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        word
        for words in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        for word in words.split()
    }
    assert {path.split("/")[0] for path in copied} == shown
    assert all((ROOT / path).exists() for path in copied)


class Build:
    """The recipe's first stage in a folder: its own commands, but for what a registry sends."""

    def __init__(self, folder: Path) -> None:
        self.prefix = folder / "opt" / "kube2git"
        self.python = self.prefix / "bin" / "python"
        self._sources = folder / "build"
        self._environ = {
            **{name: text for name, text in os.environ.items() if name != "PYTHONPATH"},
            **dict(re.findall(r"(PIP_\w+|PYTHON\w+)=(\d)", DOCKERFILE.partition("WORKDIR")[0])),
            **dict(re.findall(r"^ARG (SOURCE_DATE_EPOCH)=(\d+)$", DOCKERFILE, re.MULTILINE)),
        }
        shutil.rmtree(folder / "opt", ignore_errors=True)
        shutil.rmtree(self._sources, ignore_errors=True)
        self._sources.mkdir()
        self.prefix.mkdir(parents=True)
        for names, into in re.findall(r"^COPY (?!--from)(.+) (\S+)$", DOCKERFILE, re.MULTILINE):
            for name in names.split():
                inside = Path(name).name if into.endswith("/") else ""
                self._copy(ROOT / name, self._sources / into / inside)
        self.run(sys.executable, "-m", "venv", "--without-pip", self.prefix)
        steps = re.findall(r"^RUN ((?:.*\\\n)*.*)", DOCKERFILE, re.MULTILINE)
        [step] = [step for step in steps if "pip wheel" in step]
        pip = f"{sys.executable} -m pip"
        for theirs, ours in {
            "/opt/builder/bin/pip": pip,
            "/opt/kube2git": str(self.prefix),
            f"{self.prefix}/bin/pip": f"{pip} --python {self.python}",
        }.items():
            step = step.replace(theirs, ours)
        self.run("sh", "-ec", step, cwd=self._sources)
        [self.wheel] = self._sources.glob("dist/*.whl")

    def _copy(self, source: Path, target: Path) -> None:
        # With the times of the copy, which differ from one build to the next.
        if source.is_dir():
            shutil.copytree(
                source,
                target,
                ignore=shutil.ignore_patterns("__pycache__"),
                copy_function=shutil.copyfile,
            )
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, target)

    def run(self, *command: str | Path, cwd: Path | None = None) -> str:
        done = subprocess.run(
            command,
            env=self._environ,
            cwd=cwd or self.prefix,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
        return done.stdout

    def content(self) -> dict[str, tuple[float, bytes]]:
        """Return what a layer of the image is made of: path -> time and bytes."""
        return {
            str(path.relative_to(self.prefix)): (
                path.lstat().st_mtime,
                path.read_bytes() if path.is_file() and not path.is_symlink() else b"",
            )
            for path in self.prefix.rglob("*")
        }


def test_the_commands_of_the_recipe_make_what_the_chart_runs_twice_the_same(
    tmp_path: Path,
) -> None:
    first = Build(tmp_path).content()
    build = Build(tmp_path)
    assert build.content() == first
    assert {time for time, _ in first.values()} == {0}
    shipped = set(zipfile.ZipFile(build.wheel).namelist())
    written = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "kube2git").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert written <= shipped
    [site] = build.prefix.glob("lib/python*/site-packages")
    compiled = [path for path in site.rglob("*.pyc") if path.is_relative_to(site / "kube2git")]
    assert len(compiled) == len([name for name in written if name.endswith(".py")])
    # The flags after the magic number: by hash, and the source is not looked at.
    assert {path.read_bytes()[4:8] for path in compiled} == {b"\x01\0\0\0"}
    # Its libraries are those of the tests; the package itself must not be.
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"])
    where = build.run(build.python, "-c", "import kube2git; print(kube2git.__file__)")
    assert where.startswith(str(site))
    [entry] = json.loads(re.findall(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.MULTILINE)[0])
    [otherwise] = json.loads(re.findall(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE)[0])
    assert f"PATH=/opt/kube2git/{build.python.parent.name}:" in DOCKERFILE
    program = build.python.parent / entry
    assert "Usage: kube2git" in build.run(program, otherwise)
    pods = [pod for values in RELEASES.values() for pod in containers(values)]
    assert {pod["command"][0] for pod in pods} == {entry}
    verbs = {item["args"][0] for item in pods}
    assert verbs == {"export", "serve", "sidecar", "replay", "check"}
    for verb in sorted(verbs):
        assert "Usage: kube2git" in build.run(program, verb, "--help")
    assert "kube2git" in build.run(program, "version")
