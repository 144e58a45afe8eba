"""plan: a value that survives a file, holds no value of any object, and tells when it is stale."""

from __future__ import annotations

import copy
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube2git.core import wire
from kube2git.core.objects import Manifest, ObjectRef
from kube2git.core.planning.plan import (
    Action,
    FieldNote,
    Guard,
    Header,
    Kept,
    Plan,
    PlanFormatError,
    PlannedAction,
    Problem,
    Removal,
    Write,
    drift,
    fingerprint,
    live_state,
)
from tests.unit.core.planning.planned import config_map, live, obj

REF = ObjectRef("", "ConfigMap", "shop", "c")
UPDATE = PlannedAction(
    REF,
    Action.UPDATE,
    reason="Why.",
    api_version="v1",
    digest="d",
    uid="u",
    resource_version="7",
    state="e",
    write=Write.REPLACE,
    changes=(FieldNote("data.a", "changed"),),
    removals=(Removal("data.b", ("kubectl",)), Removal("data.c")),
    kept=(Kept("data.d", ("helm",), "why"),),
    warnings=("Careful.",),
)
PLAN = Plan(
    Header(
        commit="abc",
        revision="HEAD",
        source_cluster="one",
        target_cluster="two",
        target_context="prod",
        signed_by="ops@example.com (SHA256:x)",
        maps=(("a", "b"), ("c", "d")),
        options=("--prune=all",),
        inputs="i",
    ),
    (UPDATE, PlannedAction(ObjectRef("", "Secret", "shop", "s"), Action.UNCHANGED)),
    (Guard("Stop.", "--allow-prune=many"), Guard("Stop altogether.")),
    (Problem("Bad."), Problem("Bad object.", REF)),
    ("Note.",),
)


def restored(plan: Plan) -> Plan:
    return Plan.from_json(wire.decode(wire.encode(plan.to_json())))


def test_a_plan_survives_its_file() -> None:
    assert restored(PLAN) == PLAN
    assert restored(Plan(Header(), ())) == Plan(Header(), ())


def test_the_file_is_documented_by_this() -> None:
    data = PLAN.to_json()
    assert data["format"] == 1
    assert data["counts"] == {"update": 1, "unchanged": 1}
    assert data["header"]["maps"] == [["a", "b"], ["c", "d"]]
    assert data["actions"][0] == {
        "object": {"group": "", "kind": "ConfigMap", "namespace": "shop", "name": "c"},
        "action": "update",
        "reason": "Why.",
        "api_version": "v1",
        "digest": "d",
        "uid": "u",
        "resource_version": "7",
        "state": "e",
        "warnings": ["Careful."],
        "write": "replace",
        "changes": [{"path": "data.a", "kind": "changed"}],
        "removals": [{"path": "data.b", "owners": ["kubectl"]}, {"path": "data.c"}],
        "kept": [{"path": "data.d", "owners": ["helm"], "reason": "why"}],
    }
    assert data["actions"][1] == {
        "object": {"group": "", "kind": "Secret", "namespace": "shop", "name": "s"},
        "action": "unchanged",
    }


_text = st.text(max_size=8)
_texts = st.lists(_text, max_size=2).map(tuple)
_refs = st.builds(ObjectRef, _text, _text, _text, _text)
_actions = st.builds(
    PlannedAction,
    _refs,
    st.sampled_from(Action),
    reason=_text,
    api_version=_text,
    digest=_text,
    uid=_text,
    resource_version=_text,
    state=_text,
    write=st.sampled_from(Write),
    changes=st.lists(st.builds(FieldNote, _text, _text.filter(bool)), max_size=2).map(tuple),
    removals=st.lists(st.builds(Removal, _text.filter(bool), _texts), max_size=2).map(tuple),
    kept=st.lists(st.builds(Kept, _text.filter(bool), _texts, _text), max_size=2).map(tuple),
    warnings=_texts,
)
_headers = st.builds(
    Header,
    **{field.name: _text for field in fields(Header) if field.name not in ("maps", "options")},
    maps=st.lists(st.tuples(_text, _text), max_size=2).map(tuple),
    options=_texts,
)
_plans = st.builds(
    Plan,
    _headers,
    st.lists(_actions, max_size=3).map(tuple),
    st.lists(st.builds(Guard, _text.filter(bool), _text), max_size=2).map(tuple),
    st.lists(st.builds(Problem, _text, st.none() | _refs), max_size=2).map(tuple),
    _texts,
)


@settings(max_examples=60)
@given(_plans)
def test_any_plan_survives_its_file(plan: Plan) -> None:
    assert restored(plan) == plan


@pytest.mark.parametrize("data", [None, [], "x", {}, {"actions": []}])
def test_another_file_is_no_plan(data: Any) -> None:
    with pytest.raises(PlanFormatError, match="not a plan of kube2git"):
        Plan.from_json(data)


def test_a_newer_format_is_refused() -> None:
    with pytest.raises(PlanFormatError, match="has format 2"):
        Plan.from_json({**PLAN.to_json(), "format": 2})


