"""A configuration that changes: taken over when it is good, told once when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from kube2git.config import ConfigError, Settings
from kube2git.errors import RepositoryNotFoundError, UsageError
from kube2git.serve.configuration import Source
from tests.gitservers import create_remote, run_git


def refuse_no_repository(settings: Settings) -> None:
    if not settings.repo:
        raise UsageError("no repository is given")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kube2git.yaml"
    path.write_text("repo: a\n")
    return path


def test_only_another_content_is_a_change(file: Path) -> None:
    source = Source(str(file), {}, refuse_no_repository)
    first = source.read()
    assert (first.settings.repo, first.text) == ("a", b"repo: a\n")
    assert source.changed() is None
    file.write_text("repo: a\n")
    assert source.changed() is None
    file.write_text("repo: b\n")
    second = source.changed()
    assert second is not None
    assert second.settings.repo == "b"
    assert source.changed() is None


def test_the_environment_beats_a_changed_file_too(file: Path) -> None:
    source = Source(None, {"KUBE2GIT_CONFIG": str(file), "KUBE2GIT_REPO": "env"}, lambda _: None)
    assert source.read().settings.repo == "env"


@pytest.mark.parametrize("text", ["repo: 3", "repo: [", "{}"])
def test_a_broken_change_is_told_once(file: Path, text: str) -> None:
    source = Source(str(file), {}, refuse_no_repository)
    source.read()
    file.write_text(text)
    with pytest.raises(UsageError):
        source.changed()
    assert source.changed() is None
    file.write_text("repo: a\n")
    assert source.changed() is not None


def test_a_file_that_is_gone_is_told_once(file: Path) -> None:
    source = Source(str(file), {}, refuse_no_repository)
    source.read()
    file.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        source.changed()
    assert source.changed() is None
    file.write_text("repo: a\n")
    assert source.changed() is not None


def test_a_broken_configuration_does_not_start(file: Path) -> None:
    file.write_text("repo: 3\n")
    with pytest.raises(ConfigError):
        Source(str(file), {}, refuse_no_repository).read()


def test_of_the_file_that_names_a_repository_only_the_way_to_it_counts(tmp_path: Path) -> None:
    remote, work = create_remote(tmp_path), tmp_path / "work"
    local = tmp_path / "local.yaml"
    local.write_text(f"repo: ignored\nserve: {{config_repo: {remote}, config_file: ops/a.yaml}}\n")
    source = Source(str(local), {}, refuse_no_repository)
    with pytest.raises(RepositoryNotFoundError, match="has no revision main"):
        source.read()
    run_git("clone", "-q", str(remote), str(work))
    (work / "ops").mkdir()
    (work / "ops" / "a.yaml").write_text("repo: out of git\n")
    run_git("-C", str(work), "add", "-A")
    run_git("-C", str(work), "commit", "-qm", "config")
    run_git("-C", str(work), "push", "-q", "origin", "HEAD:main")
    pinned = run_git("-C", str(work), "rev-parse", "HEAD")
    accepted = source.read()
    assert (accepted.settings.repo, accepted.text) == ("out of git", b"repo: out of git\n")
    assert accepted.settings.serve.config_repo == ""
    (work / "ops" / "a.yaml").write_text("repo: newer\n")
    run_git("-C", str(work), "commit", "-qam", "newer")
    run_git("-C", str(work), "push", "-q", "origin", "HEAD:main")
    assert source.read().settings.repo == "newer"
    environ = {"KUBE2GIT_SERVE_CONFIG_FILE": "b.yaml"}
    with pytest.raises(UsageError, match=r"has no file b.yaml at main"):
        Source(str(local), environ, lambda _: None).read()
    environ = {"KUBE2GIT_SERVE_CONFIG_REVISION": pinned}
    assert Source(str(local), environ, lambda _: None).read().settings.repo == "out of git"
