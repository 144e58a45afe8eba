"""A small HTTP server on loopback that answers like an API server, except where told to fail.

    with FaultProxy.before(plane) as proxy:
        proxy.on(r"/deployments\\?.*continue", faults.status(410), nth={2})
        cluster = connect(proxy.kubeconfig(tmp_path))

What no rule wants is answered by the API server behind it (or by any function from a request to a
reply). Rules are tried in the order in which they were added; the first that wants the request
gets it. Everything that was asked stands in ``proxy.requests``.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import parse_qsl, urlsplit

import urllib3

from tests.controlplane import ControlPlane

_HOP_BY_HOP = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    method: str
    target: str
    """Path and query, as they came."""
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))


@dataclass(frozen=True)
class Reply:
    """What is sent back, and how badly."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    """Close the connection after so many bytes of the body; -1: before the first of the answer."""
    is_chunked: bool = False
    stream: Generator[bytes] | None = field(default=None, repr=False)
    """In place of a body: what is passed on as it comes, as the answer to a watch does."""


Answer = Callable[[Request], Reply]
Fault = Callable[[Request, Answer], Reply]
"""Gets the request, and what answers it properly."""


# ── faults ───────────────────────────────────────────────────────────────────────────────────


def status(
    code: int, reason: str = "", message: str = "", *, retry_after: str | None = None
) -> Fault:
    """Answer with a Status object, as the API server does."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    headers = {"Content-Type": "application/json"}
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return reply(Reply(code, json.dumps(body).encode(), headers))


def text(code: int, words: str) -> Fault:
    """Answer with bare text, as the API server does for paths that it does not know."""
    return reply(Reply(code, words.encode(), {"Content-Type": "text/plain; charset=utf-8"}))


def reply(answer: Reply) -> Fault:
    """Give this answer in place of the proper one."""

    def given(request: Request, proper: Answer) -> Reply:
        return answer

    return given


def cut(after: int, *, is_chunked: bool = False) -> Fault:
    """Send the proper answer's head and the first bytes of its body; then close."""
    return lambda request, proper: replace(proper(request), cut_after=after, is_chunked=is_chunked)


def drop(request: Request, proper: Answer) -> Reply:
    """Close the connection without an answer."""
    return Reply(0, cut_after=-1)


def delay(seconds: float) -> Fault:
    """Give the proper answer late."""

    def late(request: Request, proper: Answer) -> Reply:
        time.sleep(seconds)
        return proper(request)

    return late


def after(event: Callable[[], object]) -> Fault:
    """Do something first, then give the proper answer."""

    def then(request: Request, proper: Answer) -> Reply:
        event()
        return proper(request)

    return then


def changed(change: Callable[[Any], Any]) -> Fault:
    """Give the proper answer with its JSON body changed (asked for without compression)."""

    def altered(request: Request, proper: Answer) -> Reply:
        plain = replace(request, headers={**request.headers, "accept-encoding": "identity"})
        answer = proper(plain)
        body = json.dumps(change(json.loads(answer.body))).encode()
        return replace(answer, body=body)

    return altered


class Killable(Protocol):
    """A process, or what keeps one."""

    def kill(self) -> None: ...


class Killer:
    """Ends a process at its nth write, after the server has carried that write out."""

    def __init__(self, number: int, process: Killable | None = None) -> None:
        self.left = number
        self.process = process
        self._lock = threading.Lock()

    def __call__(self, request: Request, proper: Answer) -> Reply:
        reply = proper(request)
        if "dryRun" not in request.target:
            with self._lock:
                self.left -= 1
                if self.left == 0 and self.process is not None:
                    self.process.kill()
        return reply


# ── the server ───────────────────────────────────────────────────────────────────────────────


@dataclass
class _Rule:
    pattern: re.Pattern[str]
    fault: Fault
    method: str
    nth: Collection[int] | None
    seen: int = 0

    def wants(self, request: Request) -> bool:
        if request.method != self.method or not self.pattern.search(request.target):
            return False
        self.seen += 1
        return self.nth is None or self.seen in self.nth