@pytest.mark.parametrize(
    "damage",
    [
        {"header": 7},
        {"header": {"unknown": "x"}},
        {"actions": [{"action": "update"}]},
        {"actions": [{"object": REF._asdict(), "action": "destroy"}]},
        {"actions": [{"object": REF._asdict(), "action": "update", "more": 1}]},
        {"guards": [{}]},
        {"problems": [{}]},
    ],
)
def test_a_damaged_plan_is_refused(damage: Any) -> None:
    with pytest.raises(PlanFormatError, match="damaged"):
        Plan.from_json({**PLAN.to_json(), **damage})


def test_actions_are_counted_and_those_that_write_are_known() -> None:
    plan = Plan(Header(), tuple(PlannedAction(REF, action) for action in Action))
    assert plan.counts == dict.fromkeys(Action, 1)
    assert [action.action for action in plan.writes] == [
        Action.CREATE,
        Action.UPDATE,
        Action.RECREATE,
        Action.DELETE,
    ]


def test_what_is_blocked_or_wrong_makes_a_plan_incomplete() -> None:
    assert Plan(Header(), (PlannedAction(REF, Action.SKIP),)).is_complete
    assert not Plan(Header(), (PlannedAction(REF, Action.BLOCKED),)).is_complete
    assert not Plan(Header(), (), problems=(Problem("x"),)).is_complete


def test_actions_can_be_decided_anew() -> None:
    other = PlannedAction(REF, Action.UNCHANGED)
    assert PLAN.with_actions([other]).actions == (other, PLAN.actions[1])
    assert PLAN.with_actions([]) == PLAN


@pytest.mark.parametrize(("source", "foreign"), [("one", True), ("two", False), ("", False)])
def test_a_commit_of_another_cluster_is_foreign(source: str, foreign: bool) -> None:
    assert Header(source_cluster=source, target_cluster="two").is_foreign is foreign


# ── Fingerprints ─────────────────────────────────────────────────────────────────────────────


def secret(**data: str) -> Manifest:
    return Manifest.of(obj("v1", "Secret", "s", "shop", data=data))


def test_an_object_s_fingerprint_is_its_digest() -> None:
    manifest = Manifest.of(config_map(a="1"))
    assert fingerprint(manifest, {"Secret"}) == manifest.digest


def test_nobody_can_guess_a_secret_from_its_fingerprint() -> None:
    assert fingerprint(secret(a="1"), {"Secret"}) == fingerprint(secret(a="2"), {"Secret"})
    assert fingerprint(secret(a="1"), {"Secret"}) != secret(a="1").digest


def test_the_shape_of_a_secret_tells() -> None:
    prints = {fingerprint(found, {"Secret"}) for found in (secret(), secret(a="1"), secret(b="1"))}
    assert len(prints) == 3


# ── Drift ────────────────────────────────────────────────────────────────────────────────────


def test_the_same_plan_still_holds() -> None:
    assert drift(PLAN, copy.deepcopy(PLAN)) == ()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"commit": "x"}, "commit"),
        ({"maps": ()}, "mapped"),
        ({"options": ()}, "flags"),
        ({"inputs": "x"}, "configuration"),
    ],
)
def test_another_header_is_told(change: Any, word: str) -> None:
    (sentence,) = drift(PLAN, replace(PLAN, header=replace(PLAN.header, **change)))
    assert word in sentence


@pytest.mark.parametrize("change", [{"target_cluster": "x"}, {"target_context": "x"}])
def test_of_another_place_nothing_but_both_names_is_told(change: Any) -> None:
    header = replace(PLAN.header, commit="other", **change)
    (sentence,) = drift(PLAN, Plan(header, ()))
    assert sentence == f"It was made for {PLAN.header.place}, and this is {header.place}."
    assert "x" in header.place


def test_a_later_revision_of_the_target_alone_changes_nothing() -> None:
    later = replace(PLAN, header=replace(PLAN.header, target_revision="99", revision="main"))
    assert drift(PLAN, later) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"state": "f"},
        {"uid": "v"},
        {"digest": "e"},
        {"action": Action.CREATE},
        {"action": Action.UNCHANGED},
        {"write": Write.APPLY},
        {"removals": ()},
        {"changes": ()},
        {"kept": ()},
    ],
)
def test_an_object_that_would_be_written_otherwise_is_named(change: Any) -> None:
    fresh = PLAN.with_actions([replace(UPDATE, **change)])
    for one, other in ((PLAN, fresh), (fresh, PLAN)):
        (sentence,) = drift(one, other)
        assert sentence.startswith("configmap/c -n shop has changed")


def test_an_object_that_appears_or_goes_is_named() -> None:
    smaller = replace(PLAN, actions=PLAN.actions[1:])
    assert len(drift(PLAN, smaller)) == 1
    assert len(drift(smaller, PLAN)) == 1


def test_a_status_that_changed_does_not_count() -> None:
    later = PLAN.with_actions([replace(UPDATE, resource_version="8")])
    assert drift(PLAN, later) == ()


def test_the_state_of_a_live_object_is_its_content_and_of_a_secret_its_version() -> None:
    known = live(config_map())
    secret = live(obj("v1", "Secret", "s", "shop"))
    assert live_state(known, {"Secret"}) == known.manifest.digest
    assert live_state(secret, {"Secret"}) == secret.resource_version


def test_what_nobody_writes_may_change() -> None:
    unchanged = PLAN.actions[1]
    fresh = PLAN.with_actions([replace(unchanged, resource_version="99", uid="x")])
    assert drift(PLAN, fresh) == ()
