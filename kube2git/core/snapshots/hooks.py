"""Commands that run in a Pod before and after the cut of its volumes: from annotations or config.

    pre.hook.snapshot.kube2git.io/command: '["fsfreeze", "--freeze", "/data"]'
    post.hook.snapshot.kube2git.io/command: '["fsfreeze", "--unfreeze", "/data"]'

Beside ``command`` stand ``container`` (the first one), ``timeout`` (30s) and ``on-error`` (fail).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kube2git.core import durations, wire
from kube2git.core.ports import CommandRequest
from kube2git.core.selection import LabelSelector, LabelSelectorError, Patterns
from kube2git.core.wire import Json
from kube2git.core.workloads import dig, items_of
from kube2git.errors import UsageError

SUFFIX = "hook.snapshot.kube2git.io"
TIMEOUT = 30.0
_FIELDS = frozenset({"container", "command", "timeout", "on-error"})


class HookError(ValueError):
    """A hook cannot be understood; the message is a whole sentence."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One command."""

    command: tuple[str, ...] = field(repr=False)
    container: str = ""
    """"" stands for the Pod's first one."""
    seconds: float = TIMEOUT
    is_needed: bool = True
    """on-error: fail. Without it there is no snapshot."""


@dataclass(frozen=True, slots=True)
class PodHooks:
    """What runs in one Pod."""

    namespace: str
    pod: str
    container: str
    """The first one."""
    before: Hook | None
    after: Hook | None

    def request(self, hook: Hook) -> CommandRequest:
        return CommandRequest(
            self.namespace, self.pod, hook.container or self.container, hook.command, hook.seconds
        )


@dataclass(frozen=True, slots=True)
class HookRule:
    """Hooks for every Pod that it selects, from the configuration."""

    namespaces: Patterns
    pods: LabelSelector
    before: Hook | None
    after: Hook | None

    def selects(self, pod: Json) -> bool:
        metadata = pod["metadata"]
        return self.namespaces.match(metadata["namespace"]) and self.pods.match(
            metadata.get("labels") or {}
        )


def parse_rules(rows: Sequence[Mapping[str, Any]]) -> tuple[HookRule, ...]:
    """Read ``snapshots.hooks``; raise UsageError naming the row."""
    found = []
    for number, row in enumerate(rows):
        try:
            found.append(_rule(row))
        except (HookError, LabelSelectorError) as error:
            raise UsageError(
                f"snapshots.hooks[{number}]: {error}",
                hint="docs/snapshots.md shows how a hook is written.",
            ) from None
    return tuple(found)


def _rule(row: Mapping[str, Any]) -> HookRule:
    if unknown := sorted(row.keys() - {"namespaces", "selector", "pre", "post"}):
        raise HookError(
            f"There is no field {unknown[0]}; known are namespaces, selector, pre and post."
        )
    namespaces = row.get("namespaces") or ()
    if isinstance(namespaces, str) or not all(isinstance(name, str) for name in namespaces):
        raise HookError("namespaces must be a list of names or globs.")
    hooks = {}
    for stage in ("pre", "post"):
        fields = row.get(stage)
        if fields is not None and not isinstance(fields, Mapping):
            raise HookError(f"{stage} must hold the fields of a hook.")
        hooks[stage] = _hook(stage, fields) if fields else None
    if not any(hooks.values()):
        raise HookError("It has neither pre nor post.")
    selector = LabelSelector.parse(str(row.get("selector") or ""))
    return HookRule(Patterns(tuple(namespaces)), selector, hooks["pre"], hooks["post"])


def hooks_of(pod: Json, rules: Sequence[HookRule] = ()) -> PodHooks | None:
    """Return a Pod's hooks: its annotations, else the first rule that selects it, else None.

    Only a Pod that runs can run a command. Raise HookError when its annotations make no sense.
    """
    if dig(pod, "status", "phase") != "Running":
        return None
    before, after = _annotated(pod, "pre"), _annotated(pod, "post")
    if before is None and after is None:
        rule = next((rule for rule in rules if rule.selects(pod)), None)
        if rule is None:
            return None
        before, after = rule.before, rule.after
    metadata = pod["metadata"]
    first = str(dig(next(iter(items_of(pod, "spec", "containers")), {}), "name") or "")
    return PodHooks(metadata["namespace"], metadata["name"], first, before, after)


def _annotated(pod: Json, stage: str) -> Hook | None:
    start = f"{stage}.{SUFFIX}/"
    annotations = dig(pod, "metadata", "annotations") or {}
    fields = {
        key.removeprefix(start): value
        for key, value in annotations.items()
        if key.startswith(start)
    }
    try:
        return _hook(stage, fields) if fields else None
    except HookError as error:
        metadata = pod["metadata"]
        where = f"pod/{metadata['name']} -n {metadata['namespace']}"
        raise HookError(
            f"The annotations of {where} name no hook that can be run: {error}"
        ) from None


def _hook(stage: str, fields: Mapping[str, Any]) -> Hook:
    if unknown := sorted(map(str, fields.keys() - _FIELDS)):
        raise HookError(
            f"{stage} has no field {unknown[0]}; known are command, container, timeout and "
            "on-error."
        )
    word = fields.get("on-error", "fail")
    if word not in ("fail", "continue"):
        raise HookError(f"{stage}: on-error must be fail or continue.")
    try:
        seconds = durations.parse(str(fields.get("timeout", "30s"))).total_seconds()
    except ValueError as error:
        raise HookError(f"{stage}: timeout: {error}.") from None
    container = fields.get("container") or ""
    if not isinstance(container, str):
        raise HookError(f"{stage}: container must be a name.")
    return Hook(_command(stage, fields.get("command")), container, seconds, word == "fail")


def _command(stage: str, value: Any) -> tuple[str, ...]:
    """Return the words of a command; a text that is no JSON list is run by the Pod's own shell."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = wire.decode(value.encode())
        except wire.MalformedJsonError:
            raise HookError(
                f'{stage}: command is not a JSON list; write for example ["sync", "-f", "/data"].'
            ) from None
    if isinstance(value, str) and value.strip():
        return ("/bin/sh", "-c", value)
    if isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise HookError(f"{stage}: command must be a text, or a list of words.")
