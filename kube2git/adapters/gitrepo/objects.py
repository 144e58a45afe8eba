"""Reads objects through ``git cat-file --batch``, and commits out of their raw form."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice

from kube2git.adapters.gitrepo.access import Credentials
from kube2git.adapters.gitrepo.plumbing import Dialogue, Git
from kube2git.core.ports import Commit
from kube2git.errors import Kube2gitError

_WINDOW = 256
"""Names sent ahead of their answers; together they fit into a pipe, so nobody waits for ever."""


def object_id(kind: str, data: bytes, object_format: str) -> str:
    """Return the id that git gives to an object of these bytes."""
    digest = hashlib.new(object_format, b"%s %d\0" % (kind.encode(), len(data)))
    digest.update(data)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it stands in the repository."""

    id: str
    kind: str
    """blob, tree, commit or tag."""
    data: bytes


class ObjectReader:
    """Answers "what is in this object" from processes that stay up between questions."""

    def __init__(self, git: Git, credentials: Credentials | None = None) -> None:
        self._git = git
        self._credentials = credentials
        self._idle: list[Dialogue] = []

    def get(self, name: str) -> Stored | None:
        """Return the object of a name (an id, a ref, ``<commit>:<path>``), None if missing."""
        [(_, found)] = self.stream([name])
        return found

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, Stored | None]]:
        """Yield each name with its object, in order; None for those that are missing."""
        source = iter(names)
        window = 1
        outstanding = 0
        process = self._idle.pop() if self._idle else self._start()
        try:
            # The first answer comes at once, later ones in ever larger windows.
            while batch := list(islice(source, window)):
                window = min(window * 2, _WINDOW)
                outstanding = len(batch)
                _send(process, batch)
                for name in batch:
                    found = _receive(process)
                    outstanding -= 1
                    yield name, found
        finally:
            if outstanding == 0 and process.is_running:
                self._idle.append(process)
            else:
                process.stop()

    def close(self) -> None:
        """End the processes that wait for questions."""
        while self._idle:
            self._idle.pop().stop()

    def _start(self) -> Dialogue:
        return self._git.start("cat-file", "--batch", credentials=self._credentials)


def _send(process: Dialogue, names: list[str]) -> None:
    lines = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
    try:
        process.say(lines)
        process.flush()
    except BrokenPipeError:
        raise _ended() from None


def _receive(process: Dialogue) -> Stored | None:
    header = process.answers.readline()
    if header.endswith((b" missing\n", b" ambiguous\n")):
        return None
    words = header.split()
    if len(words) != 3:
        raise _ended()
    id, kind, size = words[0].decode(), words[1].decode(), int(words[2])
    data = process.answers.read(size + 1)
    if len(data) != size + 1:
        raise _ended()
    return Stored(id, kind, data[:-1])


def _ended() -> Kube2gitError:
    return Kube2gitError(
        "git stopped while objects were being read.",
        hint="Run `git fsck` in the repository: an object may be missing or damaged.",
    )


# ── Commits ──────────────────────────────────────────────────────────────────────────────────

_PERSON = re.compile(
    r"(?P<who>.*?) ?(?P<seconds>-?\d+) (?P<sign>[+-])(?P<hours>\d\d)(?P<minutes>\d\d)"
)


@dataclass(frozen=True, slots=True)
class RawCommit:
    """A commit's parts as bytes, for building it again elsewhere."""

    tree: str
    parents: tuple[str, ...]
    author: bytes
    """``Name <mail> seconds zone``."""
    committer: bytes
    encoding: str
    message: bytes
    signature: bytes = b""
    """As it stands in the header, armored; b"" when it is not signed."""

    @property
    def committed(self) -> int:
        """When, in seconds since 1970."""
        return int(self.committer.rsplit(b" ", 2)[1])


def split_commit(data: bytes) -> RawCommit:
    """Take a raw commit object apart."""
    head, _, message = data.partition(b"\n\n")
    tree, author, committer, encoding = "", b"", b"", "utf-8"
    parents: list[str] = []
    signature: list[bytes] = []
    key, mark = b"", b"gpgsig"
    for line in head.split(b"\n"):
        if line.startswith(b" "):
            if key == mark:
                signature.append(line[1:])
            continue
        key, _, value = line.partition(b" ")
        if key == b"parent":
            parents.append(value.decode())
        elif key == b"tree":
            tree = value.decode()
            # A commit may carry one for each hash function; only the repository's own counts.
            mark = b"gpgsig-sha256" if len(tree) == 64 else b"gpgsig"
        elif key == b"author":
            author = value
        elif key == b"committer":
            committer = value
        elif key == b"encoding":
            encoding = value.decode("ascii", "replace")
        elif key == mark:
            signature.append(value)
    return RawCommit(
        tree, tuple(parents), author, committer, encoding, message, b"\n".join(signature)
    )


def read_commit(stored: Stored) -> Commit:
    """Decode a raw commit object."""
    raw = split_commit(stored.data)
    message = _decode(raw.message, raw.encoding).rstrip("\n")
    author, _ = _person(_decode(raw.author, raw.encoding))
    _, time = _person(_decode(raw.committer, raw.encoding))
    return Commit(stored.id, raw.parents, author, time, message, trailers(message))


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding, "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


def _person(text: str) -> tuple[str, datetime]:
    match = _PERSON.fullmatch(text)
    if not match:
        return text, datetime.fromtimestamp(0, UTC)
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
    zone = timezone(-offset if match["sign"] == "-" else offset)
    return match["who"], datetime.fromtimestamp(int(match["seconds"]), zone)


_TRAILER = re.compile(r"(?P<key>[A-Za-z0-9][A-Za-z0-9-]*): *(?P<value>.*)")


def trailers(message: str) -> dict[str, str]:
    """Return the trailers of a message: its last paragraph, when every line there is one.

    A line that begins with white space continues the one before; the values of a key that
    comes several times are joined by line breaks.
    """
    paragraphs = message.rstrip().split("\n\n")
    found: dict[str, str] = {}
    key = ""
    for line in paragraphs[-1].splitlines() if len(paragraphs) > 1 else ():
        if key and line[:1] in {" ", "\t"}:
            found[key] = f"{found[key]} {line.strip()}".strip()
            continue
        match = _TRAILER.fullmatch(line)
        if not match:
            return {}
        key, value = match["key"], match["value"].strip()
        found[key] = f"{found[key]}\n{value}" if key in found else value
    return found
