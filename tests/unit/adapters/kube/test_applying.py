"""Writes as they go over the wire, and how many at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest

from kube2git.adapters.kube.applying import KubeTarget, Throttle
from kube2git.adapters.kube.connection import connect
from kube2git.core.ports import ObjectChanged, Verb, WatchEnded, WatchPlace, WriteRequest
from tests import faults
from tests.fakes.store import TYPES
from tests.faults import Reply, Request
from tests.unit.adapters.kube.api import Api

(CONFIG_MAP,) = [type for type in TYPES if type.kind == "ConfigMap"]
BODY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}}
OBJECT = Reply(200, json.dumps(BODY).encode(), {"Content-Type": "application/json"})


def target_of(api: Api, writers: int = 4) -> KubeTarget:
    return KubeTarget(connect(api.settings()), writers=writers)


def write(verb: Verb, body: object = None, **more: bool) -> WriteRequest:
    return WriteRequest(verb, CONFIG_MAP, "shop", "a", body or BODY, **more)  # type: ignore[arg-type]


def sent(api: Api, method: str) -> Request:
    return [request for request in api.proxy.requests if request.method == method][-1]


@pytest.mark.parametrize(
    ("verb", "method", "path", "content_type"),
    [
        (Verb.APPLY, "PATCH", "/a", "application/apply-patch+yaml"),
        (Verb.EDIT, "PATCH", "/a", "application/json-patch+json"),
        (Verb.REPLACE, "PUT", "/a", "application/json"),
        (Verb.CREATE, "POST", "", "application/json"),
        (Verb.DELETE, "DELETE", "/a", "application/json"),
    ],
)
def test_each_verb_has_its_request(
    api: Api, verb: Verb, method: str, path: str, content_type: str
) -> None:
    api.proxy.on("", faults.reply(OBJECT), method=method)
    answer = target_of(api).send(write(verb))
    assert (answer.is_ok, answer.body) == (True, BODY)
    request = sent(api, method)
    assert request.path == f"/api/v1/namespaces/shop/configmaps{path}"
    assert request.headers["content-type"] == content_type
    assert json.loads(request.body) == BODY
    assert request.query.get("fieldManager") == (None if verb is Verb.DELETE else "kube2git")
    assert "dryRun" not in request.query


def test_force_and_dry_run_are_said(api: Api) -> None:
    api.proxy.on("", faults.reply(OBJECT), method="PATCH")
    target = target_of(api)
    target.send(write(Verb.APPLY))
    assert sent(api, "PATCH").query["force"] == "false"
    target.send(write(Verb.APPLY, is_forced=True, is_dry_run=True))
    assert sent(api, "PATCH").query["force"] == "true"
    assert sent(api, "PATCH").query["dryRun"] == "All"


def test_an_apply_body_survives_a_reader_of_yaml(api: Api) -> None:
    api.proxy.on("", faults.reply(OBJECT), method="PATCH")
    body = {**BODY, "data": {"k": "a\x85b\u2028c\U0001f6a2"}}
    target_of(api).send(write(Verb.APPLY, body))
    assert b"a\\u0085b\\u2028c\xf0\x9f\x9a\xa2" in sent(api, "PATCH").body


def test_an_answer_that_is_no_object_is_told_by_its_status(api: Api) -> None:
    api.proxy.on("", faults.text(404, "404 page not found"), method="PATCH")
    answer = target_of(api).send(write(Verb.APPLY))
    assert (answer.status, answer.body, answer.is_ok) == (404, None, False)


def test_tasks_run_at_once_and_none_begins_after_the_stop(api: Api) -> None:
    stop = threading.Event()
    meeting = threading.Barrier(4, action=stop.set)
    done: list[int] = []

    def task(number: int) -> Callable[[], None]:
        def run() -> None:
            meeting.wait(timeout=10)
            done.append(number)

        return run

    target_of(api).in_parallel([task(number) for number in range(8)], stop.is_set)
    assert len(done) == 4


def test_what_a_task_raises_is_raised_after_the_others_have_ended(api: Api) -> None:
    done: list[str] = []
    begun = threading.Event()

    def fail() -> None:
        begun.wait(timeout=10)
        raise ValueError("this one")

    def work() -> None:
        begun.set()
        done.append("work")

    with pytest.raises(ValueError, match="this one"):
        target_of(api, writers=2).in_parallel([fail, work])
    assert done == ["work"]


def test_a_busy_server_gets_fewer_requests_at_once_and_then_more_again() -> None:
    throttle = Throttle(8)
    throttle.relieve()
    assert throttle.limit == 4
    throttle.relieve()  # the same moment: the same cause
    assert throttle.limit == 4
    for _ in range(60):
        with throttle:
            pass
    assert throttle.limit == 8


def test_retries_make_the_client_hold_back(api: Api) -> None:
    api.proxy.on("", faults.status(429, retry_after="0"), method="PATCH", nth={1})
    api.proxy.on("", faults.reply(OBJECT), method="PATCH")
    target = target_of(api, writers=8)
    assert target.send(write(Verb.APPLY)).is_ok
    assert target._throttle.limit == 4


def test_a_watch_tells_what_happens_and_how_it_ended(api: Api) -> None:
    events = [
        {"type": "MODIFIED", "object": {"metadata": {"name": "a", "namespace": "shop"}}},
        {"type": "DELETED", "object": {"metadata": {"name": "a", "namespace": "shop"}}},
    ]
    lines = "".join(f"{json.dumps(event)}\n" for event in events).encode()
    api.proxy.on("watch=true", faults.reply(Reply(200, lines)))
    place = WatchPlace(CONFIG_MAP, "shop", "7")
    found = []
    for event in target_of(api).watch([place], 10):
        found.append(event)
        if isinstance(event, WatchEnded):
            break
    told = [event for event in found if event is not None]
    assert told == [ObjectChanged(BODY), ObjectChanged(BODY, is_gone=True), WatchEnded(place)]
    assert sent(api, "GET").query["resourceVersion"] == "7"


def test_a_watch_that_is_forbidden_says_which_right_is_missing(api: Api) -> None:
    api.proxy.on("watch=true", faults.status(403, "Forbidden"))
    watching = target_of(api).watch([WatchPlace(CONFIG_MAP)], 10)
    ended = next(event for event in watching if isinstance(event, WatchEnded))
    assert 'resources: ["configmaps"], verbs: ["watch"]' in ended.reason
