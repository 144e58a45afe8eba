"""What holds for all unit tests: a property may take its time, since machines differ.

And ``ec2``: one EC2 for the session, empty before each test, with the environment that finds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests import ec2faults

settings.register_profile(
    "unit", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("unit")


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
