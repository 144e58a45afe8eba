"""A control plane's objects, and what cleaning makes of them."""

from __future__ import annotations

from collections.abc import Iterator

from kube2git.core import wire
from kube2git.core.cleaning import Cleaner, ContextBuilder, RuleSet
from kube2git.core.objects import ObjectRef, ref_of
from kube2git.core.wire import Json
from tests.controlplane import ControlPlane

RULES = RuleSet.default()


def read(plane: ControlPlane, path: str) -> Json:
    answer = plane.get(path)
    assert answer.status == 200, path
    body: Json = answer.json()
    return body


def everything(plane: ControlPlane) -> Iterator[Json]:
    """Yield every object of every kind, each kind in one version."""
    groups = read(plane, "/apis")["groups"]
    versions = ["/api/v1", *(f"/apis/{v['groupVersion']}" for g in groups for v in g["versions"])]
    seen: set[tuple[str, str]] = set()
    for version in versions:
        for resource in read(plane, version)["resources"]:
            group_version = version.removeprefix("/apis/").removeprefix("/api/")
            kind = (group_version.rpartition("/")[0], resource["name"])
            if kind in seen or "list" not in resource["verbs"]:
                continue
            seen.add(kind)
            page = wire.skim(plane.get(f"{version}/{resource['name']}").body)
            for item in page.items:
                yield item.decode(group_version, resource["kind"])


def cleaner_for(plane: ControlPlane, rules: RuleSet = RULES) -> Cleaner:
    builder = ContextBuilder()
    for path in (
        "/api/v1/services",
        "/apis/autoscaling/v2/horizontalpodautoscalers",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    ):
        version = path.rpartition("/")[0].removeprefix("/apis/").removeprefix("/api/")
        page = wire.skim(plane.get(path).body)
        for item in page.items:
            builder.add(item.decode(version, page.list_kind.removesuffix("List")))
    return Cleaner(rules, builder.build())


def exported(plane: ControlPlane) -> dict[ObjectRef, Json]:
    cleaner = cleaner_for(plane)
    cleaned = (cleaner.clean(body).body for body in everything(plane))
    return {ref_of(body): body for body in cleaned if body is not None}


def spec_of(plane: ControlPlane, path: str) -> Json:
    clean = cleaner_for(plane).clean(read(plane, path)).body
    assert clean is not None
    spec: Json = clean["spec"]
    return spec
