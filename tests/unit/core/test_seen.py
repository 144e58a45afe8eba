"""The memory of the last run is believed only when everything else is the same."""

from __future__ import annotations

import pytest

from kube2git.core.seen import Seen

ENTRIES = {"uid-1": ("12", "a" * 40), "uid-2": ("13", "-events")}


def test_it_is_read_back() -> None:
    assert Seen.decode(Seen("print", ENTRIES).encode(), "print") == ENTRIES


def test_other_rules_make_it_worthless() -> None:
    assert Seen.decode(Seen("print", ENTRIES).encode(), "other") == {}


@pytest.mark.parametrize(
    "data", [None, b"", b"{", b"[]", b"[2]", b"null", b'[1,"print",{}]', b'[2,"print",[]]', b"\xff"]
)
def test_what_is_absent_or_broken_is_nothing(data: bytes | None) -> None:
    assert Seen.decode(data, "print") == {}
