"""Real control planes for tests: `cluster`, `target`, and `control_plane(...)` for special ones.

Rule: a plane starts when the first test asks for it and is gone when the session ends.
Missing programs are built before the first test, where no test's time limit applies.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import controlplane
from tests.controlplane import builder, components

HERE = Path(__file__).parent

StartControlPlane = Callable[..., controlplane.ControlPlane]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "needs(*options): options of a control plane, such as 'kwok', whose programs are built "
        "before the first test",
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    items = [item for item in session.items if item.path.is_relative_to(HERE)]
    if session.config.option.collectonly or not items:
        return
    needs: dict[str, Any] = {
        name: True for item in items for mark in item.iter_markers("needs") for name in mark.args
    }
    if "csi" in needs:
        needs["kwok"] = True  # `storage` has both
    capture = session.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None

    def progress(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(line, file=sys.stderr, flush=True)

    try:
        builder.ensure(components.needed_binaries(components.Options(**needs)), progress)
    except controlplane.ControlPlaneError as error:
        # The tests that need the programs will fail with the same words; all others can run.
        progress(str(error))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[controlplane.ControlPlane]:
    """Give the control plane that most tests share, each in a namespace of its own."""
    with controlplane.start(tmp_path_factory.mktemp("cluster")) as plane:
        yield plane


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[controlplane.ControlPlane]:
    """Give a second control plane, to replay into."""
    with controlplane.start(tmp_path_factory.mktemp("target")) as plane:
        yield plane


@pytest.fixture
def namespace(cluster: controlplane.ControlPlane) -> str:
    """Give a namespace in `cluster` that no other test knows."""
    return cluster.create_namespace()


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartControlPlane]:
    """Give a function that starts a special control plane, with the options of `start`.

    It ends with the module; a test that wants its memory back earlier calls `stop`.
    """
    planes: list[controlplane.ControlPlane] = []

    def start(**options: Any) -> controlplane.ControlPlane:
        planes.append(controlplane.start(tmp_path_factory.mktemp("special"), **options))
        return planes[-1]

    yield start
    for plane in planes:
        plane.stop()
