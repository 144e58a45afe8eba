"""Lengths of time as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kube2git.core import durations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("720h", timedelta(days=30)),
        ("14d", timedelta(days=14)),
        ("2w1d", timedelta(days=15)),
        ("0s", timedelta()),
    ],
)
def test_lengths_of_time(text: str, expected: timedelta) -> None:
    assert durations.parse(text) == expected


@pytest.mark.parametrize("text", ["", "30", "h", "-1h", "1h ", "1 h", "1y", "9" * 30 + "h"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a length of time"):
        durations.parse(text)
