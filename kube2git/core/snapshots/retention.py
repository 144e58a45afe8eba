"""Which snapshots of one claim may go: a pure function, with a reason for every decision.

With keep rules, what one of them names stays and the rest goes; without any, a snapshot goes once
it is as old as ``ttl``. The newest ready snapshot always stays. Days, weeks and months are UTC's.
A schedule may have a policy of its own: what its runs took is then a pile by itself, which no
other rule touches or counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from kube2git.core import durations
from kube2git.core.snapshots import Snapshot
from kube2git.core.snapshots.records import identity

Item = TypeVar("Item")

GRACE = timedelta(hours=72)
"""How long a snapshot that is not ready may still become so."""


@dataclass(frozen=True, slots=True)
class Retention:
    """``snapshots.retention``. A count of 0 is no rule."""

    keep_last: int = 0
    keep_hourly: int = 0
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    keep_within: timedelta | None = None
    ttl: timedelta | None = timedelta(hours=720)
    """None: for ever."""
    schedules: Mapping[str, Retention] = field(default_factory=dict)
    """By name, of those that have a policy of their own."""

    @property
    def has_rules(self) -> bool:
        counts = (
            self.keep_last,
            self.keep_hourly,
            self.keep_daily,
            self.keep_weekly,
            self.keep_monthly,
        )
        return any(counts) or self.keep_within is not None


SETTINGS = tuple(item.name for item in fields(Retention) if item.name != "schedules")
"""What a configuration may say of one policy."""


def parse(data: Mapping[str, Any]) -> tuple[Retention, dict[str, str]]:
    """Read a policy; return it, and what is wrong with which of its settings."""
    found: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, value in data.items():
        if name not in SETTINGS:
            problems[name] = f"there is no such setting; known here are {', '.join(SETTINGS)}."
        elif name in ("keep_within", "ttl"):
            try:
                found[name] = durations.parse(value) if value else None
            except (TypeError, ValueError):
                problems[name] = "this must be a length of time, for example 12h or 14d."
        elif type(value) is int and value >= 0:
            found[name] = value
        else:
            problems[name] = "this must be a whole number, at least 0."
    return Retention(**found), problems


def schedule_of(run: str) -> str:
    """Return the schedule of a run by the run's name, ``<schedule>-<YYYYMMDDhhmmss>``."""
    return run.rpartition("-")[0]


class Decision(NamedTuple):
    """Whether a snapshot stays, and why, a whole sentence."""

    snapshot: Snapshot
    stays: bool
    reason: str


_PERIODS: tuple[tuple[str, Callable[[datetime], object]], ...] = (
    ("hour", lambda time: (time.date(), time.hour)),
    ("day", lambda time: time.date()),
    ("week", lambda time: time.isocalendar()[:2]),
    ("month", lambda time: (time.year, time.month)),
)


def decide(snapshots: Iterable[Snapshot], policy: Retention, now: datetime) -> list[Decision]:
    """Decide over all snapshots of one claim; newest first."""
    piles: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        schedule = schedule_of(snapshot.run)
        piles.setdefault(schedule if schedule in policy.schedules else "", []).append(snapshot)
    decisions = [
        decision
        for schedule, pile in piles.items()
        for decision in _decide(pile, policy.schedules.get(schedule, policy), now)
    ]
    return _newest_first(decisions, lambda decision: decision.snapshot)


def _decide(pile: list[Snapshot], policy: Retention, now: datetime) -> Iterator[Decision]:
    ordered = _newest_first(pile, lambda snapshot: snapshot)
    ready = [snapshot for snapshot in ordered if snapshot.is_ready]
    named = _named(ready, policy, now)
    for snapshot in ordered:
        yield _decision(snapshot, ready, named, policy, now)


def _newest_first(items: Iterable[Item], of: Callable[[Item], Snapshot]) -> list[Item]:
    ordered = sorted(items, key=lambda item: identity(of(item)))
    return sorted(ordered, key=lambda item: of(item).created, reverse=True)


def _decision(
    snapshot: Snapshot,
    ready: list[Snapshot],
    named: dict[tuple[str, str], list[str]],
    policy: Retention,
    now: datetime,
) -> Decision:
    age = now - snapshot.created
    if not snapshot.is_ready:
        if age < GRACE:
            return Decision(snapshot, True, "It may still become ready.")
        return Decision(snapshot, False, f"It has not become ready in {_hours(GRACE)}.")
    if rules := named.get(identity(snapshot)):
        return Decision(snapshot, True, f"It is {', '.join(rules)}.")
    if snapshot is ready[0]:
        return Decision(snapshot, True, "It is the newest that is ready.")
    if policy.has_rules:
        return Decision(snapshot, False, "No keep rule names it.")
    if policy.ttl is None:
        return Decision(snapshot, True, "Nothing says that it may go.")
    if age < policy.ttl:
        return Decision(snapshot, True, f"It is younger than {_hours(policy.ttl)} (ttl).")
    return Decision(snapshot, False, f"It is older than {_hours(policy.ttl)} (ttl).")


def _named(
    ready: list[Snapshot], policy: Retention, now: datetime
) -> dict[tuple[str, str], list[str]]:
    """Return which rules name which snapshots, in words that follow "It is"."""
    named: dict[tuple[str, str], list[str]] = {}

    def name(snapshot: Snapshot, words: str) -> None:
        named.setdefault(identity(snapshot), []).append(words)

    for snapshot in ready[: max(0, policy.keep_last)]:
        name(snapshot, f"one of the last {policy.keep_last}")
    counts = (policy.keep_hourly, policy.keep_daily, policy.keep_weekly, policy.keep_monthly)
    for (word, period_of), count in zip(_PERIODS, counts, strict=True):
        periods: set[object] = set()
        for snapshot in ready:
            period = period_of(snapshot.created.astimezone(UTC))
            if period not in periods and len(periods) < count:
                periods.add(period)
                name(snapshot, f"the last of its {word}")
    if policy.keep_within is not None:
        for snapshot in ready:
            if now - snapshot.created <= policy.keep_within:
                name(snapshot, f"younger than {_hours(policy.keep_within)}")
    return named


def _hours(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    if hours >= 48 and hours % 24 == 0:
        return f"{hours / 24:g} days"
    return f"{hours:g} hours"
