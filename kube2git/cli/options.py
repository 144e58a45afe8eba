"""Bundles of flags that several commands share, and the settings that they come to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from kube2git.config import Settings
    from kube2git.core.selection import ObjectName

Command = TypeVar("Command", bound=Callable[..., Any])

MANUAL = "manual"
"""In place of a schedule's name: of runs that somebody starts."""

_REPO: dict[str, str] = {
    "repo": "repo",
    "branch": "git.branch",
    "prefix": "git.prefix",
}
_CLUSTER: dict[str, str] = {
    "kubeconfig": "cluster.kubeconfig",
    "context": "cluster.context",
    "impersonate": "cluster.impersonate",
    "impersonate_group": "cluster.impersonate_groups",
    "request_timeout": "cluster.request_timeout",
}
_SELECTION: dict[str, str] = {
    "namespace": "export.namespaces",
    "kind": "export.kinds",
    "selector": "export.selector",
    "cluster_scoped": "export.cluster_scoped",
}


def repo_options(command: Command) -> Command:
    """--repo, --branch, --prefix, --config."""
    for option in (
        click.option("--config", metavar="FILE", help="Configuration file. [./kube2git.yaml]"),
        click.option("--prefix", metavar="DIR", help="Folder of the repository for this cluster."),
        click.option("--branch", metavar="NAME", help="Branch of the repository. [main]"),
        click.option("--repo", metavar="PATH|URL", help="The Git repository."),
    ):
        command = option(command)
    return command


def cluster_options(command: Command) -> Command:
    """kubectl's flags for the connection."""
    for option in (
        click.option(
            "--request-timeout", type=Seconds(), metavar="TIME", help="For one request. [60s]"
        ),
        click.option("--as-group", "impersonate_group", multiple=True, metavar="GROUP", help=""),
        click.option("--as", "impersonate", metavar="USER", help="User to impersonate."),
        click.option("--context", metavar="NAME", help="Context of the kubeconfig."),
        click.option("--kubeconfig", metavar="FILE", help="Path of the kubeconfig."),
    ):
        command = option(command)
    return command


def selection_options(command: Command) -> Command:
    """-n, --kind, -l, --cluster-scoped."""
    for option in (
        click.option(
            "--cluster-scoped",
            type=click.Choice(["auto", "yes", "no"]),
            help="Cluster-scoped objects; auto: what the namespaces need. [auto]",
        ),
        click.option("-l", "--selector", metavar="LABELS", help="Label selector, as kubectl's."),
        click.option(
            "--kind",
            multiple=True,
            metavar="KIND",
            help="Kinds (deploy, ingresses.networking.k8s.io, '*.example.com', '!jobs').",
        ),
        click.option(
            "-n",
            "--namespace",
            multiple=True,
            metavar="NS",
            help="Namespaces; globs, '!' takes away ('team-*', '!kube-*').",
        ),
    ):
        command = option(command)
    return command


def output_option(*formats: str) -> Callable[[Command], Command]:
    """-o with the formats that a command knows, the first being the default."""

    def add(command: Command) -> Command:
        return click.option(
            "-o",
            "--output",
            type=click.Choice(formats),
            default=formats[0],
            show_default=True,
            help="Format of the answer.",
        )(command)

    return add


def schedule_option(command: Command) -> Command:
    """--schedule."""
    return click.option(
        "--schedule", default=MANUAL, metavar="NAME", help="Name of the run's schedule."
    )(command)


def reveal_option(command: Command) -> Command:
    """--reveal, which is refused unless a person is looking at stdout."""
    return click.option(
        "--reveal",
        is_flag=True,
        callback=_only_on_a_terminal,
        help="Show the values of Secrets in clear, on a terminal only.",
    )(command)


def _only_on_a_terminal(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    del param
    if value and not sys.stdout.isatty():
        raise click.UsageError(
            "--reveal shows Secrets in clear on a terminal only, and stdout is none: a file or a "
            "pipe would keep them. `kube2git show` without it and `sops -d` write them to a file.",
            ctx,
        )
    return value


def object_names(words: Sequence[str], namespaces: Sequence[str]) -> tuple[ObjectName, ...]:
    """Read OBJECT arguments; raise a usage error that says how objects are named."""
    from kube2git.core.selection import ObjectNameError, parse_object_names

    literal = namespaces[0] if len(namespaces) == 1 else None
    try:
        return parse_object_names(words, literal)
    except ObjectNameError as error:
        raise click.UsageError(f"{error}.") from None


def settings_from(given: Mapping[str, Any]) -> Settings:
    """Return the settings: flags over environment over file; raise ConfigError with all problems.

    Takes the known flags out of a command's parameters.
    """
    from kube2git import wiring

    return wiring.load_settings(given.get("config"), os.environ, flags_from(given))


def flags_from(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a command's parameters set: dotted name -> value."""
    flags: dict[str, Any] = {}
    for name, dotted in {**_REPO, **_CLUSTER, **_SELECTION}.items():
        value = given.get(name)
        if value is not None and value != ():
            flags[dotted] = _converted(dotted, value)
    return flags


def _converted(dotted: str, value: Any) -> Any:
    if dotted == "export.cluster_scoped":
        from kube2git.core.selection import ClusterScoped

        return ClusterScoped(value)
    return value


class Seconds(click.ParamType[float]):
    """A time as kubectl takes it: 30, 30s, 5m, 1h."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        text = str(value)
        unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:], 0)
        try:
            seconds = float(text[:-1]) * unit if unit else float(text)
        except ValueError:
            self.fail(f"{text!r} is not a time; write for example 30s or 5m.", param, ctx)
        if seconds <= 0:
            self.fail("the time must be above zero.", param, ctx)
        return seconds
