"""The record of a claim's volume, ``snapshots/<ns>/<pvc>.yaml``: a text that people read and edit.

It says all that is needed to make the volume again elsewhere, and which snapshots exist now, the
newest first. Equal records give equal bytes. What a person got wrong is told by its place, all of
it at once; fields that are not known here are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kube2git.core import layout, yamlio
from kube2git.core.equality import quantity
from kube2git.core.snapshots import (
    ClaimRef,
    Existence,
    Finding,
    SecretRef,
    Snapshot,
    Stage,
    Volume,
)

FORMAT = 1


class RecordError(ValueError):
    """A record cannot be used; the message is a whole sentence for each mistake."""


class Entry(NamedTuple):
    """One snapshot, and the volume that it was taken of, as snapshotters take the two."""

    volume: Volume
    """Another one than the record's when the claim was made anew since."""
    snapshot: Snapshot


class Trouble(NamedTuple):
    """What the last run has to say when it took no snapshot."""

    stage: Stage
    """FAILED or SKIPPED."""
    reason: str
    run: str = ""
    """Of a failure. A claim that is skipped by every run must not change its record with each."""


@dataclass(frozen=True, slots=True)
class VolumeRecord:
    """The whole file."""

    volume: Volume
    """As the last run saw it; a claim that never was bound has no driver."""
    entries: tuple[Entry, ...] = ()
    """Newest first."""
    trouble: Trouble | None = None

    @property
    def claim(self) -> ClaimRef:
        return self.volume.claim

    def having(self, *entries: Entry) -> VolumeRecord:
        """Return the record with snapshots added, or replaced where it has them already."""
        merged = {identity(entry.snapshot): entry for entry in (*self.entries, *entries)}
        return replace(self, entries=in_order(merged.values()))

    def without(self, snapshots: Iterable[Snapshot]) -> VolumeRecord:
        """Return the record without some snapshots."""
        gone = {identity(snapshot) for snapshot in snapshots}
        kept = tuple(entry for entry in self.entries if identity(entry.snapshot) not in gone)
        return replace(self, entries=kept)

    def seen(self, finding: Finding) -> VolumeRecord:
        """Return the record with what a look at a snapshot that was not ready has brought.

        One that is ready replaces its entry, and one that is gone has none any more.
        """
        for entry in self.entries:
            if identity(entry.snapshot) != identity(finding.snapshot):
                continue
            if finding.existence is Existence.GONE:
                return self.without([entry.snapshot])
            if finding.existence is not Existence.UNREACHABLE and finding.snapshot.is_ready:
                return self.having(Entry(entry.volume, replace(finding.snapshot, error="")))
        return self

    def encode(self) -> bytes:
        """Return the file."""
        data: dict[str, Any] = {
            "format": FORMAT,
            "claim": {"namespace": self.claim.namespace, "name": self.claim.name},
            "volume": _volume_data(self.volume),
            "snapshots": [self._entry_data(entry) for entry in in_order(self.entries)],
        }
        if self.trouble is not None:
            stage, reason, run = self.trouble
            data["trouble"] = _filled({"outcome": str(stage), "reason": reason, "run": run})
        return yamlio.encode(data)

    def _entry_data(self, entry: Entry) -> dict[str, Any]:
        data = _snapshot_data(entry.snapshot)
        volume = entry.volume
        if (volume.driver, volume.handle) != (self.volume.driver, self.volume.handle):
            data["volume"] = _volume_data(volume)
        return data

    @classmethod
    def decode(cls, data: bytes, source: str) -> VolumeRecord:
        """Read a file; raise RecordError, which names ``source`` and every mistake."""
        try:
            fields = _Fields(yamlio.decode(data, source=source), "", [])
        except yamlio.YamlError as error:
            raise RecordError(f"{error}.") from None
        version = fields.number("format", is_needed=True)
        if not fields.problems and version > FORMAT:
            raise RecordError(
                f"{source} is in format {version}, and this kube2git knows formats up to "
                f"{FORMAT}: upgrade kube2git, a newer one has written it."
            )
        named = fields.section("claim", is_needed=True)
        claim = ClaimRef(
            named.text("namespace", is_needed=True), named.text("name", is_needed=True)
        )
        volume = _volume_from(fields.section("volume", is_needed=True), claim)
        entries = []
        for item in fields.sections("snapshots"):
            own = item.section("volume")
            source_volume = _volume_from(own, claim) if own.data else volume
            entries.append(Entry(source_volume, _snapshot_from(item)))
        trouble = fields.section("trouble")
        found = None
        if trouble.data:
            stage = Stage.SKIPPED if trouble.text("outcome") == Stage.SKIPPED else Stage.FAILED
            found = Trouble(stage, trouble.text("reason"), trouble.text("run"))
        if fields.problems:
            listed = "; ".join(fields.problems)
            raise RecordError(f"{source} is not a record of snapshots: {listed}.")
        return cls(volume, in_order(entries), found)


