"""Wait until a claim about a control plane is true, or say why it will not be.

Rule: a process that dies while others wait for it is reported at once, with the end of its log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import urllib3

from tests.controlplane.connection import Response
from tests.controlplane.problems import ControlPlaneError, PortTakenError
from tests.controlplane.processes import Status

POLL_SECONDS = 0.02
LOG_LINES = 20

Get = Callable[[str], Response]


def wait(
    claim: Callable[[], bool], what: str, *, timeout: float, check: Callable[[], None]
) -> None:
    """Wait until the claim holds; `check` raises when waiting has become pointless."""
    deadline = time.monotonic() + timeout
    while not claim():
        check()
        if time.monotonic() > deadline:
            raise ControlPlaneError(f"{what} did not happen within {timeout:.0f} seconds.")
        time.sleep(POLL_SECONDS)


def check_alive(statuses: Mapping[str, Status], log: Callable[[str], Path]) -> None:
    """Raise for the first process that has ended, with the end of its log."""
    for name, status in statuses.items():
        if status.exit is not None:
            raise explain_death(name, status.exit, log(name))


def explain_death(name: str, exit_status: int, log: Path) -> ControlPlaneError:
    text = log.read_text(errors="replace") if log.exists() else ""
    if "address already in use" in text:
        return PortTakenError(f"Another process took a port of {name} while it started; try again.")
    tail = "\n".join(text.splitlines()[-LOG_LINES:])
    how = f"signal {-exit_status}" if exit_status < 0 else f"exit code {exit_status}"
    return ControlPlaneError(f"{name} ended with {how}. The end of its log, {log}:\n{tail}")


def is_ready(get: Get) -> bool:
    """Tell whether the server says that it is ready."""
    try:
        return get("/readyz").status == 200
    except urllib3.exceptions.HTTPError:
        return False


def has_default_objects(get: Get) -> bool:
    """Tell whether each namespace has its service account and its root certificate."""
    namespaces = named("metadata.name", get("/api/v1/namespaces"))
    accounts = named(
        "metadata.namespace", get("/api/v1/serviceaccounts?fieldSelector=metadata.name%3Ddefault")
    )
    roots = named(
        "metadata.namespace",
        get("/api/v1/configmaps?fieldSelector=metadata.name%3Dkube-root-ca.crt"),
    )
    return "default" in namespaces and namespaces <= accounts & roots


def named(field: str, answer: Response) -> set[str]:
    key = field.removeprefix("metadata.")
    return {item["metadata"][key] for item in answer.json()["items"]} if is_ok(answer) else set()


def is_ok(answer: Response) -> bool:
    return 200 <= answer.status < 300


def has_condition(get: Get, path: str, condition: str) -> bool:
    """Tell whether an object has a condition that is True."""
    answer = get(path)
    if not is_ok(answer):
        return False
    # A fresh definition says "conditions": null until a controller has looked at it.
    conditions = answer.json().get("status", {}).get("conditions") or []
    return any(c["type"] == condition and c["status"] == "True" for c in conditions)
