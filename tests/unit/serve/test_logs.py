"""The log's two forms."""

from __future__ import annotations

import json

import pytest

from kube2git.config import LogFormat
from kube2git.serve.logs import Log


def test_json_has_one_object_a_line_with_facts(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(LogFormat.JSON)
    log.info("It has\nended.", run="a-1", commit=None, changed=0)
    log.error("No %s.")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first.pop("time").endswith("Z")
    assert first == {"level": "info", "message": "It has\nended.", "run": "a-1", "changed": 0}
    assert (second["level"], second["message"]) == ("error", "No %s.")


def test_text_has_one_line_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(LogFormat.TEXT)
    log.warning("It has\nended.", run="a-1")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("Z warning It has ended. run=a-1")
