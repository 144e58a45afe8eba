"""Clusters with volumes. They are gone when the last test of this folder is done: they are many."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import controlplane, csidriver
from tests.cluster.storage import CLASSES, Storage


@pytest.fixture(scope="package")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[csidriver.Driver]:
    """Give the CSI driver that `storage` and `storage_target` share."""
    running = csidriver.start_driver(tmp_path_factory.mktemp("driver"))
    yield running
    running.stop()


@pytest.fixture(scope="package")
def storage(
    driver: csidriver.Driver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Storage]:
    """Give a control plane with volumes, snapshots and Pods, for tests marked `needs("csi")`."""
    with controlplane.start(tmp_path_factory.mktemp("storage"), csi=True, kwok=True) as plane:
        plane.add_csi_driver(driver.name, driver.socket, classes=CLASSES)
        yield Storage(plane, driver)


@pytest.fixture(scope="package")
def storage_target(
    driver: csidriver.Driver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Storage]:
    """Give a second cluster on the driver of `storage`, as on one cloud account."""
    with controlplane.start(tmp_path_factory.mktemp("storage-target"), csi=True) as plane:
        plane.add_csi_driver(driver.name, driver.socket, classes=CLASSES)
        yield Storage(plane, driver)


@pytest.fixture(scope="module")  # only one file needs it
def storage_without_groups(
    driver: csidriver.Driver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Storage]:
    """Give another cluster on the driver of `storage`, without the API of group snapshots."""
    folder = tmp_path_factory.mktemp("storage-without-groups")
    with controlplane.start(folder, csi=True, groups=False) as plane:
        plane.add_csi_driver(driver.name, driver.socket, classes=CLASSES)
        yield Storage(plane, driver)


@pytest.fixture(autouse=True)
def well_driver(driver: csidriver.Driver) -> Iterator[None]:
    """Leave a driver without faults to the next test."""
    yield
    driver.switch(csidriver.Switches())
