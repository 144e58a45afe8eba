"""kube2git snapshot."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from kube2git.cli import conducting, options, output, stopping

if TYPE_CHECKING:
    from kube2git.config import Settings
    from kube2git.core.ports import Repo, Snapshotter
    from kube2git.flows.snapshotting import PruneReport, PruneRequest


@click.group("snapshot")
def command() -> None:
    """Take, list, verify, restore, copy and delete snapshots of volumes."""


_namespaces = click.option(
    "-n", "--namespace", multiple=True, metavar="NS", help="Namespaces; globs, '!' takes away."
)


@command.command("create")
@click.option("--dry-run", is_flag=True, help="Say which claims would be snapshotted, by what.")
@click.option(
    "--wait",
    type=click.Choice(["ready", "cut"]),
    help="How far to wait. [ready; cut with --schedule]",
)
@click.option("--timeout", type=options.Seconds(), metavar="TIME", help="For all of them. [10m]")
@click.option("--push/--no-push", default=None, help="Push to the remote. [push]")
@options.schedule_option
@options.output_option("table", "json")
@options.selection_options
@options.cluster_options
@options.repo_options
def create(
    *,
    dry_run: bool,
    wait: str | None,
    timeout: float | None,
    push: bool | None,
    schedule: str,
    **given: Any,
) -> int:
    """Take snapshots of volumes, and commit their records.

    `kube2git export --snapshots` does it in the same commit as the manifests.

    Exit codes: 0 done; 3 a snapshot failed or was not ready in time, and is listed; 12 the commit
    is in the local repository only, because the push failed.
    """
    from kube2git import wiring
    from kube2git.core.report import INCOMPLETE
    from kube2git.errors import PushError
    from kube2git.flows import snapshotting
    from kube2git.render import snapshots

    settings = options.settings_from(given)
    report = output.follow(
        snapshotting.create(
            wiring.cluster(settings),
            wiring.repository(settings),
            wiring.snapshotting(
                settings,
                is_scheduled=schedule != options.MANUAL,
                **choices(wait, timeout),
            ),
            clock=wiring.now,
            schedule=schedule,
            push=settings.git.push if push is None else push,
            dry_run=dry_run,
        )
    )
    if given["output"] == "json":
        output.answer_json(snapshots.create_data(report))
    else:
        output.answer(snapshots.created(report, output.paint()))
    output.tell(snapshots.problems(report.snapshots))
    if report.push_error:
        output.tell([f"warning: The commit is in the local repository only: {report.push_error}"])
        output.tell(snapshots.taken_ids(report.snapshots))
        return PushError.exit_code
    return 0 if report.snapshots.is_complete else INCOMPLETE


def choices(wait: str | None, timeout: float | None) -> dict[str, Any]:
    """Return what flags say of a run over the volumes."""
    from kube2git.core.snapshots import Wait

    found: dict[str, Any] = {}
    if wait is not None:
        found["wait"] = Wait(wait)
    if timeout is not None:
        found["seconds"] = timeout
    return found


@command.command("list")
@click.argument("revision", metavar="[REV]", default="HEAD")
@_namespaces
@options.output_option("table", "json")
@options.repo_options
def list_(*, revision: str, namespace: tuple[str, ...], **given: Any) -> int:
    """List the snapshots that a revision names. Asks nobody; `verify` does."""
    from kube2git import wiring
    from kube2git.core.report import INCOMPLETE
    from kube2git.core.selection import Patterns
    from kube2git.flows import snapshotting
    from kube2git.render import snapshots

    settings = options.settings_from(given)
    found = snapshotting.list_records(wiring.repository(settings), revision, Patterns(namespace))
    if given["output"] == "json":
        output.answer_json([snapshots.record_data(record) for record in found.records])
    else:
        output.answer(snapshots.record_lines(found.records))
    output.tell(f"warning: {reason}" for reason in found.unreadable)
    return INCOMPLETE if found.unreadable else 0


@command.command("verify")
@click.argument("revision", metavar="[REV]", default="HEAD")
@_namespaces
@options.output_option("table", "json")
@options.cluster_options
@options.repo_options
def verify(*, revision: str, namespace: tuple[str, ...], **given: Any) -> int:
    """Ask the storage whether the snapshots that a revision names still exist.

    Exit codes: 0 none is missing; 1 some are gone; 3 some could not be asked for.
    """
    from kube2git import wiring
    from kube2git.core.report import INCOMPLETE
    from kube2git.core.selection import Patterns
    from kube2git.core.snapshots import Existence
    from kube2git.flows import snapshotting
    from kube2git.render import snapshots

    settings = options.settings_from(given)
    report = output.follow(
        snapshotting.verify(
            wiring.repository(settings), _snapshotters(settings), revision, Patterns(namespace)
        )
    )
    if given["output"] == "json":
        output.answer_json(snapshots.verified_data(report))
    else:
        output.answer(snapshots.verified_lines(report, output.paint()))
    output.tell(f"warning: {reason}" for reason in report.unreadable)
    if report.has(Existence.GONE):
        return 1
    return INCOMPLETE if report.unreadable or report.has(Existence.UNREACHABLE) else 0


@command.command("restore")
@click.argument("revision", metavar="REV")
@click.argument("claims", metavar="[CLAIM]...", nargs=-1)
@_namespaces
@click.option("-l", "--selector", metavar="LABELS", help="Label selector, as kubectl's.")
@conducting.map_options
@click.option("--dry-run", is_flag=True, help="Show the plan only.")
@conducting.writing_options
@options.output_option("table", "json")
@options.cluster_options
@options.repo_options
def restore(
    *, revision: str, claims: tuple[str, ...], dry_run: bool, yes: bool, **given: Any
) -> int:
    """Bring claims that are gone back, with the data of a revision's snapshots.

    It is a replay of claims alone, or of all in the namespaces. A claim that exists is left alone.
    One that has no snapshot is not made: `kube2git replay` makes it, empty.

    Exit codes: 0 done; 3 some claims did not come back, and are listed; 5 nobody could be asked.
    """
    from dataclasses import replace

    from kube2git import wiring
    from kube2git.core.planning.policy import Volumes
    from kube2git.core.selection import Patterns
    from kube2git.flows import replaying

    settings = conducting.with_maps(options.settings_from(given), given)
    policy = wiring.policy(settings, volumes=Volumes.RESTORE, only_data=True)
    request = conducting.request(settings, revision, policy, given)
    request = replace(
        request,
        names=options.object_names(
            [f"persistentvolumeclaim/{name}" for name in _claim_names(claims)],
            Patterns(given["namespace"]).literals or (),
        ),
        selection=replace(request.selection, kinds=Patterns(("persistentvolumeclaim",))),
        dry_run=replaying.DryRun.SERVER if dry_run else replaying.DryRun.NONE,
    )
    return conducting.conduct(settings, request, given["output"], yes=yes)


def _claim_names(words: tuple[str, ...]) -> list[str]:
    """Return names of claims, which may be written as kubectl names them: data, or pvc/data."""
    names = []
    for word in words:
        kind, _, name = word.rpartition("/")
        if kind not in ("", "pvc", "persistentvolumeclaim", "persistentvolumeclaims") or not name:
            raise click.UsageError(f"{word!r} does not name a claim; write for example pvc/data.")
        names.append(name)
    return names


@command.command("prune")
@click.option("--dry-run", is_flag=True, help="Say what would go and what stays, and why.")
@click.option("--orphans", is_flag=True, help="Delete this cluster's snapshots of no record, too.")
@click.option("--push/--no-push", default=None, help="Push to the remote. [push]")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_namespaces
@options.output_option("table", "json")
@options.cluster_options
@options.repo_options
def prune(
    *,
    dry_run: bool,
    orphans: bool,
    push: bool | None,
    yes: bool,
    namespace: tuple[str, ...],
    **given: Any,
) -> int:
    """Delete snapshots that retention lets go, and commit the records without them.

    The newest ready snapshot of a claim always stays.

    Exit codes: 0 done; 3 some could not be deleted, and are listed; 5 nobody could be asked; 11
    another run is at work on the snapshots; 12 the commit is in the local repository only, because
    the push failed.
    """
    from dataclasses import replace

    from kube2git import wiring
    from kube2git.core.report import INCOMPLETE
    from kube2git.core.selection import Patterns
    from kube2git.errors import PushError
    from kube2git.render import snapshots

    settings = options.settings_from(given)
    repository, found = wiring.repository(settings), _snapshotters(settings)
    request = replace(
        _as_configured(settings, push=settings.git.push if push is None else push),
        namespaces=Patterns(namespace),
        dry_run=True,
        orphans=orphans,
    )
    with stopping.told("nothing was deleted"):
        report = _prune(settings, repository, found, request)
        doomed = sum(not one.decision.stays for one in report.snapshots)
        if doomed and not (dry_run or yes):
            output.tell(snapshots.pruned_lines(report, output.paint()))
            _confirm(doomed)
    if doomed and not dry_run:
        report = _prune(settings, repository, found, replace(request, dry_run=False))
    if given["output"] == "json":
        output.answer_json(snapshots.pruned_data(report))
    else:
        output.answer(snapshots.pruned_lines(report, output.paint()))
    output.tell(snapshots.prune_problems(report))
    if report.push_error:
        return PushError.exit_code
    return 0 if report.is_complete else INCOMPLETE


def prune_as_configured(settings: Settings, repository: Repo, *, push: bool) -> PruneReport:
    """Delete what retention lets go, without a question; what keeps it from that is reported."""
    from kube2git.errors import Kube2gitError
    from kube2git.flows import snapshotting

    try:
        request = _as_configured(settings, push=push)
        return _prune(settings, repository, _snapshotters(settings), request)
    except Kube2gitError as error:
        problem = f"Snapshots were not pruned: {error}."
        return snapshotting.PruneReport((), "", (problem,), "", dry_run=False)


def _as_configured(settings: Settings, *, push: bool) -> PruneRequest:
    from kube2git import wiring
    from kube2git.flows import snapshotting

    return snapshotting.PruneRequest(
        retention=wiring.retention(settings), push=push, seconds=settings.snapshots.timeout
    )


@command.command("copy")
@click.argument("claims", metavar="[CLAIM]...", nargs=-1)
@click.option("--to-region", "region", required=True, metavar="REGION", help="Copy to it.")
@click.option("--key", default="", metavar="KMS", help="KMS key of that region. [the default key]")
@click.option("--timeout", type=options.Seconds(), metavar="TIME", help="For all of them. [10m]")
@click.option("--push/--no-push", default=None, help="Push to the remote. [push]")
@_namespaces
@options.output_option("table", "json")
@options.cluster_options
@options.repo_options
def copy(
    *,
    claims: tuple[str, ...],
    region: str,
    key: str,
    timeout: float | None,
    push: bool | None,
    namespace: tuple[str, ...],
    **given: Any,
) -> int:
    """Copy the newest snapshot of each claim to another region, and commit the records with them.

    It waits until the copies are begun; the next run over the volumes notes which are ready.

    Exit codes: 0 done; 3 some could not be copied, and are listed; 11 another run is at work on the
    snapshots; 12 the commit is in the local repository only, because the push failed.
    """
    from kube2git import wiring
    from kube2git.core.report import INCOMPLETE
    from kube2git.core.selection import Patterns
    from kube2git.errors import PushError
    from kube2git.flows import snapshotting
    from kube2git.render import snapshots

    settings = options.settings_from(given)
    request = snapshotting.CopyRequest(
        region=region,
        key=key,
        names=tuple(_claim_names(claims)),
        namespaces=Patterns(namespace),
        push=settings.git.push if push is None else push,
        seconds=timeout or settings.snapshots.timeout,
    )
    report = output.follow(
        snapshotting.copy(
            wiring.repository(settings),
            _snapshotters(settings),
            request,
            clock=wiring.now,
            find_lease=partial(wiring.snapshot_lease, settings, snapshotting.Task.COPY),
        )
    )
    if given["output"] == "json":
        output.answer_json(snapshots.copied_data(report))
    else:
        output.answer(snapshots.copied_lines(report, output.paint()))
    output.tell(f"warning: {reason}" for reason in (report.note, *report.unreadable) if reason)
    if report.push_error:
        output.tell([f"warning: The commit is in the local repository only: {report.push_error}"])
        return PushError.exit_code
    return 0 if report.is_complete else INCOMPLETE


def _prune(
    settings: Settings,
    repository: Repo,
    found: dict[str, Snapshotter],
    request: PruneRequest,
) -> PruneReport:
    from kube2git import wiring
    from kube2git.flows import snapshotting

    find_lease = partial(wiring.snapshot_lease, settings, snapshotting.Task.PRUNE)
    return output.follow(
        snapshotting.prune(repository, found, request, clock=wiring.now, find_lease=find_lease)
    )


def _confirm(count: int) -> None:
    from kube2git.errors import RefusedError

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise RefusedError(
            f"nobody can be asked before {count} snapshots are deleted",
            hint="Look at them with --dry-run, then say --yes.",
        )
    if not click.confirm(f"Delete {count} snapshots for good?", err=True):
        raise RefusedError("nothing was deleted, as you said")


def _snapshotters(settings: Settings) -> dict[str, Snapshotter]:
    from kube2git import wiring

    return wiring.snapshotters(settings, lambda: wiring.target(settings))
