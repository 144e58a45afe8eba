"""One object on its way to one place in the target: rewrite what is a reference, note the rest.

Every string is judged as it stands in the commit and rewritten at most once, so that two rules
for one place, or a map that swaps two names, cannot rewrite a rewritten value. Only what changes
is copied; the object given is never touched.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kube2git.core.objects import ObjectRef
from kube2git.core.remap import findings, forms, mentions, paths
from kube2git.core.remap.catalogue import Matcher
from kube2git.core.remap.forms import Form
from kube2git.core.wire import Json

_WORD = re.compile(r"[A-Za-z0-9_-]+")

FEW = 16
"""Up to so many names, searching for each is faster than cutting the text into words."""


def search(names: Collection[str]) -> Callable[[str], bool]:
    """Return a quick test whether a text may hold one of the names; it errs towards yes."""
    if not names:
        return lambda _: False
    if len(names) == 1:
        (only,) = names
        return lambda text: only in text
    if len(names) <= FEW:
        return lambda text: any(name in text for name in names)
    known = frozenset(names)
    return lambda text: not known.isdisjoint(_WORD.findall(text))


@dataclass(slots=True)
class Scope:
    """What holds for every object of one remap, and what is found out about them."""

    renamed: Mapping[str, tuple[str, ...]]
    kept: frozenset[str]
    present: frozenset[str]
    evidence: forms.Evidence
    may_hold: Callable[[str], bool]
    rewrites: list[findings.Rewrite] = field(default_factory=list)
    mentions: list[findings.Mention] = field(default_factory=list)
    open_references: dict[findings.OpenReference, None] = field(default_factory=dict)
    conflicts: list[findings.Conflict] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one copy of an object goes, and how it is to be read."""

    ref: ObjectRef
    """As the object is called in the target."""
    home: str
    """The namespace that it belongs to in the commit; "" for a cluster-scoped object."""
    target: str
    copy: int
    """Which of its home's copies this is, from 0."""
    copies: int
    guesses: bool
    """True: a custom resource, where the heuristic applies to what no rule knows."""
    hidden: bool
    """True: no text of it may be shown."""


_GUESS = Matcher(findings.HEURISTIC, Form.NAMESPACE, forms.FINDERS[Form.NAMESPACE], False)
_GUESS_NAME = paths.Graph([("", _GUESS)]).start
_GUESS_NAMES = paths.Graph([("[+]", _GUESS)]).start
_GUESS_TEXT = tuple(
    Matcher(findings.HEURISTIC, form, forms.FINDERS[form], False)
    for form in (Form.DNS, Form.USER, Form.GROUP)
)
_REFERRING = ("Ref", "Refs", "Selector", "Reference")
_REFERRING_WORDS = tuple(word.lower() for word in _REFERRING)

_State = paths.State[Matcher]


class _Frame:
    """An item of a list that may be repeated, while it is walked."""

    __slots__ = ("answers", "choice", "repeating")

    def __init__(self, repeating: tuple[Matcher, ...]) -> None:
        self.repeating = repeating
        self.answers: dict[str, tuple[str, ...]] = {}
        """Namespaces met in the item that have several names in the target."""
        self.choice: dict[str, str] = {}
        """Which of them this pass uses."""


