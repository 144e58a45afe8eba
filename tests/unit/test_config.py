"""Settings: precedence, problems told at once, and a sample file that cannot lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from kube2git.config import (
    ConfigError,
    LogFormat,
    Settings,
    as_environment,
    environment_names,
    every_setting,
    load,
)
from kube2git.core import yamlio
from kube2git.core.selection import ClusterScoped

SAMPLE = Path(__file__).parents[2] / "config" / "kube2git.yaml"


def test_nothing_given_is_the_defaults() -> None:
    assert load() == Settings()


def test_a_flag_beats_the_environment_which_beats_the_file() -> None:
    file = {"git": {"branch": "file", "prefix": "file", "author": "A <a@b>"}}
    environ = {"KUBE2GIT_GIT_BRANCH": "env", "KUBE2GIT_GIT_PREFIX": "env", "HOME": "/x"}
    settings = load(file, environ=environ, flags={"git.branch": "flag", "git.prefix": None})
    assert (settings.git.branch, settings.git.prefix, settings.git.author) == (
        "flag",
        "env",
        "A <a@b>",
    )


def test_values_are_converted_to_their_type() -> None:
    file = {"export": {"namespaces": ["a", "!b"], "cluster_scoped": "yes"}, "git": {"timeout": 9}}
    settings = load(
        file, environ={"KUBE2GIT_EXPORT_KINDS": "deploy, svc", "KUBE2GIT_GIT_PUSH": "false"}
    )
    assert settings.export.namespaces == ("a", "!b")
    assert settings.export.kinds == ("deploy", "svc")
    assert settings.export.cluster_scoped is ClusterScoped.YES
    assert settings.git.push is False
    assert settings.git.timeout == 9.0


def test_all_problems_are_told_at_once_with_their_lines() -> None:
    text = b"""\
repo: 3
git:
  brunch: main
  push: yes please
  author: nobody
export:
  max_removal_share: 2
  selector: "a b"
  cluster_scoped: perhaps
cluster: []
"""
    located = yamlio.decode_config(text, source="x.yaml")
    with pytest.raises(ConfigError) as caught:
        load(
            located.body,
            source="x.yaml",
            lines=located.lines,
            environ={"KUBE2GIT_GIT_DEPTH": "deep"},
        )
    message = str(caught.value)
    assert message.startswith("x.yaml has 9 problems:\n")
    for expected in (
        "line 1: repo: this must be text",
        "line 3: git.brunch: there is no such setting; known here are branch",
        "line 4: git.push: this must be true or false",
        "line 5: git.author: this must look like Name <mail@example.com>",
        "line 7: export.max_removal_share: this must be above 0 and at most 1",
        "line 8: export.selector: the label selector 'a b' cannot be read from character 1 on",
        "line 9: export.cluster_scoped: this must be one of auto, yes, no",
        "line 10: cluster: this must be a section",
        "KUBE2GIT_GIT_DEPTH: this must be a number",
    ):
        assert expected in message


@pytest.mark.parametrize("prefix", ["/etc", "../up", "a/../../b"])
def test_a_prefix_stays_inside_the_repository(prefix: str) -> None:
    with pytest.raises(ConfigError, match="inside the repository"):
        load({"git": {"prefix": prefix}})


def test_the_sample_file_holds_every_setting_at_its_default() -> None:
    data = yamlio.decode_config(SAMPLE.read_bytes(), source=str(SAMPLE)).body
    assert load(data) == Settings()
    for path, _ in every_setting():
        section = data
        for name in path:
            assert name in section, f"{'.'.join(path)} is missing in {SAMPLE.name}"
            section = section[name]


def test_every_setting_explains_itself_in_the_sample_file() -> None:
    text = " ".join(line.strip("# ") for line in SAMPLE.read_text().splitlines() if "#" in line)
    for path, item in every_setting():
        help = " ".join(item.metadata["help"].split())
        assert help in text, f"{'.'.join(path)}: its help is not in {SAMPLE.name}"


def test_every_setting_has_its_own_environment_variable() -> None:
    assert len(environment_names()) == len(every_setting())
    assert environment_names()["KUBE2GIT_REPO"] == ("repo",)


def test_what_flags_set_can_be_passed_on_as_environment() -> None:
    flags = {
        "repo": "state.git",
        "git.branch": "prod",
        "git.push": False,
        "cluster.impersonate_groups": ("a", "b"),
        "cluster.request_timeout": 30.0,
        "export.cluster_scoped": ClusterScoped.NO,
        "serve.log_format": LogFormat.JSON,
    }
    assert load(environ=as_environment(flags)) == load(flags=flags)


def test_a_daemon_is_told_all_that_is_wrong_with_its_schedules() -> None:
    serve = {"schedules": {"a": {"when": "never"}, "B": {}}, "listen": "8080", "retry": 0}
    with pytest.raises(ConfigError) as caught:
        load({"serve": serve})
    for expected in (
        "serve.schedules.a.when: 'never' is not a time",
        "serve.schedules.B: a name has up to 40 small letters",
        "serve.schedules.B.when: this is missing",
        "serve.listen: this must look like",
        "serve.retry: this must be at least 1",
    ):
        assert expected in str(caught.value)
