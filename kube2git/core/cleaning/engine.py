"""Applies rules to objects: once compiled for a kind, one walk over the fields they are about.

``clean`` is the hot path of an export. It copies only the mappings on the way to what it changes,
never changes its input, and looks at conditions only where the field in question is present.
``explain`` takes the same walk and notes every step, so it cannot tell another story.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kube2git.core.cleaning import paths
from kube2git.core.cleaning.conditions import (
    CONDITIONS,
    NORMAL_FORMS,
    Condition,
    Normaliser,
    Site,
)
from kube2git.core.cleaning.context import Context
from kube2git.core.cleaning.paths import Path, Step
from kube2git.core.cleaning.rules import Action, Rule
from kube2git.core.cleaning.ruleset import RuleSet
from kube2git.core.objects import group_of
from kube2git.core.wire import Json


class Cleaned(NamedTuple):
    """What became of one object."""

    body: Json | None
    """The clean object, or None when it is left out."""
    left_out: Rule | None = None
    """The rule by which it is left out."""


class Finding(NamedTuple):
    """One field that a rule is about. Never holds the field's value."""

    path: str
    """For people: ``spec.ports[0].nodePort``, as the server gave the object."""
    rule: Rule


@dataclass(frozen=True, slots=True)
class Explanation:
    """What cleaning does to one object, and why."""

    left_out: Rule | None
    """The rule by which the object as a whole is left out, or None. Then the rest is empty."""
    removed: tuple[Finding, ...] = ()
    normalised: tuple[Finding, ...] = ()
    kept: tuple[Finding, ...] = ()
    """Fields that look like the server's and stay, for a reason. Paths in the clean object."""


class _Edit(NamedTuple):
    rule: Rule
    when: Condition | None
    how: Normaliser | None


_GONE: Any = object()
_MAX_CACHED_NAMES = 10_000

_VANISHING = frozenset(
    {
        "annotations",
        "data",
        "finalizers",
        "imagePullSecrets",
        "labels",
        "metadata",
        "secrets",
        "tolerations",
        "volumeAttributes",
        "volumeMounts",
        "volumes",
    }
)
"""Fields that go too when nothing is left in them: empty, they mean the same as absent."""


_Tails = list[tuple[Path, _Edit]]


class _Node:
    """What the rules say about one place, and about the places below it; built as it is asked."""

    __slots__ = ("_by_name", "_everywhere", "_globs", "_items", "_known", "drop", "edits", "forms")

    def __init__(self, tails: Iterable[tuple[Path, _Edit]]) -> None:
        edits: list[_Edit] = []
        self._by_name: dict[str, _Tails] = {}
        self._globs: dict[Step, _Tails] = {}
        self._everywhere: _Tails = []
        for path, edit in tails:
            if not path:
                edits.append(edit)
                continue
            step, rest = path[0], path[1:]
            if step.is_every_item:
                self._everywhere.append((rest, edit))
            elif step.is_glob:
                self._globs.setdefault(step, []).append((rest, edit))
            else:
                self._by_name.setdefault(step.text, []).append((rest, edit))
        self.edits = tuple(edit for edit in edits if edit.how is None)
        self.forms = tuple(edit for edit in edits if edit.how is not None)
        first = self.edits[0] if self.edits else None
        self.drop = bool(first and first.when is None and first.rule.action is Action.STRIP)
        """True when a rule takes out what is here, whatever it is."""
        self._known: dict[str, _Node | None] = {}
        self._items: dict[str | None, _Node | None] = {}

    def below(self, value: Json) -> list[tuple[str, _Node]]:
        """Return the keys of a mapping here about which something is said."""
        names = value if self._globs else [name for name in self._by_name if name in value]
        known = self._known
        try:
            return [(name, node) for name in names if (node := known[name]) is not None]
        except KeyError:
            return [(name, node) for name in names if (node := self._named(name)) is not None]

    def _named(self, name: str) -> _Node | None:
        if name in self._known:
            return self._known[name]
        return _remember(self._known, name, self._tails_of(name))

    def item(self, value: Any) -> _Node | None:
        """Return what is said about an item of a list here."""
        name = value.get("name") if isinstance(value, dict) else value
        if not isinstance(name, str):
            name = None
        if name in self._items:
            return self._items[name]
        named = [] if name is None else self._tails_of(name)
        return _remember(self._items, name, self._everywhere + named)

    def _tails_of(self, name: str) -> _Tails:
        found = list(self._by_name.get(name, ()))
        for step, tails in self._globs.items():
            if step.matches(name):
                found += tails
        return found


