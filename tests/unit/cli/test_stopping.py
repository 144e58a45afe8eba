"""Ctrl-C and SIGTERM while a server does not answer: the run ends, and tells what holds."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import faults, program
from tests.fakes.apiserver import JSON, FakeApiServer
from tests.fakes.store import Store
from tests.faults import FaultProxy, Reply
from tests.tool import Tool, make_tool

UNWRITTEN = "nothing was written to the cluster"
PATIENT = {"KUBE2GIT_CLUSTER_REQUEST_TIMEOUT": "600"}
"""Seconds after which a run gives a request up: long after these tests have failed."""


def take_ctrl_c() -> None:
    """Do what Python does at a terminal; whatever is started in the background ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def config_map(value: str) -> dict[str, Any]:
    metadata = {"name": "a", "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": value}}


@dataclass
class World:
    """A cluster whose ConfigMap is another one than that of its last export."""

    store: Store
    server: FaultProxy
    tool: Tool

    def end(self, number: int, *args: str, held: str, method: str = "GET") -> str:
        """Send a signal to a command that waits for an answer; return what it says."""
        said = [self.tool.home / name for name in ("stdout", "stderr")]
        is_asked, is_over = threading.Event(), threading.Event()
        self.server.forget()

        def wait() -> None:
            is_asked.set()
            is_over.wait(300)

        self.server.on(held, faults.after(wait), method=method)
        environ = {**self.tool.environ, **PATIENT}
        run = program.Running(
            args, environ, self.tool.home, stdout=said[0], stderr=said[1], before=take_ctrl_c
        )
        with contextlib.ExitStack() as ends:
            ends.callback(run.wait)
            ends.callback(run.kill)
            ends.callback(is_over.set)
            assert is_asked.wait(60), said[1].read_text()
            os.kill(run.pid, number)
            code = run.wait(60)
        assert code == 128 + number
        assert all("dryRun" in one.target for one in self.server.requests if one.method != "GET")
        return said[1].read_text()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store()
    for name in ("kube-system", "shop"):
        store.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    store.put(config_map("1"))
    with FaultProxy(FakeApiServer(store)) as server:
        tool = make_tool(server.kubeconfig(tmp_path), tmp_path)
        tool.export()
        store.put(config_map("2"))
        yield World(store, server, tool)


SWEEP = r"/configmaps\?"
REPLAY = ("replay", "HEAD", "--yes")


@pytest.mark.parametrize(
    ("args", "held", "method"),
    [
        (REPLAY, "^/apis", "GET"),
        (REPLAY, SWEEP, "GET"),
        (REPLAY, "/configmaps/a.*dryRun", "PATCH"),
        (("diff", "HEAD", "--live"), SWEEP, "GET"),
    ],
    ids=["discovery", "sweep", "dry run", "diff"],
)
@pytest.mark.parametrize(
    ("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_while_the_target_is_read_nothing_is_written(
    world: World, number: int, word: str, args: tuple[str, ...], held: str, method: str
) -> None:
    words = world.end(number, *args, held=held, method=method)
    assert words.strip() == f"error: the run was {word}; {UNWRITTEN}"


def test_at_the_question_nothing_is_written(world: World) -> None:
    (live,) = world.store.at("ConfigMap").values()
    answer = Reply(200, json.dumps({**live, "data": {"k": "1"}}).encode(), JSON)
    world.server.on("/configmaps/a.*dryRun", faults.reply(answer), method="PATCH")
    ctrl_c = "\x03"
    code, shown = world.tool.on_terminal("replay", "HEAD", typed={"[y/N]": ctrl_c})
    assert code == 130, shown
    assert f"error: the run was interrupted; {UNWRITTEN}" in shown
    assert all("dryRun" in one.target for one in world.server.requests if one.method != "GET")


def test_an_export_that_has_not_read_all_commits_nothing(world: World) -> None:
    before = world.tool.commits()
    words = world.end(signal.SIGINT, "export", held=SWEEP)
    assert words.strip() == "error: the run was interrupted; nothing was committed"
    assert world.tool.commits() == before
    world.server.forget()
    assert world.tool.export()["commit"] == world.tool.commits()[0] != before[0]


@pytest.mark.parametrize(
    ("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_elsewhere_a_sentence_holds_for_whatever_was_done(
    world: World, number: int, word: str
) -> None:
    words = world.end(number, "check", held="^/version")
    assert words.strip().splitlines() == [
        f"error: the run was {word}; what is not reported above may be done or not",
        "hint: The same command goes on from there.",
    ]
