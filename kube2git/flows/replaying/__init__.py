"""Replay: a commit -> a running cluster. Plans first; writes only what the plan says."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from datetime import UTC

from kube2git.core.cleaning import RuleSet
from kube2git.core.planning.nodeports import settle_ports
from kube2git.core.ports import Clock, Memory, Repo, Stopped, Target
from kube2git.core.report import Progress
from kube2git.core.sealing import Sealing
from kube2git.errors import RefusedError
from kube2git.flows.replaying.asking import Asker
from kube2git.flows.replaying.drafting import Draft, Drafter
from kube2git.flows.replaying.executing import Execution
from kube2git.flows.replaying.rehearsing import Rehearsal, RehearsalReport
from kube2git.flows.replaying.request import (
    ASKED,
    DryRun,
    FindNeighbours,
    FindSnapshotters,
    Outcome,
    ReplayReport,
    ReplayRequest,
    Unseal,
    Verdict,
)
from kube2git.flows.replaying.target import TargetView

__all__ = [
    "ASKED",
    "Draft",
    "DryRun",
    "Outcome",
    "RehearsalReport",
    "ReplayReport",
    "ReplayRequest",
    "Unseal",
    "Verdict",
    "carry_out",
    "make_plan",
    "rehearse",
]


def never() -> bool:
    """Never stop."""
    return False


def make_plan(
    target: Target,
    repo: Repo,
    request: ReplayRequest,
    *,
    rules: RuleSet,
    clock: Clock,
    unseal: Unseal | None = None,
    sealing: Sealing | None = None,
    memory: Memory | None = None,
    find_snapshotters: FindSnapshotters = dict,
    find_neighbours: FindNeighbours = dict,
) -> Iterator[Progress | Draft]:
    """Compare a commit with a target; yield progress, and the draft with its plan last.

    ``sealing`` recognises sealed objects that are unchanged by their fingerprints, without a
    private key. ``memory`` is that of the exports: objects that are as the commit's files were
    made from them need not be decoded.

    Nothing is written: what the server is asked to do are dry runs, and none of them with
    DryRun.CLIENT. Only a snapshotter may need an object of its own to look at a snapshot, for a
    moment. Raises RefusedError and UsageError for what cannot be planned, and the errors of
    the ports.
    """
    drafter = Drafter(
        target,
        repo,
        request,
        rules=rules,
        unseal=unseal,
        sealing=sealing,
        memory=memory,
        find_snapshotters=find_snapshotters,
        find_neighbours=find_neighbours,
        started=f"{clock().astimezone(UTC):%Y%m%d%H%M%S}",
    )
    for event in drafter.draft():
        if isinstance(event, Progress):
            yield event
        else:
            draft = event
    if request.dry_run is not DryRun.CLIENT:
        begun = time.perf_counter()
        view = TargetView.of(target, draft.live, draft.discovery.types)
        asker = Asker(draft, view, is_dry_run=request.dry_run is DryRun.SERVER)
        yield from asker.settle()
        draft.seconds["dry run"] = time.perf_counter() - begun
    adapted = draft.computed.adapted
    wanted = {ref: one.ports_of_others for ref, one in adapted.items() if one.ports_of_others}
    draft.plan = settle_ports(draft.plan, wanted)
    yield draft


def carry_out(
    target: Target, draft: Draft, *, is_stopped: Stopped = never
) -> Generator[Progress | Outcome | ReplayReport, None, None]:
    """Do what a plan says; yield progress, each object's outcome, and the report last.

    Ended by KeyboardInterrupt, it waits for nothing, and tells what came of each object so far.
    Raises RefusedError when a guard of the plan stands against it; then nothing is written.
    """
    if draft.plan.guards:
        guards = draft.plan.guards
        raise RefusedError(
            "\n".join(guard.sentence for guard in guards),
            hint=f"If that is meant, add {' '.join(guard.flag for guard in guards if guard.flag)}."
            if all(guard.flag for guard in guards)
            else "",
        )
    view = TargetView.of(target, draft.live, draft.discovery.types)
    execution = Execution(draft, view, is_stopped)
    try:
        yield from execution.run()
    except KeyboardInterrupt:
        yield from execution.break_off()


def rehearse(
    target: Target, draft: Draft, *, is_kept: bool = False, is_stopped: Stopped = never
) -> Generator[Progress | Outcome | RehearsalReport, None, None]:
    """Carry a rehearsal out, and remove what it made unless ``is_kept``; yield the report last.

    Raises Kube2gitError when its namespaces cannot be made; nothing of it stays then either. Ended
    by KeyboardInterrupt, or closed, it raises InterruptedRunError, which names what it had made.
    """
    view = TargetView.of(target, draft.live, draft.discovery.types)
    yield from Rehearsal(draft, view, is_stopped, is_kept).run()
