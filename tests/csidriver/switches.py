"""What a test can make the driver do: be slow, fail, or lack a capability.

The switches are a file that the driver reads on every call, so that they can be thrown while it
runs. Only what the sidecars ask once, when they start (snapshots, groups, topology), has to be
switched before that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

NEVER = 1e12


@dataclass(frozen=True)
class Fault:
    """How calls of one method go wrong."""

    code: str = ""
    """A gRPC status, e.g. `RESOURCE_EXHAUSTED`; "": the call is answered after the delay."""
    message: str = "a fault that a test asked for"
    times: int | None = None
    """How many calls it concerns; None: all."""
    delay: float = 0
    """Seconds to wait before the answer."""
    naming: str = ""
    """Only calls whose request holds this text, e.g. the id of a volume."""


@dataclass(frozen=True)
class Switches:
    """The behaviour of the driver; the default is one that works and can do everything."""

    without: tuple[str, ...] = ()
    """Capabilities it lacks, e.g. `LIST_SNAPSHOTS`, `CREATE_DELETE_SNAPSHOT`."""
    ready_after: float = 0
    """Seconds from the cut of a snapshot until it can be used."""
    ready_after_of: Mapping[str, float] = field(default_factory=dict)
    """The same for snapshots of single volumes, by volume id."""
    topology: Mapping[str, str] = field(default_factory=dict)
    """Where its volumes are, e.g. `{"topology.example.com/zone": "a"}`; {}: everywhere."""
    faults: Mapping[str, Fault] = field(default_factory=dict)
    """By the name of the method, e.g. `CreateSnapshot`."""

    def seconds_until_ready(self, volume: str) -> float:
        return self.ready_after_of.get(volume, self.ready_after)


def write(path: Path, switches: Switches) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(asdict(switches)))
    temporary.replace(path)


def read(path: Path) -> Switches:
    """Read the switches; where there is no file, nothing is switched."""
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError:
        return Switches()
    faults = {method: Fault(**fault) for method, fault in values.pop("faults").items()}
    without = tuple(values.pop("without"))
    return Switches(without=without, faults=faults, **values)
