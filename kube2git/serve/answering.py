"""/metrics, /healthz and /readyz over HTTP. Only reads; nothing secret is there to be read."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from kube2git.core import wire
from kube2git.errors import UsageError

Answer = tuple[int, str, bytes]
"""Status, content type, body."""
Page = Callable[[], Answer]

JSON = "application/json"


class Server:
    """Answers on an address until it is closed."""

    def __init__(self, listen: str, pages: dict[str, Page]) -> None:
        """Bind; raise UsageError when the address cannot be had."""
        host, _, port = listen.rpartition(":")
        handler = type("Handler", (_Handler,), {"pages": pages})
        kind = _Server6 if ":" in host else _Server
        try:
            self._server = kind((host.strip("[]"), int(port)), handler)
        except OSError as error:
            raise UsageError(
                f"the address {listen} cannot be listened on: {error.strerror}",
                hint="Choose another one with serve.listen.",
            ) from None
        self.address = f"{host}:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    pages: ClassVar[dict[str, Page]]
    timeout = 10
    server_version = "kube2git"
    sys_version = ""

    def do_GET(self) -> None:
        page = self.pages.get(self.path.partition("?")[0])
        status, kind, body = page() if page else _missing(self.pages)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: probes come every few seconds."""


def _missing(pages: dict[str, Page]) -> Answer:
    return 404, "text/plain", f"There are {', '.join(pages)}.\n".encode()


def json_page(status: int, data: object) -> Answer:
    """Return a page of JSON."""
    return status, JSON, wire.readable(data).encode() + b"\n"
