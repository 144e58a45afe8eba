from __future__ import annotations

import pytest

from kube2git.core.objects import Manifest
from kube2git.core.remap.catalogue import CATALOGUE, Catalogue
from kube2git.core.remap.engine import remap
from kube2git.core.remap.forms import Form
from kube2git.core.remap.mapping import NamespaceMap
from kube2git.core.remap.references import ReferenceRule, parse_rules
from kube2git.errors import UsageError

SHIP = {"apiVersion": "example.com/v1", "kind": "Ship", "metadata": {"name": "s"}}


def test_rules_of_the_configuration_extend_the_catalogue_and_win() -> None:
    rules = parse_rules(
        [
            {"kinds": ["Ship.example.com"], "path": "spec.ports[].home", "form": "namespace"},
            {
                "id": "fleet",
                "kinds": ["*.example.com"],
                "path": "spec.fleets",
                "form": "list",
                "reason": "A ship knows its fleets.",
            },
            {"kinds": ["Ship.example.com"], "path": "spec.ref.namespace", "form": "namespace"},
        ]
    )
    ship = Manifest.of(
        {
            **SHIP,
            "spec": {
                "ports": [{"home": "prod"}],
                "fleets": ["prod", "web"],
                "ref": {"name": "x", "namespace": "prod"},
            },
        }
    )

    result = remap(
        [ship], NamespaceMap.parse(["prod=staging"]), catalogue=CATALOGUE.extended(rules)
    )

    assert result.manifests[0].body["spec"] == {
        "ports": [{"home": "staging"}],
        "fleets": ["staging", "web"],
        "ref": {"name": "x", "namespace": "staging"},
    }
    assert [rewrite.rule for rewrite in result.rewrites] == ["config-1", "fleet", "config-3"]
    assert rules[1].reason == "A ship knows its fleets."


@pytest.mark.parametrize(
    ("form", "before", "after"),
    [
        ("namespace", "prod", "staging"),
        ("list", ["prod"], ["staging"]),
        ("namespace/name", "prod/x", "staging/x"),
        ("comma-list", "prod,x", "staging,x"),
        ("dns", "x.prod.svc", "x.staging.svc"),
        ("host", "x.prod.svc", "x.staging.svc"),
        ("text", "x.prod.svc", "x.staging.svc"),
        ("user", "system:serviceaccount:prod:x", "system:serviceaccount:staging:x"),
        ("group", "system:serviceaccounts:prod", "system:serviceaccounts:staging"),
        ("principal", "td/ns/prod/sa/x", "td/ns/staging/sa/x"),
        (
            "selector",
            {"matchLabels": {"kubernetes.io/metadata.name": "prod"}},
            {"matchLabels": {"kubernetes.io/metadata.name": "staging"}},
        ),
    ],
)
def test_every_form_can_be_configured(form: str, before: object, after: object) -> None:
    catalogue = Catalogue(parse_rules([{"kinds": ["Ship.*"], "path": "x", "form": form}]))
    ship = Manifest.of({**SHIP, "x": before})

    names = NamespaceMap.parse(["prod=staging"])
    result = remap([ship], names, catalogue=catalogue, guess=False)

    assert result.manifests[0].body["x"] == after


def test_all_problems_of_all_rules_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        parse_rules(
            [
                "spec.x",
                {"kinds": "Ship", "path": "", "form": "name", "resaon": "x"},
                {"kinds": ["Ship"], "path": "a[0]", "form": "encoded-text"},
            ]
        )

    offered = (
        "namespace, list, namespace/name, comma-list, dns, host, selector, user, group, "
        "principal, text"
    )
    assert str(caught.value).splitlines() == [
        "The reference rules of the configuration cannot be used:",
        "- Rule 1: it is not a mapping of kinds, path and form.",
        "- Rule 2: the field 'resaon' is unknown; there are id, kinds, path, form, reason.",
        "- Rule 2: kinds must be a list of kinds such as Deployment.apps.",
        f"- Rule 2: form must be one of: {offered}.",
        "- Rule 2: path must say where in the object, for example spec.sourceNamespace.",
        f"- Rule 3: form must be one of: {offered}.",
        (
            "- Rule 3: The path 'a[0]' cannot be read from character 2 on. Examples: "
            "spec.items[].namespace, spec.**.sourceRef."
        ),
    ]


def test_every_path_of_the_catalogue_can_be_read_for_the_kinds_it_names() -> None:
    def kind(rule: ReferenceRule) -> str:
        pattern = rule.kinds[0]
        return {"<pod>": "Pod", "<claim>": "PersistentVolumeClaim"}.get(
            pattern, pattern.replace("*", "Any")
        )

    dead = [rule.id for rule in CATALOGUE.rules if not CATALOGUE.graph(kind(rule)).start.alive]

    assert dead == []
    assert {rule.form for rule in CATALOGUE.rules} == set(Form)
