"""Which tests share a worker, those of one file and all that need storage, and which come first.

Each worker has control planes of its own; those with storage are too many to run them twice.
What takes longest to end begins first, so that no worker is left alone with it at the end.
"""

from __future__ import annotations

from pathlib import Path

import pytest

STORAGE = "storage"
CLUSTER = Path(__file__).parent / "cluster"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item)))
    items.sort(key=lambda item: (group_of(item) != STORAGE, not item.path.is_relative_to(CLUSTER)))


def group_of(item: pytest.Item) -> str:
    needs_storage = "driver" in getattr(item, "fixturenames", ())
    return STORAGE if needs_storage else str(item.path)