def read_records(
    files: Mapping[str, bytes],
) -> tuple[dict[ClaimRef, VolumeRecord], dict[str, str]]:
    """Read files by path; return the records, and why the others are none, by path."""
    records: dict[ClaimRef, VolumeRecord] = {}
    unreadable: dict[str, str] = {}
    for path, data in sorted(files.items()):
        try:
            record = VolumeRecord.decode(data, path)
        except RecordError as error:
            unreadable[path] = str(error)
            continue
        if layout.snapshots_path(*record.claim) == path:
            records[record.claim] = record
        else:
            unreadable[path] = f"{path} is about {record.claim}, whose record has another path."
    return records, unreadable


def identity(snapshot: Snapshot) -> tuple[str, str]:
    """Return what tells one snapshot from all others: its method and its handle."""
    return (snapshot.method, snapshot.handle)


def foreign_region(entry: Entry, zone: str = "") -> str:
    """Return a snapshot's region if no volume of a zone can be made of it; "" where it can.

    The zone is the one of the volume unless given. A copy tells its region, and so may its source.
    """
    region = entry.snapshot.attributes.get("region", "")
    place = zone or entry.volume.zone or entry.volume.region
    return "" if not place or place.startswith(region) else region


def in_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return entries newest first; those of one instant by their handles."""
    by_handle = sorted(entries, key=lambda entry: identity(entry.snapshot))
    return tuple(sorted(by_handle, key=lambda entry: entry.snapshot.created, reverse=True))


# ── Writing ──────────────────────────────────────────────────────────────────────────────────


def _filled(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value not in ("", 0, False, {}, [])}


def _volume_data(volume: Volume) -> dict[str, Any]:
    return _filled(
        {
            "name": volume.volume,
            "driver": volume.driver,
            "handle": volume.handle,
            "storageClass": volume.storage_class,
            "parameters": dict(volume.parameters),
            "capacity": size_text(volume.capacity) if volume.capacity else "",
            "accessModes": list(volume.access_modes),
            "volumeMode": volume.volume_mode,
            "fsType": volume.fs_type,
            "zone": volume.zone,
            "region": volume.region,
        }
    )


def _snapshot_data(snapshot: Snapshot) -> dict[str, Any]:
    secret = snapshot.deletion_secret
    data = _filled(
        {
            "handle": snapshot.handle,
            "method": snapshot.method,
            "created": time_text(snapshot.created),
            "run": snapshot.run,
            "restoreSize": size_text(snapshot.restore_size) if snapshot.restore_size else "",
            "class": snapshot.snapshot_class,
            "deletionSecret": {"namespace": secret.namespace, "name": secret.name}
            if secret
            else {},
            "group": snapshot.group,
            "attributes": dict(snapshot.attributes),
            "tags": dict(snapshot.tags),
            "error": snapshot.error,
        }
    )
    return {**data, "ready": snapshot.is_ready}


def time_text(time: datetime) -> str:
    """Return a time as ``2026-03-04T05:06:07Z``, with a fraction if it has one."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def size_text(size: int) -> str:
    """Return bytes in the largest unit of 1024 that loses nothing: ``10Gi``, ``1500000000``."""
    for power, name in ((4, "Ti"), (3, "Gi"), (2, "Mi"), (1, "Ki")):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{name}"
    return str(size)


