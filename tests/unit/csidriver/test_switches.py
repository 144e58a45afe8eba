"""The switches survive their file."""

from __future__ import annotations

from pathlib import Path

from tests.csidriver import switches
from tests.csidriver.switches import Fault, Switches


def test_what_is_written_is_read(tmp_path: Path) -> None:
    wanted = Switches(
        without=("LIST_SNAPSHOTS",),
        ready_after=1.5,
        ready_after_of={"vol-1": switches.NEVER},
        topology={"topology.example.com/zone": "a"},
        faults={"CreateSnapshot": Fault(code="INTERNAL", times=2, delay=0.1, naming="vol-1")},
    )
    path = tmp_path / "switches.json"
    assert switches.read(path) == Switches()
    switches.write(path, wanted)
    assert switches.read(path) == wanted
    assert wanted.seconds_until_ready("vol-1") == switches.NEVER
    assert wanted.seconds_until_ready("vol-2") == 1.5
