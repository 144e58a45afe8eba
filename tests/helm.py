"""The real Helm, by its SDK: the only door to helm_python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import helm_python
import yaml

CHART = Path(__file__).parents[1] / "charts" / "kube2git"
RELEASE = "state"
NAMESPACE = "backup"

Manifest = dict[str, Any]
HelmError = helm_python.HelmError


class ChartError(AssertionError):
    """The chart cannot be rendered; the message is what Helm says."""


def render_texts(values: Mapping[str, Any], *, namespace: str = NAMESPACE) -> dict[str, str]:
    """Return what ``helm template`` makes of the chart: template -> text, without empty ones."""
    with helm_python.Chart.load(CHART) as chart:
        try:
            chart.validate_schema(dict(values))
            texts = chart.render(dict(values), name=RELEASE, namespace=namespace)
        except HelmError as error:
            raise ChartError(str(error)) from None
    short = {name.split("/templates/")[1]: text for name, text in texts.items()}
    return {name: text for name, text in short.items() if text.strip()}


def render(values: Mapping[str, Any], *, namespace: str = NAMESPACE) -> list[Manifest]:
    """Return the objects that the chart makes, in the order of the templates."""
    texts = render_texts(values, namespace=namespace)
    return [
        item
        for name in sorted(texts)
        if name.endswith(".yaml")
        for item in yaml.safe_load_all(texts[name])
        if item
    ]


def read(text: str) -> Any:
    """Return what a YAML document of the chart says."""
    return yaml.safe_load(text)


def one(manifests: list[Manifest], kind: str, name: str = "") -> Manifest:
    """Return the only object of a kind, or of a kind whose name ends so."""
    found = [
        item
        for item in manifests
        if item["kind"] == kind and item["metadata"]["name"].endswith(name)
    ]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def lint(values: Mapping[str, Any]) -> list[str]:
    """Return what ``helm lint --strict`` objects to."""
    report = helm_python.lint(CHART, dict(values), strict=True)
    return [
        *report["errors"],
        *(
            f"{item['path']}: {item['error']}"
            for item in report["messages"]
            if item["severity"] > 1
        ),
    ]


def connect(kubeconfig: Path, namespace: str) -> Any:
    """Return a connection whose install, upgrade, rollback and uninstall are Helm's."""
    return helm_python.Config(kubeconfig_path=kubeconfig, namespace=namespace)


def set_values(expression: str) -> dict[str, Any]:
    """Read what follows ``--set``."""
    return helm_python.parse_set_string(expression)


def merged(values: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with more of them, which win, as several ``-f`` and ``--set`` come together."""
    both = {**values, **more}
    for name in values.keys() & more.keys():
        if isinstance(values[name], Mapping) and isinstance(more[name], Mapping):
            both[name] = merged(values[name], more[name])
    return both


def hooks(server: Any, release: str) -> list[Manifest]:
    """Return the objects of an installed release's hooks, such as those of ``helm test``."""
    found = server.get_all(release)
    return [yaml.safe_load(item["manifest"]) for item in found["hooks"]]
