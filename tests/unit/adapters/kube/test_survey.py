"""Which revision is read, and how little is asked for it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from kube2git.core.ports import KindStatus, SweepRequest, SweepStarted
from kube2git.core.wire import Json
from tests import faults
from tests.conformance.cluster_port import (
    config_map,
    finish,
    request,
    results,
    values,
)
from tests.faults import Answer, Reply, Request
from tests.unit.adapters.kube.api import (
    Api,
    fill,
    names_of,
    one_thread,
)

DEPLOYMENT = "Deployment.apps"


def inexact(request: Request, proper: Answer) -> Reply:
    """Answer like a server that has never heard of resourceVersionMatch."""
    target = re.sub(r"&?resourceVersion(Match)?=[^&]*", "", request.target)
    return proper(replace(request, target=target))


# ── which revision ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("revision", [60, 5_000])
def test_a_store_of_its_own_is_recognised_whether_behind_or_ahead(api: Api, revision: int) -> None:
    """A store that is ahead would answer a list at R without complaint, with an old state."""
    api.store.split("Secret", 50)
    for name in ("a", "b"):
        api.put(config_map("default", name))
        api.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}})
    newest = api.store.counters[""]
    api.store.counters["Secret"] = revision
    for name in ("new", "newer"):
        api.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}})
    cluster = api.connect()
    events = list(cluster.sweep(request(cluster, "Secret", "ConfigMap", "Pod", DEPLOYMENT)))
    assert results(events)["Secret"].revision == str(revision + 2)
    assert names_of(events, "Secret") == {"a", "b", "new", "newer"}
    assert finish(events).revision == str(newest)
    assert not finish(events).atomic
    assert "secrets" in finish(events).reason
    assert "configmaps" not in finish(events).reason


def test_the_revision_is_that_of_most_kinds_even_if_the_reference_is_split_off(api: Api) -> None:
    api.store.split("Namespace", 3)
    api.new_namespace()
    cluster = api.connect()
    events = list(cluster.sweep(request(cluster, "Namespace", "ConfigMap", "Pod", DEPLOYMENT)))
    assert finish(events).revision == str(api.store.counters[""])
    assert results(events)["Namespace"].revision == "4"
    assert results(events)["ConfigMap"].revision == ""


def test_writes_during_the_survey_split_nobody_off(api: Api) -> None:
    api.proxy.on("limit=1($|&)", faults.after(lambda: api.put(config_map("default", "busy"))))
    cluster = api.connect()
    kinds = ("Secret", "ConfigMap", "Pod", DEPLOYMENT, "Namespace")
    events = list(cluster.sweep(request(cluster, *kinds)))
    assert finish(events).atomic
    assert {read.revision for read in results(events).values()} == {""}


def test_a_kind_without_revisions_is_read_and_named(api: Api) -> None:
    api.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "x"}})

    def without(body: Json) -> Json:
        return {**body, "metadata": {}}

    api.proxy.on("/pods", faults.changed(without))
    cluster = api.connect()
    events = list(cluster.sweep(request(cluster, "Pod", "ConfigMap", "Secret")))
    assert names_of(events, "Pod") == {"p"}
    assert results(events)["Pod"].status is KindStatus.LISTED
    assert not finish(events).atomic
    assert "pods" in finish(events).reason


def test_when_nothing_has_a_revision_everything_is_read_all_the_same(api: Api) -> None:
    api.put(config_map("default", "one"))
    api.proxy.on("/(pods|configmaps)", faults.changed(lambda body: {**body, "metadata": {}}))
    cluster = api.connect()
    events = list(cluster.sweep(request(cluster, "Pod", "ConfigMap")))
    assert names_of(events, "ConfigMap") == {"one"}
    assert finish(events).revision == ""
    assert not finish(events).atomic


def test_a_server_that_ignores_the_revision_is_found_out(api: Api) -> None:
    wanted = fill(api, "default", 5)
    api.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})
    cluster = api.connect(page_size=2)
    events = cluster.sweep(request(cluster, "ConfigMap", "Secret", "Pod"))
    seen = [next(events)]
    api.put(config_map("default", "late"))
    api.proxy.on("/configmaps", inexact)
    seen += events
    assert results(seen)["ConfigMap"].status is KindStatus.LISTED
    assert values(seen, "default") == {**wanted, "late": "1"}
    assert int(results(seen)["ConfigMap"].revision) > int(finish(seen).revision)
    assert not finish(seen).atomic


def test_a_server_that_names_the_revision_and_gives_newer_objects_is_found_out(api: Api) -> None:
    fill(api, "default", 5)
    cluster = api.connect(page_size=2)
    events = cluster.sweep(request(cluster, "ConfigMap", "Secret", "Pod"))
    seen = [next(events)]
    start = seen[0]
    assert isinstance(start, SweepStarted)
    api.put(config_map("default", "c000", "newer"))

    def claim(request: Request, proper: Answer) -> Reply:
        lie = faults.changed(
            lambda body: {
                **body,
                "metadata": {**body["metadata"], "resourceVersion": start.revision},
            }
        )
        return lie(request, lambda request: inexact(request, proper))

    api.proxy.on("/configmaps.*Exact", claim)
    seen += events
    assert not finish(seen).atomic
    assert "configmaps" in finish(seen).reason


def test_a_page_that_is_suddenly_of_another_revision_fails_its_kind(api: Api) -> None:
    fill(api, "default", 5)
    cluster = api.connect(page_size=2)
    other = faults.changed(
        lambda body: {**body, "metadata": {**body["metadata"], "resourceVersion": "9"}}
    )
    api.proxy.on("continue=", other, nth={2})
    events = list(cluster.sweep(request(cluster, "ConfigMap", "Secret")))
    assert results(events)["ConfigMap"].status is KindStatus.FAILED
    assert "answered with revision 9" in results(events)["ConfigMap"].reason


# ── how much is asked ────────────────────────────────────────────────────────────────────────


def test_small_kinds_of_a_quiet_cluster_take_one_request(api: Api) -> None:
    fill(api, "default", 5)
    api.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "x"}})
    cluster = api.connect(page_size=2)
    wanted = request(cluster, "ServiceAccount", "Pod", "ConfigMap", "Secret", DEPLOYMENT)
    api.proxy.forget()
    events = list(cluster.sweep(wanted))
    assert names_of(events, "Pod") == {"p"}
    assert finish(events).atomic

    def asked(plural: str) -> int:
        return len(api.proxy.asked(f"/{plural}\\?"))

    assert (asked("pods"), asked("secrets"), asked("deployments")) == (1, 1, 1)
    assert asked("serviceaccounts") == 2  # the reference is read before and after
    assert asked("configmaps") == 1 + 3


def test_the_longest_kind_of_a_phase_begins_first(api: Api) -> None:
    api.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})
    fill(api, "default", 7)
    for name in ("a", "b", "c"):
        api.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "x"}})
    cluster = one_thread(api, page_size=2)
    list(cluster.sweep(request(cluster, "Secret", "Pod", "ConfigMap")))
    exact = [one.path.rpartition("/")[2] for one in api.proxy.asked("Exact")]
    assert exact == ["configmaps", "pods"]


def test_no_kinds_give_an_empty_sweep(api: Api) -> None:
    events = list(api.connect().sweep(SweepRequest(())))
    assert [type(event).__name__ for event in events] == ["SweepStarted", "SweepFinished"]


def test_no_namespaces_give_no_namespaced_objects(api: Api) -> None:
    fill(api, "default", 2)
    cluster = api.connect()
    events = list(cluster.sweep(request(cluster, "ConfigMap", "Namespace", namespaces=())))
    assert names_of(events, "ConfigMap") == set()
    assert names_of(events, "Namespace") == {"kube-system"}
