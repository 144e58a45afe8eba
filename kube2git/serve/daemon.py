"""The daemon's loop: what is due is run, one run at a time, by the replica that leads.

It decides and tells; the runs themselves are processes (running), the times are arithmetic
(core/schedules), and only this loop's thread changes anything.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import FrameType
from typing import Any

from kube2git import wiring
from kube2git.config import Serve, Settings
from kube2git.core import schedules
from kube2git.core.schedules import Schedule, Timetable
from kube2git.errors import Kube2gitError, UsageError
from kube2git.serve import answering, health
from kube2git.serve.answering import Answer, Server
from kube2git.serve.beat import Beat
from kube2git.serve.configuration import Source
from kube2git.serve.errands import Errand
from kube2git.serve.health import Health, ScheduleHealth
from kube2git.serve.leadership import Alone, Leadership
from kube2git.serve.logs import Log
from kube2git.serve.metrics import CONTENT_TYPE, Metrics
from kube2git.serve.running import Ended, Run

TURN = 0.2
"""Seconds between two turns of the loop."""
RELOAD = 2
"""Seconds between two looks at the configuration."""


class Daemon:
    """Made and run once."""

    def __init__(self, file: str | None, environ: Mapping[str, str]) -> None:
        """Read the configuration; raise UsageError when the daemon could not work with it."""
        self._environ = dict(environ)
        self._source = Source(file, environ, check)
        self._config = self._source.read()
        settings = self._config.settings
        self._log = Log(settings.serve.log_format)
        self._metrics = Metrics()
        self._state = wiring.last_runs(settings)
        self._events = wiring.events(settings)
        self._table = _timetable(settings, wiring.now(), _read_times(self._state.load()))
        self._health = {name: ScheduleHealth(name, None) for name in self._names()}
        self._metrics.follow(self._names(), ())
        self._leadership = self._make_leadership(settings)
        self._probe: Errand[bool] | None = None
        self._config_problem = ""
        self._run: Run | None = None
        self._led = False
        self._lease_problem = self._leadership.problem
        self._stopping = threading.Event()
        self._former: dict[int, Any] = {}
        self._turned = time.monotonic()
        self._picture = Health(wiring.now(), tuple(self._health.values()))

    def _make_leadership(self, settings: Settings) -> Leadership | Alone:
        if not settings.serve.lease_name:
            return Alone()
        return Leadership(wiring.lease(settings), settings.serve.lease_seconds, self._renewed)

    def run(self) -> int:
        """Serve until a signal comes; return the exit code."""
        pages = {"/metrics": self._page, "/healthz": self._alive, "/readyz": self._ready}
        server = Server(self._serve.listen, pages)
        beat = Beat()
        beat.every(1, self._begin_what_is_due)
        beat.every(RELOAD, self._reload)
        self._former = {number: signal.signal(number, self._stop) for number in _SIGNALS}
        try:
            self._leadership.start()
            if not self._serve.run_at_start:
                # Readiness does not wait for the first run, which may be due tomorrow.
                self._probe = Errand(
                    "probe", lambda: wiring.reach(self._config.settings), self._serve.retry
                )
            self._log.info("The daemon serves.", listen=server.address, schedules=len(self._health))
            if not self._serve.lease_name:
                self._log.warning(
                    "No Lease is set (serve.lease_name): nothing keeps a second daemon from "
                    "working at the same time."
                )
            self._look()
            self._begin_what_is_due()
            while not self._stopping.wait(TURN):
                self._look()
                beat.run_pending()
            self._finish()
        finally:
            if self._run is not None:
                self._run.close()
            self._hand_signals_back()
            server.close()
        self._log.info("The daemon has stopped.")
        return 0

    @property
    def _serve(self) -> Serve:
        return self._config.settings.serve

    def _names(self) -> list[str]:
        return [schedule.name for schedule in self._table.schedules]

    # ── a turn ───────────────────────────────────────────────────────────────────────────────

    def _look(self) -> None:
        """See what became of the run and of the Lease, and paint the picture others see."""
        self._turned = time.monotonic()
        leads, problem = self._leadership.is_leading, self._leadership.problem
        if problem != self._lease_problem:
            self._lease_problem = problem
            if problem:
                self._log.warning(f"The Lease cannot be claimed: {problem}")
        if leads != self._led:
            self._led = leads
            said = "This replica works." if leads else "This replica stands by."
            self._log.info(said, problem=problem)
        if self._run is not None:
            if not leads:
                self._run.stop("superseded")
            ended = self._run.poll()
            if ended is not None:
                self._run = None
                self._end(ended)
        self._paint()

    def _begin_what_is_due(self) -> None:
        if self._run is not None or self._idle() or not self._leadership.is_leading:
            return
        now = wiring.now()
        due = self._table.due(now)
        if not due or self._stopping.is_set():
            return
        schedule = due[0]
        if self._probe is not None:
            # The run tells more, and has the repository to itself.
            self._probe.stop()
        self._table.begin(schedule, now)
        self._remember()
        try:
            self._run = Run(
                schedule,
                config=self._config.text,
                environ=self._environ,
                until=self._leadership.until,
                timeout=self._serve.run_timeout,
            )
        except OSError as error:
            self._end(
                Ended(schedule, "failed", 0.0, {}, f"The run did not start: {error.strerror}.")
            )
            return
        self._health[schedule.name] = replace(self._health[schedule.name], is_running=True)

    def _renewed(self, until: float) -> None:
        run = self._run
        if run is not None:
            run.leash.allow_until(until)

    def _end(self, ended: Ended) -> None:
        name, now = ended.schedule.name, wiring.now()
        self._probe = None
        self._table.end(ended.schedule, now, may_retry=ended.may_retry)
        self._remember()
        if name not in self._health:
            return
        self._metrics.took(ended, now.timestamp())
        before = self._health[name]
        self._health[name] = ScheduleHealth(
            name,
            self._table.next_run(name),
            ended.result,
            ended.is_good,
            now if ended.is_good else before.last_success,
            words="" if ended.is_good else ended.words,
        )
        report = ended.report
        facts = {
            "schedule": name,
            "result": ended.result,
            "run": report.get("run"),
            "commit": report.get("commit"),
            "objects": report.get("objects"),
            "changed": len(report.get("changes") or ()) if report else None,
            "seconds": round(ended.seconds, 3),
        }
        if ended.is_good:
            self._log.info("A run has ended.", **facts)
            if ended.words:
                self._log.warning(ended.words, schedule=name, run=report.get("run"))
        else:
            self._log.error(f"A run has ended badly: {ended.words}", **facts)
        if ended.is_good and before.has_failed:
            self._announce("ExportRecovered", f"Schedule {name} works again.")
        elif not ended.is_good and ended.result not in _ON_PURPOSE and not before.has_failed:
            why = f"Schedule {name} failed ({ended.result}): {ended.words}"
            self._announce("ExportFailed", why, is_warning=True)

    def _announce(self, reason: str, message: str, *, is_warning: bool = False) -> None:
        if self._events is None:
            return
        try:
            self._events.write(reason, message, is_warning=is_warning)
        except Kube2gitError as error:
            self._log.warning(f"An Event could not be written: {error}")

    def _remember(self) -> None:
        times = {name: when.isoformat() for name, when in self._table.last_runs().items()}
        self._state.save(json.dumps({"lastRuns": times}).encode())

    def _idle(self) -> str:
        if self._serve.restore_only:
            return "restore_only"
        return "paused" if self._serve.paused else ""

    # ── the configuration ────────────────────────────────────────────────────────────────────

    def _reload(self) -> None:
        try:
            changed = self._source.changed()
        except Kube2gitError as error:
            self._config_problem = str(error)
            self._log.error(f"The changed configuration is refused, the old one kept: {error}")
            self._announce("ConfigRefused", str(error), is_warning=True)
            return
        if changed is None:
            return
        before, self._config = self._config.settings, changed
        self._table.follow(_schedules(changed.settings), wiring.now())
        self._table.jitter = timedelta(seconds=self._serve.jitter)
        self._table.retry = timedelta(seconds=self._serve.retry)
        names = self._names()
        self._metrics.follow(names, set(self._health) - set(names))
        self._health = {
            name: self._health.get(name) or ScheduleHealth(name, None) for name in names
        }
        self._log.info("The changed configuration is in force.", schedules=len(names))
        for name in _AT_START:
            if getattr(before.serve, name) != getattr(changed.settings.serve, name):
                self._log.warning(f"A change of serve.{name} takes effect at the next start only.")
        if self._config_problem:
            self._config_problem = ""
            self._announce("ConfigAccepted", "The configuration is in force again.")

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stopping.set()
        # The next signal is not ours any more: it leaves at once.
        self._hand_signals_back()

    def _hand_signals_back(self) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _finish(self) -> None:
        """Let the run end, or have it roll back when it takes too long; give up the Lease."""
        self._log.info("The daemon is asked to stop.")
        patience = time.monotonic() + self._serve.stop_timeout
        while self._run is not None:
            if time.monotonic() >= patience:
                self._run.stop("stopped")
            self._look()
            time.sleep(TURN / 4)
        self._leadership.stop()

    # ── what others see ──────────────────────────────────────────────────────────────────────

    def _paint(self) -> None:
        table, now = self._table, wiring.now()
        active = [schedule for schedule in table.schedules if schedule.is_enabled]
        for schedule in active:
            name = schedule.name
            self._health[name] = replace(
                self._health[name],
                next_run=table.next_run(name),
                is_running=self._run is not None and self._run.schedule.name == name,
            )
        self._picture = Health(
            now,
            tuple(self._health[schedule.name] for schedule in active),
            is_leading=self._led,
            lease_problem=self._leadership.problem,
            config_problem=self._config_problem,
            reach_problem=_problem_of(self._probe) if self._probe else "",
            idle_because=self._idle(),
            patience=timedelta(seconds=self._serve.run_timeout),
        )
        self._metrics.plan(
            {
                item.name: item.next_run.timestamp()
                for item in self._picture.schedules
                if item.next_run
            }
        )
        self._metrics.stand(
            is_leading=self._led,
            is_running=self._run is not None,
            is_config_good=not self._config_problem,
        )

    def _page(self) -> Answer:
        return 200, CONTENT_TYPE, self._metrics.render(wiring.now().timestamp())

    def _alive(self) -> Answer:
        silence = time.monotonic() - self._turned
        if health.is_alive(silence):
            return 200, "text/plain", b"alive\n"
        return 503, "text/plain", f"The loop has not turned for {silence:.0f} s.\n".encode()

    def _ready(self) -> Answer:
        data = self._picture.as_data()
        return answering.json_page(200 if data["ready"] else 503, data)


_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_ON_PURPOSE = frozenset({"stopped", "superseded"})
"""Results that need nobody's attention."""
_AT_START = (
    *("listen", "log_format", "state_file", "lease_name", "lease_namespace", "lease_seconds"),
    *("config_repo", "config_revision", "config_file", "config_interval"),
)
"""Settings that are looked at when the daemon starts."""


