"""One EC2 for all tests of the session, empty before each, and the environment that finds it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from kube2git.adapters.ebs import EbsSnapshotter
from tests import ec2faults
from tests.unit.adapters.ebs.volumes import QUICK


@pytest.fixture(scope="session")
def _server() -> Iterator[ec2faults.Ec2]:
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with ec2faults.Ec2() as server:
        yield server


@pytest.fixture
def ec2(_server: ec2faults.Ec2, monkeypatch: pytest.MonkeyPatch) -> ec2faults.Ec2:
    _server.forget()
    for name, value in _server.environ().items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    return _server


@pytest.fixture(scope="session")
def _snapshotter() -> EbsSnapshotter:
    return EbsSnapshotter(patience=QUICK)


@pytest.fixture
def snapshotter(ec2: ec2faults.Ec2, _snapshotter: EbsSnapshotter) -> EbsSnapshotter:
    """Give one that all tests share: what it holds is connections, slow to make."""
    return _snapshotter
