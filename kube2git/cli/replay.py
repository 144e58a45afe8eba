"""kube2git replay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kube2git.cli import conducting, options

if TYPE_CHECKING:
    from kube2git.config import Settings
    from kube2git.core.planning.plan import Plan
    from kube2git.flows.replaying import DryRun, ReplayRequest


@click.command("replay")
@click.argument("revision", metavar="REV")
@click.argument("words", metavar="[OBJECT]...", nargs=-1)
@conducting.map_options
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
@click.option(
    "--shares-storage-with",
    "neighbours",
    multiple=True,
    metavar="CONTEXT",
    help="Adopt no volume that this cluster uses.",
)
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
@conducting.writing_options
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
    from kube2git.flows import replaying

    settings = conducting.with_maps(options.settings_from(given), given)
    plans_only = dry_run != "none" or plan_out is not None
    mode = replaying.DryRun("server" if plans_only and dry_run == "none" else dry_run)
    if given["into_scratch"] or given["keep"]:
        _check_rehearsal(given, {"--plan-out": plan_out, "--plan": plan_file})
    saved = _read_plan(plan_file) if plan_file else None
    request = _request(settings, revision, words, mode, given)

    def examine(plan: Plan) -> None:
        if plan_out is not None:
            _save_plan(plan, plan_out)
        if saved is not None:
            _check_plan(saved, plan)

    return conducting.conduct(
        settings, request, given["output"], yes=yes, is_kept=given["keep"], examine=examine
    )


def _request(
    settings: Settings,
    revision: str,
    words: tuple[str, ...],
    mode: DryRun,
    given: dict[str, Any],
) -> ReplayRequest:
    from kube2git import wiring
    from kube2git.core.planning.policy import Allowance, Jobs, Prune, Volumes, Webhooks
    from kube2git.core.selection import Patterns

    policy = wiring.policy(
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
    )
    request = conducting.request(settings, revision, policy, given)
    is_rehearsal = given["into_scratch"]
    return replace(
        request,
        names=options.object_names(words, Patterns(given["namespace"]).literals or ()),
        neighbours=_neighbours(settings, given),
        dry_run=mode,
        is_strict=given["strict"],
        requires_signature=_requires_signature(settings, given),
        waits=request.waits or is_rehearsal,
        # A rehearsal leaves nothing that would have to be remembered.
        inventory_namespace="" if is_rehearsal else request.inventory_namespace,
        is_rehearsal=is_rehearsal,
    )


def _neighbours(settings: Settings, given: dict[str, Any]) -> tuple[str, ...]:
    if given["neighbours"] and not given["adopt_volumes"]:
        raise click.UsageError("--shares-storage-with goes with --adopt-volumes.")
    contexts = (*given["neighbours"], *settings.replay.clusters_sharing_storage)
    return tuple(dict.fromkeys(contexts))


def _requires_signature(settings: Settings, given: dict[str, Any]) -> bool:
    chosen = settings.replay
    if given["verify"] and not (chosen.allowed_signers or chosen.allowed_gpg_keys):
        raise click.UsageError(
            "--verify needs to know whose signatures count: set replay.allowed_signers to a file "
            "in git's allowed-signers format, or replay.allowed_gpg_keys."
        )
    return given["verify"] or chosen.require_signature


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
    from kube2git.core.planning.plan import Plan, PlanFormatError
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
    from kube2git.core.planning.plan import drift
    from kube2git.errors import RefusedError

    told = drift(saved, fresh)
    if told:
        hint = "Make a new one with --plan-out, and look at it."
        if saved.header.place != fresh.header.place:
            hint = f"Choose --context {saved.header.target_context}, or make a new plan with "
            hint += "--plan-out for this one, and look at it."
        raise RefusedError(
            "the plan does not hold:\n" + "\n".join(f"  {line}" for line in told), hint=hint
        )
