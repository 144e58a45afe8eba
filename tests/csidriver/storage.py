"""Volumes, snapshots and groups in a folder.

Rule: whatever `state.json` names is complete on disk, so that a kill loses at most one call.
Boundary: it knows ids, sizes and bytes, and nothing of gRPC.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

GIB = 1 << 30


class RefusedCall(Exception):  # noqa: N818 - an answer, not a fault of the driver
    """A call that CSI wants answered with an error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Volume:
    id: str
    name: str
    size: int
    snapshot: str = ""
    """The snapshot it was made of."""
    volume: str = ""
    """The volume it was cloned from."""


@dataclass(frozen=True)
class Snapshot:
    id: str
    name: str
    volume: str
    size: int
    created: float
    group: str = ""


@dataclass(frozen=True)
class Group:
    id: str
    name: str
    volumes: tuple[str, ...]
    snapshots: tuple[str, ...]
    created: float


@dataclass
class State:
    """Everything there is, by id."""

    volumes: dict[str, Volume] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)


def make_id(prefix: str, *names: str) -> str:
    """Make an id of a name, so that asking twice for the same thing gives the same id."""
    return f"{prefix}-{hashlib.sha256('/'.join(names).encode()).hexdigest()[:17]}"


def read_state(directory: Path) -> State:
    """Read what a driver has, also from outside while it runs."""
    try:
        values = json.loads((directory / "state.json").read_text())
    except FileNotFoundError:
        return State()
    return State(
        {key: Volume(**value) for key, value in values["volumes"].items()},
        {key: Snapshot(**value) for key, value in values["snapshots"].items()},
        {
            key: Group(
                **value
                | {"volumes": tuple(value["volumes"]), "snapshots": tuple(value["snapshots"])}
            )
            for key, value in values["groups"].items()
        },
    )


class Storage:
    """The storage behind the driver; one call at a time changes it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for kind in ("volumes", "snapshots"):
            (directory / kind).mkdir(parents=True, exist_ok=True)
        self._state = read_state(directory)
        self._lock = threading.Lock()

    @contextmanager
    def look(self) -> Iterator[State]:
        """Look at the state while nobody changes it."""
        with self._lock:
            yield self._state

    @contextmanager
    def change(self) -> Iterator[State]:
        """Change the state, and keep the change when nothing was raised."""
        with self._lock:
            yield self._state
            temporary = self.directory / "state.json.new"
            temporary.write_text(json.dumps(asdict(self._state), indent=1))
            temporary.replace(self.directory / "state.json")

    def create_volume(
        self, name: str, *, least: int, most: int, snapshot: str = "", volume: str = ""
    ) -> Volume:
        """Make a volume, empty or with the bytes of a snapshot or of another volume."""
        with self.change() as state:
            known = state.volumes.get(make_id("vol", name))
            if known is not None:
                if known.size < least or (most and known.size > most):
                    raise RefusedCall(
                        "ALREADY_EXISTS", f"Volume {name} has {known.size} bytes, not {least}."
                    )
                return known
            source, floor = self._source(state, snapshot, volume)
            size = least or max(floor, min(GIB, most or GIB))
            if size < floor or (most and size > most):
                raise RefusedCall(
                    "OUT_OF_RANGE", f"{size} bytes do not hold the {floor} bytes of the source."
                )
            made = Volume(make_id("vol", name), name, size, snapshot, volume)
            self._fill(self.directory / "volumes" / made.id, source)
            state.volumes[made.id] = made
            return made

    def delete_volume(self, id: str) -> None:
        """Delete a volume; its snapshots stay."""
        with self.change() as state:
            if state.volumes.pop(id, None) is not None:
                shutil.rmtree(self.directory / "volumes" / id, ignore_errors=True)

    def create_snapshot(self, name: str, volume: str) -> Snapshot:
        with self.change() as state:
            known = state.snapshots.get(make_id("snap", name))
            if known is not None:
                if known.volume != volume:
                    raise RefusedCall(
                        "ALREADY_EXISTS", f"Snapshot {name} is one of volume {known.volume}."
                    )
                return known
            return self._cut(state, make_id("snap", name), name, volume, time.time())

    def create_group(self, name: str, volumes: tuple[str, ...]) -> Group:
        """Snapshot several volumes at one instant; nothing else happens meanwhile."""
        with self.change() as state:
            known = state.groups.get(make_id("group", name))
            if known is not None:
                if sorted(known.volumes) != sorted(volumes):
                    raise RefusedCall("ALREADY_EXISTS", f"Group {name} has other volumes.")
                return known
            for volume in volumes:
                self._volume(state, volume)
            id, now = make_id("group", name), time.time()
            members = tuple(
                self._cut(state, make_id("snap", name, volume), name, volume, now, group=id).id
                for volume in volumes
            )
            state.groups[id] = Group(id, name, volumes, members, now)
            return state.groups[id]

    def delete_snapshot(self, id: str) -> None:
        with self.change() as state:
            known = state.snapshots.get(id)
            if known is not None and known.group:
                raise RefusedCall(
                    "INVALID_ARGUMENT", f"Snapshot {id} goes only with its group {known.group}."
                )
            self._drop(state, id)

    def delete_group(self, id: str, snapshots: tuple[str, ...]) -> None:
        with self.change() as state:
            known = state.groups.get(id)
            if known is None:
                return
            self.check_members(known, snapshots)
            for snapshot in known.snapshots:
                self._drop(state, snapshot)
            del state.groups[id]

    @staticmethod
    def check_members(group: Group, snapshots: tuple[str, ...]) -> None:
        if snapshots and sorted(snapshots) != sorted(group.snapshots):
            raise RefusedCall(
                "INVALID_ARGUMENT", f"Group {group.id} has the members {group.snapshots}."
            )

    def _source(self, state: State, snapshot: str, volume: str) -> tuple[Path | None, int]:
        """Return where the bytes of a new volume come from, and its least size."""
        if snapshot:
            if snapshot not in state.snapshots:
                raise RefusedCall("NOT_FOUND", f"There is no snapshot {snapshot}.")
            return self.directory / "snapshots" / snapshot, state.snapshots[snapshot].size
        if volume:
            return self.directory / "volumes" / volume, self._volume(state, volume).size
        return None, 0

    @staticmethod
    def _volume(state: State, id: str) -> Volume:
        if id not in state.volumes:
            raise RefusedCall("NOT_FOUND", f"There is no volume {id}.")
        return state.volumes[id]

    def _cut(
        self, state: State, id: str, name: str, volume: str, now: float, *, group: str = ""
    ) -> Snapshot:
        size = self._volume(state, volume).size
        self._fill(self.directory / "snapshots" / id, self.directory / "volumes" / volume)
        state.snapshots[id] = Snapshot(id, name, volume, size, now, group)
        return state.snapshots[id]

    def _drop(self, state: State, id: str) -> None:
        if state.snapshots.pop(id, None) is not None:
            shutil.rmtree(self.directory / "snapshots" / id, ignore_errors=True)

    @staticmethod
    def _fill(folder: Path, source: Path | None) -> None:
        """Put a copy of the source into place, over what a killed call may have left there."""
        shutil.rmtree(folder, ignore_errors=True)
        if source is None:
            folder.mkdir()
        else:
            shutil.copytree(source, folder, symlinks=True)