def size_from(value: Any) -> int:
    """Return a Kubernetes quantity as whole bytes, rounded up; raise ValueError."""
    plain = quantity(value)
    if plain is None or plain.startswith("-"):
        raise ValueError("this is not a size")
    whole, _, fraction = plain.partition(".")
    return int(whole) + bool(fraction)


# ── Reading ──────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Fields:
    """A mapping in a file, read field by field; what is wrong is noted, never raised."""

    data: Any
    place: str
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not isinstance(self.data, dict):
            self._note("", "fields are expected")
            self.data = {}

    def _note(self, name: str, what: str) -> None:
        place = ".".join(filter(None, (self.place, name))) or "the file"
        self.problems.append(f"{place}: {what}")

    def text(self, name: str, *, is_needed: bool = False) -> str:
        value = self.data.get(name)
        if value is None or value == "":
            if is_needed:
                self._note(name, "it is missing")
            return ""
        if not isinstance(value, str):
            self._note(name, "this must be text; put it in quotes")
            return ""
        return value

    def number(self, name: str, *, is_needed: bool = False) -> int:
        value = self.data.get(name)
        if value is None and not is_needed:
            return 0
        if type(value) is not int:
            self._note(name, "it is missing" if value is None else "this must be a whole number")
            return 0
        return value

    def flag(self, name: str) -> bool:
        value = self.data.get(name, False)
        if not isinstance(value, bool):
            self._note(name, "this must be true or false")
        return value is True

    def size(self, name: str) -> int:
        value = self.data.get(name)
        if value is None:
            return 0
        try:
            return size_from(value)
        except ValueError:
            self._note(name, "this must be a size, for example 10Gi")
            return 0

    def time(self, name: str) -> datetime:
        text = self.text(name, is_needed=True)
        try:
            time = datetime.fromisoformat(text)
            if time.tzinfo is not None:
                return time.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        if text:
            self._note(name, "this must be a time, for example 2026-03-04T05:06:07Z")
        return datetime.min.replace(tzinfo=UTC)

    def texts(self, name: str) -> dict[str, str]:
        found = self.section(name)
        return {key: found.text(key) for key in found.data if isinstance(key, str)}

    def words(self, name: str) -> tuple[str, ...]:
        value = self.data.get(name) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._note(name, "this must be a list of words")
            return ()
        return tuple(value)

    def section(self, name: str, *, is_needed: bool = False) -> _Fields:
        value = self.data.get(name)
        if value is None:
            if is_needed:
                self._note(name, "it is missing")
            value = {}
        return _Fields(value, ".".join(filter(None, (self.place, name))), self.problems)

    def sections(self, name: str) -> Iterator[_Fields]:
        value = self.data.get(name) or []
        if not isinstance(value, list):
            self._note(name, "this must be a list")
            return
        for number, item in enumerate(value):
            yield _Fields(item, f"{name}[{number}]", self.problems)


def _volume_from(fields: _Fields, claim: ClaimRef) -> Volume:
    return Volume(
        claim=claim,
        claim_uid="",
        volume=fields.text("name"),
        driver=fields.text("driver"),
        handle=fields.text("handle"),
        storage_class=fields.text("storageClass"),
        parameters=fields.texts("parameters"),
        capacity=fields.size("capacity"),
        access_modes=fields.words("accessModes"),
        volume_mode=fields.text("volumeMode") or "Filesystem",
        fs_type=fields.text("fsType"),
        zone=fields.text("zone"),
        region=fields.text("region"),
    )


def _snapshot_from(fields: _Fields) -> Snapshot:
    secret = fields.section("deletionSecret")
    return Snapshot(
        handle=fields.text("handle", is_needed=True),
        method=fields.text("method", is_needed=True),
        created=fields.time("created"),
        run=fields.text("run"),
        is_ready=fields.flag("ready"),
        restore_size=fields.size("restoreSize"),
        snapshot_class=fields.text("class"),
        deletion_secret=SecretRef(
            secret.text("namespace", is_needed=True), secret.text("name", is_needed=True)
        )
        if secret.data
        else None,
        group=fields.text("group"),
        attributes=fields.texts("attributes"),
        tags=fields.texts("tags"),
        error=fields.text("error"),
    )
