"""The path language of cleaning rules: which fields of an object a rule is about.

spec.replicas                       fields, by name
metadata.annotations["a.b/c"]       a name that holds dots or other special characters
metadata.labels["velero.io/*"]      * stands for any characters, in quoted names only
spec.ports[].nodePort               every item of a list
spec.volumes["cache-*"]             the items of a list with this name; or, in a list of
                                    strings, the strings that are like this
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache


class PathError(ValueError):
    """The text is not a path; the message says from where on."""


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a path."""

    text: str
    is_every_item: bool = False
    """``[]``; ``text`` is empty."""

    @property
    def is_glob(self) -> bool:
        return "*" in self.text

    def matches(self, name: str) -> bool:
        """Tell whether the key, or the item, of this name is meant."""
        if not self.is_glob:
            return name == self.text and not self.is_every_item
        return glob(self.text).fullmatch(name) is not None


Path = tuple[Step, ...]

EVERY_ITEM = Step("", is_every_item=True)

_TOKEN = re.compile(
    r"(?P<dot>\.)?(?P<name>[A-Za-z0-9_$-]+)|(?P<every>\[\])|(?P<quoted>\[\"(?:[^\"\\]|\\.)+\"\])"
)
_PLAIN = re.compile(r"[A-Za-z0-9_$-]+")


@lru_cache(maxsize=1000)
def parse(text: str) -> Path:
    """Read a path; raise PathError."""
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        # Names are separated by dots, and a path does not begin with one.
        if match is None or (match["name"] and bool(match["dot"]) != bool(steps)):
            break
        if match["every"]:
            steps.append(EVERY_ITEM)
        elif match["quoted"]:
            try:
                steps.append(Step(json.loads(match["quoted"][1:-1])))
            except ValueError:
                break
        else:
            steps.append(Step(match["name"]))
        position = match.end()
    if not steps or position < len(text):
        raise PathError(f"{text!r} is not a path from character {position + 1} on")
    return tuple(steps)


def shown(parts: Iterable[str | int]) -> str:
    """Write the place of one field for people: ``spec.ports[0].nodePort``."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part, ensure_ascii=False)}]"
    return text


def glob(pattern: str) -> re.Pattern[str]:
    """Compile a pattern in which ``*`` stands for any characters, and nothing else is special."""
    return any_glob((pattern,))


@lru_cache(maxsize=1000)
def any_glob(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Compile patterns into one that matches what any of them matches."""
    return re.compile("|".join(map(_expression, patterns)), re.DOTALL)


def _expression(pattern: str) -> str:
    return ".*".join(map(re.escape, pattern.split("*")))
