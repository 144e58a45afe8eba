"""kube2git replay."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

import click

from kube2git.cli import options, output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kube2git.adapters.kube.applying import KubeTarget
    from kube2git.config import Settings
    from kube2git.core.plan import Plan
    from kube2git.core.report import Progress
    from kube2git.flows.replaying import (
        Draft,
        DryRun,
        Outcome,
        RehearsalReport,
        ReplayReport,
        ReplayRequest,
    )


@click.command("replay")
@click.argument("revision", metavar="REV")
@click.argument("words", metavar="[OBJECT]...", nargs=-1)
@click.option(
    "--map", "maps", multiple=True, metavar="FROM=TO", help="Rename a namespace; globs work."
)
@click.option("--strict", is_flag=True, help="Refuse references to namespaces that are not there.")
@click.option(
    "--prune",
    type=click.Choice(["none", "owned", "all"]),
    default="none",
    show_default=True,
    help="Delete what the commit lacks: what replays made, or everything.",
)
@click.option(
    "--allow-prune",
    multiple=True,
    type=click.Choice(["empty", "many", "namespaces", "crds", "volumes", "claims", "others"]),
    help="Delete what a guard would stop.",
)
@click.option("--take-over", multiple=True, metavar="MANAGER", help="Overwrite its fields.")
@click.option("--yield", "yield_to", multiple=True, metavar="MANAGER", help="Leave its fields.")
@click.option("--keep-extra", is_flag=True, help="Leave fields that the commit lacks.")
@click.option("--recreate", is_flag=True, help="Delete and create to change immutable fields.")
@click.option("--adopt-volumes", is_flag=True, help="Write static PersistentVolumes.")
@click.option("--without-secrets", is_flag=True, help="Go on without sealed Secrets.")
@click.option(
    "--jobs",
    type=click.Choice(["suspend", "skip", "run"]),
    default="suspend",
    show_default=True,
    help="Jobs that are not there yet.",
)
@click.option(
    "--webhooks",
    type=click.Choice(["last", "skip"]),
    default="last",
    show_default=True,
    help="Webhook configurations.",
)
@click.option("--into-scratch", is_flag=True, help="Rehearse: into new namespaces, which go again.")
@click.option("--keep", is_flag=True, help="Leave what a rehearsal has made.")
@click.option(
    "--volumes",
    type=click.Choice(["restore", "empty", "skip"]),
    help="Claims that are not there: with the data of the commit's snapshots, empty, or not.",
)
@click.option(
    "--map-storage-class",
    "storage_classes",
    multiple=True,
    metavar="FROM=TO",
    help="Use another storage class.",
)
@click.option(
    "--map-zone", "zones", multiple=True, metavar="FROM=TO", help="Restore in another zone."
)
@click.option("--replicas", type=click.IntRange(min=0), metavar="N", help="Scale workloads to N.")
@click.option(
    "--dry-run",
    type=click.Choice(["none", "client", "server"]),
    default="none",
    help="Plan only; client: ask the server nothing but what is there.",
)
@click.option("--plan-out", metavar="FILE", help="Save the plan, and write nothing else.")
@click.option("--plan", "plan_file", metavar="FILE", help="Go on only if this plan still holds.")
@click.option("--verify", is_flag=True, help="Refuse a commit that nobody allowed has signed.")
@click.option("--wait", "waits", is_flag=True, help="Wait until all that was written is ready.")
@click.option("--timeout", type=options.Seconds(), metavar="TIME", help="For all waiting. [5m]")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@options.output_option("table", "diff", "json", "name")
@options.selection_options
@options.cluster_options
@options.repo_options
def command(
    *,
    revision: str,
    words: tuple[str, ...],
    dry_run: str,
    plan_out: str | None,
    plan_file: str | None,
    yes: bool,
    **given: Any,
) -> int:
    """Make a cluster, or a part of it, what a commit says.

    Shows the plan first and asks. Nothing is deleted unless --prune or --recreate say so. Objects
    are named as kubectl does: replay HEAD~1 deploy/web -n shop undoes a change to one object.

    Exit codes: 0 done; 3 finished, but something was not done or is not ready, and is listed;
    5 refused by a guard, or nobody could be asked; 130 interrupted (the same command goes on).
    """
    from kube2git import wiring
    from kube2git.core.report import INCOMPLETE
    from kube2git.flows import replaying
    from kube2git.render import plans

    settings = _with_maps(options.settings_from(given), given)
    plans_only = dry_run != "none" or plan_out is not None
    mode = replaying.DryRun("server" if plans_only and dry_run == "none" else dry_run)
    if given["into_scratch"] or given["keep"]:
        _check_rehearsal(given, {"--plan-out": plan_out, "--plan": plan_file})
    saved = _read_plan(plan_file) if plan_file else None
    target = wiring.target(settings)
    form = given["output"]
    with Interruption() as interruption:
        draft = _plan(
            target, settings, _request(settings, revision, words, mode, given), interruption
        )
        if interruption.is_asked():
            return interruption.exit_code()
        if form == "table":
            output.answer(plans.as_table(draft, output.paint()))
        elif form == "diff":
            output.answer(plans.as_unified(draft, output.paint()))
            output.tell([plans.summary(draft.plan)])
        if plan_out is not None:
            _save_plan(draft.plan, plan_out)
        if saved is not None:
            _check_plan(saved, draft.plan)
        if plans_only:
            _answer_rest(form, draft, None)
            return 0 if draft.plan.is_complete else INCOMPLETE
        _confirm(draft.plan, yes)
        report = _carry_out(target, draft, interruption, form, is_kept=given["keep"])
    _answer_rest(form, draft, report)
    if interruption.is_asked():
        return interruption.exit_code()
    return 0 if report.is_complete else INCOMPLETE


def _with_maps(settings: Settings, given: dict[str, Any]) -> Settings:
    """Put the maps of the command line before those of the configuration."""
    chosen = settings.replay
    classes = (*given["storage_classes"], *chosen.storage_classes)
    zones = (*given["zones"], *chosen.zones)
    return replace(settings, replay=replace(chosen, storage_classes=classes, zones=zones))


def _request(
    settings: Settings,
    revision: str,
    words: tuple[str, ...],
    mode: DryRun,
    given: dict[str, Any],
) -> ReplayRequest:
    from kube2git import wiring
    from kube2git.core.policy import Allowance, Jobs, Prune, Volumes, Webhooks
    from kube2git.flows import replaying

    return replaying.ReplayRequest(
        revision=revision,
        names=options.object_names(words, given["namespace"]),
        selection=wiring.selection(settings),
        maps=given["maps"],
        policy=wiring.policy(
            settings,
            prune=Prune(given["prune"]),
            allowed=frozenset(map(Allowance, given["allow_prune"])),
            keep_extra=given["keep_extra"],
            recreate=given["recreate"],
            adopt_volumes=given["adopt_volumes"],
            without_secrets=given["without_secrets"],
            jobs=Jobs(given["jobs"]),
            webhooks=Webhooks(given["webhooks"]),
            volumes=Volumes(given["volumes"]) if given["volumes"] else None,
            replicas=given["replicas"],
            take_over=given["take_over"],
            yield_to=given["yield_to"],
        ),
        dry_run=mode,
        is_strict=given["strict"],
        transforms=wiring.transforms(settings),
        catalogue=wiring.references(settings),
        inputs=wiring.inputs(settings),
        requires_signature=_requires_signature(settings, given),
        waits=given["waits"] or given["into_scratch"],
        timeout=given["timeout"] or settings.replay.timeout,
        # A rehearsal leaves nothing that would have to be remembered.
        inventory_namespace="" if given["into_scratch"] else settings.replay.inventory_namespace,
        is_rehearsal=given["into_scratch"],
        zones=wiring.zones(settings),
        prefix=settings.git.prefix,
    )


def _requires_signature(settings: Settings, given: dict[str, Any]) -> bool:
    chosen = settings.replay
    if given["verify"] and not (chosen.allowed_signers or chosen.allowed_gpg_keys):
        raise click.UsageError(
            "--verify needs to know whose signatures count: set replay.allowed_signers to a file "
            "in git's allowed-signers format, or replay.allowed_gpg_keys."
        )
    return given["verify"] or chosen.require_signature


def _plan(
    target: KubeTarget, settings: Settings, request: ReplayRequest, interruption: Interruption
) -> Draft:
    from kube2git import wiring
    from kube2git.core.report import Progress
    from kube2git.flows import replaying
    from kube2git.render import plans

    draft: Draft | None = None
    repository = wiring.repository(settings)
    with wiring.few_collections(), output.StatusLine() as status:
        for event in replaying.make_plan(
            target,
            repository,
            request,
            rules=wiring.rules(settings),
            clock=wiring.now,
            unseal=wiring.unsealer(settings, output.ask_passphrase),
            sealing=wiring.sealing(settings),
            memory=wiring.memory(settings, repository),
            find_snapshotters=lambda: wiring.snapshotters(settings, lambda: target),
            is_stopped=interruption.is_asked,
        ):
            if isinstance(event, Progress):
                status.say(plans.progress_line(event), event.phase)
            else:
                draft = event
    assert draft is not None  # noqa: S101 - a flow yields its draft or raises
    return draft


def _carry_out(
    target: KubeTarget, draft: Draft, interruption: Interruption, form: str, *, is_kept: bool
) -> ReplayReport | RehearsalReport:
    from kube2git import wiring
    from kube2git.core.report import Progress
    from kube2git.flows import replaying
    from kube2git.render import plans

    report: ReplayReport | RehearsalReport | None = None
    events: Iterator[Progress | Outcome | ReplayReport | RehearsalReport]
    if draft.request.is_rehearsal:
        events = replaying.rehearse(
            target, draft, is_kept=is_kept, is_stopped=interruption.is_asked
        )
    else:
        events = replaying.carry_out(target, draft, is_stopped=interruption.is_asked)
    paint = output.paint()
    with wiring.few_collections(), output.StatusLine() as status:
        for event in events:
            if isinstance(event, Progress):
                status.say(plans.progress_line(event), event.phase)
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


def _check_rehearsal(given: dict[str, Any], files: dict[str, str | None]) -> None:
    from kube2git.errors import UsageError

    if not given["into_scratch"]:
        raise UsageError("--keep goes with --into-scratch")
    given = {**given, "prune": given["prune"] != "none"}
    flags = {"--map": "maps", "--prune": "prune", "--adopt-volumes": "adopt_volumes"}
    asked = [flag for flag, name in flags.items() if given[name]]
    asked += [flag for flag, value in files.items() if value is not None]
    if asked:
        raise UsageError(
            f"--into-scratch does not go with {asked[0]}",
            hint="A rehearsal chooses new namespaces, and deletes nothing but them.",
        )


def _read_plan(file: str) -> Plan:
    from kube2git.core import wire
    from kube2git.core.plan import Plan, PlanFormatError
    from kube2git.errors import UsageError

    try:
        return Plan.from_json(wire.decode(Path(file).read_bytes()))
    except OSError as error:
        raise UsageError(f"the plan {file} cannot be read: {error.strerror}") from None
    except (PlanFormatError, wire.MalformedJsonError) as error:
        raise UsageError(f"{file}: {error}") from None


def _save_plan(plan: Plan, file: str) -> None:
    from kube2git.core import wire
    from kube2git.errors import UsageError

    try:
        Path(file).write_bytes(wire.encode(plan.to_json()) + b"\n")
    except OSError as error:
        raise UsageError(f"the plan cannot be saved to {file}: {error.strerror}") from None


def _check_plan(saved: Plan, fresh: Plan) -> None:
    from kube2git.core.plan import drift
    from kube2git.errors import RefusedError

    told = drift(saved, fresh)
    if told:
        raise RefusedError(
            "the plan does not hold any more:\n" + "\n".join(f"  {line}" for line in told),
            hint="Make a new one with --plan-out, and look at it.",
        )


class Interruption:
    """Turns the first Ctrl-C or SIGTERM into a question that the flow asks; the second ends all."""

    def __init__(self) -> None:
        self._signal = 0
        self._before: dict[int, Any] = {}

    def is_asked(self) -> bool:
        """Tell whether the user wants no more work to begin."""
        return bool(self._signal)

    def exit_code(self) -> int:
        """Return what the shell expects of a program that was interrupted."""
        return 128 + self._signal

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._signal:
            raise KeyboardInterrupt
        self._signal = number
        output.tell(["Finishing the requests in flight; once more ends at once."])
