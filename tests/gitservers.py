"""Real Git servers on loopback: HTTP(S) in front of ``git http-backend``, and SSH.

    with GitHttpServer(folder, users={"robot": "s3cret"}) as server:
        server.url("state.git")

The folder holds bare repositories. What can go wrong with a server is a switch on it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import gzip
import ipaddress
import os
import shlex
import ssl
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import asyncssh
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def create_remote(
    folder: Path, name: str = "state.git", branch: str = "main", object_format: str = "sha1"
) -> Path:
    """Create an empty bare repository that a server can serve, partial clones included."""
    path = folder / name
    options = ("--quiet", "--bare", "--template=", f"--object-format={object_format}")
    run_git("init", *options, f"--initial-branch={branch}", str(path))
    run_git("-C", str(path), "config", "uploadpack.allowFilter", "true")
    run_git("-C", str(path), "config", "uploadpack.allowAnySHA1InWant", "true")
    return path


def run_git(*arguments: str, data: bytes = b"") -> str:
    """Run git as somebody else would, and return what it printed."""
    person = {"NAME": "Somebody", "EMAIL": "somebody@example.com"}
    identity = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in person.items()
    }
    done = subprocess.run(
        ["git", *arguments],
        input=data,
        env={**_environment(), **identity},
        check=True,
        capture_output=True,
    )
    return done.stdout.decode("utf-8", "surrogateescape").strip()


def _environment() -> dict[str, str]:
    """Return an environment in which git depends on nobody's settings."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**plain, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def reject_pushes(repository: Path, words: str) -> None:
    """Install a pre-receive hook that turns every push down."""
    hooks = repository / "hooks"
    hooks.mkdir(exist_ok=True)
    hook = hooks / "pre-receive"
    hook.write_text(f"#!/bin/sh\ncat >/dev/null\necho {shlex.quote(words)} >&2\nexit 1\n")
    hook.chmod(0o755)
    # Served as a folder, the repository would run the hooks of its user's settings instead.
    run_git("-C", str(repository), "config", "core.hooksPath", str(hooks))


def allow_pushes(repository: Path) -> None:
    """Take the hook of ``reject_pushes`` away."""
    (repository / "hooks" / "pre-receive").unlink()


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Misbehaviour:
    """Switches of a server; all off."""

    forbids_push: bool = False
    """Answer 403 to pushes."""
    breaks_off_after: int | None = None
    """Close the connection after so many bytes of a pack's answer."""
    drops_pushes: bool = False
    """Close the connection in the middle of a pushed pack."""
    hangs: bool = False
    """Take requests and never answer."""
    redirects_to: str = ""
    """Send every request on to this base URL."""
    before_push: Callable[[], object] | None = None
    """Called when a push begins: somebody else may be faster."""


