"""What every command that replays does: plan, show the plan, ask, carry it out, answer."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kube2git.cli import options, output, stopping

if TYPE_CHECKING:
    from collections.abc import Generator

    from kube2git.adapters.kube.applying import KubeTarget
    from kube2git.config import Settings
    from kube2git.core.planning.plan import Plan
    from kube2git.core.planning.policy import Policy
    from kube2git.core.report import Progress
    from kube2git.flows.replaying import (
        Draft,
        Outcome,
        RehearsalReport,
        ReplayReport,
        ReplayRequest,
    )

Command = TypeVar("Command", bound=Callable[..., Any])


def map_options(command: Command) -> Command:
    """--map, --map-storage-class, --map-zone."""
    for option in (
        click.option(
            "--map-zone", "zones", multiple=True, metavar="FROM=TO", help="Restore in another zone."
        ),
        click.option(
            "--map-storage-class",
            "storage_classes",
            multiple=True,
            metavar="FROM=TO",
            help="Use another storage class.",
        ),
        click.option(
            "--map",
            "maps",
            multiple=True,
            metavar="FROM=TO",
            help="Rename a namespace; globs work.",
        ),
    ):
        command = option(command)
    return command


def writing_options(command: Command) -> Command:
    """--wait, --timeout, --yes."""
    for option in (
        click.option("-y", "--yes", is_flag=True, help="Do not ask."),
        click.option(
            "--timeout", type=options.Seconds(), metavar="TIME", help="For all waiting. [5m]"
        ),
        click.option(
            "--wait", "waits", is_flag=True, help="Wait until all that was written is ready."
        ),
    ):
        command = option(command)
    return command


def with_maps(settings: Settings, given: Mapping[str, Any]) -> Settings:
    """Put the maps of the command line before those of the configuration."""
    chosen = settings.replay
    classes = (*given["storage_classes"], *chosen.storage_classes)
    zones = (*given["zones"], *chosen.zones)
    return replace(settings, replay=replace(chosen, storage_classes=classes, zones=zones))


def request(
    settings: Settings, revision: str, policy: Policy, given: Mapping[str, Any]
) -> ReplayRequest:
    """Return what the settings and the shared flags make of a request."""
    from kube2git import wiring
    from kube2git.flows import replaying

    return replaying.ReplayRequest(
        revision=revision,
        selection=wiring.selection(settings),
        maps=given["maps"],
        policy=policy,
        transforms=wiring.transforms(settings),
        catalogue=wiring.references(settings),
        inputs=wiring.inputs(settings),
        requires_signature=settings.replay.require_signature,
        waits=given["waits"],
        timeout=given["timeout"] or settings.replay.timeout,
        inventory_namespace=settings.replay.inventory_namespace,
        zones=wiring.zones(settings),
        prefix=settings.git.prefix,
    )


def conduct(
    settings: Settings,
    request: ReplayRequest,
    form: str,
    *,
    yes: bool,
    is_kept: bool = False,
    examine: Callable[[Plan], None] = lambda _: None,
) -> int:
    """Replay, and return the exit code.

    ``examine`` sees the plan when it has been shown, and may raise; ``is_kept`` leaves what a
    rehearsal has made.
    """
    from kube2git import wiring
    from kube2git.core.report import INCOMPLETE
    from kube2git.flows import replaying
    from kube2git.render import plans

    with stopping.told(stopping.UNWRITTEN):
        target = wiring.target(settings)
        draft = _plan(target, settings, request)
        if form == "table":
            output.answer(plans.as_table(draft, output.paint()))
        elif form == "diff":
            output.answer(plans.as_unified(draft, output.paint()))
            output.tell([plans.summary(draft.plan)])
        examine(draft.plan)
        if request.dry_run is not replaying.DryRun.NONE:
            _answer_rest(form, draft, None)
            return 0 if draft.plan.is_complete else INCOMPLETE
        _confirm(draft.plan, yes)
    with stopping.Interruption() as interruption:
        report = _carry_out(target, draft, interruption, form, is_kept=is_kept)
    _answer_rest(form, draft, report)
    if interruption.is_asked():
        return interruption.exit_code()
    return 0 if report.is_complete else INCOMPLETE


def _plan(target: KubeTarget, settings: Settings, request: ReplayRequest) -> Draft:
    from kube2git import wiring
    from kube2git.flows import replaying

    repository = wiring.repository(settings)
    with wiring.few_collections():
        return output.follow(
            replaying.make_plan(
                target,
                repository,
                request,
                rules=wiring.rules(settings),
                clock=wiring.now,
                unseal=wiring.unsealer(settings, output.ask_passphrase),
                sealing=wiring.sealing(settings),
                memory=wiring.memory(settings, repository),
                find_snapshotters=lambda: wiring.snapshotters(settings, lambda: target),
                find_neighbours=lambda: wiring.neighbours(settings, request.neighbours),
            )
        )


def _carry_out(
    target: KubeTarget,
    draft: Draft,
    interruption: stopping.Interruption,
    form: str,
    *,
    is_kept: bool,
) -> ReplayReport | RehearsalReport:
    from kube2git import wiring
    from kube2git.core.report import Progress
    from kube2git.flows import replaying
    from kube2git.render import plans
    from kube2git.render.progress import progress_line

    report: ReplayReport | RehearsalReport | None = None
    events: Generator[Progress | Outcome | ReplayReport | RehearsalReport, None, None]
    if draft.request.is_rehearsal:
        events = replaying.rehearse(
            target, draft, is_kept=is_kept, is_stopped=interruption.is_asked
        )
    else:
        events = replaying.carry_out(target, draft, is_stopped=interruption.is_asked)
    paint = output.paint()
    with wiring.few_collections(), output.StatusLine() as status, contextlib.closing(events):
        for event in events:
            if isinstance(event, Progress):
                status.say(progress_line(event), event.phase)
            elif isinstance(event, replaying.ReplayReport | replaying.RehearsalReport):
                report = event
            elif form in ("table", "diff") and (not event.is_done or event.warnings):
                status.clear()
                output.answer([plans.outcome_line(event, paint)])
    assert report is not None  # noqa: S101 - a flow yields its report or raises
    return report


def _answer_rest(form: str, draft: Draft, answer: ReplayReport | RehearsalReport | None) -> None:
    from kube2git.flows.replaying import RehearsalReport
    from kube2git.render import plans, rehearsals

    rehearsal = answer if isinstance(answer, RehearsalReport) else None
    report = answer.replay if isinstance(answer, RehearsalReport) else answer
    if form == "json":
        data = plans.as_data(draft, report)
        output.answer_json({**data, "rehearsal": rehearsals.as_data(draft, rehearsal)})
    elif form == "name":
        output.answer(plans.as_names(action.ref for action in draft.plan.writes))
    elif rehearsal is not None:
        output.answer(rehearsals.report_lines(draft, rehearsal, output.paint()))
    elif report is not None and (draft.plan.writes or not report.is_complete):
        output.answer(plans.report_lines(report, output.paint()))


def _confirm(plan: Plan, yes: bool) -> None:
    from kube2git.errors import RefusedError
    from kube2git.render import plans

    if yes or not plan.writes or plan.guards:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise RefusedError(
            f"nobody can be asked before context {plan.header.target_context} is written to",
            hint="Look at the plan with --dry-run=server, then say --yes.",
        )
    if not click.confirm(plans.question(plan), err=True):
        raise RefusedError("nothing was written, as you said")
