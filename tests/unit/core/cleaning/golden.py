"""Reads the golden cases: every document of a file in ``cases`` is one.

case: what it shows, a sentence
input: an object as the server gives it
output: the clean object, ``unchanged``, or ``left out``
rules: [ids]        every rule that takes something out, rewrites it, or leaves the object out
kept: [ids]         rules that must be told as the reason why something stays
enabled: [ids]      changes to the catalogue; ``disabled`` likewise
context: {hpa_targets: [[group, kind, namespace, name]],
          selectorless_services: [[namespace, name]],
          kinds_without_status_subresource: [[apiVersion, kind]],
          rehearsals: [namespace]}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from kube2git.core.cleaning import Cleaner, Context, RuleSet
from kube2git.core.objects import ObjectRef
from kube2git.core.wire import Json

FOLDER = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    name: str
    source: str
    input: Json
    output: Json | str
    rules: frozenset[str]
    kept: frozenset[str]
    enabled: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    context: Context = field(default_factory=Context)

    @property
    def expected(self) -> Json | None:
        """The clean object, or None when it is left out."""
        if isinstance(self.output, dict):
            return self.output
        return {"unchanged": self.input, "left out": None}[self.output]

    def cleaner(self) -> Cleaner:
        rules = RuleSet.default().with_changes(enabled=self.enabled, disabled=self.disabled)
        return Cleaner(rules, self.context)


@cache
def all_cases() -> tuple[Case, ...]:
    return tuple(case for file in sorted(FOLDER.glob("*.yaml")) for case in _read(file))


def _read(file: Path) -> Iterator[Case]:
    for document in yaml.safe_load_all(file.read_text()):
        known: dict[str, Any] = dict(document)
        yield Case(
            name=known.pop("case"),
            source=file.stem,
            input=known.pop("input"),
            output=known.pop("output"),
            rules=frozenset(known.pop("rules", ())),
            kept=frozenset(known.pop("kept", ())),
            context=_context(**known.pop("context", {})),
            **{key: tuple(ids) for key, ids in known.items()},
        )


def _context(
    *,
    hpa_targets: list[list[str]] | None = None,
    selectorless_services: list[list[str]] | None = None,
    kinds_without_status_subresource: list[list[str]] | None = None,
    rehearsals: list[str] | None = None,
) -> Context:
    return Context(
        frozenset(ObjectRef(*target) for target in hpa_targets or ()),
        frozenset((namespace, name) for namespace, name in selectorless_services or ()),
        frozenset((version, kind) for version, kind in kinds_without_status_subresource or ()),
        frozenset(rehearsals or ()),
    )
