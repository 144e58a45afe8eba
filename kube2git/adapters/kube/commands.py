"""The CommandRunner port on a real API server: ``exec`` over a WebSocket, within a time limit.

What a command writes is read and dropped: it may hold secrets.
"""

from __future__ import annotations

import threading
import time
from urllib.parse import quote

from kube2git.adapters.kube.connection import Connection
from kube2git.adapters.kube.credentials import Channel, ChannelError
from kube2git.core import wire
from kube2git.core.ports import CommandRequest
from kube2git.core.workloads import dig, items_of
from kube2git.errors import Kube2gitError

_STDOUT, _STDERR, _ERROR = 1, 2, 3
"""Numbers of the streams, as Kubernetes has them."""
_READING = 0.25
"""Seconds between two looks at what the command has written."""
_NO_ANSWER = "The API server gave no usable answer."


class PodCommands:
    """Runs commands in Pods."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, request: CommandRequest) -> str:
        """Run a command to its end; return why it failed, a whole sentence, "" when it did not."""
        ended: list[str] = []
        # A thread, since neither opening nor reading a WebSocket can be trusted to end in time.
        thread = threading.Thread(target=lambda: ended.append(self._run(request)), daemon=True)
        thread.start()
        thread.join(request.seconds + 2 * _READING)
        return ended[0] if ended else _too_slow(request)

    def _run(self, request: CommandRequest) -> str:
        deadline = time.monotonic() + request.seconds
        path = f"/api/v1/namespaces/{quote(request.namespace)}/pods/{quote(request.pod)}/exec"
        query = [("container", request.container)] if request.container else []
        query += [("stdout", "true"), ("stderr", "true")]
        query += [("command", word) for word in request.command]
        try:
            channel = self._connection.open_channel(path, query)
        except ChannelError as error:
            return _refusal(request, error.status)
        except Kube2gitError as error:
            return f"{error}."
        try:
            return self._wait(channel, request, deadline)
        except Exception:  # noqa: BLE001 - the library lets through whatever its socket raises
            return f"The connection broke while the command ran. {_NO_ANSWER}"
        finally:
            channel.close()

    def _wait(self, channel: Channel, request: CommandRequest, deadline: float) -> str:
        while channel.is_open():
            left = deadline - time.monotonic()
            if left <= 0:
                return _too_slow(request)
            channel.run_forever(timeout=min(_READING, left))
            for stream in (_STDOUT, _STDERR):
                channel.read_channel(stream)
        return _verdict(channel.read_channel(_ERROR))


def _verdict(text: str) -> str:
    try:
        status = wire.decode(text.encode())
    except wire.MalformedJsonError:
        return f"The command ended without saying how. {_NO_ANSWER}"
    if dig(status, "status") == "Success":
        return ""
    for cause in items_of(status, "details", "causes"):
        if cause.get("reason") == "ExitCode":
            return f"It ended with exit code {cause.get('message')}."
    return "It could not be run, or failed; run it by kubectl exec to see why."


def _refusal(request: CommandRequest, status: int) -> str:
    if status == 403:
        return (
            "This identity may not run commands in Pods: a role with the rule "
            '{apiGroups: [""], resources: ["pods/exec"], verbs: ["create", "get"]} would allow it.'
        )
    if status == 404:
        return "The Pod does not exist any more."
    if status == 400:
        return f"The Pod has no container {request.container} that runs."
    return f"The API server answered {status}." if status else _NO_ANSWER


def _too_slow(request: CommandRequest) -> str:
    return f"It did not end within {request.seconds:g} seconds."
