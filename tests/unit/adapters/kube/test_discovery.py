from __future__ import annotations

import pytest

from kube2git.adapters.kube.connection import connect
from kube2git.adapters.kube.discovery import TWINS, DiscoveryReader, Twin
from kube2git.core.objects import ResourceType
from kube2git.core.ports import Discovery
from kube2git.errors import ClusterDeniedError, ClusterUnreachableError
from tests import faults
from tests.fakes.store import kind
from tests.faults import Reply
from tests.unit.adapters.kube.api import Api, served_in

V2BETA1 = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"


def reader(api: Api) -> DiscoveryReader:
    return DiscoveryReader(connect(api.settings()))


def serve(api: Api, *types: ResourceType) -> None:
    for type in types:
        api.store.types[type.kind_group] = type


def by_kind(discovery: Discovery) -> dict[str, ResourceType]:
    return {type.kind_group: type for type in discovery.types}


@pytest.fixture(params=["aggregated", "v2beta1", "old"])
def form(api: Api, request: pytest.FixtureRequest) -> str:
    api.server.is_aggregating = request.param != "old"
    if request.param == "v2beta1":
        api.server.content_type = V2BETA1
    return str(request.param)


def test_every_form_tells_the_same(api: Api, form: str) -> None:
    found = reader(api).read()
    assert by_kind(found) == api.store.types
    assert found.failed == {}
    asked = [request.path for request in api.proxy.requests]
    assert (asked == ["/api", "/apis"]) == (form != "old")


def test_a_kind_is_taken_in_the_first_version_that_has_it(api: Api, form: str) -> None:
    new, old = kind("x.io/v2", "New", "news"), kind("x.io/v1", "Old", "olds")
    serve(api, served_in(new, "v2", "v1"), served_in(old, "v1"))
    found = by_kind(reader(api).read())
    assert (found["New.x.io"].version, found["New.x.io"].versions) == ("v2", ("v2", "v1"))
    assert (found["Old.x.io"].version, found["Old.x.io"].versions) == ("v1", ("v1",))
    assert found["Old.x.io"].path() == "/apis/x.io/v1/olds"


@pytest.mark.parametrize("verbs", [{"create"}, {"list", "watch"}, {"get"}])
def test_a_kind_that_cannot_be_listed_and_read_is_left_out(
    api: Api, form: str, verbs: set[str]
) -> None:
    serve(api, kind("x.io/v1", "Review", "reviews", verbs=frozenset(verbs)))
    assert "Review.x.io" not in by_kind(reader(api).read())


@pytest.mark.parametrize(
    ("twin", "name"),
    [(twin, name) for twin in TWINS for name in sorted(twin.kinds)],
    ids=lambda value: value if isinstance(value, str) else value.group,
)
def test_objects_that_two_groups_serve_are_taken_once(
    api: Api, form: str, twin: Twin, name: str
) -> None:
    shown = kind(f"{twin.group}/v1", name, f"{name.lower()}s")
    home_version = f"{twin.home}/v1" if twin.home else "v1"
    home = kind(home_version, twin.home_kind or name, f"{(twin.home_kind or name).lower()}s")
    api.store.types = {}
    serve(api, shown)
    assert set(by_kind(reader(api).read())) == {shown.kind_group}
    serve(api, home)
    assert set(by_kind(reader(api).read())) == {home.kind_group}


def test_a_stale_group_is_failed_and_says_where_to_look(api: Api) -> None:
    api.server.stale.add("metrics.example.com/v1beta1")
    found = reader(api).read()
    assert found.is_failed("metrics.example.com")
    why = found.failed["metrics.example.com/v1beta1"]
    assert "kubectl get apiservice v1beta1.metrics.example.com" in why
    assert by_kind(found) == api.store.types


def test_a_version_that_is_down_gives_way_to_one_that_is_not(api: Api, form: str) -> None:
    serve(api, served_in(kind("x.io/v2", "Thing", "things"), "v2", "v1"))
    api.server.stale.add("x.io/v2")
    found = reader(api).read()
    assert found.is_failed("x.io")
    assert by_kind(found)["Thing.x.io"].version == "v1"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.status(503, "ServiceUnavailable", "no endpoints"), "503"),
        (faults.text(404, "404 page not found\n"), "404"),
        (faults.status(403, "Forbidden"), "403"),
    ],
)
def test_in_the_old_form_a_group_that_does_not_answer_is_failed(
    api: Api, fault: faults.Fault, words: str
) -> None:
    api.server.is_aggregating = False
    api.proxy.on("^/apis/apps/v1$", fault)
    found = reader(api).read()
    assert words in found.failed["apps/v1"]
    expected = {name for name, type in api.store.types.items() if type.group != "apps"}
    assert set(by_kind(found)) == expected


def test_asking_again_costs_little_until_something_changes(api: Api) -> None:
    discovery = reader(api)
    unread = discovery.last
    assert unread is None
    first = discovery.read()
    second = discovery.read()
    assert second == first == discovery.last
    tags = [request.headers.get("if-none-match") for request in api.proxy.requests]
    assert tags[:2] == [None, None]
    assert all(tags[2:])
    serve(api, kind("x.io/v1", "New", "news"))
    assert "New.x.io" in by_kind(discovery.read())
    del api.store.types["New.x.io"]
    assert discovery.read().types == first.types


def test_discovery_that_is_forbidden_is_denied(api: Api) -> None:
    api.proxy.on("^/apis", faults.status(403, "Forbidden", "no"))
    with pytest.raises(ClusterDeniedError):
        reader(api).read()


@pytest.mark.parametrize("path", ["/api", "/apis"])
@pytest.mark.parametrize("body", [b"<html>log in</html>", b"[]", b""])
def test_what_is_no_api_server_is_told(api: Api, path: str, body: bytes) -> None:
    api.proxy.on(f"^{path}$", faults.reply(Reply(200, body)))
    with pytest.raises(ClusterUnreachableError) as failure:
        reader(api).read()
    assert failure.value.hint


def test_half_a_discovery_is_none(api: Api) -> None:
    """An error on one root must not leave the other's kinds standing alone."""
    api.proxy.on("^/apis$", faults.status(500, "InternalError"))
    with pytest.raises(ClusterUnreachableError):
        reader(api).read()


def test_entries_that_only_hold_subresources_are_passed_over(api: Api) -> None:
    def without_kind(body: dict[str, list[dict[str, list[dict[str, list[object]]]]]]) -> object:
        body["items"][0]["versions"][0]["resources"].append(
            {"resource": "odd", "responseKind": None, "scope": "Cluster"}
        )
        return body

    api.proxy.on("^/api$", faults.changed(without_kind))
    assert by_kind(reader(api).read()) == api.store.types


def test_subresources_short_names_and_categories_are_known(api: Api, form: str) -> None:
    found = by_kind(reader(api).read())["Deployment.apps"]
    assert found.names() >= {"deploy", "deployments", "deployment", "deployments.apps"}
    assert found.subresources == {"status", "scale"}
    assert found.categories == ("all",)
