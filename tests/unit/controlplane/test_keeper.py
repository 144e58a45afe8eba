"""Whatever happens to its owner, a keeper leaves no process and no data behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.controlplane import keeper, processes
from tests.controlplane.problems import ControlPlaneError
from tests.controlplane.processes import Processes

SLEEP = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]
WITH_CHILD = ["/bin/sh", "-c", "sleep 600 & echo $!; wait"]


def start(kept: Processes, name: str = "sleeper", argv: list[str] = SLEEP) -> int:
    return kept.start(name, argv, log=kept.directory / f"{name}.log", environment=dict(os.environ))


def wait_for(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Processes]:
    (tmp_path / keeper.DATA).mkdir()
    with Processes(tmp_path) as kept:
        yield kept


def test_stopping_kills_the_children_and_removes_the_data(kept: Processes) -> None:
    pid = start(kept)
    assert kept.status()["sleeper"] == processes.Status(pid=pid, exit=None)
    kept.stop()
    assert not is_alive(pid)
    assert not (kept.directory / keeper.DATA).exists()
    assert (kept.directory / "sleeper.log").exists()


def test_what_a_child_started_is_killed_with_it(kept: Processes) -> None:
    start(kept, "parent", WITH_CHILD)
    log = kept.directory / "parent.log"
    wait_for(lambda: log.read_text().endswith("\n"))
    grandchild = int(log.read_text())
    assert is_alive(grandchild)
    kept.end("parent")
    wait_for(lambda: not is_alive(grandchild))


def test_a_suspended_child_is_killed_too(kept: Processes) -> None:
    pid = start(kept)
    kept.signal("sleeper", signal.SIGSTOP)
    kept.stop()
    assert not is_alive(pid)


def test_a_name_can_be_used_again_only_when_its_process_has_ended(kept: Processes) -> None:
    pid = start(kept)
    with pytest.raises(ControlPlaneError, match="sleeper is already running"):
        start(kept)
    kept.end("sleeper")
    assert kept.status()["sleeper"].exit == -signal.SIGKILL
    assert start(kept) != pid


def test_a_program_that_does_not_exist_is_said_so(kept: Processes) -> None:
    with pytest.raises(ControlPlaneError, match="No such file"):
        start(kept, "ghost", [str(kept.directory / "ghost")])


def test_a_child_that_restarts_is_started_again_a_few_times_and_not_after_its_end(
    kept: Processes,
) -> None:
    def start_one(name: str, argv: list[str]) -> int:
        log = kept.directory / f"{name}.log"
        return kept.start(name, argv, log=log, environment=dict(os.environ), restarts=True)

    pid = start_one("sleeper", SLEEP)
    kept.signal("sleeper", signal.SIGKILL)
    wait_for(lambda: kept.status()["sleeper"].pid != pid)
    assert kept.status()["sleeper"].exit is None
    start_one("broken", ["/bin/sh", "-c", "echo here; exit 3"])
    wait_for(lambda: kept.status()["broken"].exit == 3)
    said = (kept.directory / "broken.log").read_text()
    assert said == "here\n" * (1 + keeper.RESTARTS)
    kept.end("sleeper")
    assert kept.status()["sleeper"].exit == -signal.SIGKILL


def test_children_die_with_a_killed_keeper(kept: Processes) -> None:
    pid = start(kept)
    os.kill(kept.keeper_pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(pid))
    with pytest.raises(ControlPlaneError, match=r"has ended|has been stopped"):
        kept.status()


def test_a_vanished_directory_ends_everything(kept: Processes) -> None:
    pid = start(kept)
    shutil.rmtree(kept.directory)
    wait_for(lambda: not is_alive(pid))


def test_a_directory_has_one_keeper(kept: Processes) -> None:
    assert processes.is_kept(kept.directory)
    with pytest.raises(ControlPlaneError, match=r"has ended; .*keeper.log"):
        Processes(kept.directory)
    assert "Another keeper already holds" in (kept.directory / keeper.LOG).read_text()
    kept.stop()
    assert not processes.is_kept(kept.directory)


def test_a_detached_keeper_is_ended_by_name(kept: Processes) -> None:
    pid = start(kept)
    kept.detach()
    time.sleep(2.5 * keeper.TICK_SECONDS)
    assert is_alive(pid)
    processes.end_keeper(kept.directory)
    assert not is_alive(pid)


OWNER = """
import json, os, sys, time
from pathlib import Path
from tests.controlplane.processes import Processes
kept = Processes(Path(sys.argv[1]))
pid = kept.start("sleeper", sys.argv[2:], log=kept.directory / "log", environment={})
print(json.dumps([kept.keeper_pid, pid]), flush=True)
if os.fork() == 0:  # a child that keeps the pipe to the keeper open
    print(os.getpid(), flush=True)
time.sleep(600)
"""


def test_a_killed_owner_is_noticed_even_while_its_pipe_stays_open(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", OWNER, str(tmp_path), *SLEEP]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as owner:
        assert owner.stdout is not None
        pids = json.loads(owner.stdout.readline())
        fork = int(owner.stdout.readline())
        try:
            owner.kill()
            for pid in pids:
                wait_for(lambda pid=pid: not is_alive(pid))  # type: ignore[misc]
            assert is_alive(fork)
        finally:
            os.kill(fork, signal.SIGKILL)
