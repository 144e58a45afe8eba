"""Which rules apply: the built-in catalogue with the changes of a configuration."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

from kube2git.core import wire
from kube2git.core.cleaning import custom
from kube2git.core.cleaning.catalogue import RULES
from kube2git.core.cleaning.paths import any_glob
from kube2git.core.cleaning.rules import Action, Rule, RuleError


@dataclass(frozen=True)
class RuleSet:
    """The rules that apply. Order matters only for which one is named when several would do."""

    catalogue: tuple[Rule, ...]
    """Every rule that is known, on or off."""
    switched_off: frozenset[str] = frozenset()
    """ids."""

    @classmethod
    def default(cls) -> RuleSet:
        """Return the built-in catalogue, optional rules off."""
        return cls(RULES, frozenset(rule.id for rule in RULES if rule.is_optional))

    @cached_property
    def active(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.catalogue if rule.id not in self.switched_off)

    def with_changes(
        self,
        *,
        disabled: Iterable[str] = (),
        enabled: Iterable[str] = (),
        extra: Iterable[Mapping[str, Any]] = (),
    ) -> RuleSet:
        """Return these rules with some switched off or on, and others added.

        ``extra`` are mappings as they stand in a configuration (see ``custom.py``). Raises
        RuleError that lists every problem.
        """
        problems: list[str] = []
        known = {rule.id: rule for rule in self.catalogue}
        added = custom.read(extra, known, problems)
        off = set(self.switched_off)
        switched = (("disable", tuple(disabled)), ("enable", tuple(enabled)))
        for key, ids in switched:
            for id in ids:
                rule = known.get(id)
                if rule is None:
                    problems.append(f"{key}: there is no rule {id!r}{_meant(id, known)}")
                elif rule.action is Action.KEEP:
                    problems.append(f"{key}: rule {id!r} only says what is kept; it does nothing")
                elif key == "enable":
                    off.discard(id)
                elif rule.is_required:
                    problems.append(f"disable: rule {id!r} cannot be switched off: {rule.reason}")
                else:
                    off.add(id)
        both = sorted(set(switched[0][1]) & set(switched[1][1]))
        problems.extend(f"rule {id!r} is both enabled and disabled" for id in both)
        if problems:
            raise RuleError(problems)
        return RuleSet((*added, *self.catalogue), frozenset(off))

    @cached_property
    def _by_kind(self) -> tuple[tuple[re.Pattern[str], Rule], ...]:
        return tuple((any_glob(rule.kinds), rule) for rule in self.active)

    def for_kind(self, kind_group: str) -> tuple[Rule, ...]:
        """Return the rules that apply to a kind."""
        return tuple(rule for kinds, rule in self._by_kind if kinds.fullmatch(kind_group))

    def skipped_kind(self, kind_group: str) -> Rule | None:
        """Return the rule by which no object of a kind is exported, or None."""
        rules = self.for_kind(kind_group)
        return next((rule for rule in rules if rule.is_about_whole_kinds), None)

    def fingerprint(self) -> str:
        """Return the identity of the rules that apply."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return wire.digest([astuple(rule) for rule in self.active])


def _meant(id: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(id, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
