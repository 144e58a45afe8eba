"""The sweep, in front of an API server in memory that can do what a real one seldom does."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube2git.adapters.kube.listing import named
from kube2git.core import wire
from kube2git.core.ports import KindRead, KindStatus, SweepRequest, SweepStarted
from kube2git.core.wire import Json
from kube2git.errors import ClusterUnreachableError
from tests import faults
from tests.conformance.cluster_port import (
    config_map,
    finish,
    found,
    request,
    results,
    types_of,
    values,
)
from tests.faults import Fault, Reply, Request
from tests.unit.adapters.kube.api import (
    CRD,
    EXPIRED,
    Api,
    definition,
    fill,
    names_of,
    one_thread,
    permitting,
    starts,
)

# ── forgotten revisions ──────────────────────────────────────────────────────────────────────


def test_a_revision_that_is_always_forgotten_gives_way_to_one_for_each_kind(api: Api) -> None:
    wanted = fill(api, "default", 5)
    for name in ("s", "t"):
        api.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}})
    api.proxy.on("Exact", EXPIRED)
    api.proxy.on(
        r"/configmaps\?limit=2$",
        faults.after(lambda: api.put(config_map("elsewhere", "late"))),
    )
    cluster = api.connect(page_size=2)
    events = list(cluster.sweep(request(cluster, "ConfigMap", "Secret")))
    assert starts(events) == [1, 2, 3, 4]
    assert values(events, "default") == wanted
    assert names_of(events, "Secret") == {"s", "t"}
    assert {read.status for read in results(events).values()} == {KindStatus.LISTED}
    assert not finish(events).atomic
    assert "forgot the revision 3 times" in finish(events).reason


def test_pages_that_always_expire_fail_their_kind_in_the_end(api: Api) -> None:
    fill(api, "default", 5)
    api.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})
    api.proxy.on("continue=", EXPIRED)
    cluster = api.connect(page_size=2)
    events = list(cluster.sweep(request(cluster, "ConfigMap", "Secret")))
    assert starts(events) == [1, 2, 3, 4, 5]
    assert results(events)["ConfigMap"].status is KindStatus.FAILED
    assert "410" in results(events)["ConfigMap"].reason
    assert results(events)["Secret"].status is KindStatus.LISTED


def test_a_compacted_history_restarts_at_a_newer_revision(api: Api) -> None:
    wanted = fill(api, "default", 5)
    cluster = api.connect(page_size=2)
    events = cluster.sweep(request(cluster, "ConfigMap", "Secret"))
    first = next(events)
    assert isinstance(first, SweepStarted)
    api.put(config_map("default", "late"))
    api.store.oldest = api.store.counters[""]
    seen = [first, *events]
    again = [event for event in seen if isinstance(event, SweepStarted)]
    assert int(again[-1].revision) == int(first.revision) + 1
    assert values(seen, "default") == {**wanted, "late": "1"}
    assert finish(seen).atomic


# ── what cannot be listed ────────────────────────────────────────────────────────────────────


FAILURES: dict[str, tuple[Fault, str]] = {
    "500": (faults.status(500, "InternalError", "etcd broke"), "500 InternalError (etcd broke)"),
    "503": (faults.status(503, "ServiceUnavailable"), "503"),
    "bare 404": (faults.text(404, "404 page not found\n"), "does not serve it any more"),
    "404": (faults.status(404, "NotFound"), "does not serve it any more"),
    "400": (faults.status(400, "BadRequest"), "400"),
    "cut": (faults.cut(30), "broke"),
    "dropped": (faults.drop, "broke"),
    "HTML": (faults.reply(Reply(200, b"<html>")), "not a list"),
    "a status": (faults.status(200, "Success"), "not a list"),
    "half a list": (faults.reply(Reply(200, b'{"items": [{"metadata": {"name":')), "not a list"),
}


@pytest.mark.parametrize("where", ["probe", "first page", "third page"])
@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_told_and_never_passes_for_empty(api: Api, name: str, where: str) -> None:
    fill(api, "default", 7)
    fault, words = FAILURES[name]
    pattern = {"probe": "limit=1$", "first page": "Exact", "third page": "continue="}[where]
    later = range(2, 99) if where == "third page" else None
    api.proxy.on(rf"/configmaps\?.*{pattern}", fault, nth=later)
    cluster = api.connect(page_size=2)
    events = list(cluster.sweep(request(cluster, "ConfigMap", "Secret", "Pod")))
    read = results(events)["ConfigMap"]
    assert read.status is KindStatus.FAILED
    assert words in read.reason
    assert read.reason.endswith(".")
    assert read.count == (4 if where == "third page" else 0)
    assert results(events)["Secret"].status is KindStatus.LISTED
    assert finish(events).atomic
    api.proxy.forget()
    assert len(values(cluster.sweep(request(cluster, "ConfigMap")), "default")) == 7


def test_half_a_list_is_asked_for_again(api: Api) -> None:
    """A proxy that ends an answer early and says nothing of it."""
    wanted = fill(api, "default", 3)
    half = faults.reply(Reply(200, b'{"items": [{"metadata": {"name":'))
    api.proxy.on(r"/configmaps\?.*Exact", half, nth={1, 2})
    cluster = api.connect()
    events = list(cluster.sweep(request(cluster, "ConfigMap")))
    assert values(events, "default") == wanted


def test_rights_that_are_taken_away_in_the_middle_are_forbidden(api: Api) -> None:
    fill(api, "default", 3)
    api.proxy.on(r"/configmaps\?.*Exact", faults.status(403, "Forbidden"))
    cluster = api.connect()
    read = results(cluster.sweep(request(cluster, "ConfigMap")))["ConfigMap"]
    assert read.status is KindStatus.FORBIDDEN
    assert 'resources: ["configmaps"], verbs: ["list"]' in read.reason


def test_a_server_that_goes_away_in_the_middle_is_an_error_at_once(api: Api) -> None:
    fill(api, "default", 3)
    for name in ("a", "b"):
        api.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}})
    cluster = one_thread(api, page_size=1)
    events = cluster.sweep(request(cluster, "ConfigMap", "Secret"))
    next(events)
    api.proxy.on("", faults.drop)
    with pytest.raises(ClusterUnreachableError):
        list(events)
    assert api.proxy.asked("/configmaps.*Exact")
    assert not api.proxy.asked("/secrets.*Exact")


def narrow(api: Api, allows: Callable[[str], bool]) -> None:
    """Forbid lists of ConfigMaps everywhere at once, and in namespaces that are not allowed."""

    def judge(request: Request) -> bool:
        match = re.search(r"/namespaces/([^/]+)/configmaps", request.path)
        return bool(match and allows(match[1]))

    api.proxy.on(r"/configmaps", permitting(judge))


def test_somebody_who_may_read_every_namespace_but_not_all_at_once_gets_all(api: Api) -> None:
    first, second = api.new_namespace(), api.new_namespace()
    fill(api, first, 3)
    fill(api, second, 2)
    narrow(api, bool)
    cluster = api.connect(page_size=2)
    events = cluster.sweep(request(cluster, "ConfigMap", "Secret"))
    seen = [next(events)]
    late = api.new_namespace()
    api.put(config_map(late, "late"))
    seen += events
    assert results(seen)["ConfigMap"].status is KindStatus.LISTED
    assert results(seen)["ConfigMap"].count == 5
    assert values(seen, late) == {}
    assert finish(seen).atomic
    assert not api.proxy.asked(f"/namespaces/{late}/")


REVIEWS = "/selfsubjectrulesreviews"


def told(api: Api, status: Json) -> None:
    """Answer every question after rights with one status."""
    body = wire.encode({"status": status})
    answer = Reply(201, body, {"Content-Type": "application/json"})
    api.proxy.on(REVIEWS, faults.reply(answer), method="POST")


@pytest.mark.parametrize(
    "rule",
    [
        {"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"]},
        {"verbs": ["list"], "apiGroups": ["apps"], "resources": ["configmaps"]},
        {"verbs": ["list"], "apiGroups": [""], "resources": ["secrets"]},
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "resourceNames": ["one"]},
    ],
)
def test_a_namespace_without_the_right_to_list_is_not_asked(api: Api, rule: Json) -> None:
    api.put(config_map(api.new_namespace(), "one"))
    narrow(api, bool)
    told(api, {"resourceRules": [rule], "incomplete": False})
    cluster = api.connect()
    read = results(cluster.sweep(request(cluster, "ConfigMap", "Secret")))
    assert read["ConfigMap"].status is KindStatus.FORBIDDEN
    assert not api.proxy.asked("/namespaces/[^/]+/configmaps")


@pytest.mark.parametrize(
    "status",
    [
        {"resourceRules": [], "incomplete": True},
        {"resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]},
        {"resourceRules": [{"verbs": ["list"], "apiGroups": [""], "resources": ["configmaps"]}]},
    ],
)
def test_what_may_be_listed_and_what_nobody_can_tell_is_asked_for(api: Api, status: Json) -> None:
    api.put(config_map(api.new_namespace(), "one"))
    narrow(api, bool)
    told(api, status)
    cluster = api.connect()
    read = results(cluster.sweep(request(cluster, "ConfigMap", "Secret")))
    assert read["ConfigMap"].status is KindStatus.LISTED


def test_rights_are_asked_for_once_a_namespace(api: Api) -> None:
    namespaces = [api.new_namespace() for _ in range(3)]
    narrow(api, bool)
    told(api, {"resourceRules": [], "incomplete": False})
    cluster = api.connect()
    list(cluster.sweep(request(cluster, "ConfigMap", "Secret")))
    assert len(api.proxy.asked(REVIEWS)) == len(namespaces) + 1


@pytest.mark.parametrize("fault", [faults.drop, faults.status(500, "InternalError")])
def test_a_server_that_tells_no_rights_is_asked_for_the_lists(api: Api, fault: Fault) -> None:
    api.put(config_map(api.new_namespace(), "one"))
    narrow(api, bool)
    api.proxy.on(REVIEWS, fault, method="POST")
    cluster = api.connect()
    read = results(cluster.sweep(request(cluster, "ConfigMap", "Secret")))
    assert read["ConfigMap"].status is KindStatus.LISTED


def test_of_several_namespaces_those_that_were_read_are_named(api: Api) -> None:
    good, forbidden, broken = (api.new_namespace() for _ in range(3))
    for namespace in (good, forbidden, broken):
        fill(api, namespace, 2)
    api.proxy.on(f"/{broken}/configmaps.*Exact", faults.status(500, "InternalError"))
    narrow(api, lambda namespace: namespace != forbidden)
    cluster = api.connect()
    events = list(cluster.sweep(request(cluster, "ConfigMap", "Secret")))
    read = results(events)["ConfigMap"]
    assert read.status is KindStatus.PARTIAL
    assert read.namespaces == ("kube-system", good)
    assert forbidden in read.reason
    assert broken in read.reason
    assert values(events, forbidden) == {}


def test_kinds_apart_in_several_namespaces_have_no_revision_in_common(api: Api) -> None:
    first, second = api.new_namespace(), api.new_namespace()
    metadata = {"name": "e", "namespace": first}
    api.put({"apiVersion": "v1", "kind": "Event", "metadata": metadata})
    cluster = api.connect()
    wanted = request(cluster, "Event", "ConfigMap", "Secret", namespaces=(first, second))
    events = list(cluster.sweep(wanted))
    assert results(events)["Event"].status is KindStatus.LISTED
    assert results(events)["Event"].revision == str(api.store.counters["Event"])
    assert not finish(events).atomic


# ── what changes meanwhile ───────────────────────────────────────────────────────────────────


def test_a_definition_written_after_the_revision_is_said(api: Api) -> None:
    kind, other = api.add_kind(), api.add_kind()
    cluster = api.connect()
    events = cluster.sweep(request(cluster, kind))
    next(events)
    for changed in (kind, other):
        api.put(definition(api.store.types[changed]))
    end = finish(list(events))
    assert end.atomic
    assert api.store.types[kind].resource_group in end.reason
    assert api.store.types[other].resource_group not in end.reason


def test_definitions_that_nobody_may_list_are_no_trouble(api: Api) -> None:
    kind = api.add_kind()
    api.proxy.on("/customresourcedefinitions", faults.status(403, "Forbidden"))
    cluster = api.connect()
    end = finish(list(cluster.sweep(request(cluster, kind))))
    assert (end.atomic, end.reason) == (True, "")


def test_a_kind_that_appears_meanwhile_is_said(api: Api) -> None:
    cluster = api.connect()
    events = cluster.sweep(request(cluster, "ConfigMap"))
    next(events)
    kind = api.add_kind()
    end = finish(list(events))
    assert f"not read: {kind}." in end.reason


def test_a_group_that_goes_down_meanwhile_takes_nothing_back(api: Api) -> None:
    kind = api.add_kind()
    cluster = api.connect()
    events = cluster.sweep(request(cluster, kind))
    seen = [next(events), next(events)]
    type = api.store.types.pop(kind)
    api.server.stale.add("example.com/v1")
    seen += events
    assert [one.status for one in seen if isinstance(one, KindRead)] == [KindStatus.LISTED]
    api.store.remove(CRD, "", type.resource_group)


def test_names_for_people_are_cut() -> None:
    assert named({"b", "a"}) == "a, b"
    assert named([f"n{number}" for number in range(9)]) == "n0, n1, n2, n3, n4 and 4 more"


# ── any history ──────────────────────────────────────────────────────────────────────────────

KINDS = ("ConfigMap", "Secret", "Pod")
steps = st.tuples(
    st.sampled_from(["put", "put", "put", "remove"]), st.sampled_from(KINDS), st.integers(0, 5)
)


def play(api: Api, step: tuple[str, str, int]) -> None:
    verb, kind, number = step
    if verb == "put":
        metadata = {"name": f"o{number}", "namespace": "x"}
        api.put({"apiVersion": "v1", "kind": kind, "metadata": metadata})
    else:
        api.remove(kind, "x", f"o{number}")


@settings(max_examples=25, deadline=None)
@given(
    before=st.lists(steps, max_size=12),
    meanwhile=st.lists(steps, min_size=1, max_size=4),
    page_size=st.integers(1, 3),
    forgotten=st.sets(st.integers(1, 4), max_size=2),
)
def test_a_sweep_shows_the_state_at_its_revision_whatever_happens_meanwhile(
    before: list[tuple[str, str, int]],
    meanwhile: list[tuple[str, str, int]],
    page_size: int,
    forgotten: set[int],
) -> None:
    with TemporaryDirectory() as folder:
        api = Api(Path(folder))
        try:
            for step in before:
                play(api, step)
            writes = itertools.cycle(meanwhile)
            api.proxy.on("continue=", EXPIRED, nth=forgotten)
            api.proxy.on(r"\?", faults.after(lambda: play(api, next(writes))))
            cluster = api.connect(page_size=page_size)
            wanted = SweepRequest((types_of(cluster.discover(), *KINDS),))
            events = list(cluster.sweep(wanted))
            end = finish(events)
            assert end.atomic
            shown = sorted((body["kind"], body["metadata"]["name"]) for body in found(events))
            assert shown == sorted(
                (kind, name) for kind in KINDS for _, name in api.store.at(kind, int(end.revision))
            )
        finally:
            api.close()
