"""Who set a field, as managedFields tell it. What it means for rules, the golden cases show."""

from __future__ import annotations

from typing import Any

import pytest

from kube2git.core.cleaning import manager_of
from kube2git.core.cleaning.ownership import is_server_writer
from kube2git.core.fielddiff import changes

BODY: dict[str, Any] = {
    "metadata": {
        "finalizers": ["example.com/a", "example.com/b"],
        "managedFields": [
            {
                "manager": "kubectl-client-side-apply",
                "operation": "Update",
                "time": "2026-11-21T10:00:00Z",
                "fieldsV1": {
                    "f:metadata": {"f:finalizers": {".": {}, 'v:"example.com/a"': {}}},
                    "f:spec": {
                        "f:replicas": {},
                        "f:template": {
                            "f:spec": {
                                "f:containers": {
                                    'k:{"name":"web"}': {".": {}, "f:image": {}, "f:name": {}},
                                    "k:broken": {"f:image": {}},
                                }
                            }
                        },
                    },
                },
            },
            {
                "manager": "helm",
                "operation": "Apply",
                "time": "2026-11-21T11:00:00Z",
                "fieldsV1": {
                    "f:spec": {
                        "f:selector": {},
                        "f:replicas": {},
                        "f:template": {
                            "f:spec": {
                                "f:containers": {
                                    'k:{"name":"side"}': {
                                        "f:ports": {
                                            'k:{"containerPort":80,"protocol":"TCP"}': {
                                                "f:name": {}
                                            }
                                        }
                                    }
                                }
                            }
                        },
                    }
                },
            },
            {"manager": "broken", "operation": "Update"},
        ],
    },
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "paused": True,
        "template": {
            "spec": {
                "containers": [
                    {"name": "web", "image": "a"},
                    {"name": "side", "ports": [{"containerPort": 80, "protocol": "TCP"}]},
                ]
            }
        },
    },
}
CONTAINERS = ("spec", "template", "spec", "containers")


@pytest.mark.parametrize(
    ("path", "manager"),
    [
        (("spec", "replicas"), "helm"),  # both own it; helm wrote later
        (("spec", "selector", "matchLabels", "app"), "helm"),  # owned as a whole
        (("spec", "paused"), ""),  # a default, owned by nobody
        (("spec", "gone"), ""),
        ((*CONTAINERS, 0, "image"), "kubectl-client-side-apply"),
        ((*CONTAINERS, 1, "image"), ""),
        ((*CONTAINERS, 1, "ports", 0, "name"), "helm"),
        ((*CONTAINERS, 7, "image"), ""),
        (("metadata", "finalizers", 0), "kubectl-client-side-apply"),
        (("metadata", "finalizers", 1), ""),
    ],
)
def test_the_manager_of_a_field(path: tuple[str | int, ...], manager: str) -> None:
    assert manager_of(BODY, path) == manager


def test_paths_of_field_differences_are_understood() -> None:
    old: dict[str, Any] = {"spec": {"template": {"spec": {"containers": [{"name": "web"}]}}}}
    new: dict[str, Any] = {"spec": {"template": {"spec": {"containers": [{"name": "web"}]}}}}
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "a"
    (change,) = changes(old, new)
    assert manager_of(BODY, change.path) == "kubectl-client-side-apply"


def test_an_object_without_ownership_has_no_managers() -> None:
    assert manager_of({"metadata": {}, "spec": {"replicas": 1}}, ("spec", "replicas")) == ""


def test_parts_of_the_control_plane_are_told_from_people() -> None:
    names = ["kube-apiserver", "api-priority-and-fairness-config-producer-v1", "k3s", "kubelet"]
    people = ["kubectl", "kube2git", "before-first-apply", "helm", "kubelet-csr-approver"]
    assert [name for name in names + people if is_server_writer(name)] == names
