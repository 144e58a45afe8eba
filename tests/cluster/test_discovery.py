"""Discovery on a real API server: both forms agree, and a backend that is down is failed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kube2git.adapters.kube.cluster import KubeCluster
from kube2git.core.ports import Discovery, KindRead, KindStatus, SweepRequest
from tests.cluster.conftest import StartControlPlane
from tests.cluster.world import open_cluster, wait_until
from tests.controlplane import ControlPlane, aggregation
from tests.faults import Answer, FaultProxy, Reply, Request

pytestmark = pytest.mark.needs("aggregated")

FLUNDER = "Flunder.wardle.example.com"
GROUP_VERSION = f"{aggregation.GROUP}/{aggregation.VERSION}"


@pytest.fixture(scope="module")
def aggregated(control_plane: StartControlPlane) -> ControlPlane:
    plane = control_plane(aggregated=True, controllers=False)
    wait_until(lambda: not open_cluster(plane.kubeconfig).discover().failed)
    return plane


@pytest.fixture
def old_form(aggregated: ControlPlane, tmp_path: Path) -> Iterator[KubeCluster]:
    """Give the cluster as a server before 1.26 would show it."""

    def plain(request: Request, proper: Answer) -> Reply:
        return proper(replace(request, headers={**request.headers, "accept": "application/json"}))

    with FaultProxy.before(aggregated) as proxy:
        proxy.on(r"^/apis?(\?|$)", plain)
        yield open_cluster(proxy.kubeconfig(tmp_path))


def refresh(plane: ControlPlane) -> None:
    """Let the server look at the aggregated API now; by itself it does so every minute or so."""
    plane.request(
        "PATCH",
        f"/apis/apiregistration.k8s.io/v1/apiservices/{aggregation.VERSION}.{aggregation.GROUP}",
        {"metadata": {"annotations": {"looked-at": f"{time.monotonic()}"}}},
    )


def kinds(discovery: Discovery) -> set[str]:
    return {type.kind_group for type in discovery.types}


def test_both_forms_tell_the_same(aggregated: ControlPlane, old_form: KubeCluster) -> None:
    # The server may take a backend for unavailable for seconds, and serve its part of the
    # aggregated form all the while, from memory: what is compared is what both tell when it is not.
    wait_until(lambda: not old_form.discover().failed)
    new, old = open_cluster(aggregated.kubeconfig).discover(), old_form.discover()
    assert len(new.types) > 50
    assert FLUNDER in kinds(new)
    assert kinds(old) == kinds(new)
    assert set(old.types) - set(new.types) == set()
    assert dict(old.failed) == dict(new.failed) == {}


def test_events_are_found_once(aggregated: ControlPlane) -> None:
    found = kinds(open_cluster(aggregated.kubeconfig).discover())
    assert "Event" in found
    assert "Event.events.k8s.io" not in found


def test_a_kind_is_chosen_in_the_version_that_has_it(aggregated: ControlPlane) -> None:
    """The group prefers v2, and one of its kinds is served in v1 only."""
    group = "versions.example.com"
    for plural, versions in (("olds", ["v1"]), ("news", ["v1", "v2"])):
        aggregated.create(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.{group}"},
                "spec": {
                    "group": group,
                    "names": {"plural": plural, "kind": plural.capitalize()},
                    "scope": "Cluster",
                    "versions": [
                        {
                            "name": version,
                            "served": True,
                            "storage": version == "v1",
                            "schema": {"openAPIV3Schema": {"type": "object"}},
                            "subresources": {"status": {}},
                        }
                        for version in versions
                    ],
                },
            },
        )
    cluster = open_cluster(aggregated.kubeconfig)
    wait_until(lambda: {f"Olds.{group}", f"News.{group}"} <= kinds(cluster.discover()))
    types = {type.kind_group: type for type in cluster.discover().types}
    old, new = types[f"Olds.{group}"], types[f"News.{group}"]
    assert (old.version, old.versions) == ("v1", ("v1",))
    assert (new.version, new.versions) == ("v2", ("v2", "v1"))
    assert old.subresources == frozenset({"status"})
    assert not old.namespaced


def test_a_backend_that_goes_away_fails_its_group_and_its_kinds(
    aggregated: ControlPlane, old_form: KubeCluster
) -> None:
    cluster = open_cluster(aggregated.kubeconfig)
    before = cluster.discover()
    wanted = tuple(type for type in before.types if type.kind_group in {FLUNDER, "ConfigMap"})
    assert len(wanted) == 2
    aggregated.kill("sample-apiserver")
    try:
        read = {
            event.type.kind_group: event
            for event in cluster.sweep(SweepRequest((wanted,)))
            if isinstance(event, KindRead)
        }
        assert read[FLUNDER].status is KindStatus.FAILED
        assert "503" in read[FLUNDER].reason
        assert read["ConfigMap"].status is KindStatus.LISTED
        refresh(aggregated)
        wait_until(lambda: GROUP_VERSION in cluster.discover().failed)
        assert f"v1alpha1.{aggregation.GROUP}" in cluster.discover().failed[GROUP_VERSION]
        old = old_form.discover()
        assert old.is_failed(aggregation.GROUP)
        assert "503" in old.failed[GROUP_VERSION]
        wardle = {type.kind_group for type in before.types if type.group == aggregation.GROUP}
        assert kinds(old) == kinds(before) - wardle
    finally:
        aggregated.restart("sample-apiserver")
    refresh(aggregated)
    wait_until(lambda: not cluster.discover().failed and FLUNDER in kinds(cluster.discover()))
