"""The example of docs/snapshots.md is a whole snapshotter, and is found by its entry point."""

from __future__ import annotations

import importlib
import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from kube2git import wiring
from kube2git.config import load
from kube2git.core.ports import Snapshotter
from kube2git.core.snapshots import ClaimRef, Snapshot, Volume
from kube2git.errors import UsageError
from tests.conformance.snapshotter_port import SnapshotterConformance
from tests.fakes.target import FakeTarget

DOCUMENT = Path(__file__).parents[4] / "docs" / "snapshots.md"


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[ModuleType]:
    """Install the example as pip would."""
    text = DOCUMENT.read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (points,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    place = tmp_path / "site-packages"
    info = place / "kube2git_folders-1.0.dist-info"
    info.mkdir(parents=True)
    (place / "kube2git_folders.py").write_text(code)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kube2git-folders\nVersion: 1.0\n")
    (line,) = re.findall(r'^(\w+) = "(.+)"$', points, re.MULTILINE)
    (info / "entry_points.txt").write_text(f"[{wiring.SNAPSHOTTERS}]\n{' = '.join(line)}\n")
    sys.path.insert(0, str(place))
    importlib.invalidate_caches()
    yield importlib.import_module("kube2git_folders")
    sys.path.remove(str(place))
    del sys.modules["kube2git_folders"]


class FolderWorld:
    """Volumes that are folders."""

    seconds = 60.0
    knows_existence = True
    can_group = False

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self) -> Snapshotter:
        options = {"folders": {"root": str(self.root)}}
        settings = load({"snapshots": {"options": options}})
        return wiring.snapshotters(settings, FakeTarget)["folders"]

    def new_volume(self) -> Volume:
        name = f"data-{uuid.uuid4().hex[:8]}"
        (self.root / "volumes" / name).mkdir(parents=True)
        return Volume(ClaimRef("shop", name), "", name, "folders.example.com", name)

    def foreign_volume(self) -> Volume:
        return Volume(ClaimRef("shop", "foreign"), "", "pv", "other.example.com", "elsewhere")

    def break_volume(self, volume: Volume) -> None:
        shutil.rmtree(self.root / "volumes" / volume.handle)

    def exists(self, snapshot: Snapshot) -> bool:
        return (self.root / "snapshots" / snapshot.handle).is_dir()

    def lose(self, snapshot: Snapshot) -> None:
        shutil.rmtree(self.root / "snapshots" / snapshot.handle)


class TestExample(SnapshotterConformance):
    @pytest.fixture
    def world(self, installed: ModuleType, tmp_path: Path) -> FolderWorld:
        del installed
        return FolderWorld(tmp_path)


def test_options_of_a_snapshotter_that_is_not_installed_are_a_mistake() -> None:
    settings = load({"snapshots": {"options": {"folders": {"root": "/srv"}}}})
    with pytest.raises(UsageError, match="names folders, and no such snapshotter is installed"):
        wiring.snapshotters(settings, FakeTarget)
