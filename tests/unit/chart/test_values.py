"""values.yaml explains every key; the schema and the chart refuse what cannot work, by name."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests import helm
from tests.unit.chart import schema
from tests.unit.chart.releases import RELEASES, REPO

TEXT = (helm.CHART / "values.yaml").read_text()
VALUES = yaml.safe_load(TEXT)
SCHEMA = json.loads(schema.FILE.read_text())


def test_every_key_of_the_values_has_a_comment_above_it() -> None:
    lines = TEXT.splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r" *[A-Za-z]\w*:", line)]
    assert len(keys) > 90
    bare = [lines[number] for number in keys if not re.match(r" *# \S", lines[number - 1])]
    assert bare == []


def sections(values: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every section of the schema whose keys are known."""
    yield path
    for name, value in values.items():
        if isinstance(value, dict) and "properties" in value:
            yield from sections(value["properties"], (*path, name))


def test_the_schema_knows_the_values_and_nothing_else() -> None:
    def known(values: Any, found: dict[str, Any]) -> None:
        if "properties" in found:
            assert set(found["properties"]) - {"global"} == set(values)
            for name, value in values.items():
                known(value, found["properties"][name])

    properties = copy.deepcopy(SCHEMA)
    del properties["properties"]["config"]
    known({name: value for name, value in VALUES.items() if name != "config"}, properties)


@pytest.mark.parametrize("path", list(sections(SCHEMA["properties"])), ids=".".join)
def test_a_misspelt_key_is_refused_by_name(path: tuple[str, ...]) -> None:
    values: dict[str, Any] = {"config": {"repo": REPO}}
    place = values
    for name in path:
        place = place.setdefault(name, {})
    place["mispelt"] = 1
    with pytest.raises(helm.ChartError, match="mispelt"):
        helm.render(values)


def test_the_schema_of_the_configuration_is_that_of_the_program() -> None:
    assert SCHEMA["properties"]["config"] == schema.of_settings(), (
        "a setting has changed: run python -m tests.unit.chart.schema"
    )


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"config": {"repo": ""}}, "config.repo is missing"),
        ({"config": {"repo": REPO, "git": {"depth": "one"}}}, "depth"),
        ({"mode": "sidecar"}, "mode"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"networkPolicy": {"egressPorts": ["https"]}}, "egressPorts"),
        ({"rbac": {"namespaced": True}}, "set config.export.namespaces"),
        (
            {"rbac": {"namespaced": True}, "config": {"export": {"namespaces": ["team-*"]}}},
            r"team-\* is a pattern",
        ),
        (
            {
                "rbac": {"namespaced": True},
                "config": {"export": {"namespaces": ["shop"], "cluster_scoped": "yes"}},
            },
            "needs cluster-wide rights",
        ),
        (
            {
                "rbac": {"namespaced": True},
                "config": {"export": {"namespaces": ["shop"]}},
                "snapshots": {"enabled": True},
            },
            "volumes belong to no namespace",
        ),
        ({"serviceMonitor": {"enabled": True}}, "needs mode: daemon"),
        ({"dashboard": {"enabled": True}}, "needs mode: daemon"),
        (
            {"mode": "daemon", "daemon": {"replicas": 2}, "persistence": {"enabled": True}},
            "ReadWriteMany",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(values: dict[str, Any], why: str) -> None:
    config = {"repo": REPO, **values.get("config", {})}
    with pytest.raises(helm.ChartError, match=why):
        helm.render({**values, "config": config})


@pytest.mark.parametrize("name", RELEASES)
def test_the_notes_name_only_what_was_rendered(name: str) -> None:
    notes = helm.render_texts(RELEASES[name])["NOTES.txt"]
    names = {item["metadata"]["name"] for item in helm.render(RELEASES[name])}
    spoken = re.findall(r"(?:cronjob|deployment)/(\S+)", notes)
    assert spoken
    assert set(spoken) <= names
