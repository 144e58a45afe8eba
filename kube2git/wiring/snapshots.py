"""Snapshotters, runs over volumes, and which snapshots stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kube2git.config import Settings, SnapshotWait
from kube2git.core.selection import Patterns
from kube2git.errors import SnapshotterError, UsageError
from kube2git.wiring.choices import selection
from kube2git.wiring.clusters import connection_settings, named_lease
from kube2git.wiring.process import now

if TYPE_CHECKING:
    from kube2git.adapters.kube.leasing import KubeLease
    from kube2git.core.ports import Snapshotter, Target
    from kube2git.core.snapshots.retention import Retention
    from kube2git.flows.snapshotting import SnapshotRequest, Snapshotting, Task

SNAPSHOTTERS = "kube2git.snapshotters"
"""The group of entry points; each names a SnapshotterFactory."""
_FIRST_ASKED = ("csi", "ebs")


def snapshotters(settings: Settings, target: Callable[[], Target]) -> dict[str, Snapshotter]:
    """Return who takes snapshots: the sidecar's, when there is its socket, else those in here.

    By their methods, in the order of asking. Raise SnapshotterError when the sidecar is not there.
    """
    if not settings.snapshots.socket:
        return own_snapshotters(settings, target)
    from kube2git.adapters.sidecar import Sidecar

    return dict(Sidecar(settings.snapshots.socket).snapshotters())


def own_snapshotters(settings: Settings, target: Callable[[], Target]) -> dict[str, Snapshotter]:
    """Return the snapshotters that are installed, by their methods, in the order of asking.

    Raise UsageError when one cannot be loaded, or does not like its options.
    """
    from importlib import metadata

    from kube2git.core.ports import SnapshotterContext

    chosen = settings.snapshots
    points = {point.name: point for point in metadata.entry_points(group=SNAPSHOTTERS)}
    order = [name for name in _FIRST_ASKED if name in points]
    order += sorted(points.keys() - set(order))
    if unknown := sorted(chosen.options.keys() - points.keys()):
        raise UsageError(
            f"snapshots.options names {unknown[0]}, and no such snapshotter is installed",
            hint=f"Installed are: {', '.join(order) or 'none'}.",
        )
    found: dict[str, Snapshotter] = {}
    for name in order:
        try:
            factory = points[name].load()
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"the snapshotter {name} cannot be loaded: {error}",
                hint="Install its package again, or remove it.",
            ) from None
        context = SnapshotterContext(
            target, now, chosen.options.get(name, {}), keeps_objects=chosen.keep_objects
        )
        made: Snapshotter = factory(context)
        found[made.method] = made
    return found


def snapshot_request(
    settings: Settings, *, is_scheduled: bool = False, **choices: Any
) -> SnapshotRequest:
    """Return what to snapshot, and how: the settings, and choices that are fields of the request.

    ``is_scheduled``: a run follows of itself, and completes what this one need not wait for. Raise
    UsageError when a hook is not understood.
    """
    from kube2git.core.selection import LabelSelector
    from kube2git.core.snapshots import Wait
    from kube2git.core.snapshots.choosing import ClaimSelection, ClassRule
    from kube2git.core.snapshots.hooks import parse_rules
    from kube2git.flows.snapshotting import SnapshotRequest

    chosen = settings.snapshots
    wait = Wait.CUT if is_scheduled else Wait.READY
    if chosen.wait is not SnapshotWait.AUTO:
        wait = Wait(chosen.wait)
    request = SnapshotRequest(
        selection=ClaimSelection(
            Patterns(chosen.namespaces),
            LabelSelector.parse(chosen.selector),
            Patterns(chosen.storage_classes),
            selection(settings),
        ),
        classes={name: ClassRule(**fields) for name, fields in chosen.classes.items()},
        hooks=parse_rules(chosen.hooks),
        group_label=chosen.group_label,
        wait=wait,
        seconds=chosen.timeout,
        freeze=chosen.freeze_timeout,
    )
    return replace(request, **choices)


def snapshotting(settings: Settings, *, is_scheduled: bool = False, **choices: Any) -> Snapshotting:
    """Return a run over the volumes; the rest is as for ``snapshot_request``."""
    from kube2git.adapters.kube.applying import KubeTarget
    from kube2git.adapters.kube.commands import PodCommands
    from kube2git.adapters.kube.connection import connect
    from kube2git.flows.snapshotting import Snapshotting, Task

    request = snapshot_request(settings, is_scheduled=is_scheduled, **choices)
    connection = connect(connection_settings(settings))
    target = KubeTarget(connection, page_size=settings.cluster.page_size)
    try:
        found = snapshotters(settings, lambda: target)
    except SnapshotterError as error:
        # The export goes on, and each volume's record says why it has no snapshot.
        from kube2git.adapters.sidecar import AbsentSidecar

        found = {AbsentSidecar.method: AbsentSidecar(error)}
    return Snapshotting(
        target,
        found,
        PodCommands(connection),
        request,
        lease=snapshot_lease(settings, Task.TAKE),
    )


def snapshot_lease(settings: Settings, task: Task) -> KubeLease | None:
    """Return what keeps runs over the snapshots apart; None where that is not wanted."""
    from kube2git.flows.snapshotting import LEASE_SECONDS

    namespace = settings.snapshots.lease_namespace
    if not namespace:
        return None
    name = "kube2git-snapshots"
    return named_lease(settings, namespace, name, LEASE_SECONDS, mark=f"{task}-")


def retention(settings: Settings) -> Retention:
    """Return which snapshots stay."""
    from kube2git.core import durations, schedules
    from kube2git.core.snapshots.retention import Retention

    chosen = settings.snapshots.retention
    found, _ = schedules.parse(settings.serve.schedules)
    return Retention(
        chosen.keep_last,
        chosen.keep_hourly,
        chosen.keep_daily,
        chosen.keep_weekly,
        chosen.keep_monthly,
        durations.parse(chosen.keep_within) if chosen.keep_within else None,
        durations.parse(chosen.ttl) if chosen.ttl else None,
        {item.name: item.retention for item in found if item.retention is not None},
    )
