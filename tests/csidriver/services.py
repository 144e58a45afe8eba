"""The calls of CSI, answered from the storage, unless a switch says otherwise.

Rule: one method here for each call of a service, under its name in snake case; a call without a
method is UNIMPLEMENTED. CSI says what each must answer.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import grpc

from tests.csidriver import switches
from tests.csidriver.storage import Group, RefusedCall, Snapshot, Storage, Volume

Message = Any  # made of csi.proto at run time
Item = TypeVar("Item")
VENDOR_VERSION = "1.0.0"


class Gate:
    """What every call passes: the faults that were asked for, and the way errors go back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._met: Counter[tuple[str, switches.Fault]] = Counter()
        self._lock = threading.Lock()

    @property
    def switches(self) -> switches.Switches:
        return switches.read(self.path)

    def strike(self, method: str, request: Message) -> None:
        """Delay or refuse a call that a fault concerns."""
        fault = self.switches.faults.get(method)
        if fault is None or fault.naming not in str(request):
            return
        with self._lock:
            self._met[method, fault] += 1
            if fault.times is not None and self._met[method, fault] > fault.times:
                return
        time.sleep(fault.delay)
        if fault.code:
            raise RefusedCall(fault.code, fault.message)

    def pass_through(
        self, method: str, answer: Callable[[Message], Message]
    ) -> Callable[[Message, grpc.ServicerContext], Message]:
        def call(request: Message, context: grpc.ServicerContext) -> Message:
            try:
                self.strike(method, request)
                return answer(request)
            except RefusedCall as refused:
                return context.abort(grpc.StatusCode[refused.code], str(refused))

        return call


def make_handler(csi: Any, service: str, answers: object, gate: Gate) -> grpc.GenericRpcHandler:
    """Tie the calls of a service in csi.proto to the methods of an object."""
    description = csi.DESCRIPTOR.services_by_name[service]
    handlers = {}
    for method in description.methods:
        answer = getattr(answers, re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower(), None)
        if answer is not None:
            handlers[method.name] = grpc.unary_unary_rpc_method_handler(
                gate.pass_through(method.name, answer),
                request_deserializer=getattr(csi, method.input_type.name).FromString,
                response_serializer=getattr(csi, method.output_type.name).SerializeToString,
            )
    return grpc.method_handlers_generic_handler(description.full_name, handlers)


def demand(request: Message, *fields: str) -> None:
    """Refuse a request that lacks what it must have."""
    for field in fields:
        value = getattr(request, field)
        if not (request.HasField(field) if hasattr(value, "DESCRIPTOR") else value):
            raise RefusedCall("INVALID_ARGUMENT", f"{type(request).__name__} lacks {field}.")


def cut_page(items: Sequence[Item], request: Message) -> tuple[Sequence[Item], str]:
    """Return one page and the token of the next; tokens are positions."""
    if request.max_entries < 0:
        raise RefusedCall("INVALID_ARGUMENT", "max_entries is below zero.")
    token = request.starting_token
    if token and not (token.isdigit() and int(token) <= len(items)):
        raise RefusedCall("ABORTED", f"{token} is no token of this list.")
    begin = int(token or 0)
    end = begin + request.max_entries if request.max_entries else len(items)
    return items[begin:end], str(end) if end < len(items) else ""


class Answers:
    """What the services share."""

    def __init__(self, csi: Any, name: str, storage: Storage, gate: Gate) -> None:
        self.csi = csi
        self.name = name
        self.storage = storage
        self.gate = gate

    def can(self, capability: str) -> bool:
        return capability not in self.gate.switches.without

    def is_ready(self, snapshot: Snapshot) -> bool:
        return time.time() >= snapshot.created + self.gate.switches.seconds_until_ready(
            snapshot.volume
        )

    def tell_volume(self, volume: Volume) -> Message:
        told = self.csi.Volume(volume_id=volume.id, capacity_bytes=volume.size)
        if volume.snapshot:
            told.content_source.snapshot.snapshot_id = volume.snapshot
        if volume.volume:
            told.content_source.volume.volume_id = volume.volume
        if topology := self.gate.switches.topology:
            told.accessible_topology.add().segments.update(topology)
        return told

    def tell_snapshot(self, snapshot: Snapshot) -> Message:
        told = self.csi.Snapshot(
            snapshot_id=snapshot.id,
            source_volume_id=snapshot.volume,
            size_bytes=snapshot.size,
            ready_to_use=self.is_ready(snapshot),
            group_snapshot_id=snapshot.group,
        )
        told.creation_time.FromDatetime(datetime.fromtimestamp(snapshot.created, UTC))
        return told


