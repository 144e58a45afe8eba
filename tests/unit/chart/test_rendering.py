"""What the chart's Pods run, and with what in hand: held against the program."""

from __future__ import annotations

import importlib
from typing import Any

import click
import pytest

from kube2git import config
from kube2git.cli.main import COMMANDS
from kube2git.core.report import INCOMPLETE
from kube2git.errors import (
    ClusterDeniedError,
    RefusedError,
    RepositoryNotFoundError,
    UsageError,
)
from tests import helm
from tests.unit.chart.releases import RELEASES, REPO


def containers(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every container of every Pod that an installation comes to."""
    found = []
    for item in helm.render(values):
        spec = item.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        spec = spec.get("template", {}).get("spec", spec)
        found += [*spec.get("initContainers", []), *spec.get("containers", [])]
    return found


@pytest.mark.parametrize("name", RELEASES)
def test_every_command_and_flag_of_a_container_exists(name: str) -> None:
    for container in containers(RELEASES[name]):
        assert container["command"] == ["kube2git"]
        verb, *flags = container["args"]
        assert verb in COMMANDS
        command: click.Command = importlib.import_module(f"kube2git.cli.{verb}").command
        # Raises a usage error when a flag is unknown, or an argument is missing.
        command.make_context(verb, flags)


@pytest.mark.parametrize("name", RELEASES)
def test_every_variable_of_a_container_is_a_setting(name: str) -> None:
    known = {*config.environment_names(), "KUBE2GIT_CONFIG"}
    for container in containers(RELEASES[name]):
        names = {item["name"] for item in container["env"]}
        assert {name for name in names if name.startswith("KUBE2GIT_")} <= known


@pytest.mark.parametrize("name", RELEASES)
def test_what_a_variable_points_to_is_mounted(name: str) -> None:
    for container in containers(RELEASES[name]):
        mounts = tuple(f"{mount['mountPath']}/" for mount in container["volumeMounts"])
        for item in container["env"]:
            if item["value"].startswith("/"):
                assert f"{item['value']}/".startswith(mounts), item


def variables(values: dict[str, Any]) -> dict[str, str]:
    """Return the environment of the exporter."""
    container = containers({**values, "config": {"repo": REPO, **values.get("config", {})}})[0]
    return {item["name"]: item["value"] for item in container["env"]}


def test_a_clone_that_dies_with_the_pod_is_small_and_one_on_a_claim_is_whole() -> None:
    assert variables({})["KUBE2GIT_GIT_DEPTH"] == "1"
    assert variables({})["KUBE2GIT_GIT_PARTIAL"] == "true"
    kept = variables({"persistence": {"enabled": True}})
    assert not {"KUBE2GIT_GIT_DEPTH", "KUBE2GIT_GIT_PARTIAL"} & kept.keys()


def test_what_the_configuration_says_of_the_clone_is_not_overruled() -> None:
    chosen = variables({"config": {"git": {"depth": 50, "partial": False}}})
    assert not {"KUBE2GIT_GIT_DEPTH", "KUBE2GIT_GIT_PARTIAL"} & chosen.keys()


def test_the_configuration_is_handed_on_as_it_is() -> None:
    given = {"repo": REPO, "cleaning": {"disable": ["events"]}, "git": {"prefix": "clusters/prod"}}
    text = helm.one(helm.render({"config": given}), "ConfigMap")["data"]["kube2git.yaml"]
    assert config.load(helm.read(text)) == config.load(given)
    assert helm.read(text) == given


def test_a_digest_beats_the_tag() -> None:
    digest = f"sha256:{'a' * 64}"
    image = {"repository": "mirror.example.com/k2g", "tag": "1.2.3", "digest": digest}
    found = containers({"config": {"repo": REPO}, "image": image})
    assert {item["image"] for item in found} == {f"mirror.example.com/k2g@{digest}"}


def test_a_new_fingerprint_key_is_one_that_the_program_takes() -> None:
    from base64 import b64decode

    from kube2git.core.sealing import fingerprints
    from tests.unit.chart.releases import RECIPIENT

    values = {"config": {"repo": REPO, "sealing": {"recipients": [RECIPIENT]}}}
    made = [helm.one(helm.render(values), "Secret")["data"]["fingerprint.key"] for _ in range(2)]
    keys = {fingerprints.parse_key(b64decode(text).decode()) for text in made}
    assert len(keys) == 2


def failing_at_once(values: dict[str, Any], name: str) -> dict[str, Any]:
    """Return for which exit codes a CronJob's Jobs fail without another try."""
    job = helm.one(helm.render(values), "CronJob", name)["spec"]["jobTemplate"]["spec"]
    rules = job["podFailurePolicy"]["rules"]
    [codes] = [rule["onExitCodes"] for rule in rules if rule["action"] == "FailJob"]
    [container] = job["template"]["spec"]["containers"]
    assert codes["containerName"] == container["name"]
    return dict(codes)


def test_a_job_fails_at_once_where_another_try_would_come_to_the_same() -> None:
    codes = failing_at_once(RELEASES["cronjob"], "state-kube2git")
    final = {UsageError, RefusedError, RepositoryNotFoundError, ClusterDeniedError}
    assert codes["operator"] == "In"
    assert set(codes["values"]) == {error.exit_code for error in final} | {INCOMPLETE}


def test_a_replay_is_never_tried_again_by_itself() -> None:
    codes = failing_at_once(RELEASES["namespaced"], "-replay")
    assert (codes["operator"], codes["values"]) == ("NotIn", [0])
