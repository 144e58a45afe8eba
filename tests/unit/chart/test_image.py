"""The image, as far as that goes without Docker: its recipe, its locks, and the wheel in it."""

from __future__ import annotations

import os
import re
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


def test_the_wheel_in_a_clean_environment_runs_what_the_chart_runs(tmp_path: Path) -> None:
    environ = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1"}
    environ.pop("PYTHONPATH", None)

    def run(*command: str | Path, cwd: Path = tmp_path) -> str:
        done = subprocess.run(
            command, env=environ, cwd=cwd, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=ROOT)
    [wheel] = tmp_path.glob("*.whl")
    clean = tmp_path / "clean"
    run(sys.executable, "-m", "venv", "--without-pip", clean)
    python = clean / "bin" / "python"
    into = ("--python", python, "install", "--no-deps", "--no-compile", wheel)
    run(sys.executable, "-m", "pip", "--quiet", *into)
    # Its libraries are those of the tests; the package itself must not be.
    [site] = clean.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"])
    where = run(python, "-c", "import kube2git; print(kube2git.__file__)")
    assert where.startswith(str(site))
    shipped = set(zipfile.ZipFile(wheel).namelist())
    written = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "kube2git").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert written <= shipped
    verbs = {item["args"][0] for values in RELEASES.values() for item in containers(values)}
    for verb in sorted(verbs):
        assert "Usage: kube2git" in run(clean / "bin" / "kube2git", verb, "--help")
    assert verbs == {"export", "serve", "sidecar", "replay", "check"}
    assert "kube2git" in run(clean / "bin" / "kube2git", "version")