def _remember(cache: dict[Any, _Node | None], name: str | None, tails: _Tails) -> _Node | None:
    if len(cache) >= _MAX_CACHED_NAMES:
        cache.clear()
    node = cache[name] = _Node(tails) if tails else None
    return node


class _Run:
    """One walk over one object; with ``trace`` it notes what it does."""

    __slots__ = ("body", "context", "path", "trace")

    def __init__(self, body: Json, context: Context, trace: list[Finding] | None = None) -> None:
        self.body = body
        self.context = context
        self.trace = trace
        self.path: list[str | int] = []

    def find(self, node: _Node, value: Any, parent: Any, key: str | int) -> Rule | None:
        """Return the first rule that holds somewhere in a value, or None."""
        for rule, when, _ in node.edits:
            if when is None or when(Site(value, parent, key, self.body, self.context)):
                return rule
        places: Iterable[tuple[str | int, _Node | None]] = ()
        if isinstance(value, dict):
            places = node.below(value)
        elif isinstance(value, list):
            places = [(index, node.item(item)) for index, item in enumerate(value)]
        for name, below in places:
            found = below and self.find(below, value[name], value, name)
            if found:
                return found
        return None

    def visit(self, node: _Node, value: Any, parent: Any, key: str | int) -> Any:
        """Return what becomes of a value: itself, another, or ``_GONE``."""
        for rule, when, _ in node.edits:
            if when is None or when(Site(value, parent, key, self.body, self.context)):
                self._note(rule, key)
                if rule.action is Action.STRIP:
                    return _GONE
        if isinstance(value, dict):
            value = self._visit_mapping(node, value, key)
        elif isinstance(value, list):
            value = self._visit_list(node, value, key)
        for rule, when, how in node.forms:
            # Last, since a normal form may depend on what is left below.
            site = Site(value, parent, key, self.body, self.context)
            if how is not None and (when is None or when(site)):
                new = how(site)
                if new is not value:
                    self._note(rule, key)
                    value = new
        return value

    def _visit_mapping(self, node: _Node, value: Json, key: str | int) -> Any:
        result = value
        trace = self.trace
        if trace is not None:
            self.path.append(key)
        for name, below in node.below(value):
            old = value[name]
            new = _GONE if below.drop and trace is None else self.visit(below, old, value, name)
            if new is old:
                continue
            if result is value:
                result = value.copy()
            if new is _GONE or (name in _VANISHING and old and not new):
                del result[name]
            else:
                result[name] = new
        if trace is not None:
            self.path.pop()
        return result

    def _visit_list(self, node: _Node, value: list[Any], key: str | int) -> Any:
        result: list[Any] = []
        is_changed = False
        if self.trace is not None:
            self.path.append(key)
        for index, old in enumerate(value):
            below = node.item(old)
            new = old if below is None else self.visit(below, old, value, index)
            is_changed = is_changed or new is not old
            if new is not _GONE:
                result.append(new)
        if self.trace is not None:
            self.path.pop()
        return result if is_changed else value

    def _note(self, rule: Rule, key: str | int) -> None:
        if self.trace is not None:
            # The first part of the path stands for the object itself.
            self.trace.append(Finding(paths.shown([*self.path, key][1:]), rule))


