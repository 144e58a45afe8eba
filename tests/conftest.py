"""Which tests share a worker, those of one file and all that need storage, and which come first.

Each worker has control planes of its own; those with storage are too many to run them twice.
What takes longest to end begins first, so that no worker is left alone with it at the end.
"""

from __future__ import annotations

from pathlib import Path

import pytest

CLUSTER = Path(__file__).parent / "cluster"
STORAGE = CLUSTER / "storage"


def pytest_itemcollected(item: pytest.Item) -> None:
    # Not later: xdist looks at the groups before it is the turn of this file's next function.
    shared = STORAGE if item.path.is_relative_to(STORAGE) else item.path
    item.add_marker(pytest.mark.xdist_group(str(shared)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: [not item.path.is_relative_to(part) for part in (STORAGE, CLUSTER)])
