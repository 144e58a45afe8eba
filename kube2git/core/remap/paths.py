"""The path language of the catalogues, and one walk for all paths of a kind.

    spec.rules[].host               a key; each item of a list
    from[+].namespace               each item, and an item may be repeated for further namespaces
    metadata.annotations["a.b/c"]   a key that holds dots
    spec.*SecretRef.name            keys may hold ``*`` and alternatives: ``to|from``
    spec.**.ref                     at any depth
    subjects[]{kind=User}.name      only where the field ``kind`` is, or lists, ``User``

All paths that apply to a kind become one graph of states that is built as it is walked, so that
an object is walked once however many paths there are.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Steps = tuple[Any, ...]
"""Where a value stands, innermost step last and linked to the outer ones: ((), "a"), 0)."""


@dataclass(frozen=True, slots=True)
class _Key:
    literal: str
    pattern: re.Pattern[str] | None

    def matches(self, key: str) -> bool:
        return key == self.literal if self.pattern is None else bool(self.pattern.match(key))


@dataclass(frozen=True, slots=True)
class _Items:
    repeats: bool


@dataclass(frozen=True, slots=True)
class _Deep:
    pass


@dataclass(frozen=True, slots=True)
class _Where:
    field: str
    value: str

    def holds(self, container: Any) -> bool:
        found = container.get(self.field) if isinstance(container, dict) else None
        return found == self.value or (isinstance(found, list) and self.value in found)


_Segment = _Key | _Items | _Deep | _Where

_TOKEN = re.compile(
    r"""\[(?P<repeats>\+?)\]
    |\["(?P<quoted>[^"]+)"\]
    |\{(?P<field>[A-Za-z]+)=(?P<value>[^{}]+)\}
    |(?P<deep>\*\*)(?=\.|$)
    |(?P<key>[A-Za-z0-9_*|-]+)""",
    re.VERBOSE,
)


@lru_cache(maxsize=4096)
def parse(path: str) -> tuple[_Segment, ...]:
    """Read a path; raise ValueError with a whole sentence when it is not one."""
    segments: list[_Segment] = []
    at = 0
    while at < len(path):
        start = at
        is_dotted = path[at] == "."
        token = _TOKEN.match(path, at + is_dotted)
        # Keys are set apart by dots; brackets and conditions follow without one.
        wants_dot = start > 0 and token is not None and bool(token["key"] or token["deep"])
        if token is None or is_dotted != wants_dot:
            raise ValueError(f"The path {path!r} cannot be read from character {start + 1} on.")
        segments.append(_segment(token))
        at = token.end()
    return tuple(segments)


def _segment(token: re.Match[str]) -> _Segment:
    if token["deep"]:
        return _Deep()
    if token["field"]:
        return _Where(token["field"], token["value"])
    key = token["key"] or token["quoted"]
    if key is None:
        return _Items(bool(token["repeats"]))
    if "*" not in key and "|" not in key:
        return _Key(key, None)
    return _Key(key, re.compile("|".join(fnmatch.translate(part) for part in key.split("|"))))


class Graph(Generic[T]):
    """Many paths, each with a payload, as one automaton; ``start`` is the state of the root."""

    def __init__(self, paths: Iterable[tuple[str, T]]) -> None:
        self._paths: list[tuple[tuple[_Segment, ...], T]] = [
            (parse(path), payload) for path, payload in paths
        ]
        self._states: dict[tuple[frozenset[_Position], frozenset[int]], State[T]] = {}
        self.start = self.state((index, 0) for index in range(len(self._paths)))

    def state(
        self, positions: Iterable[_Position], repeating: frozenset[int] = frozenset()
    ) -> State[T]:
        """Return the one state for these positions, ``**`` taken as no step at all as well."""
        closed: set[_Position] = set()
        queue = list(positions)
        while queue:
            position = queue.pop()
            if position in closed:
                continue
            closed.add(position)
            if isinstance(self.segment(position), _Deep):
                queue.append((position[0], position[1] + 1))
        key = (frozenset(closed), repeating)
        found = self._states.get(key)
        if found is None:
            found = self._states[key] = State(self, key[0], repeating)
        return found

    def segment(self, position: _Position) -> _Segment | None:
        """Return the segment that comes next, None at the end of the path."""
        segments = self._paths[position[0]][0]
        return segments[position[1]] if position[1] < len(segments) else None

    def payload(self, index: int) -> T:
        return self._paths[index][1]


_Position = tuple[int, int]
"""Which path, and how many of its segments are behind us."""

_MAX_KEYS = 1024
"""Remembered keys of one state: schema fields are few, the keys of ConfigMaps are not."""


class State(Generic[T]):
    """What the paths still want below one value. Follow it with ``enter``, ``key`` and ``item``."""

    __slots__ = (
        "_at",
        "_entered",
        "_graph",
        "_item",
        "_keys",
        "_repeating",
        "alive",
        "found",
        "repeating",
    )

    def __init__(
        self, graph: Graph[T], positions: frozenset[_Position], repeating: frozenset[int]
    ) -> None:
        self._graph = graph
        self._at = sorted(positions)
        self._keys: dict[str, State[T]] = {}
        self._item: State[T] | None = None
        self._entered: dict[tuple[bool, ...], State[T]] | None = (
            {} if any(isinstance(graph.segment(at), _Where) for at in positions) else None
        )
        self.alive = bool(positions)
        """False: no path leads here or below."""
        self.found: tuple[T, ...] = tuple(
            graph.payload(at[0]) for at in self._at if graph.segment(at) is None
        )
        """Payloads of the paths that end exactly here, in the order in which they were given."""
        self.repeating: tuple[T, ...] = tuple(map(graph.payload, sorted(repeating)))
        """Payloads of the paths that reached this list item through ``[+]``."""
        self._repeating = repeating

    def enter(self, value: Any) -> State[T]:
        """Return the state once the conditions on this very value are judged."""
        if self._entered is None:
            return self
        verdict = tuple(
            segment.holds(value)
            for segment in map(self._graph.segment, self._at)
            if isinstance(segment, _Where)
        )
        entered = self._entered.get(verdict)
        if entered is None:
            verdicts = iter(verdict)
            onward: list[_Position] = []
            for index, depth in self._at:
                if not isinstance(self._graph.segment((index, depth)), _Where):
                    onward.append((index, depth))
                elif next(verdicts):
                    onward.append((index, depth + 1))
            entered = self._entered[verdict] = self._graph.state(onward, self._repeating)
        # A second condition right behind the first is judged on the same value.
        return entered.enter(value)

    def key(self, key: str) -> State[T]:
        """Return the state below a key of an object."""
        if not self.alive:
            return self
        known = self._keys.get(key)
        if known is None:
            known = self._graph.state(self._onward(_Key, key))
            if len(self._keys) < _MAX_KEYS:
                self._keys[key] = known
        return known

    def item(self) -> State[T]:
        """Return the state below every item of a list."""
        if not self.alive:
            return self
        if self._item is None:
            repeating = frozenset(
                index
                for index, depth in self._at
                if isinstance(segment := self._graph.segment((index, depth)), _Items)
                and segment.repeats
            )
            self._item = self._graph.state(self._onward(_Items, ""), repeating)
        return self._item

    def _onward(self, wanted: type[_Key] | type[_Items], key: str) -> Iterator[_Position]:
        for index, depth in self._at:
            segment = self._graph.segment((index, depth))
            if isinstance(segment, _Deep):
                yield index, depth
            elif isinstance(segment, wanted) and (
                not isinstance(segment, _Key) or segment.matches(key)
            ):
                yield index, depth + 1


def visit(value: Any, state: State[T], steps: Steps = ()) -> Iterator[tuple[Steps, Any, T]]:
    """Yield (steps, value, payload) wherever a path of the graph ends."""
    if not state.alive:
        return
    state = state.enter(value)
    for payload in state.found:
        yield steps, value, payload
    if isinstance(value, dict):
        for key, child in value.items():
            yield from visit(child, state.key(key), (steps, key))
    elif isinstance(value, list):
        below = state.item()
        for index, child in enumerate(value):
            yield from visit(child, below, (steps, index))


def replace(
    value: Any, state: State[T], change: Callable[[Any, T, Steps], Any], steps: Steps = ()
) -> Any:
    """Return ``value`` with ``change`` applied where a path ends; copies only what changes.

    Where several paths end, the first of the graph counts.
    """
    if not state.alive:
        return value
    state = state.enter(value)
    if state.found:
        value = change(value, state.found[0], steps)
    if isinstance(value, dict):
        changed = {
            key: new
            for key, child in value.items()
            if (new := replace(child, state.key(key), change, (steps, key))) is not child
        }
        return {**value, **changed} if changed else value
    if isinstance(value, list):
        below = state.item()
        items = [replace(child, below, change, (steps, index)) for index, child in enumerate(value)]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else items
    return value


_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


def keys_of(steps: Steps) -> tuple[str, ...]:
    """Return the keys on the way to a value, without the places in lists."""
    keys: list[str] = []
    while steps:
        steps, step = steps
        if isinstance(step, str):
            keys.append(step)
    return tuple(reversed(keys))


def render(steps: Steps) -> str:
    """Write steps as people read them: ``spec.rules[0].host``, ``metadata.labels["a.b/c"]``."""
    parts: list[str] = []
    while steps:
        steps, step = steps
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _PLAIN_KEY.fullmatch(step):
            parts.append(f".{step}")
        else:
            parts.append(f'["{step}"]')
    return "".join(reversed(parts)).removeprefix(".")