class GitHttpServer:
    """``git http-backend`` behind HTTP, or HTTPS with a certificate of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str] | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        self.folder = folder
        self.users = dict(users or {})
        self.misbehaviour = Misbehaviour()
        self.offered: list[tuple[str, str]] = []
        """User name and password of every request that carried any."""
        self.requests: list[str] = []
        """Method and path of every request."""
        self.sent = 0
        """Bytes of all answers' bodies."""
        self.released = threading.Event()
        handler = type("Handler", (_Handler,), {"git": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.path, certificate.key_path)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def url(self, name: str = "state.git", userinfo: str = "") -> str:
        at = f"{userinfo}@" if userinfo else ""
        return f"{self._scheme}://{at}127.0.0.1:{self._server.server_port}/{name}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    git: GitHttpServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Say nothing."""

    def _answer(self) -> None:
        git, wrong = self.git, self.git.misbehaviour
        git.requests.append(f"{self.command} {self.path}")
        address = urlsplit(self.path)
        is_push = "git-receive-pack" in self.path
        if wrong.hangs:
            git.released.wait(60)
            self.close_connection = True
            return
        if wrong.drops_pushes and is_push and self.command == "POST":
            self.rfile.read(20)
            self._drop()
            return
        body = self._body()
        if wrong.redirects_to:
            self._say(302, {"Location": wrong.redirects_to + self.path})
        elif not self._is_let_in():
            self._say(401, {"WWW-Authenticate": 'Basic realm="git"'})
        elif wrong.forbids_push and is_push:
            self._say(403, {}, b"You may not push here.\n")
        elif wrong.before_push and self.path.endswith("service=git-receive-pack"):
            # Its answer is computed first: that is how a race begins.
            answer = self._backend(address.path, address.query, body)
            wrong.before_push()
            self._say(*answer)
        elif not (git.folder / address.path.strip("/").split("/")[0]).is_dir():
            self._say(404, {})
        else:
            self._say(*self._backend(address.path, address.query, body))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline().strip(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _is_let_in(self) -> bool:
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            user, _, password = base64.b64decode(token).decode().partition(":")
            self.git.offered.append((user, password))
            return self.git.users.get(user) == password
        return not self.git.users

    def _backend(self, path: str, query: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        environment = {
            **_environment(),
            "GIT_PROJECT_ROOT": str(self.git.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": "robot",
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        return int(headers.pop("Status", "200").split()[0]), headers, content

    def _say(self, status: int, headers: Mapping[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.git.sent += len(content)
        limit = self.git.misbehaviour.breaks_off_after
        if limit is not None and self.command == "POST" and len(content) > limit:
            self.wfile.write(content[:limit])
            self.wfile.flush()
            self._drop()
            return
        self.wfile.write(content)

    def _drop(self) -> None:
        self.close_connection = True


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1 that nobody trusts unless told to."""

    path: Path
    key_path: Path

    @classmethod
    def make(cls, folder: Path) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Git server of the tests")])
        now = datetime.datetime.now(datetime.UTC)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        made = cls(folder / "server.crt", folder / "server.key")
        made.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        made.key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return made


# ── SSH ──────────────────────────────────────────────────────────────────────────────────────


class GitSshServer:
    """An SSH server that runs git's two server commands for the holder of a deploy key."""

    def __init__(self, folder: Path, keys: Path) -> None:
        self.folder = folder
        self.key_path = keys / "deploy_key"
        self.known_hosts_path = keys / "known_hosts"
        self.commands: list[str] = []
        deploy = asyncssh.generate_private_key("ssh-ed25519")
        deploy.write_private_key(str(self.key_path))
        self.key_path.chmod(0o600)
        self._authorized = asyncssh.import_authorized_keys(deploy.export_public_key().decode())
        self._host_key = asyncssh.generate_private_key("ssh-ed25519")
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def url(self, name: str = "state.git") -> str:
        return f"ssh://git@127.0.0.1:{self._port}{self.folder}/{name}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._wait(
            asyncssh.create_server(
                asyncssh.SSHServer,
                "127.0.0.1",
                0,
                server_host_keys=[self._host_key],
                authorized_client_keys=self._authorized,
                process_factory=self._serve,
                encoding=None,
            )
        )
        self._port = self._server.get_port()
        host_key = self._host_key.export_public_key().decode().strip()
        self.known_hosts_path.write_text(f"[127.0.0.1]:{self._port} {host_key}\n")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self._wait(self._server.wait_closed())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, awaitable: Any) -> Any:
        async def done() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(30)

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        self.commands.append(process.command or "")
        words = shlex.split(process.command or "")
        if len(words) != 2 or words[0] not in {"git-upload-pack", "git-receive-pack"}:
            process.exit(127)
            return
        child = await asyncio.create_subprocess_exec(
            "git",
            words[0].removeprefix("git-"),
            words[1],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
        )
        # A client may keep its side open after git has given up.
        incoming = asyncio.ensure_future(_feed(process.stdin, child.stdin))
        await asyncio.gather(
            _pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr)
        )
        incoming.cancel()
        process.exit(await child.wait())


async def _pump(source: Any, target: Any) -> None:
    with contextlib.suppress(ConnectionError, asyncssh.BreakReceived):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()


async def _feed(source: Any, target: Any) -> None:
    await _pump(source, target)
    target.close()
