"""What a run is told: its schedule's own selection, and nothing of why the daemon's Pod ends."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from kube2git.config import load
from kube2git.core.schedules import Schedule, parse
from kube2git.core.selection import ClusterScoped
from kube2git.serve.running import Ended, Run, environ_of


def schedule(**settings: object) -> Schedule:
    (found,), problems = parse({"a": {"when": "every 1h", **settings}})
    assert not problems
    return found


def test_a_schedules_own_selection_beats_the_environment_and_the_file() -> None:
    own = schedule(namespaces=["shop", "!x"], kinds=[], selector="a=b,c!=d", cluster_scoped="no")
    environ = environ_of(own, {"KUBE2GIT_EXPORT_KINDS": "deploy", "OTHER": "stays"})
    settings = load({"export": {"namespaces": ["y"], "kinds": ["svc"]}}, environ=environ)
    assert settings.export.namespaces == ("shop", "!x")
    assert settings.export.kinds == ()
    assert settings.export.selector == "a=b,c!=d"
    assert settings.export.cluster_scoped is ClusterScoped.NO
    assert environ["OTHER"] == "stays"
    assert "KUBE2GIT_SNAPSHOTS_ENABLED" not in environ
    takes = environ_of(schedule(snapshots=True), {})
    assert takes["KUBE2GIT_SNAPSHOTS_ENABLED"] == "true"


def test_what_a_schedule_does_not_say_stays_as_the_section_export_says() -> None:
    environ = environ_of(schedule(), {"KUBE2GIT_EXPORT_KINDS": "deploy"})
    settings = load({"export": {"namespaces": ["y"]}}, environ=environ)
    assert (settings.export.namespaces, settings.export.kinds) == (("y",), ("deploy",))


def start(tmp_path: Path, config: bytes | None, timeout: float = 60) -> Run:
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    kept = {key: value for key, value in os.environ.items() if key == "PYTHONPATH"}
    return Run(schedule(), config=config, environ={**home, **kept}, until=0.0, timeout=timeout)


def wait(run: Run) -> Ended:
    deadline = time.monotonic() + 60
    while (ended := run.poll()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return ended


def test_a_run_works_with_the_text_that_it_is_given(tmp_path: Path) -> None:
    ended = wait(start(tmp_path, b"repo: 3"))
    assert (ended.result, ended.is_good, ended.may_retry) == ("misconfigured", False, True)
    assert "repo: this must be text" in ended.words
    assert ended.report == {}


def test_a_run_that_is_killed_from_outside_has_failed(tmp_path: Path) -> None:
    run = start(tmp_path, b"repo: 3")
    os.kill(run.pid, signal.SIGKILL)
    ended = wait(run)
    assert ended.result == "failed"
    assert "killed by signal SIGKILL" in ended.words


def test_a_run_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    ended = wait(start(tmp_path, b"repo: 3", timeout=0.0))
    assert (ended.result, ended.may_retry) == ("timeout", True)
