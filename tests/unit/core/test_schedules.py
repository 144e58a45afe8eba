"""Schedules: the form people write, right times over daylight saving, no drift, no double."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube2git.core.schedules import (
    LONGEST_RETRY,
    Schedule,
    ScheduleError,
    Timetable,
    jitter,
    parse,
    parse_when,
)
from kube2git.core.selection import ClusterScoped
from kube2git.core.snapshots.retention import Retention

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (
    timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days")
)
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",  # its clock leaps at midnight
    "Australia/Lord_Howe",  # by half an hour
    "Africa/Cairo",
    "Asia/Kolkata",
    "Pacific/Apia",
]
TIMES = ["daily at 02:30", "daily at 00:00", "15 3 * * *", "0 2 * * 1-5", "0 0 1 * *"]


def times_from(when: str, zone: str, start: datetime) -> Iterator[datetime]:
    parsed, moment = parse_when(when, zone), start
    while True:
        moment = parsed.next_after(moment)
        yield moment


def until(times: Iterator[datetime], end: datetime) -> list[datetime]:
    return list(itertools.takewhile(lambda moment: moment < end, times))


# ── Forms ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        ("every 15m", "UTC", "2026-01-01T12:00:00", "2026-01-01T12:15:00"),
        ("every 15m", "Asia/Kolkata", "2026-01-01T12:14:59.999", "2026-01-01T12:15:00"),
        ("every 1h30m", "UTC", "2026-01-01T00:00:01", "2026-01-01T01:30:00"),
        ("every 10s", "UTC", "2026-01-01T00:00:01", "2026-01-01T00:00:10"),
        ("daily at 02:00", "UTC", "2026-01-01T02:00:00", "2026-01-02T02:00:00"),
        ("daily at 2:05", "Europe/Berlin", "2026-01-01T00:00:00", "2026-01-01T01:05:00"),
        ("*/20 8-9 * * mon", "UTC", "2026-01-01T00:00:00", "2026-01-05T08:00:00"),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
    ],
)
def test_what_people_write(text: str, zone: str, after: str, expected: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    found = parse_when(text, zone).next_after(moment)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone", "problem"),
    [
        ("", "UTC", "is not a time"),
        ("every", "UTC", "is not a time"),
        ("every 0m", "UTC", "above zero"),
        ("every 15 minutes", "UTC", "is not a time"),
        ("daily at 25:00", "UTC", "is not a time"),
        ("daily at 02:00", "Europe/Berlim", "no time zone 'Europe/Berlim'"),
        ("daily at 02:00", "../etc/passwd", "no time zone"),
        ("daily at 02:00", "", "no time zone"),
        ("61 * * * *", "UTC", "Bad minute"),
        ("0 0 30 2 *", "UTC", "Bad day-of-month"),
        ("0 0 * * * *", "UTC", "is not a time"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, zone: str, problem: str) -> None:
    with pytest.raises(ScheduleError, match=problem):
        parse_when(text, zone)


def test_a_schedule_has_its_own_selection_or_none() -> None:
    found, problems = parse(
        {
            "all": {"when": "every 15m"},
            "shop": {
                "when": "daily at 02:00",
                "time_zone": "Europe/Berlin",
                "enabled": False,
                "namespaces": [],
                "kinds": ["deploy"],
                "selector": "app=web",
                "cluster_scoped": "no",
                "snapshots": True,
                "retention": {"keep_daily": 7},
            },
        }
    )
    assert problems == {}
    everything, shop = found
    assert (everything.namespaces, everything.selector, everything.is_enabled) == (None, None, True)
    assert (shop.namespaces, shop.kinds, shop.selector) == ((), ("deploy",), "app=web")
    assert (shop.cluster_scoped, shop.is_enabled) == (ClusterScoped.NO, False)
    assert (everything.snapshots, everything.retention) == (None, None)
    assert (shop.snapshots, shop.retention) == (True, Retention(keep_daily=7))


def test_everything_wrong_with_schedules_is_told_at_once() -> None:
    _, problems = parse(
        {
            "Nightly Run": {"when": "every 15m"},
            "a": {},
            "b": {"when": 15, "namespaces": "shop", "enabled": "yes", "what": 1},
            "c": {"when": "never", "selector": "a b", "cluster_scoped": "perhaps"},
            "d": {"when": "every 1h", "retention": {"keep_last": "3", "keep_yearly": 1}},
            "e": {"when": "every 1h", "retention": {}},
        }
    )
    assert set(problems) == {
        ("Nightly Run",),
        ("a", "when"),
        ("b", "when"),
        ("b", "namespaces"),
        ("b", "enabled"),
        ("b", "what"),
        ("c", "when"),
        ("c", "selector"),
        ("c", "cluster_scoped"),
        ("d", "retention", "keep_last"),
        ("d", "retention", "keep_yearly"),
        ("e", "retention"),
    }


# ── Daylight saving ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("zone", ZONES)
def test_a_daily_time_comes_once_on_every_day_of_500(zone: str) -> None:
    end = START + 500 * DAY
    found = until(times_from("daily at 02:30", zone, START), end)
    local = [moment.astimezone(ZoneInfo(zone)) for moment in found]
    first = local[0].date()
    assert [moment.date() for moment in local] == [
        first + timedelta(days=days) for days in range(len(local))
    ]
    odd = {moment.time().isoformat("minutes") for moment in local} - {"02:30"}
    # After a gap that holds 02:30, at once: 03:00, and on Lord Howe 02:30 itself ends the gap.
    assert odd <= {"03:00"}
    assert abs(len(found) - 500) <= 1


def test_the_two_leaps_of_berlin() -> None:
    spring = until(times_from("daily at 02:30", "Europe/Berlin", START), START + 120 * DAY)
    assert datetime(2026, 3, 29, 1, 0, tzinfo=UTC) in spring
    autumn = until(times_from("daily at 02:30", "Europe/Berlin", START), START + 365 * DAY)
    assert datetime(2026, 10, 25, 0, 30, tzinfo=UTC) in autumn
    assert datetime(2026, 10, 25, 1, 30, tzinfo=UTC) not in autumn


def test_in_the_second_of_two_equal_hours_the_next_time_is_tomorrow() -> None:
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # 02:30 in Berlin, once more
    found = parse_when("45 2 * * *", "Europe/Berlin").next_after(second)
    assert found == datetime(2026, 10, 26, 1, 45, tzinfo=UTC)


def test_an_hourly_time_follows_the_clock_and_not_the_leap() -> None:
    start = datetime(2026, 10, 24, 12, tzinfo=UTC)
    found = until(times_from("30 * * * *", "Europe/Berlin", start), start + DAY)
    assert len(found) == 24
    assert {b - a for a, b in itertools.pairwise(found)} == {HOUR}


@given(
    st.sampled_from(["every 15m", "every 7h", "* * * * *", "*/20 1-3 * * *", *TIMES]),
    st.sampled_from(ZONES),
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
)
def test_the_next_time_is_later_and_there_is_none_between(
    when: str, zone: str, moment: datetime
) -> None:
    parsed = parse_when(when, zone)
    found = parsed.next_after(moment)
    assert found > moment
    assert parsed.next_after(found - SECOND) == found
    assert parsed.next_after(moment + (found - moment) / 2) in {found, parsed.next_after(found)}
    assert parsed.next_after(found) > found


# ── Due, missed, late ────────────────────────────────────────────────────────────────────────


def schedules(**whens: str) -> tuple[Schedule, ...]:
    found, problems = parse(
        {name: {"when": text, "time_zone": "Europe/Berlin"} for name, text in whens.items()}
    )
    assert not problems
    return found


def run_all(table: Timetable, now: datetime) -> list[str]:
    """Run what is due, as the daemon does; return the names."""
    ran = []
    while due := table.due(now):
        table.begin(due[0], now)
        table.end(due[0], now, may_retry=False)
        ran.append(due[0].name)
    return ran


@pytest.mark.parametrize("zone", ZONES)
def test_500_days_of_a_daemon_miss_nothing_and_do_nothing_twice(zone: str) -> None:
    whens = {"hourly": "every 1h", "nightly": "daily at 02:30", "weekdays": "5 4 * * 1-5"}
    found, _ = parse({name: {"when": text, "time_zone": zone} for name, text in whens.items()})
    late = timedelta(minutes=3)
    table = Timetable(found, START, run_at_start=False, jitter=late, seed="x")
    ran: dict[str, list[datetime]] = {name: [] for name in whens}
    now, step = START, 0
    while now < START + 500 * DAY:
        # The loop looks once in a while, never at the very moment.
        step += 1
        moments = [table.next_run(name) for name in whens]
        now = min(moment for moment in moments if moment) + (step % 7) * SECOND
        for name in run_all(table, now):
            ran[name].append(now)
    for schedule in found:
        shift = jitter(schedule.name, "x", late)
        planned = until(times_from(whens[schedule.name], zone, START - shift), now - shift)
        assert len(ran[schedule.name]) in {len(planned), len(planned) + 1}
        for due, done in zip(planned, ran[schedule.name], strict=False):
            # Within the step of the loop: what was late once is not late ever after.
            assert timedelta() <= done - (due + shift) < timedelta(seconds=7)


def test_everything_runs_once_at_the_start() -> None:
    table = Timetable(schedules(a="every 1h", b="daily at 02:00"), START)
    assert sorted(run_all(table, START)) == ["a", "b"]
    assert run_all(table, START + MINUTE) == []


def test_missed_times_are_made_up_for_once() -> None:
    known = {"a": START - 3 * DAY, "b": START - MINUTE}
    found = schedules(a="every 1h", b="daily at 02:00")
    table = Timetable(found, START, known, run_at_start=False)
    assert run_all(table, START) == ["a"]
    assert run_all(table, START + 5 * DAY) == ["a", "b"]
    assert run_all(table, START + 5 * DAY + MINUTE) == []
    assert table.last_runs() == dict.fromkeys("ab", START + 5 * DAY)


def test_what_is_switched_off_is_not_due() -> None:
    found, _ = parse({"a": {"when": "every 1h", "enabled": False}})
    assert Timetable(found, START).due(START + DAY) == ()


def test_a_run_that_takes_longer_than_its_period_is_made_up_for_once() -> None:
    table = Timetable(schedules(a="every 10m"), START, run_at_start=False)
    (schedule,) = table.due(START + 10 * MINUTE)
    table.begin(schedule, START + 10 * MINUTE)
    table.end(schedule, START + 45 * MINUTE, may_retry=False)
    assert run_all(table, START + 45 * MINUTE) == ["a"]
    assert run_all(table, START + 46 * MINUTE) == []


def test_a_failed_run_is_tried_again_with_growing_waits() -> None:
    table = Timetable(schedules(a="daily at 02:00"), START)
    now, waits = START, []
    for _ in range(7):
        (schedule,) = table.due(now)
        table.begin(schedule, now)
        table.end(schedule, now, may_retry=True)
        again = table.next_run("a")
        assert again
        waits.append((again - now) / MINUTE)
        assert table.due(again - SECOND) == ()
        now = again
    assert waits == [1, 2, 4, 8, 15, 15, 15]
    assert run_all(table, now) == ["a"]
    assert table.due(now + 2 * LONGEST_RETRY) == ()


def test_a_clock_that_ticks_back_a_little_doubles_nothing() -> None:
    table = Timetable(schedules(a="every 10m"), START, run_at_start=False)
    assert run_all(table, START + 10 * MINUTE) == ["a"]
    assert run_all(table, START + 10 * MINUTE - 30 * SECOND) == []
    assert run_all(table, START + 10 * MINUTE) == []
    assert run_all(table, START + 20 * MINUTE) == ["a"]


def test_a_clock_that_was_a_year_ahead_silences_nothing() -> None:
    table = Timetable(schedules(a="every 10m", b="daily at 02:00"), START)
    year = START + 365 * DAY
    (first, *_) = table.due(year)
    run_all(table, year)
    table.end(first, year, may_retry=True)
    assert run_all(table, START) == [first.name]
    assert sorted(run_all(table, START + DAY)) == ["a", "b"]


def test_a_changed_schedule_begins_anew_and_the_others_go_on() -> None:
    table = Timetable(schedules(a="every 10m", b="every 10m"), START, run_at_start=False)
    changed = schedules(a="every 1h", b="every 10m", c="every 10m")
    table.follow(changed, START + 5 * MINUTE)
    assert sorted(run_all(table, START + 10 * MINUTE)) == ["b", "c"]
    assert sorted(run_all(table, START + HOUR)) == ["a", "b", "c"]
    table.end(schedules(gone="every 10m")[0], START, may_retry=True)


def test_a_new_schedule_runs_at_once_where_the_first_ones_did() -> None:
    table = Timetable(schedules(a="every 10m"), START)
    run_all(table, START)
    table.follow(schedules(a="every 10m", b="every 10m"), START + MINUTE)
    assert run_all(table, START + MINUTE) == ["b"]


@given(st.text(max_size=10), st.text(max_size=10), st.timedeltas(timedelta(), timedelta(days=1)))
def test_jitter_is_the_same_every_time_and_within_its_bound(
    name: str, seed: str, most: timedelta
) -> None:
    assert timedelta() <= jitter(name, seed, most) <= most
    assert jitter(name, seed, most) == jitter(name, seed, most)


def test_jitter_tells_schedules_and_installations_apart() -> None:
    found = {jitter(name, seed, HOUR) for name in "abc" for seed in "xyz"}
    assert len(found) == 9


def test_dates_are_of_the_zone() -> None:
    """Samoa has no problem with a time that is yesterday in UTC."""
    found = next(times_from("daily at 01:00", "Pacific/Apia", START))
    assert found.astimezone(ZoneInfo("Pacific/Apia")).date() == date(2026, 1, 3)
    assert found.date() == date(2026, 1, 2)
