"""When runs are due: the form of schedules, and the arithmetic of their times.

The only door to cronsim. Times go in and come out with their zone; no clock is read here. Elapsed
time is counted in UTC, so that daylight saving moves what names a local time, and nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from kube2git.core.selection import ClusterScoped, LabelSelector, LabelSelectorError
from kube2git.core.snapshots import retention
from kube2git.core.snapshots.retention import Retention

STEP_BACK = timedelta(minutes=1)
"""A clock that is set back by more than this starts afresh: better one run too many than none
until the clock has caught up."""
LONGEST_RETRY = timedelta(minutes=15)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVERY = re.compile(r"every (?:(\d+)d)? ?(?:(\d+)h)? ?(?:(\d+)m)? ?(?:(\d+)s)?")
_DAILY = re.compile(r"daily at ([01]?\d|2[0-3]):([0-5]\d)")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


class ScheduleError(ValueError):
    """A schedule cannot be read; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Every:
    """A period, counted from the beginning of 1970 UTC, so that every replica counts alike."""

    period: timedelta

    def next_after(self, moment: datetime) -> datetime:
        """Return the first time after a moment, in UTC."""
        return _EPOCH + ((moment - _EPOCH) // self.period + 1) * self.period


@dataclass(frozen=True, slots=True)
class Cron:
    """Local times, in cron's five fields.

    The rule of Debian's cron over daylight saving: what names an hour runs once a day, after a
    gap at once, of two equal hours in the first; what has a star for the hour follows the clock.
    """

    fields: str
    zone: tzinfo

    def next_after(self, moment: datetime) -> datetime:
        """Return the first time after a moment, in UTC; raise ScheduleError if there is none."""
        times = CronSim(self.fields, moment.astimezone(self.zone))
        for local in times:
            # In the second of two equal hours, a time of the first comes up again.
            if (found := local.astimezone(UTC)) > moment:
                return found
        raise ScheduleError(f"the time {self.fields!r} never comes.")


When = Every | Cron


def parse_when(text: str, zone: str = "UTC") -> When:
    """Read ``every 15m``, ``daily at 02:00`` or cron's five fields; raise ScheduleError."""
    words = " ".join(text.split())
    if match := _EVERY.fullmatch(words):
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        period = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if not period:
            raise ScheduleError("the period must be above zero; write for example every 15m.")
        return Every(period)
    if match := _DAILY.fullmatch(words):
        words = f"{int(match[2])} {int(match[1])} * * *"
    if len(words.split()) != 5:
        raise ScheduleError(
            f"{text!r} is not a time; write every 15m, daily at 02:00, or cron's five fields."
        )
    try:
        found = Cron(words, ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        raise ScheduleError(
            f"there is no time zone {zone!r}; write for example Europe/Berlin."
        ) from None
    try:
        found.next_after(_EPOCH)
    except CronSimError as error:
        raise ScheduleError(f"{text!r} is not a cron expression: {error}.") from None
    return found


@dataclass(frozen=True, slots=True)
class Schedule:
    """One named schedule: when, and what is exported then."""

    name: str
    when: When
    is_enabled: bool = True
    namespaces: tuple[str, ...] | None = None
    """None, here and below: as the section export says."""
    kinds: tuple[str, ...] | None = None
    selector: str | None = None
    cluster_scoped: ClusterScoped | None = None
    snapshots: bool | None = None
    """Whether volumes are snapshotted; None: as the section snapshots says."""
    retention: Retention | None = None
    """Of the snapshots that its runs take; None: as the section snapshots says."""


Problems = dict[tuple[str, ...], str]
"""Path below serve.schedules -> what is wrong there."""


def parse(data: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[Schedule, ...], Problems]:
    """Read the section serve.schedules; return the schedules, and all that is wrong."""
    found: list[Schedule] = []
    problems: Problems = {}
    for name, entry in data.items():
        read = _Reader(name, entry, problems)
        if not _NAME.fullmatch(name):
            problems[name,] = "a name has up to 40 small letters, digits and hyphens."
        schedule = read.schedule()
        if schedule is not None:
            found.append(schedule)
    return tuple(found), problems


@dataclass(slots=True)
class _Reader:
    name: str
    entry: Mapping[str, Any]
    problems: Problems

    def schedule(self) -> Schedule | None:
        known = ("when", "time_zone", "enabled", *SELECTING, "snapshots", "retention")
        for key in self.entry:
            if key not in known:
                self.wrong(key, f"there is no such setting; known here are {', '.join(known)}.")
        when = self._when()
        scope = self._text("cluster_scoped")
        if scope is not None and scope not in tuple(ClusterScoped):
            self.wrong("cluster_scoped", "this must be one of auto, yes, no.")
            scope = None
        selector = self._text("selector")
        try:
            LabelSelector.parse(selector or "")
        except LabelSelectorError as error:
            self.wrong("selector", f"{error}.")
        enabled, snapshots = self._truth("enabled"), self._truth("snapshots")
        namespaces, kinds = self._list("namespaces"), self._list("kinds")
        scoped = ClusterScoped(scope) if scope is not None else None
        kept = self._retention()
        if when is None:
            return None
        return Schedule(
            self.name,
            when,
            enabled is not False,
            namespaces,
            kinds,
            selector,
            scoped,
            snapshots,
            kept,
        )

    def wrong(self, key: str, what: str) -> None:
        self.problems[self.name, key] = what

    def _when(self) -> When | None:
        when, zone = self._text("when"), self._text("time_zone")
        if when is None:
            if "when" not in self.entry:
                self.wrong("when", "this is missing; write for example every 15m.")
            return None
        try:
            return parse_when(when, "UTC" if zone is None else zone)
        except ScheduleError as error:
            self.wrong("when", str(error))
            return None

    def _text(self, key: str) -> str | None:
        value = self.entry.get(key)
        if value is None or isinstance(value, str):
            return value
        self.wrong(key, "this must be text; put it in quotes.")
        return None

    def _truth(self, key: str) -> bool | None:
        value = self.entry.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.wrong(key, "this must be true or false.")
        return None

    def _retention(self) -> Retention | None:
        value = self.entry.get("retention")
        if value is None:
            return None
        if not isinstance(value, Mapping) or not value:
            self.wrong("retention", "rules are expected here, for example {keep_daily: 7}.")
            return None
        found, problems = retention.parse(value)
        for key, what in problems.items():
            self.problems[self.name, "retention", key] = what
        return found

    def _list(self, key: str) -> tuple[str, ...] | None:
        value = self.entry.get(key)
        if value is None:
            return None
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self.wrong(key, "this must be a list of texts.")
        return None


SELECTING = ("namespaces", "kinds", "selector", "cluster_scoped")
"""Settings of the section export that a schedule may have of its own."""


def jitter(name: str, seed: str, most: timedelta) -> timedelta:
    """Return how much later than planned a schedule runs: always the same, so nothing drifts.

    ``seed`` tells installations apart.
    """
    mark = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return most * (int.from_bytes(mark[:6]) / (1 << 48))


@dataclass(frozen=True, slots=True)
class _Account:
    """What is known of one schedule."""

    until: datetime | None
    """Every time up to here has had its run; None: nothing has run yet, and it is due."""
    planned: datetime
    """The next time of the schedule itself."""
    failures: int = 0
    """In a row."""
    retry: datetime | None = None


@dataclass(slots=True)
class Timetable:
    """Tells which schedules are due. Missed times, however many, are made up for by one run."""

    schedules: tuple[Schedule, ...]
    now: datetime
    """When it begins."""
    known: Mapping[str, datetime] = field(default_factory=dict)
    """Schedule -> its last run, of an earlier life."""
    run_at_start: bool = True
    retry: timedelta = timedelta(minutes=1)
    """Wait after a first failure; doubled each time, up to LONGEST_RETRY."""
    jitter: timedelta = timedelta()
    seed: str = ""
    _accounts: dict[str, _Account] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for schedule in self.schedules:
            self._enter(schedule, None if self.run_at_start else self.known.get(schedule.name))

    def _enter(self, schedule: Schedule, until: datetime | None) -> None:
        if until is None and not self.run_at_start:
            until = self.now
        self._accounts[schedule.name] = _Account(until, self._next(schedule, until or self.now))

    def _next(self, schedule: Schedule, until: datetime) -> datetime:
        late = jitter(schedule.name, self.seed, self.jitter)
        return schedule.when.next_after(until - late) + late

    def follow(self, schedules: Iterable[Schedule], now: datetime) -> None:
        """Take over changed schedules; one whose times are the same keeps its account."""
        old = {schedule.name: schedule for schedule in self.schedules}
        kept = self._accounts
        self.schedules, self.now, self._accounts = tuple(schedules), now, {}
        for schedule in self.schedules:
            before = old.get(schedule.name)
            account = kept.get(schedule.name)
            if before and account and before.when == schedule.when:
                self._accounts[schedule.name] = account
            else:
                self._enter(schedule, account.until if account else None)

    def due(self, now: datetime) -> tuple[Schedule, ...]:
        """Return the schedules that should run now, the longest overdue first."""
        found = []
        for schedule in self.schedules:
            self._heed(schedule, now)
            moment = self.next_run(schedule.name)
            if schedule.is_enabled and (moment is None or moment <= now):
                found.append((moment or _EPOCH, schedule.name, schedule))
        return tuple(schedule for _, _, schedule in sorted(found, key=lambda item: item[:2]))

    def next_run(self, name: str) -> datetime | None:
        """Return when a schedule is due; None: at once."""
        account = self._accounts[name]
        if account.until is None:
            return None
        return min(account.planned, account.retry or account.planned)

    def begin(self, schedule: Schedule, now: datetime) -> None:
        """Take note that a run begins, which makes up for every time until now."""
        account = self._accounts[schedule.name]
        self._accounts[schedule.name] = replace(
            account, until=now, planned=self._next(schedule, now), retry=None
        )

    def end(self, schedule: Schedule, now: datetime, *, may_retry: bool) -> None:
        """Take note how a run ended: well, or so that it may go better soon."""
        account = self._accounts.get(schedule.name)
        if account is None:
            return
        if not may_retry:
            self._accounts[schedule.name] = replace(account, failures=0, retry=None)
            return
        wait = min(self.retry * 2.0 ** min(account.failures, 20), LONGEST_RETRY)
        self._accounts[schedule.name] = replace(
            account, failures=account.failures + 1, retry=now + wait
        )

    def last_runs(self) -> dict[str, datetime]:
        """Return what a later life wants to know: schedule -> its last run."""
        return {
            name: account.until
            for name, account in self._accounts.items()
            if account.until is not None
        }

    def _heed(self, schedule: Schedule, now: datetime) -> None:
        """Start afresh where the clock was set back."""
        account = self._accounts[schedule.name]
        if account.until is not None and account.until - now > STEP_BACK:
            planned = self._next(schedule, now)
            account = replace(account, until=now, planned=planned)
        if account.retry is not None and account.retry - now > LONGEST_RETRY:
            account = replace(account, retry=now)
        self._accounts[schedule.name] = account
