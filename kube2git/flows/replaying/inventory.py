"""What replays of one set have made in a target, written down before it is made.

A set is one source cluster, one prefix and one namespace map. The inventory stands in ConfigMaps
of the target, compressed, at most SHARD objects in each; the exporter leaves them out by their
label. An object is entered without a uid before it is created and with it afterwards, so a crash
leaves nothing untracked: an entry without uid counts once the live object carries the label of the
run that meant to make it.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kube2git.core import wire
from kube2git.core.objects import ObjectRef, ResourceType
from kube2git.core.ports import Discovery, Target, Verb, WriteRequest
from kube2git.core.wire import Json
from kube2git.errors import ClusterDeniedError, Kube2gitError, RefusedError
from kube2git.flows.replaying.survey import Live

LABEL = "kube2git.io/inventory"
"""On the ConfigMaps; its value is the set's name."""
SHARD = 1000
_FILE = "entries.json.gz"

_REMEDY = (
    "Give this identity the right to it, choose another namespace with "
    "replay.inventory_namespace, or set that empty to keep none."
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One object that a replay made, or was about to make or delete."""

    uid: str
    """"" before it is known."""
    run: str
    """Name of the replay."""
    is_leaving: bool = False
    """True: a replay has decided to delete it."""


def set_name(cluster: str, prefix: str, maps: Iterable[str]) -> str:
    """Return the name of the set that a replay belongs to."""
    return wire.digest([cluster, prefix, sorted(maps)])[:10]


@dataclass
class Inventory:
    """The entries of one set, and the ConfigMaps they were read from."""

    target: Target
    type: ResourceType | None
    """None: no inventory is kept."""
    namespace: str
    name: str
    """Of the set."""
    entries: dict[ObjectRef, Entry] = field(default_factory=dict)
    denial: ClusterDeniedError | None = None
    """Why it could not be read; then neither pruning by it nor writing is possible."""
    _versions: dict[int, str] = field(default_factory=dict)
    """Shard -> resourceVersion."""
    _written: dict[int, Json] = field(default_factory=dict)
    """Shard -> its data as the target has it."""

    @classmethod
    def load(cls, target: Target, discovery: Discovery, namespace: str, name: str) -> Inventory:
        """Read the inventory of a set; it is empty when there is none yet."""
        types = [type for type in discovery.types if type.kind_group == "ConfigMap"]
        found = cls(target, types[0] if types and namespace else None, namespace, name)
        number = 0
        while found.type is not None:
            try:
                shard = target.get(found.type, namespace, found._name(number))
            except ClusterDeniedError as error:
                found.denial = ClusterDeniedError(str(error), hint=_REMEDY)
                break
            if shard is None:
                break
            found._take(number, shard)
            number += 1
        return found

    def _name(self, number: int) -> str:
        return f"kube2git-inventory-{self.name}-{number}"

    def _take(self, number: int, shard: Json) -> None:
        self._versions[number] = str(shard["metadata"].get("resourceVersion"))
        data: Json = shard.get("binaryData") or {}
        self._written[number] = data
        try:
            packed = base64.b64decode(data.get(_FILE) or "")
            rows = wire.decode(gzip.decompress(packed))
            self.entries |= {
                ObjectRef(*row[:4]): Entry(row[4], row[5], bool(row[6])) for row in rows
            }
        except (ValueError, OSError, EOFError, TypeError, IndexError):
            raise RefusedError(
                f"the inventory configmap/{self._name(number)} -n {self.namespace} is damaged",
                hint="Look at what wrote to it. Without it nothing tells what earlier replays "
                "made: delete it only if you do not need --prune=owned.",
            ) from None

    def adopt(self, live: Live) -> None:
        """Complete entries without uid whose object turned out to be made."""
        for ref, entry in self.entries.items():
            known = live.objects.get(ref)
            if not entry.uid and known is not None and live.labels.get(ref) == entry.run:
                self.entries[ref] = Entry(known.uid, entry.run, entry.is_leaving)

    @property
    def owned(self) -> Mapping[ObjectRef, str]:
        """Return what earlier replays are known to have made: reference -> uid."""
        return {ref: entry.uid for ref, entry in self.entries.items() if entry.uid}

    def save(self) -> None:
        """Write what has changed; raise RefusedError when another replay has written meanwhile."""
        if self.denial is not None:
            raise self.denial
        if self.type is None:
            return
        rows = [
            [*ref, entry.uid, entry.run, entry.is_leaving]
            for ref, entry in sorted(self.entries.items())
        ]
        shards = [rows[start : start + SHARD] for start in range(0, len(rows), SHARD)]
        shards += [[]] * (len(self._versions) - len(shards))
        for number, part in enumerate(shards):
            self._write(self.type, number, part)

    def _write(self, type: ResourceType, number: int, rows: list[list[object]]) -> None:
        packed = gzip.compress(wire.encode(rows), mtime=0)
        data = {_FILE: base64.b64encode(packed).decode()}
        if self._written.get(number) == data:
            return
        name = self._name(number)
        metadata: Json = {
            "name": name,
            "namespace": self.namespace,
            "labels": {LABEL: self.name, "app.kubernetes.io/managed-by": "kube2git"},
        }
        version = self._versions.get(number)
        if version:
            metadata["resourceVersion"] = version
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "binaryData": data,
        }
        verb = Verb.REPLACE if version else Verb.CREATE
        answer = self.target.send(WriteRequest(verb, type, self.namespace, name, body))
        if answer.status == 409:
            raise RefusedError(
                "another replay of the same set is writing to this cluster",
                hint="Wait until it has ended, then run the same command again.",
            )
        if not answer.is_ok or answer.body is None:
            raise Kube2gitError(
                f"the inventory configmap/{name} -n {self.namespace} cannot be written "
                f"(status {answer.status})",
                hint=_REMEDY,
            )
        self._versions[number] = answer.body["metadata"]["resourceVersion"]
        self._written[number] = data
