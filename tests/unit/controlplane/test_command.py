"""The command line says in whole sentences what it does not do, and never empties a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.controlplane import readiness
from tests.controlplane.problems import ControlPlaneError, PortTakenError
from tests.controlplane.processes import Status

ROOT = Path(__file__).parents[3]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.controlplane", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_down_says_that_nothing_runs(tmp_path: Path) -> None:
    done = run("down", "--dir", str(tmp_path))
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr == f"No control plane is running in {tmp_path}.\n"


def test_up_leaves_a_folder_alone_that_it_did_not_make(tmp_path: Path) -> None:
    precious = tmp_path / "data" / "precious"
    precious.parent.mkdir()
    precious.write_text("kept")
    done = run("up", "--dir", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path} is not empty and has never held a control")
    assert precious.read_text() == "kept"


def test_a_death_is_explained_with_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "etcd.log"
    log.write_text("".join(f"line {number}\n" for number in range(1, 101)))
    with pytest.raises(ControlPlaneError, match=r"etcd ended with exit code 2\.") as raised:
        readiness.check_alive(
            {"etcd": Status(pid=1, exit=2)}, lambda name: tmp_path / f"{name}.log"
        )
    assert str(raised.value).endswith("line 99\nline 100")
    assert "line 80\n" not in str(raised.value)
    assert "signal 9" in str(readiness.explain_death("etcd", -9, log))


def test_a_taken_port_is_a_reason_to_start_again(tmp_path: Path) -> None:
    log = tmp_path / "etcd.log"
    log.write_text("listen tcp 127.0.0.1:1: bind: address already in use\n")
    assert isinstance(readiness.explain_death("etcd", 1, log), PortTakenError)


def test_waiting_ends_with_what_was_waited_for() -> None:
    with pytest.raises(ControlPlaneError, match=r"^Rain did not happen within 0 seconds\.$"):
        readiness.wait(lambda: False, "Rain", timeout=0, check=lambda: None)
