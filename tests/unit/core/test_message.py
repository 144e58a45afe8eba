"""The commit message."""

from __future__ import annotations

from kube2git.core.message import MAX_LINES, Change, ObjectChange, compose, count_changes
from kube2git.core.objects import ObjectRef

WEB = ObjectRef("apps", "Deployment", "shop", "web")
ROLE = ObjectRef("rbac.authorization.k8s.io", "ClusterRole", "", "admin")


def test_the_message_names_objects_fields_and_managers() -> None:
    changes = [
        ObjectChange(Change.REMOVED, ROLE),
        ObjectChange(Change.CHANGED, WEB, ("spec.replicas",), ("kubectl",)),
    ]
    text = compose(changes, {"Kube2git-Revision": "42", "Kube2git-Atomic": "true"})
    assert text == (
        "export: 1 changed, 1 removed\n"
        "\n"
        "- clusterrole.rbac.authorization.k8s.io/admin\n"
        "~ deployment.apps/web -n shop: spec.replicas (kubectl)\n"
        "\n"
        "Kube2git-Revision: 42\n"
        "Kube2git-Atomic: true\n"
    )


def test_many_fields_and_many_objects_are_cut_and_counted() -> None:
    fields = tuple(f"spec.f{number}" for number in range(7))
    line = ObjectChange(Change.CHANGED, WEB, fields).line()
    assert line.endswith("spec.f0, spec.f1, spec.f2, spec.f3 and 3 more")
    text = compose([ObjectChange(Change.ADDED, WEB)] * (MAX_LINES + 5), {})
    assert text.count("+ deployment.apps/web") == MAX_LINES
    assert "… and 5 more" in text
    assert f"export: {MAX_LINES + 5} added" in text


def test_a_user_message_takes_the_place_of_the_subject() -> None:
    text = compose([ObjectChange(Change.ADDED, WEB)], {"K": "v"}, subject="before the upgrade\n")
    assert text == "before the upgrade\n\n+ deployment.apps/web -n shop\n\nK: v\n"


def test_a_trailer_stays_on_its_line() -> None:
    assert compose([], {"Why": "two\nlines"}).endswith("\nWhy: two lines\n")


def test_a_commit_without_object_changes_says_so() -> None:
    assert compose([], {}).startswith("export: coverage changed\n")
    assert count_changes([]) == ""
