"""-v and -vv: which lines come, and what they never hold."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from kube2git.cli.main import COMMANDS, cli
from kube2git.cli.verbosity import trace, with_verbosity
from tests import faults
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.store import Store
from tests.faults import FaultProxy
from tests.tool import Tool, make_tool


def commands_below(command: click.Command) -> Iterator[click.Command]:
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from commands_below(below)
    else:
        yield command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_it(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command
    for below in commands_below(command):
        assert [option.name for option in below.params].count("verbose") == 1
    # Asked again, as completion does, it has it once.
    with_verbosity(command)
    for below in commands_below(command):
        assert [option.name for option in below.params].count("verbose") == 1
    assert importlib.import_module(f"kube2git.cli.{name}").command is command


@pytest.fixture
def server() -> Iterator[FaultProxy]:
    with FaultProxy(FakeApiServer(Store())) as server:
        yield server


@pytest.fixture
def tool(server: FaultProxy, tmp_path: Path) -> Tool:
    return make_tool(server.kubeconfig(tmp_path, token="a-token-9b1c"), tmp_path)


def test_steps_and_further_tries_are_told(server: FaultProxy, tool: Tool) -> None:
    server.on("^/version", faults.status(503), nth=[1])
    quiet = tool.run("export", "--dry-run", codes=(0, 3)).stderr
    assert "next try" not in quiet
    server.forget()
    server.on("^/version", faults.status(503), nth=[1])
    lines = tool.run("export", "--dry-run", "-v", codes=(0, 3)).stderr
    assert " fetching\n" in lines
    assert " discovering\n" in lines
    assert "GET /version: status 503; next try in" in lines
    assert ": 200, " not in lines


def test_requests_are_told_without_what_they_carry(server: FaultProxy, tool: Tool) -> None:
    lines = tool.run("export", "-vv", codes=(0, 3)).stderr
    assert "GET /version: 200, " in lines
    assert re.search(r" git [a-z-]+: \d+, \d+ ms\n", lines)
    assert "a-token-9b1c" not in lines
    assert "Authorization" not in lines


def test_an_error_brings_its_traceback_only_when_asked(tool: Tool) -> None:
    assert "Traceback" not in (quiet := tool.run("show", "nowhere", codes=(10,)).stderr)
    assert 'File "' not in quiet
    verbose = tool.run("show", "nowhere", "-v", codes=(10,)).stderr
    assert 'File "' in verbose
    assert "error: There is no commit nowhere" in verbose


def fail() -> None:
    known: dict[str, str] = {}
    try:
        known["hunter2"]
    except KeyError as error:
        raise ValueError("hunter2") from error


def test_a_traceback_names_places_and_kinds_and_no_words() -> None:
    with pytest.raises(ValueError) as caught:
        fail()
    lines = "\n".join(trace(caught.value))
    assert "in fail" in lines
    assert "KeyError\nwhich led to:\n" in lines
    assert lines.endswith("ValueError")
    assert lines.count("hunter2") == 2  # the two lines of this file's code
    caught.value.__cause__ = None
    assert "which led to" not in "\n".join(trace(caught.value))