class Identity(Answers):
    def get_plugin_info(self, _: Message) -> Message:
        return self.csi.GetPluginInfoResponse(name=self.name, vendor_version=VENDOR_VERSION)

    def get_plugin_capabilities(self, _: Message) -> Message:
        answer = self.csi.GetPluginCapabilitiesResponse()
        service = self.csi.PluginCapability.Service
        wanted = {
            "CONTROLLER_SERVICE": True,
            "GROUP_CONTROLLER_SERVICE": self.can("GROUP_CONTROLLER_SERVICE"),
            "VOLUME_ACCESSIBILITY_CONSTRAINTS": bool(self.gate.switches.topology),
        }
        for capability, has in wanted.items():
            if has:
                answer.capabilities.add().service.type = service.Type.Value(capability)
        return answer

    def probe(self, _: Message) -> Message:
        answer = self.csi.ProbeResponse()
        answer.ready.value = True
        return answer


CAPABILITIES = (
    "CREATE_DELETE_VOLUME",
    "CREATE_DELETE_SNAPSHOT",
    "LIST_SNAPSHOTS",
    "GET_SNAPSHOT",
    "LIST_VOLUMES",
    "CLONE_VOLUME",
)


class Controller(Answers):
    def controller_get_capabilities(self, _: Message) -> Message:
        answer = self.csi.ControllerGetCapabilitiesResponse()
        kinds = self.csi.ControllerServiceCapability.RPC.Type
        for capability in CAPABILITIES:
            if self.can(capability):
                answer.capabilities.add().rpc.type = kinds.Value(capability)
        return answer

    def create_volume(self, request: Message) -> Message:
        demand(request, "name", "volume_capabilities")
        source = request.volume_content_source
        if snapshot := source.snapshot.snapshot_id:
            with self.storage.look() as state:
                known = state.snapshots.get(snapshot)
            if known is not None and not self.is_ready(known):
                raise RefusedCall("UNAVAILABLE", f"Snapshot {snapshot} is not ready yet.")
        volume = self.storage.create_volume(
            request.name,
            least=request.capacity_range.required_bytes,
            most=request.capacity_range.limit_bytes,
            snapshot=snapshot,
            volume=source.volume.volume_id,
        )
        return self.csi.CreateVolumeResponse(volume=self.tell_volume(volume))

    def delete_volume(self, request: Message) -> Message:
        demand(request, "volume_id")
        self.storage.delete_volume(request.volume_id)
        return self.csi.DeleteVolumeResponse()

    def list_volumes(self, request: Message) -> Message:
        with self.storage.look() as state:
            page, token = cut_page(list(state.volumes.values()), request)
        answer = self.csi.ListVolumesResponse(next_token=token)
        for volume in page:
            answer.entries.add().volume.CopyFrom(self.tell_volume(volume))
        return answer

    def validate_volume_capabilities(self, request: Message) -> Message:
        demand(request, "volume_id", "volume_capabilities")
        with self.storage.look() as state:
            if request.volume_id not in state.volumes:
                raise RefusedCall("NOT_FOUND", f"There is no volume {request.volume_id}.")
        answer = self.csi.ValidateVolumeCapabilitiesResponse()
        answer.confirmed.volume_capabilities.extend(request.volume_capabilities)
        return answer

    def demand_snapshots(self) -> None:
        if not self.can("CREATE_DELETE_SNAPSHOT"):
            raise RefusedCall("UNIMPLEMENTED", "This driver has no snapshots.")

    def create_snapshot(self, request: Message) -> Message:
        self.demand_snapshots()
        demand(request, "name", "source_volume_id")
        made = self.storage.create_snapshot(request.name, request.source_volume_id)
        return self.csi.CreateSnapshotResponse(snapshot=self.tell_snapshot(made))

    def delete_snapshot(self, request: Message) -> Message:
        self.demand_snapshots()
        demand(request, "snapshot_id")
        self.storage.delete_snapshot(request.snapshot_id)
        return self.csi.DeleteSnapshotResponse()

    def list_snapshots(self, request: Message) -> Message:
        if not self.can("LIST_SNAPSHOTS"):
            raise RefusedCall("UNIMPLEMENTED", "This driver does not list its snapshots.")
        with self.storage.look() as state:
            chosen = [
                snapshot
                for snapshot in state.snapshots.values()
                if request.snapshot_id in ("", snapshot.id)
                and request.source_volume_id in ("", snapshot.volume)
            ]
        page, token = cut_page(chosen, request)
        answer = self.csi.ListSnapshotsResponse(next_token=token)
        for snapshot in page:
            answer.entries.add().snapshot.CopyFrom(self.tell_snapshot(snapshot))
        return answer

    def get_snapshot(self, request: Message) -> Message:
        demand(request, "snapshot_id")
        with self.storage.look() as state:
            known = state.snapshots.get(request.snapshot_id)
        if known is None:
            raise RefusedCall("NOT_FOUND", f"There is no snapshot {request.snapshot_id}.")
        return self.csi.GetSnapshotResponse(snapshot=self.tell_snapshot(known))


