"""Hooks: from annotations and configuration."""

from __future__ import annotations

from typing import Any

import pytest

from kube2git.core.snapshots.hooks import Hook, HookError, hooks_of, parse_rules
from kube2git.errors import UsageError
from tests.unit.core.snapshots.objects import pod


def annotated(**fields: str) -> dict[str, str]:
    """``pre_on_error="fail"`` -> the annotation that says so."""
    return {
        f"{key.partition('_')[0]}.hook.snapshot.kube2git.io/"
        f"{key.partition('_')[2].replace('_', '-')}": value
        for key, value in fields.items()
    }


def test_a_pod_says_what_runs_in_it() -> None:
    hooks = hooks_of(
        pod(
            "db-0",
            annotations=annotated(
                pre_command='["fsfreeze", "--freeze", "/data"]',
                pre_container="helper",
                pre_timeout="5s",
                pre_on_error="continue",
                post_command="fsfreeze --unfreeze /data",
            ),
        )
    )
    assert hooks is not None
    assert hooks.before == Hook(("fsfreeze", "--freeze", "/data"), "helper", 5.0, False)
    assert hooks.after == Hook(("/bin/sh", "-c", "fsfreeze --unfreeze /data"), "", 30.0, True)
    request = hooks.request(hooks.after)
    assert (request.namespace, request.pod, request.container) == ("shop", "db-0", "main")
    assert hooks.request(hooks.before).container == "helper"
    assert "fsfreeze" not in f"{hooks!r} {request!r}"


def test_a_pod_that_does_not_run_has_none() -> None:
    annotations = annotated(pre_command="sync")
    assert hooks_of(pod("db-0", annotations=annotations, phase="Pending")) is None
    assert hooks_of(pod("db-0")) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"pre_timeout": "5s"}, "pre: command must be"),
        ({"pre_command": "[1]"}, "pre: command must be"),
        ({"pre_command": '["a'}, "pre: command is not a JSON list"),
        ({"pre_command": "[]"}, "pre: command must be"),
        ({"pre_command": "  "}, "pre: command must be"),
        ({"pre_command": "a", "pre_timeout": "soon"}, "pre: timeout: 'soon' is not a length"),
        ({"post_command": "a", "post_on_error": "panic"}, "post: on-error must be"),
        ({"post_command": "a", "post_comand": "b"}, "post has no field comand"),
    ],
)
def test_annotations_that_make_no_sense_are_told(fields: dict[str, str], expected: str) -> None:
    with pytest.raises(HookError) as caught:
        hooks_of(pod("db-0", annotations=annotated(**fields)))
    assert expected in str(caught.value)
    assert "pod/db-0 -n shop" in str(caught.value)


def test_configured_hooks_apply_where_a_pod_says_nothing() -> None:
    rules = parse_rules(
        [
            {"namespaces": ["pay"], "pre": {"command": "a"}},
            {
                "selector": "app=db",
                "pre": {"command": ["psql", "-c", "CHECKPOINT"], "container": "helper"},
                "post": {"command": "b", "on-error": "continue"},
            },
        ]
    )
    chosen = hooks_of(pod("db-0", labels={"app": "db"}), rules)
    assert chosen is not None
    assert chosen.before == Hook(("psql", "-c", "CHECKPOINT"), "helper")
    assert chosen.after is not None
    assert not chosen.after.is_needed
    assert hooks_of(pod("web", labels={"app": "web"}), rules) is None
    own = hooks_of(pod("db", labels={"app": "db"}, annotations=annotated(post_command="c")), rules)
    assert own is not None
    assert own.before is None
    paid = hooks_of(pod("any", namespace="pay"), rules)
    assert paid is not None
    assert paid.after is None


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"namespaces": ["a"]}, "neither pre nor post"),
        ({"namespaces": "a", "pre": {"command": "x"}}, "namespaces must be a list"),
        ({"selector": "a b", "pre": {"command": "x"}}, "cannot be read from character 1"),
        ({"pods": ["a"], "pre": {"command": "x"}}, "There is no field pods"),
        ({"pre": "sync"}, "pre must hold the fields"),
        ({"pre": {"command": "x", "container": 3}}, "pre: container must be a name"),
    ],
)
def test_configured_hooks_that_make_no_sense_are_told(row: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError, match=r"snapshots\.hooks\[1\]: ") as caught:
        parse_rules([{"pre": {"command": "x"}}, row])
    assert expected in str(caught.value)