class FaultProxy:
    """A server that can be told to fail; a context manager."""

    def __init__(
        self, answer: Answer, *, token: str = "", end: Callable[[], None] = lambda: None
    ) -> None:
        """Begin to listen; ``end`` is called when it is closed."""
        self.requests: list[Request] = []
        self._answer = answer
        self._end = end
        self._token = token
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._server = _Server(self._handle)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @classmethod
    def before(cls, plane: ControlPlane) -> FaultProxy:
        """Stand in front of a real API server; clients come with their own credentials."""
        forwarder = _Forwarder(plane)
        return cls(forwarder, token=plane.token(), end=forwarder.close)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def kubeconfig(self, folder: Path, *, token: str | None = None) -> Path:
        """Write a kubeconfig that leads here, as admin unless another token is given."""
        user = {"token": self._token if token is None else token}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "faulty",
            "clusters": [{"name": "faulty", "cluster": {"server": self.url}}],
            "contexts": [{"name": "faulty", "context": {"cluster": "faulty", "user": "me"}}],
            "users": [{"name": "me", "user": user}],
        }
        path = folder / f"faulty-{self._server.server_address[1]}.yaml"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        return path

    def on(
        self,
        pattern: str,
        fault: Fault,
        *,
        method: str = "GET",
        nth: Collection[int] | None = None,
    ) -> None:
        """Give requests whose path and query match to a fault: all, or the nth ones, from 1."""
        with self._lock:
            self._rules.append(_Rule(re.compile(pattern), fault, method, nth))

    def on_writes(self, fault: Fault) -> None:
        """Give all requests that write to a fault."""
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            self.on("", fault, method=method)

    def forget(self) -> None:
        """Drop all rules and the record of requests."""
        with self._lock:
            self._rules.clear()
            self.requests.clear()

    def asked(self, pattern: str) -> list[Request]:
        """Return the requests so far whose path and query match."""
        with self._lock:
            return [one for one in self.requests if re.search(pattern, one.target)]

    def _handle(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            chosen = [rule for rule in self._rules if rule.wants(request)]
        if chosen:
            return chosen[0].fault(request, self._answer)
        return self._answer(request)

    def close(self) -> None:
        self._server.shutdown()
        self._end()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Forwarder:
    """Passes requests on to a real API server, and its answers back as they are."""

    def __init__(self, plane: ControlPlane) -> None:
        self._server = plane.server
        self._pool = urllib3.PoolManager(ca_certs=str(plane.ca_file), maxsize=32, retries=False)
        self._watched: set[socket.socket] = set()

    def __call__(self, request: Request) -> Reply:
        headers = {
            name: value for name, value in request.headers.items() if name not in _HOP_BY_HOP
        }
        is_watch = "watch" in request.query
        answer = self._pool.request(
            request.method,
            self._server + request.target,
            body=request.body or None,
            headers=headers,
            decode_content=False,
            redirect=False,
            preload_content=not is_watch,
            timeout=None if is_watch else 60.0,
        )
        kept = {
            name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP
        }
        if is_watch:
            return Reply(answer.status, headers=kept, stream=self._pieces(answer))
        return Reply(answer.status, answer.data, kept)

    def _pieces(self, answer: urllib3.BaseHTTPResponse) -> Generator[bytes]:
        """Yield what a watch tells, until its server, its client or this proxy ends it."""
        connection = answer.connection
        upstream = getattr(connection, "sock", None)
        if upstream is not None:
            self._watched.add(upstream)
        with contextlib.closing(answer), contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
            try:
                yield from answer.stream(decode_content=False)
            finally:
                self._watched.discard(upstream)

    def close(self) -> None:
        """End the watches that go on, which tell nothing any more, and their threads."""
        for upstream in list(self._watched):
            with contextlib.suppress(OSError):
                upstream.shutdown(socket.SHUT_RDWR)
        self._pool.clear()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End connections that clients keep alive, so that their threads end."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away in the middle are what tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length) if length else b"",
        )
        answer = self.server.answer(request)
        if answer.cut_after is not None and answer.cut_after < 0:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        has_body = answer.status not in (204, 304)
        if answer.stream is not None:
            self._pass_on(answer.stream)
            return
        if answer.is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif has_body:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        body = answer.body[: answer.cut_after]
        if answer.is_chunked:
            body = b"%x\r\n%s\r\n" % (len(answer.body), body)
        if has_body:
            self.wfile.write(body)
        if answer.cut_after is not None:
            self.close_connection = True

    def _pass_on(self, stream: Generator[bytes]) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.closing(stream):
            for piece in stream:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - names of the library

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the library
        """Write nothing to stderr."""
