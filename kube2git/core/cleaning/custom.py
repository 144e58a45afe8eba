"""A configuration's own rules: mappings in, Rules out, every problem told.

- id: no-load-balancer-id
  kinds: [Gateway.example.com]
  paths: [spec.uid, 'metadata.annotations["example.com/*"]']
  action: strip            # or leave-out, for whole objects: then without paths
  reason: The controller writes them.
  names: [shop/main]       # for leave-out only: globs over namespace/name
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kube2git.core.cleaning import paths
from kube2git.core.cleaning.rules import Action, Rule

_KEYS = ("id", "kinds", "paths", "action", "reason", "names")
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_KIND = re.compile(r"[A-Z*][A-Za-z0-9*]*(\.[a-z0-9*.-]+)?")
_IDENTITY = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"))


def read(
    extra: Iterable[Mapping[str, Any]], known: Mapping[str, Rule], problems: list[str]
) -> tuple[Rule, ...]:
    """Return the rules that ``extra`` describes; what is wrong with them goes into ``problems``."""
    found: dict[str, Rule] = {}
    for number, spec in enumerate(extra, 1):
        id = spec.get("id")
        where = f"rules[{number}]" + (f" ({id})" if isinstance(id, str) else "")
        told: list[str] = []
        rule = _read_one(spec, told)
        if rule is not None and (rule.id in known or rule.id in found):
            told.append(f"id: there is another rule {rule.id!r}")
        if rule is not None and not told:
            found[rule.id] = rule
        problems.extend(f"{where}: {what}" for what in told)
    return tuple(found.values())


def _read_one(spec: Mapping[str, Any], told: list[str]) -> Rule | None:
    told.extend(f"{key}: there is no such setting" for key in spec if key not in _KEYS)
    id, action = spec.get("id"), spec.get("action")
    if not isinstance(id, str) or not _ID.fullmatch(id):
        told.append("id: say a word in lower case, such as no-load-balancer-id")
    if action not in (Action.STRIP, Action.LEAVE_OUT):
        told.append("action: say strip (fields) or leave-out (whole objects)")
    kinds = _texts(spec, "kinds", told)
    if not kinds:
        told.append("kinds: name at least one, such as Deployment.apps or *.example.com")
    for kind in kinds:
        if not _KIND.fullmatch(kind):
            told.append(
                f"kinds: {kind!r} is not a kind as manifests write it, with its group: "
                "Deployment.apps, Secret, *.example.com"
            )
    fields, names = _texts(spec, "paths", told), _texts(spec, "names", told)
    if action == Action.STRIP:
        if not fields:
            told.append("paths: say which fields to strip")
        if names:
            told.append("names: they are for the action leave-out only")
    if action == Action.LEAVE_OUT and fields and names:
        told.append("names: say either paths or names, and make two rules if you want both")
    for field in fields:
        _check_path(field, strips=action == Action.STRIP, told=told)
    reason = spec.get("reason", "The configuration says so.")
    if not isinstance(reason, str):
        told.append("reason: it is not a text")
    if told:
        return None
    return Rule(
        str(id), Action(str(action)), kinds, fields, str(reason), "the configuration", names=names
    )


def _texts(spec: Mapping[str, Any], key: str, told: list[str]) -> tuple[str, ...]:
    value = spec.get(key, ())
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        told.append(f"{key}: it is not a list of texts")
        return ()
    return tuple(value)


def _check_path(text: str, *, strips: bool, told: list[str]) -> None:
    try:
        path = paths.parse(text)
    except paths.PathError as error:
        told.append(f"paths: {error}")
        return
    for identity in _IDENTITY if strips else ():
        if len(path) <= len(identity) and all(
            step.matches(name) for step, name in zip(path, identity, strict=False)
        ):
            told.append(
                f"paths: {text!r} would take away {'.'.join(identity)}, which no object lacks"
            )
            return
