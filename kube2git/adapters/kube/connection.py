"""Requests to one API server: raw bytes in and out, and another try where that does no harm.

The only door to urllib3, whose exceptions stop here. Nothing that may hold a credential or an
object's content is passed on or logged.
"""

from __future__ import annotations

import contextlib
import logging
import random
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

import urllib3

from kube2git import __version__
from kube2git.adapters.kube.answers import Response
from kube2git.adapters.kube.credentials import Account, Channel, Credentials, find_account
from kube2git.adapters.kube.retrying import Backoff, is_repeatable, is_worth_repeating
from kube2git.errors import ClusterDeniedError, ClusterUnreachableError, UsageError

CONNECT_TIMEOUT = 10.0
FRESH = 1.0
"""Seconds for which a token counts as good. Packages renew theirs minutes before they run out; to
ask for each request costs a fifth of its processor time."""
_CHECKED_GZIP = 31
"""zlib's word for a gzip stream, whose checksum and end are checked."""

_log = logging.getLogger(__name__)

Query = Sequence[tuple[str, str]]
Pause = Callable[[float], object]
"""Waits so many seconds; may raise to give the request up."""


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Which API server, as whom, and how patiently."""

    kubeconfig: str = ""
    """A path, or several joined as in KUBECONFIG; "" for what kubectl would find."""
    context: str = ""
    as_user: str = ""
    as_groups: tuple[str, ...] = ()
    request_timeout: float = 60.0
    """Seconds without an answer, or without a further part of it."""
    connections: int = 4
    backoff: Backoff = field(default_factory=Backoff)


def connect(settings: ConnectionSettings, *, sleep: Pause = time.sleep) -> Connection:
    """Find and load the credentials; nothing is sent to the API server yet.

    Raises UsageError when the kubeconfig cannot be used, ClusterDeniedError when a plugin gives
    no credentials.
    """
    # Whoever writes insecure-skip-tls-verify into a kubeconfig has been warned.
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    account = find_account(
        settings.kubeconfig,
        settings.context,
        as_user=settings.as_user,
        as_groups=settings.as_groups,
    )
    return Connection(account, settings, sleep)


class Connection:
    """Sends requests to one API server; shared by threads."""

    def __init__(self, account: Account, settings: ConnectionSettings, sleep: Pause) -> None:
        self.context = account.context
        self._login = _Login(account, settings.connections)
        self._backoff = settings.backoff
        self._timeout = urllib3.Timeout(
            connect=min(CONNECT_TIMEOUT, settings.request_timeout), read=settings.request_timeout
        )
        self._sleep = sleep

    def get(
        self,
        path: str,
        query: Query = (),
        *,
        headers: Mapping[str, str] | None = None,
        pause: Pause | None = None,
    ) -> Response:
        """Return the answer to a GET, as ``request`` does."""
        return self.request("GET", path, query, headers=headers, pause=pause)

    def request(
        self,
        method: str,
        path: str,
        query: Query = (),
        *,
        body: bytes | None = None,
        content_type: str = "",
        headers: Mapping[str, str] | None = None,
        pause: Pause | None = None,
    ) -> Response:
        """Return the answer, whatever its status, after further tries where they may help.

        Tried again, with growing waits: 429 always; other passing errors and broken connections
        only where repeating the request does no harm. After a 401 the credentials are loaded
        again, once. ``pause`` takes the place of the sleep between the tries.

        Raises ClusterUnreachableError when no whole answer came, ClusterDeniedError when the
        credentials are not accepted.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        extra = dict(headers or {})
        if body is not None:
            extra["Content-Type"] = content_type
        deadline = time.monotonic() + self._backoff.total
        wait = self._sleep if pause is None else pause
        attempt, has_renewed = 0, False
        while True:
            attempt += 1
            is_last = attempt >= self._backoff.attempts or time.monotonic() > deadline
            session = self._login.session()
            asked = None
            try:
                response = self._send(session, method, path, target, extra, body)
            except _BrokenError as broken:
                may_repeat = broken.is_unsent or is_repeatable(method, content_type)
                if is_last or broken.is_final or not may_repeat:
                    raise broken.translated(session.server) from None
                why = str(broken)
            else:
                status = response.status
                if status == 401 and not has_renewed:
                    has_renewed = True
                    self._login.renew(session)
                    continue
                if status == 401:
                    raise self._denied(response)
                if is_last or not is_worth_repeating(status, method, content_type):
                    return response
                why, asked = f"status {status}", response.headers.get("Retry-After")
            seconds = self._backoff.delay(attempt, asked, random.random())  # noqa: S311
            _log.info("%s %s: %s; next try in %.1f s", method, path, why, seconds)
            wait(seconds)

    @contextlib.contextmanager
    def stream(self, path: str, query: Query = ()) -> Iterator[Stream]:
        """Open an answer that goes on for long, such as a watch; it is closed at the end.

        Raises ClusterUnreachableError when there is no answer, or it breaks off.
        """
        session = self._login.session()
        try:
            answer = session.pool.urlopen(
                "GET",
                session.base + (f"{path}?{urlencode(query)}" if query else path),
                headers=session.headers,
                timeout=self._timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise _BrokenError(error).translated(session.server) from None
        _log.debug("GET %s: %d, watching", path, answer.status)
        try:
            yield Stream(answer, session.server)
        finally:
            answer.close()

    def open_channel(self, path: str, query: Query) -> Channel:
        """Open the streams of a command in a Pod; raise ChannelError, or UsageError (--as)."""
        return self._login.open_channel(f"{path}?{urlencode(query)}")

    def _send(
        self,
        session: _Session,
        method: str,
        path: str,
        target: str,
        extra: Mapping[str, str],
        body: bytes | None,
    ) -> Response:
        headers = session.headers
        headers.update(extra)
        begun = time.monotonic()
        try:
            answer = session.pool.urlopen(
                method,
                session.base + target,
                body=body,
                headers=headers,
                timeout=self._timeout,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            data = answer.read(decode_content=False)
            if answer.headers.get("Content-Encoding") == "gzip":
                data = zlib.decompress(data, _CHECKED_GZIP)
        except (urllib3.exceptions.HTTPError, zlib.error) as error:
            raise _BrokenError(error) from None
        milliseconds = (time.monotonic() - begun) * 1000
        _log.debug("%s %s: %d, %.0f ms", method, path, answer.status, milliseconds)
        return Response(path, answer.status, answer.headers, data)

    def _denied(self, response: Response) -> ClusterDeniedError:
        return ClusterDeniedError(
            f"the API server does not accept the credentials of context {self.context}: "
            f"{response.explanation()}",
            hint="Log in again, or choose another --context.",
        )


class Stream:
    """An answer that is read line by line while the server writes it."""

    def __init__(self, answer: urllib3.BaseHTTPResponse, server: str) -> None:
        self.status = answer.status
        self._answer = answer
        self._server = server
        self._is_stopped = False

    def lines(self) -> Iterator[bytes]:
        """Yield whole lines until the server ends the answer, is silent for too long, or stop."""
        rest = b""
        try:
            for part in self._answer.stream(amt=None, decode_content=True):
                *whole, rest = (rest + part).split(b"\n")
                yield from whole
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            is_silent = isinstance(error, urllib3.exceptions.ReadTimeoutError)
            if not self._is_stopped and not is_silent:
                raise _BrokenError(error).translated(self._server) from None

    def stop(self) -> None:
        """End ``lines``, from another thread."""
        self._is_stopped = True
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            self._answer.shutdown()


@dataclass(frozen=True, slots=True)
class _Session:
    """What one request needs: where to, as whom, over which connections."""

    server: str
    base: str
    """What comes before the path in a request."""
    headers: urllib3.HTTPHeaderDict
    pool: urllib3.HTTPConnectionPool | urllib3.PoolManager
    number: int


class _Login:
    """Keeps credentials and connections; loads them again when they are refused."""

    _credentials: Credentials
    _headers: urllib3.HTTPHeaderDict
    _pool: urllib3.HTTPConnectionPool | urllib3.PoolManager
    _base: str
    _authorization: str
    _asked: float
    """When, on the monotonic clock."""

    def __init__(self, account: Account, connections: int) -> None:
        self._account = account
        # More than are in use at once: a sweep that was given up may still wait for answers.
        self._pool_size = 4 * connections
        self._lock = threading.Lock()
        self._number = 0
        self._load()

    def session(self) -> _Session:
        with self._lock:
            now = time.monotonic()
            if now - self._asked > FRESH:
                self._authorization, self._asked = self._credentials.authorization(), now
            headers = self._headers.copy()
            if self._authorization:
                headers["Authorization"] = self._authorization
            return _Session(self._credentials.server, self._base, headers, self._pool, self._number)

    def renew(self, refused: _Session) -> None:
        """Load the credentials again, unless another thread has done so meanwhile."""
        with self._lock:
            if refused.number == self._number:
                self._load()

    def open_channel(self, target: str) -> Channel:
        if self._account.impersonation:
            raise UsageError("a command in a Pod cannot be run as another user (--as)")
        with self._lock:
            credentials = self._credentials
            authorization = credentials.authorization()
        return credentials.open_channel(f"{credentials.server}{target}", authorization)

    def _load(self) -> None:
        self._credentials = self._account.load(pool_size=self._pool_size)
        self._authorization, self._asked = "", float("-inf")
        server, manager = self._credentials.server, self._credentials.manager
        address = urlsplit(server)
        if isinstance(manager, urllib3.ProxyManager) and address.scheme == "http":
            self._pool, self._base = manager, server
        else:
            # To ask the manager for the pool costs a third of a request's time: ask once.
            self._pool, self._base = manager.connection_from_url(server), address.path
        self._headers = urllib3.HTTPHeaderDict(
            {
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": f"kube2git/{__version__}",
            }
        )
        for name, value in self._account.impersonation:
            self._headers.add(name, value)
        self._number += 1


class _BrokenError(Exception):
    """No whole answer came. Tells the kind of cause only: its words may hold credentials."""

    def __init__(self, cause: Exception) -> None:
        words = [words for kind, words in _CAUSES if isinstance(cause, kind)]
        super().__init__(words[0] if words else "the connection broke")
        self.is_unsent = isinstance(cause, _UNSENT)
        """The server cannot have seen the request."""
        inner = cause.args[0] if cause.args else None
        self.is_final = isinstance(cause, urllib3.exceptions.LocationValueError) or isinstance(
            inner, ssl.SSLCertVerificationError
        )
        """It will be the same the next time."""

    def translated(self, server: str) -> ClusterUnreachableError:
        return ClusterUnreachableError(
            f"the API server {server} gave no usable answer: {self}",
            hint="Look at the server's address and certificate authority in the kubeconfig."
            if self.is_final
            else "Is it running, and is this the right --context?",
        )


_UNSENT = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (urllib3.exceptions.SSLError, "TLS failed, or its certificate is not trusted"),
    (urllib3.exceptions.LocationValueError, "its address is malformed"),
    (urllib3.exceptions.NameResolutionError, "its name cannot be resolved"),
    (urllib3.exceptions.ConnectTimeoutError, "it did not take a connection in time"),
    (urllib3.exceptions.NewConnectionError, "it did not take a connection"),
    (urllib3.exceptions.ReadTimeoutError, "it did not answer in time"),
    (urllib3.exceptions.ProxyError, "the proxy did not let the connection through"),
    (zlib.error, "a compressed answer was cut off"),
)