def _problem_of(probe: Errand[bool]) -> str:
    if probe.last is None:
        return "The cluster and the repository have not answered yet."
    return str(probe.last) if isinstance(probe.last, Kube2gitError) else ""


def check(settings: Settings) -> None:
    """Raise UsageError when a daemon would have nothing to do with these settings."""
    if not settings.serve.schedules and not settings.serve.restore_only:
        raise UsageError(
            "no schedule is configured",
            hint="Write one below serve.schedules; docs/operations.md shows the form.",
        )
    if not settings.repo:
        raise UsageError(
            "no repository is given",
            hint="Say --repo PATH|URL, set KUBE2GIT_REPO, or write repo: into kube2git.yaml.",
        )
    wiring.rules(settings)


def _schedules(settings: Settings) -> tuple[Schedule, ...]:
    found, _ = schedules.parse(settings.serve.schedules)
    return found


def _timetable(settings: Settings, now: datetime, known: Mapping[str, datetime]) -> Timetable:
    chosen = settings.serve
    return Timetable(
        _schedules(settings),
        now,
        known,
        run_at_start=chosen.run_at_start,
        retry=timedelta(seconds=chosen.retry),
        jitter=timedelta(seconds=chosen.jitter),
        seed=f"{settings.repo}\0{settings.git.prefix}",
    )


def _read_times(data: bytes | None) -> dict[str, datetime]:
    """Read when schedules ran last, as an earlier life wrote it; nothing when it is unreadable."""
    try:
        times = json.loads(data or b"{}")["lastRuns"]
        found = {str(name): datetime.fromisoformat(text) for name, text in times.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: when for name, when in found.items() if when.tzinfo is not None}
