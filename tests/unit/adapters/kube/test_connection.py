from __future__ import annotations

import gzip
import itertools
import json
import logging
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kube2git.adapters.kube.connection import Connection, ConnectionSettings, connect
from kube2git.adapters.kube.credentials import Account
from kube2git.adapters.kube.retrying import APPLY, Backoff
from kube2git.errors import ClusterDeniedError, ClusterUnreachableError
from tests import faults
from tests.controlplane import ports
from tests.faults import Answer, Fault, Reply, Request
from tests.unit.adapters.kube.api import Api

PATIENT = Backoff(attempts=4, first=1.0, longest=8.0, longest_asked=30.0)


class Slept(list[float]):
    """What was slept, without sleeping."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def open_connection(
    api: Api, *, sleep: Callable[[float], object] | None = None, **more: object
) -> Connection:
    path = str(api.proxy.kubeconfig(api.folder))
    settings = {"kubeconfig": path, "request_timeout": 5.0, "backoff": PATIENT, **more}
    return connect(ConnectionSettings(**settings), sleep=Slept() if sleep is None else sleep)  # type: ignore[arg-type]


@pytest.fixture
def slept() -> Slept:
    return Slept()


def test_an_answer_comes_whole_and_unpacked(api: Api) -> None:
    body = json.dumps({"text": "x" * 100_000}).encode()
    packed = Reply(200, gzip.compress(body), {"Content-Encoding": "gzip"})
    api.proxy.on("^/packed", faults.reply(packed))
    connection = open_connection(api)
    assert connection.get("/packed").body == body
    (request,) = api.proxy.requests
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers["authorization"] == "Bearer a-token"
    assert request.headers["user-agent"].startswith("kube2git/")


def test_queries_and_headers_are_sent_as_given(api: Api) -> None:
    api.proxy.on("", faults.reply(Reply(200, b"{}")))
    query = [("labelSelector", "a=b,c in (d,e)"), ("continue", "a+b/c=")]
    open_connection(api).get("/x", query, headers={"Accept": "text/plain"})
    (request,) = api.proxy.requests
    assert request.query == dict(query)
    assert request.headers["accept"] == "text/plain"


def test_a_server_may_live_below_a_path(api: Api, tmp_path: Path) -> None:
    path = api.proxy.kubeconfig(tmp_path)
    path.write_text(path.read_text().replace(api.proxy.url, f"{api.proxy.url}/clusters/c-1/"))
    api.proxy.on("^/clusters/c-1/version", faults.reply(Reply(200, b"{}")))
    assert connect(ConnectionSettings(str(path))).get("/version").is_ok


def test_impersonation_reaches_the_server(api: Api) -> None:
    seen: list[Request] = []

    def look(request: Request, proper: Answer) -> Reply:
        seen.append(request)
        return Reply(200, b"{}")

    api.proxy.on("", look)
    open_connection(api, as_user="jane", as_groups=("dev",)).get("/x")
    assert seen[0].headers["impersonate-user"] == "jane"
    assert seen[0].headers["impersonate-group"] == "dev"


# ── another try ──────────────────────────────────────────────────────────────────────────────

PACKED = Reply(200, gzip.compress(b'{"a": "b"}' * 1000), {"Content-Encoding": "gzip"})


def cut_gzip(request: Request, proper: Answer) -> Reply:
    """Give a whole HTTP answer with half of a compressed stream in it."""
    return Reply(200, PACKED.body[: len(PACKED.body) // 2], PACKED.headers)


FAILURES: dict[str, Fault] = {
    "429": faults.status(429, "TooManyRequests"),
    "500": faults.status(500, "InternalError"),
    "502": faults.text(502, "bad gateway"),
    "503": faults.status(503, "ServiceUnavailable"),
    "504": faults.status(504, "Timeout"),
    "dropped": faults.drop,
    "cut": faults.cut(5),
    "cut in a chunk": faults.cut(5, is_chunked=True),
    "cut gzip": cut_gzip,
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_passing_failure_is_tried_again(api: Api, slept: Slept, name: str) -> None:
    api.proxy.on("^/version", FAILURES[name], nth={1, 2})
    answer = open_connection(api, sleep=slept).get("/version")
    assert answer.status == 200
    assert json.loads(answer.body)["gitVersion"] == "v1.37.1"
    assert len(api.proxy.requests) == 3
    assert 0.5 <= slept[0] <= 1.0 <= slept[1] <= 2.0


def test_retry_after_is_honoured(api: Api, slept: Slept) -> None:
    api.proxy.on("^/version", faults.status(429, retry_after="7"), nth={1})
    assert open_connection(api, sleep=slept).get("/version").is_ok
    assert slept == [7.0]


def test_a_lasting_error_status_is_handed_back(api: Api, slept: Slept) -> None:
    api.proxy.on("^/version", faults.status(503, "ServiceUnavailable", "no backend"))
    answer = open_connection(api, sleep=slept).get("/version")
    assert answer.explanation() == "503 ServiceUnavailable (no backend)"
    assert len(api.proxy.requests) == 4
    assert len(slept) == 3


def test_a_lasting_break_is_unreachable(api: Api, slept: Slept) -> None:
    api.proxy.on("^/version", faults.drop)
    with pytest.raises(ClusterUnreachableError, match="broke") as failure:
        open_connection(api, sleep=slept).get("/version")
    assert api.proxy.url in str(failure.value)
    assert failure.value.hint
    assert len(api.proxy.requests) == 4


def test_tries_end_with_the_time_that_is_given_to_all_of_them(api: Api) -> None:
    api.proxy.on("^/version", faults.drop)
    hurried = Backoff(attempts=100, first=0.001, longest=0.001, total=0.0)
    with pytest.raises(ClusterUnreachableError):
        open_connection(api, backoff=hurried).get("/version")
    assert len(api.proxy.requests) == 1


def test_a_server_that_does_not_answer_in_time_is_told(api: Api, slept: Slept) -> None:
    release = threading.Event()
    api.proxy.on("^/version", faults.after(lambda: release.wait(10)))
    try:
        with pytest.raises(ClusterUnreachableError, match="in time"):
            open_connection(api, sleep=slept, request_timeout=0.05).get("/version")
    finally:
        release.set()
    assert len(slept) == 3


def test_nobody_at_home_is_told(api: Api, slept: Slept, tmp_path: Path) -> None:
    path = api.proxy.kubeconfig(tmp_path)
    (port,) = ports.choose_ports(1)
    path.write_text(path.read_text().replace(api.proxy.url, f"http://127.0.0.1:{port}"))
    connection = connect(ConnectionSettings(str(path), backoff=PATIENT), sleep=slept)
    with pytest.raises(ClusterUnreachableError, match="did not take a connection"):
        connection.request("POST", "/x", body=b"{}", content_type="application/json")
    assert len(slept) == 3


@pytest.mark.parametrize("name", [name for name in FAILURES if name != "429"])
def test_a_creation_is_never_sent_twice(api: Api, slept: Slept, name: str) -> None:
    api.proxy.on("^/version", FAILURES[name], method="POST")
    connection = open_connection(api, sleep=slept)
    try:
        connection.request("POST", "/version", body=b"{}", content_type="application/json")
    except ClusterUnreachableError:
        assert name in ("dropped", "cut", "cut in a chunk", "cut gzip")
    assert len(api.proxy.requests) == 1
    assert slept == []


def test_an_apply_is_sent_again_with_its_body(api: Api) -> None:
    api.proxy.on("^/x", faults.drop, method="PATCH", nth={1})
    api.proxy.on("^/x", faults.reply(Reply(200, b"{}")), method="PATCH")
    open_connection(api).request("PATCH", "/x", body=b"{1}", content_type=APPLY)
    first, second = api.proxy.requests
    assert first.body == second.body == b"{1}"
    assert second.headers["content-type"] == APPLY


def test_the_caller_may_wait_in_its_own_way_and_give_up(api: Api, slept: Slept) -> None:
    class GivenUpError(Exception):
        pass

    def give_up(seconds: float) -> None:
        raise GivenUpError

    api.proxy.on("^/version", faults.drop)
    with pytest.raises(GivenUpError):
        open_connection(api, sleep=slept).get("/version", pause=give_up)
    assert slept == []


# ── credentials ──────────────────────────────────────────────────────────────────────────────


def test_refused_credentials_are_renewed_once(api: Api, tmp_path: Path) -> None:
    """A plugin counts its calls, and only its second token is accepted."""
    plugin = tmp_path / "plugin"
    plugin.write_text(
        f"""#!{sys.executable}
