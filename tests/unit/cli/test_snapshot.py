"""kube2git snapshot copy as a user runs it: no cluster is asked, only the storage."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from kube2git import config, wiring
from tests.ec2faults import Ec2
from tests.faults import Answer, Reply, Request
from tests.tool import Tool, make_tool
from tests.unit.flows.snapshotting.test_copying import ELSEWHERE, World, make_ebs


@pytest.fixture
def tool(ec2: Ec2, tmp_path: Path) -> Tool:
    """Give a repository with the record of one snapshot."""
    tool = make_tool(tmp_path / "nothing", tmp_path / "home", ec2.environ())
    world = World(ec2, make_ebs())
    world.take("data")
    tip = world.repo.tip()
    assert tip
    tree = world.repo.tree(tip)
    files = dict(zip(tree, world.repo.read(tree.values()), strict=True))
    repository = wiring.repository(config.load({"repo": str(tool.repo)}))
    with repository.writer(None) as writer:
        added = {path: writer.add(data) for path, data in files.items()}
        writer.commit("made", world.repo.commit(tip).time, added)
    return tool


def test_a_copy_is_committed_and_listed(tool: Tool, ec2: Ec2) -> None:
    copy = ("snapshot", "copy", "pvc/data", "-n", "shop", "--to-region", ELSEWHERE)
    answer = tool.run(*copy)
    (handle,) = ec2.backend(ELSEWHERE).snapshots
    assert f"persistentvolumeclaim/data -n shop: ebs {handle}" in answer.stdout
    assert f"1 of 1 snapshots have copies in {ELSEWHERE}." in answer.stdout
    assert len(tool.commits()) == 2
    assert handle in tool.run("snapshot", "list").stdout
    (again,) = tool.run(*copy, "-o", "json").json["outcomes"]
    assert (again["outcome"], again["snapshot"]["handle"]) == ("ready", handle)
    assert "Nothing to commit" in tool.run(*copy).stdout


def test_a_wrong_region_is_told(tool: Tool) -> None:
    wrong = tool.run("snapshot", "copy", "--to-region", "Frankfurt", codes=(3,))
    assert "'Frankfurt' is not the name of an AWS region" in wrong.stdout


def test_the_sidecar_copies_for_one_without_credentials(tool: Tool, ec2: Ec2) -> None:
    socket = tool.home / "s"
    no_credentials = {name: "" for name in tool.environ if name.startswith("AWS_")}
    poor = {**no_credentials, "KUBE2GIT_SNAPSHOTS_SOCKET": str(socket)}
    copy = ("snapshot", "copy", "--to-region", ELSEWHERE)
    process = tool.start("sidecar", "--socket", socket)
    try:
        answer = tool.run(*copy, environ=poor)
        (handle,) = ec2.backend(ELSEWHERE).snapshots
        assert f"persistentvolumeclaim/data -n shop: ebs {handle}" in answer.stdout
        assert handle in tool.run("snapshot", "list").stdout
        wrong = tool.run("snapshot", "copy", "--to-region", "Frankfurt", codes=(3,), environ=poor)
        assert "'Frankfurt' is not the name of an AWS region" in wrong.stdout
    finally:
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert "/copy ebs: 1 told" in told


def test_a_run_that_is_ended_waits_for_no_ec2(tool: Tool, ec2: Ec2) -> None:
    is_asked, is_over = threading.Event(), threading.Event()

    def pieces() -> Generator[bytes]:
        while not is_over.wait(1):
            yield b" "

    def never_ending(request: Request, proper: Answer) -> Reply:
        is_asked.set()
        return Reply(200, headers={"Content-Type": "text/xml"}, stream=pieces())

    ec2.on("DescribeSnapshots", never_ending)
    with tool.start("snapshot", "copy", "--to-region", ELSEWHERE) as process:
        try:
            assert is_asked.wait(60)
            process.send_signal(signal.SIGTERM)
            _, told = process.communicate(timeout=60)
        finally:
            is_over.set()
            process.kill()
    assert process.returncode == 143, told
    assert "the run was terminated" in told
