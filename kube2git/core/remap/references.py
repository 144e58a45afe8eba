"""One row of the catalogue of references to namespaces, and rows from the configuration file.

A rule says in which kinds, at which path, in which form, why, and where that is documented. The
rows themselves stand in ``builtin.py`` and ``custom.py``, ``catalogue.py`` puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kube2git.core.remap import paths
from kube2git.core.remap.forms import Form
from kube2git.errors import UsageError


@dataclass(frozen=True, slots=True)
class ReferenceRule:
    """One field, or family of fields, that names a namespace."""

    id: str
    kinds: tuple[str, ...]
    """``Kind.group`` with ``*``; ``<pod>`` and ``<claim>`` for templates wherever they stand."""
    path: str
    """In the language of ``paths``."""
    form: Form
    reason: str
    source: str


_OFFERED = (
    Form.NAMESPACE,
    Form.LIST,
    Form.NAMESPACED_NAME,
    Form.COMMA_LIST,
    Form.DNS,
    Form.HOST,
    Form.SELECTOR,
    Form.USER,
    Form.GROUP,
    Form.PRINCIPAL,
    Form.TEXT,
)
_FIELDS = ("id", "kinds", "path", "form", "reason")


def parse_rules(entries: Sequence[object]) -> tuple[ReferenceRule, ...]:
    """Read further rules as the configuration file holds them.

    Each is a mapping of ``kinds`` (a list of ``Kind.group``), ``path``, ``form``, and if you like
    ``reason`` and ``id``. Raises UsageError naming every problem of every entry.
    """
    problems: list[str] = []
    rules = []
    for number, entry in enumerate(entries, start=1):
        found = _problems_of(entry)
        problems += [f"Rule {number}: {problem}" for problem in found]
        if not found and isinstance(entry, Mapping):
            rules.append(
                ReferenceRule(
                    str(entry.get("id") or f"config-{number}"),
                    tuple(entry["kinds"]),
                    entry["path"],
                    Form(entry["form"]),
                    str(entry.get("reason") or "Named in the configuration file."),
                    "configuration file",
                )
            )
    if problems:
        raise UsageError(
            "The reference rules of the configuration cannot be used:\n"
            + "\n".join(f"- {problem}" for problem in problems)
        )
    return tuple(rules)


def _problems_of(entry: object) -> list[str]:
    if not isinstance(entry, Mapping):
        return ["it is not a mapping of kinds, path and form."]
    problems = [
        f"the field {key!r} is unknown; there are {', '.join(_FIELDS)}."
        for key in entry
        if key not in _FIELDS
    ]
    kinds = entry.get("kinds")
    if not isinstance(kinds, list) or not kinds or not all(isinstance(kind, str) for kind in kinds):
        problems.append("kinds must be a list of kinds such as Deployment.apps.")
    offered = ", ".join(_OFFERED)
    if entry.get("form") not in _OFFERED:
        problems.append(f"form must be one of: {offered}.")
    path = entry.get("path")
    if not isinstance(path, str) or not path:
        problems.append("path must say where in the object, for example spec.sourceNamespace.")
    else:
        try:
            paths.parse(path)
        except ValueError as error:
            problems.append(f"{error} Examples: spec.items[].namespace, spec.**.sourceRef.")
    return problems
