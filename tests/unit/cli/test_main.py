"""What the program leaves behind when it fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kube2git.cli.main import main
from kube2git.errors import EXIT_CODES


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(args))
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.fixture
def reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the file that the kubelet makes."""
    path = tmp_path / "termination-log"
    path.write_text("of an earlier life, and rather longer than what is written now " * 10)
    monkeypatch.setenv("KUBE2GIT_TERMINATION_LOG", str(path))
    monkeypatch.setenv("KUBE2GIT_CONFIG", str(tmp_path / "kube2git.yaml"))
    return path


def test_the_reason_of_a_failure_is_left_for_kubernetes(reason: Path, tmp_path: Path) -> None:
    (tmp_path / "kube2git.yaml").write_text("repo: 3\ngit: {brunch: main}\n")
    assert run("export") == 2
    words = reason.read_text()
    assert words.startswith("exit code 2, usage or configuration error: ")
    assert "repo: this must be text" in words
    assert "git.brunch: there is no such setting" in words
    assert "\n" not in words


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("repo: a\nrepo: b\n", "line 2, column 1: the key repo stands here a second time. Remove"),
        ("git: {branch: main\n", "line 2, column 1: this is not valid YAML. Check the indentation"),
        ("- a\n", "the file does not hold keys and values. Write settings there"),
    ],
)
def test_where_a_config_file_is_broken_is_told_with_the_remedy(
    reason: Path, tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "kube2git.yaml").write_text(text)
    assert run("export") == 2
    assert f"kube2git.yaml has a problem: {told}" in reason.read_text()


def test_an_answer_that_cannot_be_written_is_told_and_is_no_bug() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "kube2git.cli.main", "version"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 4
    assert done.stderr == "error: The answer could not be written: No space left on device.\n"


def test_an_exit_code_without_words_is_named(reason: Path, tmp_path: Path) -> None:
    (tmp_path / "kube2git.yaml").write_text("{}")
    assert run("check") == 1
    words = reason.read_text()
    assert words == f"exit code 1, {EXIT_CODES[1]}"


def test_a_success_needs_no_reason(reason: Path) -> None:
    before = reason.read_text()
    assert run("version") == 0
    assert reason.read_text() == before


def test_where_no_file_waits_none_is_made(reason: Path) -> None:
    reason.unlink()
    assert run("nothing") == 2
    assert not reason.exists()


def test_a_daemon_with_nothing_to_do_says_so(
    reason: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kube2git.yaml").write_text("repo: somewhere\n")
    assert run("serve") == 2
    assert "no schedule is configured" in capsys.readouterr().err
    assert "no schedule is configured" in reason.read_text()
