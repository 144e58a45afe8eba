"""The IAM policy of docs/ebs.md allows what is called, and no more."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import kube2git.adapters.ebs
from kube2git.adapters.ebs import EbsSnapshotter
from kube2git.adapters.ebs.api import OPERATIONS
from kube2git.core.snapshots import ClaimRef, CutRequest, RestoreRequest, Stage, Wait
from tests.ec2faults import Ec2
from tests.unit.adapters.ebs.volumes import CLUSTER, ebs_volume

DOCUMENT = Path(__file__).parents[4] / "docs" / "ebs.md"


def allowed() -> set[str]:
    found = re.search(r"```json\n(.+?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found
    actions: set[str] = set()
    for statement in json.loads(found[1])["Statement"]:
        assert statement["Effect"] == "Allow"
        given = statement["Action"]
        actions |= {given} if isinstance(given, str) else set(given)
    return actions


def test_what_is_called_is_what_the_policy_allows(ec2: Ec2, snapshotter: EbsSnapshotter) -> None:
    handles = [ec2.new_volume() for _ in range(3)]
    ec2.attach(*handles[:2])
    one, two, alone = map(ebs_volume, handles)
    assert snapshotter.can_group([one, two])
    requests = [CutRequest("r", CLUSTER, (one, two)), CutRequest("r", CLUSTER, (alone,))]
    events = snapshotter.create(requests, wait=Wait.READY, seconds=30)
    ready = [event for event in events if event is not None and event.stage is Stage.READY]
    pairs = [(one, event.snapshot) for event in ready if event.snapshot is not None]
    assert len(pairs) == 3
    list(snapshotter.verify(pairs))
    list(snapshotter.find(CLUSTER))
    list(snapshotter.copy(pairs, cluster=CLUSTER, region="us-east-1", seconds=30))
    request = RestoreRequest(ClaimRef("a", "b"), one, pairs[0][1], "", 1)
    list(snapshotter.restore([request], run="replay", seconds=30))
    list(snapshotter.delete(pairs, seconds=30))
    # Tagging while creating asks for this right, and is no call of its own.
    called = {f"ec2:{call['Action']}" for call in ec2.calls()} | {"ec2:CreateTags"}
    assert called == allowed()


def test_every_operation_in_the_code_is_allowed() -> None:
    folder = Path(kube2git.adapters.ebs.__file__).parent
    named = {
        node.value
        for file in folder.glob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        for node in call.args
        if isinstance(node, ast.Constant)
        and re.match(r"(describe|create|delete|copy)_", str(node.value))
    }
    assert named == set(OPERATIONS)
    assert {f"ec2:{action}" for action in OPERATIONS.values()} == allowed()
