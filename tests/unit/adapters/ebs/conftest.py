"""A snapshotter that all tests share."""

from __future__ import annotations

import pytest

from kube2git.adapters.ebs import EbsSnapshotter
from tests import ec2faults
from tests.unit.adapters.ebs.volumes import QUICK


@pytest.fixture(scope="session")
def _snapshotter() -> EbsSnapshotter:
    return EbsSnapshotter(patience=QUICK)


@pytest.fixture
def snapshotter(ec2: ec2faults.Ec2, _snapshotter: EbsSnapshotter) -> EbsSnapshotter:
    """Give one that all tests share: what it holds is connections, slow to make."""
    return _snapshotter
