"""differences: values on one line, and nothing in them that a terminal obeys."""

from __future__ import annotations

from typing import Any

import pytest

from kube2git.render.differences import value_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain: ü😀", "plain: ü😀"),
        ("", '""'),
        ("two\nlines ü", r'"two\nlines ü"'),
        ("\x1b[31m\x9b1m", r'"\u001b[31m\u009b1m"'),
        ({"\u202e": ["\x7f", 1]}, r'{"\u202e": ["\u007f", 1]}'),
    ],
)
def test_a_value_stands_on_one_line_without_what_terminals_obey(value: Any, text: str) -> None:
    assert value_text(value) == text
