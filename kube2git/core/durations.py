"""Lengths of time as people write them in configuration and annotations: 30s, 1h30m, 720h, 14d."""

from __future__ import annotations

import re
from datetime import timedelta

_PART = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,6})?)(ms|[smhdw])")
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def parse(text: str) -> timedelta:
    """Read a length of time as Go writes it, and days and weeks besides; raise ValueError."""
    parts, position = [], 0
    while match := _PART.match(text, position):
        parts.append(float(match[1]) * _UNITS[match[2]])
        position = match.end()
    if not parts or position != len(text):
        raise ValueError(f"{text!r} is not a length of time; write for example 30s, 12h or 14d")
    return sum(parts, timedelta())