class GroupController(Answers):
    def group_controller_get_capabilities(self, _: Message) -> Message:
        answer = self.csi.GroupControllerGetCapabilitiesResponse()
        kinds = self.csi.GroupControllerServiceCapability.RPC.Type
        answer.capabilities.add().rpc.type = kinds.Value("CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT")
        return answer

    def tell_group(self, group: Group) -> Message:
        with self.storage.look() as state:
            members = [state.snapshots[id] for id in group.snapshots]
        told = self.csi.VolumeGroupSnapshot(
            group_snapshot_id=group.id,
            snapshots=[self.tell_snapshot(member) for member in members],
            ready_to_use=all(self.is_ready(member) for member in members),
        )
        told.creation_time.FromDatetime(datetime.fromtimestamp(group.created, UTC))
        return told

    def create_volume_group_snapshot(self, request: Message) -> Message:
        demand(request, "name", "source_volume_ids")
        group = self.storage.create_group(request.name, tuple(request.source_volume_ids))
        return self.csi.CreateVolumeGroupSnapshotResponse(group_snapshot=self.tell_group(group))

    def delete_volume_group_snapshot(self, request: Message) -> Message:
        demand(request, "group_snapshot_id")
        self.storage.delete_group(request.group_snapshot_id, tuple(request.snapshot_ids))
        return self.csi.DeleteVolumeGroupSnapshotResponse()

    def get_volume_group_snapshot(self, request: Message) -> Message:
        demand(request, "group_snapshot_id")
        with self.storage.look() as state:
            known = state.groups.get(request.group_snapshot_id)
        if known is None:
            raise RefusedCall("NOT_FOUND", f"There is no group {request.group_snapshot_id}.")
        self.storage.check_members(known, tuple(request.snapshot_ids))
        return self.csi.GetVolumeGroupSnapshotResponse(group_snapshot=self.tell_group(known))


class Node(Answers):
    """A node that links instead of mounting: no pod runs here, but CSI's own suite wants one."""

    def node_get_info(self, _: Message) -> Message:
        answer = self.csi.NodeGetInfoResponse(node_id="node")
        if topology := self.gate.switches.topology:
            answer.accessible_topology.segments.update(topology)
        return answer

    def node_get_capabilities(self, _: Message) -> Message:
        return self.csi.NodeGetCapabilitiesResponse()

    def node_publish_volume(self, request: Message) -> Message:
        demand(request, "volume_id", "target_path", "volume_capability")
        target = Path(request.target_path)
        if not target.is_symlink():
            target.symlink_to(self.storage.directory / "volumes" / request.volume_id)
        return self.csi.NodePublishVolumeResponse()

    def node_unpublish_volume(self, request: Message) -> Message:
        demand(request, "volume_id", "target_path")
        Path(request.target_path).unlink(missing_ok=True)
        return self.csi.NodeUnpublishVolumeResponse()
