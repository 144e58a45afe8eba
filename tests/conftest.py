"""Which tests share a worker, those of one file and all that need storage, and which come first.

`make test` gives a test that fails one more attempt, thrice in all, and prints what happened: ten
servers on two cores are sometimes late. Properties get none: a counterexample found is one. Nor
does tests/unit/core, which waits for nobody: to allow for it costs 40 ms a test.

Each worker has control planes of its own; those with storage are too many to run them twice.
What takes longest to end begins first, so that no worker is left alone with it at the end.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import is_hypothesis_test

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

HERE = Path(__file__).parent
CLUSTER = HERE / "cluster"
STORAGE = CLUSTER / "storage"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: [not item.path.is_relative_to(part) for part in (STORAGE, CLUSTER)])
    for item in items:
        if is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.flaky(reruns=0))


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, which may be switched off
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    # Marks of the kind xdist_group would say the same, but have no effect with pytest 9.2.
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist says no types
        def _split_scope(self, nodeid: str) -> str:
            file = HERE.parent / nodeid.partition("::")[0]
            return str(STORAGE if file.is_relative_to(STORAGE) else file)

    return ByFile(config, log)
