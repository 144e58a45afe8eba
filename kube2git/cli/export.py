"""kube2git export."""

from __future__ import annotations

from typing import Any

import click

from kube2git.cli import options, output, snapshot


@click.command("export")
@click.option("--dry-run", is_flag=True, help="Say what would change; write nothing.")
@click.option("--message", metavar="TEXT", help="Subject of the commit message.")
@click.option("--push/--no-push", default=None, help="Push to the remote. [push]")
@click.option("--adopt", is_flag=True, help="Write a prefix although it holds another cluster.")
@click.option(
    "--allow-mass-removal", is_flag=True, help="Go on although most objects would be removed."
)
@options.schedule_option
@click.option(
    "--snapshots/--no-snapshots",
    "takes_snapshots",
    default=None,
    help="Snapshot volumes; their records are in the same commit. [no]",
)
@click.option("--profile", is_flag=True, help="Say where the time went.")
@click.option("--leash", type=int, hidden=True, help="The pipe by which the daemon holds the run.")
@options.output_option("table", "json", "name")
@options.selection_options
@options.cluster_options
@options.repo_options
def command(
    *,
    dry_run: bool,
    message: str | None,
    push: bool | None,
    adopt: bool,
    allow_mass_removal: bool,
    schedule: str,
    takes_snapshots: bool | None,
    profile: bool,
    leash: int | None,
    **given: Any,
) -> int:
    """Commit the cluster's state at one revision.

    Reads every kind at one etcd revision, strips what the server filled in, and commits one file
    per object. Nothing changed means no commit.

    Exit codes: 0 done; 3 finished, but something could not be read, written or snapshotted;
    5 refused by a guard; 12 the commit is in the local repository only, because the push failed.
    """
    from kube2git import wiring
    from kube2git.core.report import INCOMPLETE
    from kube2git.errors import PushError
    from kube2git.flows import exporting
    from kube2git.render import exports, snapshots
    from kube2git.serve.leash import Leash

    held = Leash(leash) if leash is not None else None
    is_superseded = held.is_superseded if held else lambda: False
    settings = options.settings_from(given)
    pushes = settings.git.push if push is None else push
    rules = wiring.rules(settings)
    repository = wiring.repository(settings)
    request = exporting.ExportRequest(
        selection=wiring.selection(settings),
        message=message or settings.export.message,
        schedule=schedule,
        dry_run=dry_run,
        push=pushes,
        adopt=adopt,
        allow_mass_removal=allow_mass_removal,
        max_removal_share=settings.export.max_removal_share,
    )
    if takes_snapshots is None:
        takes_snapshots = settings.snapshots.enabled
    with wiring.few_collections():
        report = output.follow(
            exporting.export(
                wiring.cluster(settings),
                repository,
                request,
                rules=rules,
                memory=wiring.memory(settings, repository),
                clock=wiring.now,
                sealing=wiring.sealing(settings, makes_key=True),
                is_superseded=is_superseded,
                snapshots=wiring.snapshotting(settings, is_scheduled=schedule != options.MANUAL)
                if takes_snapshots
                else None,
            ),
            untouched="nothing was committed",
            until="writing",
        )
    pruned = None
    # The old ones are not given up for new ones that failed, or that only this clone knows of.
    has_new = report.snapshots and report.snapshots.is_complete and not report.push_error
    if has_new and settings.snapshots.prune and not dry_run and not is_superseded():
        pruned = snapshot.prune_as_configured(settings, repository, push=pushes)
    form = given["output"]
    if form == "json":
        output.answer_json(
            {
                **exports.as_data(report),
                "pruned": snapshots.pruned_data(pruned) if pruned else None,
            }
        )
    elif form == "name":
        output.answer(str(change.ref) for change in report.changes)
    else:
        output.answer(exports.as_table(report, output.paint()))
        if pruned:
            output.answer(snapshots.pruned_lines(pruned, output.paint()))
    output.tell(exports.problems(report))
    if pruned:
        output.tell(snapshots.prune_problems(pruned))
    if profile:
        output.tell(exports.profile(report))
    if report.push_error or (pruned and pruned.push_error):
        return PushError.exit_code
    return 0 if report.is_complete and (not pruned or pruned.is_complete) else INCOMPLETE