import json, pathlib
calls = pathlib.Path({str(tmp_path / "calls")!r})
calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
    "status": {{"token": f"token-{{len(calls.read_text())}}"}}}}))
"""
    )
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    path = api.proxy.kubeconfig(tmp_path)
    config = json.loads(path.read_text())
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}
    config["users"][0]["user"] = {"exec": {**command, "interactiveMode": "Never"}}
    path.write_text(json.dumps(config))

    def judge(request: Request, proper: Answer) -> Reply:
        is_good = request.headers["authorization"] == "Bearer token-2"
        return proper(request) if is_good else Reply(401, b"{}")

    api.proxy.on("", judge)
    connection = connect(ConnectionSettings(str(path)))
    threads = [threading.Thread(target=connection.get, args=("/version",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert connection.get("/version").is_ok
    assert (tmp_path / "calls").read_text() == "xx"


def test_a_token_is_asked_for_again_soon_but_not_for_each_request(api: Api) -> None:
    renewals = itertools.count(1)

    def renew(configuration: Any) -> None:
        configuration.api_key["BearerToken"] = f"Bearer token-{next(renewals)}"

    def fill(configuration: Any) -> None:
        configuration.host = api.proxy.url
        configuration.refresh_api_key_hook = renew

    connection = Connection(Account("here", (), fill), ConnectionSettings(), Slept())
    sent: list[str] = []
    deadline = time.monotonic() + 60.0
    while len(set(sent)) < 2:
        assert time.monotonic() < deadline
        connection.get("/version")
        sent.append(api.proxy.requests[-1].headers["authorization"])
        time.sleep(0.05)
    assert set(sent) == {"Bearer token-1", "Bearer token-2"}
    assert len(sent) > 2


def test_credentials_that_stay_refused_are_denied(api: Api, slept: Slept) -> None:
    api.proxy.on("", faults.status(401, "Unauthorized", "Unauthorized"))
    with pytest.raises(ClusterDeniedError, match="context faulty") as failure:
        open_connection(api, sleep=slept).get("/version")
    assert len(api.proxy.requests) == 2
    assert slept == []
    assert "a-token" not in f"{failure.value}{failure.value.hint}"


# ── silence ──────────────────────────────────────────────────────────────────────────────────


def test_neither_log_nor_error_shows_a_body_or_a_credential(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = b'{"data": {"password": "aHVudGVyMg=="}, "kind": "Secret"}'
    api.proxy.on("^/api/v1/secrets", faults.reply(Reply(500, secret)))
    api.proxy.on("^/cut", faults.reply(Reply(200, secret, cut_after=40)))
    connection = open_connection(api)
    answer = connection.get("/api/v1/secrets")
    with pytest.raises(ClusterUnreachableError) as failure:
        connection.get("/cut")
    said = f"{caplog.text}{answer!r}{answer.explanation()}{failure.value!r}{failure.value.hint}"
    assert "next try in" in said
    assert "aHVudGVyMg" not in said
    assert "a-token" not in said
