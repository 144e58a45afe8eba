"""A Lease on a real API server: one holder, whatever the clocks say; and Events."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from kube2git.adapters.kube.connection import ConnectionSettings, connect
from kube2git.adapters.kube.events import KubeEvents
from kube2git.adapters.kube.leasing import KubeLease
from kube2git.adapters.kube.retrying import Backoff
from kube2git.errors import ClusterDeniedError
from tests.conformance.lease_port import LeaseConformance
from tests.controlplane import ControlPlane


class Clock:
    """A clock that only a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def lease(
    plane: ControlPlane, namespace: str, holder: str, clock: Clock, user: str = ""
) -> KubeLease:
    path = plane.kubeconfig_for(user) if user else plane.kubeconfig
    settings = ConnectionSettings(kubeconfig=str(path), backoff=Backoff(attempts=1))
    return KubeLease(connect(settings), namespace, "k", holder, seconds=15, monotonic=clock)


def spec(plane: ControlPlane, namespace: str) -> dict[str, Any]:
    text = plane.kubectl("get", "lease", "k", "-n", namespace, "-o", "json")
    found: dict[str, Any] = json.loads(text)["spec"]
    return found


class RealWorld:
    """A Lease in a namespace of its own."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane, self._namespace, self._clock = plane, namespace, Clock()

    def open(self, holder: str) -> KubeLease:
        return lease(self._plane, self._namespace, holder, self._clock)

    def pass_time(self, seconds: float) -> None:
        self._clock.now += seconds


class TestKubeLease(LeaseConformance):
    @pytest.fixture
    def world(self, cluster: ControlPlane, namespace: str) -> RealWorld:
        return RealWorld(cluster, namespace)


def test_the_first_one_holds_it_until_it_is_silent_for_too_long(
    cluster: ControlPlane, namespace: str
) -> None:
    clock = Clock()
    a, b = (lease(cluster, namespace, holder, clock) for holder in "ab")
    assert a.claim()
    assert not b.claim()
    clock.now += 14
    assert a.claim()
    clock.now += 14
    # It was renewed meanwhile: the time begins again when b sees that.
    assert not b.claim()
    clock.now += 15.5
    assert b.claim()
    assert not a.claim()
    found = spec(cluster, namespace)
    assert (found["holderIdentity"], found["leaseTransitions"]) == ("b", 1)
    assert found["leaseDurationSeconds"] == 15


def test_who_gives_it_up_is_followed_at_once(cluster: ControlPlane, namespace: str) -> None:
    clock = Clock()
    a, b = (lease(cluster, namespace, holder, clock) for holder in "ab")
    a.release()
    assert a.claim()
    assert not b.claim()
    b.release()
    assert not b.claim()
    a.release()
    assert b.claim()


def test_of_many_that_ask_at_once_one_gets_it(cluster: ControlPlane, namespace: str) -> None:
    clock = Clock()
    leases = [lease(cluster, namespace, f"replica-{number}", clock) for number in range(8)]
    got: list[str] = []

    def ask(one: KubeLease) -> None:
        if one.claim():
            got.append(one.holder)

    threads = [threading.Thread(target=ask, args=(one,)) for one in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [spec(cluster, namespace)["holderIdentity"]]


def test_a_label_on_it_takes_it_from_nobody(cluster: ControlPlane, namespace: str) -> None:
    a = lease(cluster, namespace, "a", Clock())
    assert a.claim()
    cluster.kubectl("label", "lease", "k", "-n", namespace, "team=x")
    assert a.claim()
    text = cluster.kubectl("get", "lease", "k", "-n", namespace, "-o", "json")
    assert json.loads(text)["metadata"]["labels"] == {"team": "x"}


def test_without_the_right_to_it_that_is_said(cluster: ControlPlane, namespace: str) -> None:
    denied = lease(cluster, namespace, "a", Clock(), user="reader")
    with pytest.raises(ClusterDeniedError, match=f"cannot read the Lease {namespace}/k"):
        denied.claim()


def test_an_event_is_about_the_pod_or_the_namespace(cluster: ControlPlane, namespace: str) -> None:
    connection = connect(ConnectionSettings(kubeconfig=str(cluster.kubeconfig)))
    KubeEvents(connection, namespace, "kube2git-0").write(
        "ExportFailed", "no disk: " + "ä" * 2000, is_warning=True
    )
    text = cluster.kubectl("get", "events", "-n", namespace, "-o", "json")
    (event,) = json.loads(text)["items"]
    assert (event["type"], event["reason"]) == ("Warning", "ExportFailed")
    assert event["involvedObject"]["name"] == "kube2git-0"
    assert event["message"].startswith("no disk: ä")
    KubeEvents(connection, namespace).write("ExportRecovered", "It works.", is_warning=False)
    text = cluster.kubectl("get", "events", "-n", "default", "-o", "json")
    (event,) = [
        item for item in json.loads(text)["items"] if item["involvedObject"]["name"] == namespace
    ]
    assert event["involvedObject"]["kind"] == "Namespace"
