from __future__ import annotations

import pytest

from kube2git.errors import ClusterDeniedError, ClusterUnreachableError, Kube2gitError
from tests import faults
from tests.conformance.cluster_port import config_map, types_of
from tests.faults import Reply
from tests.unit.adapters.kube.api import Api


@pytest.mark.parametrize("status", [403, 404])
def test_whoever_may_not_read_kube_system_gets_no_uid(api: Api, status: int) -> None:
    api.proxy.on("/namespaces/kube-system", faults.status(status, "Forbidden"))
    identity = api.connect().identity()
    assert (identity.uid, identity.server_version) == ("", "v1.37.1")
    assert identity.context == "faulty"


def test_a_uid_that_cannot_be_had_just_now_is_an_error(api: Api) -> None:
    """Nobody may take it for another cluster's."""
    api.proxy.on("/namespaces/kube-system", faults.status(500, "InternalError"))
    with pytest.raises(ClusterUnreachableError):
        api.connect().identity()


def test_a_kind_that_is_not_served_is_no_missing_object(api: Api) -> None:
    api.put(config_map("default", "one"))
    cluster = api.connect()
    (type,) = types_of(cluster.discover(), "ConfigMap")
    api.proxy.on("/configmaps/", faults.text(404, "404 page not found\n"))
    with pytest.raises(Kube2gitError, match=r"configmap/one -n default: .*404"):
        cluster.get(type, "default", "one")


def test_an_object_that_may_not_be_read_is_denied(api: Api) -> None:
    cluster = api.connect()
    (type,) = types_of(cluster.discover(), "Secret")
    api.proxy.on("/secrets/", faults.status(403, "Forbidden", "secret words"))
    with pytest.raises(ClusterDeniedError, match="403 Forbidden") as failure:
        cluster.get(type, "default", "one")
    assert "secret words" not in str(failure.value)


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
def test_what_is_no_object_is_told(api: Api, body: bytes) -> None:
    api.proxy.on("/version", faults.reply(Reply(200, body)))
    with pytest.raises(ClusterUnreachableError, match="not that of an API server"):
        api.connect().identity()
