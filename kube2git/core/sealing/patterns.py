"""Regular expressions as sops reads them: Go's syntax (RE2), matched with Python's engine.

What the two engines read differently is translated or refused: a pattern that kube2git took for
something else than sops does would leave a value in clear, or make a file that nobody can open.
"""

from __future__ import annotations

import re
from functools import lru_cache

_GROUP = re.compile(r"\(\?(?:(?P<plain>:|P<\w+>|-?[is]+[:)])|(?P<name><\w+>))")
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]")
_ESCAPES = frozenset("AbBdDsSwWaftnrv")
_QUANTIFIERS = frozenset("*+?}")


class UnsupportedPatternError(ValueError):
    """The pattern is wrong, or means something else to Python than to Go."""


@lru_cache(maxsize=256)
def compile(pattern: str) -> re.Pattern[str]:  # noqa: A001 - as in re
    """Return a pattern whose ``search`` finds what Go's would; raise UnsupportedPatternError."""
    out: list[str] = []
    at = 0
    after_quantifier = False
    while at < len(pattern):
        char = pattern[at]
        is_quantifier = False
        if char == "\\":
            piece, size = _escape(pattern[at + 1 : at + 2]), 2
        elif char == "[":
            match = _CLASS.match(pattern, at)
            if match is None or "[:" in match[0]:
                raise UnsupportedPatternError("a bracket expression in it is not supported")
            piece, size = _bracket(match[0]), len(match[0])
        elif char == "$":
            piece, size = r"\Z", 1  # Python's $ also matches before a line break at the end.
        elif pattern.startswith("(?", at):
            match = _GROUP.match(pattern, at)
            if match is None:
                raise UnsupportedPatternError("a group of the form (?… in it is not supported")
            size = len(match[0])
            piece = match[0] if match["plain"] else f"(?P{match['name']}"
        else:
            is_quantifier = char in _QUANTIFIERS
            if (char == "+" and after_quantifier) or pattern.startswith("{,", at):
                raise UnsupportedPatternError("a repetition in it is not supported")
            piece, size = char, 1
        out.append(piece)
        after_quantifier = is_quantifier
        at += size
    try:
        return re.compile("".join(out), re.ASCII)
    except (re.error, OverflowError, RecursionError):
        raise UnsupportedPatternError("it is not a regular expression") from None


def _escape(char: str) -> str:
    if char == "z":
        return r"\Z"
    if not char or (char.isalnum() and char not in _ESCAPES):
        raise UnsupportedPatternError("an escape in it is not supported")
    return "\\" + char


def _bracket(text: str) -> str:
    for escape in re.findall(r"\\(.)", text):
        _escape(escape)
    # Python warns of these inside brackets, because it may once give them a meaning.
    return "[" + re.sub(r"(?<!\\)([\[&~|])", r"\\\1", text[1:])
