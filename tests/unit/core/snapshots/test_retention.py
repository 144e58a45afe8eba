"""Retention: examples, and what holds whatever the snapshots, the policy and the time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube2git.core.snapshots import Snapshot
from kube2git.core.snapshots.retention import GRACE, Retention, decide, parse, schedule_of

NOW = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)


def snapshot(age: timedelta, *, is_ready: bool = True, handle: str = "") -> Snapshot:
    return Snapshot(handle or f"snap-{age}", "csi", NOW - age, "run", is_ready)


def hours(*ages: float) -> list[Snapshot]:
    return [snapshot(timedelta(hours=age)) for age in ages]


def kept(snapshots: list[Snapshot], policy: Retention) -> list[float]:
    """Return the ages, in hours, of those that stay."""
    return [
        (NOW - decision.snapshot.created) / timedelta(hours=1)
        for decision in decide(snapshots, policy, NOW)
        if decision.stays
    ]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Retention(), [1, 2, 25, 26, 200, 500]),
        (Retention(ttl=None), [1, 2, 25, 26, 200, 500, 800, 2000]),
        (Retention(ttl=timedelta(hours=30)), [1, 2, 25, 26]),
        (Retention(ttl=timedelta()), [1]),
        (Retention(keep_last=2), [1, 2]),
        (Retention(keep_hourly=3), [1, 2, 25]),
        (Retention(keep_daily=2), [1, 25]),
        (Retention(keep_weekly=2), [1, 200]),
        (Retention(keep_monthly=9), [1, 500, 2000]),
        (Retention(keep_within=timedelta(days=8)), [1, 2, 25, 26]),
        (Retention(keep_within=timedelta(minutes=1)), [1]),
        (Retention(keep_last=1, keep_monthly=2), [1, 500]),
    ],
)
def test_policies(policy: Retention, expected: list[float]) -> None:
    assert kept(hours(1, 2, 25, 26, 200, 500, 800, 2000), policy) == expected


def test_every_decision_has_its_reason() -> None:
    found = [
        *hours(1, 2, 800),
        snapshot(timedelta(hours=3), is_ready=False),
        snapshot(timedelta(hours=90), is_ready=False),
    ]
    reasons = {str(d.snapshot.handle): d.reason for d in decide(found, Retention(), NOW)}
    assert list(reasons.values()) == [
        "It is the newest that is ready.",
        "It is younger than 30 days (ttl).",
        "It may still become ready.",
        "It has not become ready in 3 days.",
        "It is older than 30 days (ttl).",
    ]
    named = decide(hours(1, 2, 30), Retention(keep_last=2, keep_daily=2), NOW)
    assert [decision.reason for decision in named] == [
        "It is one of the last 2, the last of its day.",
        "It is one of the last 2.",
        "It is the last of its day.",
    ]
    assert decide(hours(1, 2), Retention(keep_last=1), NOW)[1].reason == "No keep rule names it."


def test_one_that_is_not_ready_fills_no_place() -> None:
    failed = snapshot(timedelta(minutes=1), is_ready=False)
    decisions = decide([failed, *hours(5, 6)], Retention(keep_last=1), NOW)
    assert [decision.stays for decision in decisions] == [True, True, False]


@st.composite
def sets_of_snapshots(draw: st.DrawFn) -> list[Snapshot]:
    ages = draw(st.lists(st.integers(-48, 20_000), max_size=40))
    return [
        snapshot(timedelta(hours=age / 4), is_ready=draw(st.booleans()), handle=f"snap-{number}")
        for number, age in enumerate(ages)
    ]


counts = st.integers(0, 5)
spans = st.none() | st.integers(0, 2000).map(lambda hours: timedelta(hours=hours))
policies = st.builds(Retention, counts, counts, counts, counts, counts, spans, spans)


@given(sets_of_snapshots(), policies, st.randoms())
def test_it_is_a_function_of_the_set(
    found: list[Snapshot], policy: Retention, random: object
) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    decisions = decide(found, policy, NOW)
    assert decide(shuffled, policy, NOW) == decisions
    assert sorted(d.snapshot.handle for d in decisions) == sorted(s.handle for s in found)
    assert all(decision.reason for decision in decisions)


@given(sets_of_snapshots(), policies)
def test_the_newest_ready_one_always_stays(found: list[Snapshot], policy: Retention) -> None:
    ready = [s for s in found if s.is_ready]
    stays = {d.snapshot.handle for d in decide(found, policy, NOW) if d.stays}
    if ready:
        newest = max(s.created for s in ready)
        assert any(s.handle in stays for s in ready if s.created == newest)


@given(sets_of_snapshots(), policies)
def test_what_a_rule_alone_would_keep_stays_with_all_rules(
    found: list[Snapshot], policy: Retention
) -> None:
    stays = {d.snapshot.handle for d in decide(found, policy, NOW) if d.stays}
    for name in (
        "keep_last",
        "keep_hourly",
        "keep_daily",
        "keep_weekly",
        "keep_monthly",
        "keep_within",
    ):
        alone = Retention(**{name: getattr(policy, name)}, ttl=policy.ttl)
        if alone.has_rules:
            assert {d.snapshot.handle for d in decide(found, alone, NOW) if d.stays} <= stays


@given(sets_of_snapshots(), policies)
def test_deleting_what_may_go_changes_no_other_decision(
    found: list[Snapshot], policy: Retention
) -> None:
    stays = [d.snapshot for d in decide(found, policy, NOW) if d.stays]
    assert all(d.stays for d in decide(stays, policy, NOW))


@given(sets_of_snapshots(), policies)
def test_what_may_still_become_ready_stays(found: list[Snapshot], policy: Retention) -> None:
    for decision in decide(found, policy, NOW):
        if not decision.snapshot.is_ready:
            assert decision.stays is (NOW - decision.snapshot.created < GRACE)


NAMES = ("hourly", "nightly", "hourly-eu", "manual")


@st.composite
def snapshots_of_schedules(draw: st.DrawFn) -> list[Snapshot]:
    found = draw(sets_of_snapshots())
    return [replace(one, run=f"{draw(st.sampled_from(NAMES))}-20260304050607") for one in found]


own_policies = st.dictionaries(st.sampled_from(NAMES[:3]), policies, max_size=3)


@given(snapshots_of_schedules(), policies, own_policies, policies)
def test_the_rules_of_one_schedule_change_nothing_for_the_others(
    found: list[Snapshot], policy: Retention, own: dict[str, Retention], other: Retention
) -> None:
    before = replace(policy, schedules={**own, "hourly": policy})
    after = replace(policy, schedules={**own, "hourly": other})
    decisions = zip(decide(found, before, NOW), decide(found, after, NOW), strict=True)
    changed = {old.snapshot.run for old, new in decisions if old != new}
    assert {schedule_of(run) for run in changed} <= {"hourly"}


@given(snapshots_of_schedules(), policies, own_policies)
def test_each_pile_is_decided_as_if_it_were_alone(
    found: list[Snapshot], policy: Retention, own: dict[str, Retention]
) -> None:
    together = decide(found, replace(policy, schedules=own), NOW)
    apart = [
        decision
        for name, rules in own.items()
        for decision in decide([s for s in found if schedule_of(s.run) == name], rules, NOW)
    ]
    rest = [s for s in found if schedule_of(s.run) not in own]
    apart += decide(rest, policy, NOW)
    assert sorted(together, key=str) == sorted(apart, key=str)


def test_what_a_configuration_says_of_a_policy() -> None:
    policy, problems = parse({"keep_last": 3, "keep_within": "14d", "ttl": ""})
    assert policy == Retention(keep_last=3, keep_within=timedelta(days=14), ttl=None)
    assert problems == {}
    _, problems = parse({"keep_last": -1, "keep_daily": True, "ttl": "soon", "keep_all": 1})
    assert problems.keys() == {"keep_last", "keep_daily", "ttl", "keep_all"}
    assert "known here are keep_last" in problems["keep_all"]
