"""Which tests share a worker: those of one file, and all that need storage.

Each worker has control planes of its own; those with storage are too many to run them twice.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    for item in items:
        needs_storage = "driver" in getattr(item, "fixturenames", ())
        group = "storage" if needs_storage else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
