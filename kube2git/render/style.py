"""Colour, or none: green for added, red for removed, yellow for changed."""

from __future__ import annotations

from collections.abc import Callable

from kube2git.core.message import Change

Paint = Callable[[str, str], str]
"""(text, role) -> text; roles are the words of Change, "dim" and "bold"."""

_CODES = {
    Change.ADDED: "32",
    Change.REMOVED: "31",
    Change.CHANGED: "33",
    "dim": "2",
    "bold": "1",
}


def plain(text: str, role: str) -> str:
    """Leave the text as it is."""
    del role
    return text


def coloured(text: str, role: str) -> str:
    """Wrap the text in the terminal's codes for a role."""
    return f"\x1b[{_CODES[role]}m{text}\x1b[0m"