class Walk:
    """The walk over one object. Use once."""

    def __init__(self, scope: Scope, place: Place) -> None:
        self._scope = scope
        self._place = place
        self._moves = bool(place.home) and place.home in scope.renamed
        # The schemas of custom resources explain every field; a word there refers to nothing.
        self._is_schema = place.ref.kind == "CustomResourceDefinition"
        self._frames: list[_Frame] = []
        self._is_repeat = False
        """True while an item is walked for a second name: what the first pass told is not told
        again."""
        self._everywhere = True

    def rewrite(self, body: Json, start: _State) -> Json:
        """Return the object for the target; everything found is added to the scope."""
        result: Json = self._value(body, start, (), "")
        return result

    def check(self, body: Json, start: _State) -> None:
        """Only look for open references, in an object that holds none of the renamed names."""
        self._everywhere = False
        self._value(body, start, (), "")

    def _value(self, value: Any, state: _State, steps: paths.Steps, parent: str) -> Any:
        if isinstance(value, str):
            holds = self._everywhere and self._scope.may_hold(value)
            return self._text(value, state.found, steps, holds) if holds or state.found else value
        if isinstance(value, dict):
            return self._object(value, state.enter(value), steps, parent)
        if isinstance(value, list):
            below = state.item()
            if below.repeating:
                return self._repeatable(value, below, steps, parent)
            if not below.alive and not self._everywhere:
                return value
            items = [
                self._value(item, below, (steps, index), parent) for index, item in enumerate(value)
            ]
            same = all(new is old for new, old in zip(items, value, strict=True))
            return value if same else items
        return value

    def _object(self, value: Json, state: _State, steps: paths.Steps, parent: str) -> Json:
        everywhere, guesses = self._everywhere, self._place.guesses
        may_hold = self._scope.may_hold
        changed: Json = {}
        for key, item in value.items():
            below = state.key(key)
            # Most of an object is strings that hold none of the names: pass over them quickly.
            if isinstance(item, str) and not below.found:
                is_prose = self._is_schema and key == "description"
                if is_prose or not everywhere or not may_hold(item):
                    continue
            if not everywhere and not below.alive:
                continue
            if guesses and everywhere and not _is_known(below, item):
                below = _guess(value, key, item, parent) or below
            new = self._value(item, below, (steps, key), key)
            if new is not item:
                changed[key] = new
        if everywhere and not self._is_repeat and may_hold("\n".join(value)):
            for key in value:
                self._mention(key, (), (steps, key), is_key=True)
        return {**value, **changed} if changed else value

    def _repeatable(
        self, value: list[Any], below: _State, steps: paths.Steps, parent: str
    ) -> list[Any]:
        frame = _Frame(below.repeating)
        self._frames.append(frame)
        pairs: list[tuple[Any, Any]] = []
        for index, item in enumerate(value):
            frame.answers, frame.choice = {}, {}
            pairs.append((item, self._value(item, below, (steps, index), parent)))
            was_repeat, self._is_repeat = self._is_repeat, True
            for old, names in list(frame.answers.items()):
                for name in names[1:]:
                    frame.choice = {old: name}
                    pairs.append((item, self._value(item, below, (steps, index), parent)))
            self._is_repeat = was_repeat
        self._frames.pop()
        if len(pairs) == len(value) and all(new is old for old, new in pairs):
            return value
        result: list[tuple[Any, Any]] = []
        for old, new in pairs:
            # What became equal by renaming is said once; what was doubled before stays doubled.
            if not any(new == kept and old != before for before, kept in result):
                result.append((old, new))
        return [new for _, new in result]

    def _text(
        self, text: str, matchers: tuple[Matcher, ...], steps: paths.Steps, holds: bool
    ) -> str:
        if matchers and matchers[0].form is Form.ENCODED_TEXT:
            try:
                clear = base64.b64decode(text, validate=True).decode()
            except ValueError:
                return text
            holds = self._scope.may_hold(clear)
            new = self._clear(clear, matchers, steps, holds) if holds else clear
            return text if new is clear else base64.b64encode(new.encode()).decode()
        return self._clear(text, matchers, steps, holds)

    def _clear(
        self, text: str, matchers: tuple[Matcher, ...], steps: paths.Steps, holds: bool
    ) -> str:
        if holds and self._place.guesses:
            matchers += _GUESS_TEXT
        spans = self._spans(text, matchers)
        parts: list[str] = []
        at = 0
        for span, matcher in spans:
            old = text[span.start : span.end]
            parts += text[at : span.start], self._resolve(old, matcher, steps)
            at = span.end
        if holds and not self._is_repeat and not (spans and spans[0][0] == (0, len(text))):
            self._mention(text, [span for span, _ in spans], steps)
        result = "".join((*parts, text[at:]))
        return text if result == text else result

    def _spans(self, text: str, matchers: Iterable[Matcher]) -> list[tuple[forms.Span, Matcher]]:
        """Return where the text names a namespace, in order; the first rule for a place counts."""
        by_span: dict[forms.Span, Matcher] = {}
        for matcher in matchers:
            for span in matcher.find(text, self._scope.evidence):
                by_span.setdefault(span, matcher)
        return sorted(by_span.items(), key=lambda found: found[0])

    def _answers(self, namespace: str) -> tuple[str, ...]:
        """Return what a namespace is called in the target, as this object sees it."""
        place = self._place
        if namespace == place.home:
            return (place.target,)
        targets = self._scope.renamed.get(namespace)
        if targets is None:
            return (namespace,)
        if self._moves:
            # Copies of several namespaces belong together: the first with the first, and so on.
            return (targets[place.copy],) if len(targets) == place.copies else targets
        if namespace in self._scope.kept and namespace not in targets:
            return (namespace, *targets)
        return targets

    def _resolve(self, old: str, matcher: Matcher, steps: paths.Steps) -> str:
        names = self._answers(old)
        new = names[0]
        is_told = self._is_repeat
        if len(names) > 1:
            frame = next((f for f in reversed(self._frames) if matcher in f.repeating), None)
            if frame is None:
                if not is_told:
                    self._conflict(old, names, steps)
            elif old in frame.choice:
                new, is_told = frame.choice[old], False
            else:
                frame.answers[old] = names
        scope, ref = self._scope, self._place.ref
        if new != old and not is_told:
            path = paths.render(steps)
            scope.rewrites.append(
                findings.Rewrite(ref, path, old, new, matcher.rule, self._is_repeat)
            )
        if new not in scope.present and (matcher.must_exist or new != old):
            found = findings.OpenReference(ref, paths.render(steps), new, matcher.rule)
            scope.open_references[found] = None
        return new

    def _conflict(self, old: str, names: tuple[str, ...], steps: paths.Steps) -> None:
        others = " and ".join(names[1:])
        message = (
            f"The namespace {old} stays in the target beside {others}, but only one can be named "
            "here: the field was left as it is."
            if names[0] == old
            else f"The namespace {old} becomes {names[0]} and {others}, but only one can be named "
            f"here: {names[0]} was taken."
        )
        self._scope.conflicts.append(
            findings.Conflict(self._place.ref, paths.render(steps), message)
        )

    def _mention(
        self,
        text: str,
        covered: Iterable[forms.Span],
        steps: paths.Steps,
        *,
        is_key: bool = False,
    ) -> None:
        taken = {span.start for span in covered}
        keys = paths.keys_of(steps)
        if not (mentions.may_stand_in_key(keys[:-1]) if is_key else mentions.may_stand(keys)):
            return
        places: dict[str, list[int]] = {}
        for word in _WORD.finditer(text):
            name = word.group()
            if name not in self._scope.renamed or mentions.begins_domain(text, word.end()):
                continue
            if word.start() not in taken:
                places.setdefault(name, []).append(word.start())
        for name, starts in places.items():
            if self._answers(name) != (name,):
                around = "" if self._place.hidden else _excerpt(text, starts[0], len(name))
                self._scope.mentions.append(
                    findings.Mention(
                        self._place.ref, paths.render(steps), name, around, len(starts)
                    )
                )


def _is_known(state: _State, value: Any) -> bool:
    return bool(state.found or (isinstance(value, list) and state.item().found))


def _guess(container: Json, key: str, value: Any, parent: str) -> _State | None:
    """Return the state for a field that looks like a reference, in an unknown custom resource."""
    if isinstance(value, str):
        refers = parent.endswith(_REFERRING) or parent in _REFERRING_WORDS
        if key == "namespace" and "name" in container and ("kind" in container or refers):
            return _GUESS_NAME
        return _GUESS_NAME if key == forms.NAME_LABEL else None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        is_expression = key == "values" and container.get("key") == forms.NAME_LABEL
        return _GUESS_NAMES if key == "namespaces" or is_expression else None
    return None


_EXCERPT = 60
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+(?=@)")


def _excerpt(text: str, start: int, length: int) -> str:
    """Return the text around a word, on one line, at most about 60 characters."""
    text = _CREDENTIALS.sub(lambda match: "*" * len(match.group()), text)
    before = max(0, start - (_EXCERPT - length) // 2)
    after = before + max(_EXCERPT, length)
    cut = " ".join(text[before:after].split())
    return f"{'…' if before else ''}{cut}{'…' if after < len(text) else ''}"