class _Plan(NamedTuple):
    """What the rules say about one kind."""

    whole: Rule | None
    """Leaves out every object."""
    named: tuple[tuple[re.Pattern[str], _Edit], ...]
    """Leaves out objects by name; their conditions see the clean object as ``value``."""
    evidence: _Node
    """Leaves out objects that have certain fields."""
    changes: _Node
    kept: _Node


class Cleaner:
    """Cleans objects of any kind. Make one for a run: it compiles the rules once for each kind."""

    def __init__(self, rules: RuleSet, context: Context) -> None:
        self._rules = rules
        self._context = context
        self._plans: dict[tuple[str, str], _Plan] = {}
        self._compiled: dict[tuple[str, ...], _Plan] = {}
        """By the ids of the rules: kinds without rules of their own share one plan."""

    def clean(self, body: Json) -> Cleaned:
        """Return the clean object, or the rule by which it is left out. The input stays as it is.

        ``body`` is a decoded object with apiVersion, kind and metadata. Parts that were not
        touched are shared with it.
        """
        plan = self._plan(body)
        run = _Run(body, self._context)
        left_out = plan.whole or run.find(plan.evidence, body, None, "")
        if left_out is not None:
            return Cleaned(None, left_out)
        clean = run.visit(plan.changes, body, None, "")
        if plan.named:
            metadata = body["metadata"]
            place = f"{metadata.get('namespace') or ''}/{metadata.get('name')}"
            for names, (rule, when, _) in plan.named:
                if names.fullmatch(place) is None:
                    continue
                if when is None or when(Site(clean, None, "", body, self._context)):
                    return Cleaned(None, rule)
        return Cleaned(clean)

    def explain(self, body: Json) -> Explanation:
        """Return everything that ``clean`` does to an object, each with its rule; no values."""
        cleaned = self.clean(body)
        if cleaned.body is None:
            return Explanation(cleaned.left_out)
        plan = self._plan(body)
        changed: list[Finding] = []
        _Run(body, self._context, changed).visit(plan.changes, body, None, "")
        kept: list[Finding] = []
        _Run(body, self._context, kept).visit(plan.kept, cleaned.body, None, "")
        return Explanation(
            None,
            tuple(found for found in changed if found.rule.action is Action.STRIP),
            tuple(found for found in changed if found.rule.action is Action.NORMALISE),
            tuple(kept),
        )

    def _plan(self, body: Json) -> _Plan:
        served = (body["apiVersion"], body["kind"])
        plan = self._plans.get(served)
        if plan is None:
            group = group_of(served[0])
            rules = self._rules.for_kind(f"{served[1]}.{group}" if group else served[1])
            ids = tuple(rule.id for rule in rules)
            plan = self._compiled.get(ids) or _compile(rules)
            self._plans[served] = self._compiled[ids] = plan
        return plan


def _compile(rules: Sequence[Rule]) -> _Plan:
    return _Plan(
        next((rule for rule in rules if rule.is_about_whole_kinds), None),
        tuple((paths.any_glob(rule.names), _edit(rule)) for rule in rules if rule.names),
        _Node(_tails(rules, Action.LEAVE_OUT)),
        _Node(_tails(rules, Action.STRIP, Action.NORMALISE)),
        _Node(_tails(rules, Action.KEEP)),
    )


def _edit(rule: Rule) -> _Edit:
    how = NORMAL_FORMS[rule.how] if rule.how else None
    return _Edit(rule, _condition(rule), how)


def _condition(rule: Rule) -> Condition | None:
    when, values = CONDITIONS[rule.when] if rule.when else None, rule.values
    if not values:
        return when
    return lambda site: site.value in values and (when is None or when(site))


def _tails(rules: Iterable[Rule], *actions: Action) -> Iterator[tuple[Path, _Edit]]:
    for rule in rules:
        if rule.action in actions:
            edit = _edit(rule)
            for text in rule.paths:
                yield paths.parse(text), edit
