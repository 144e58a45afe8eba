"""Where an object's file stands: a pure, injective function of its identity.

    namespaces/<ns>/<Kind>[.<group>]/<name>.yaml
    cluster/<Kind>[.<group>]/<name>.yaml
    snapshots/<ns>/<pvc>.yaml
    .kube2git/{format,coverage,seals}.yaml

Everything else below the prefix belongs to somebody else. A name becomes a path segment by
percent-encoding what file systems and Windows dislike, so that two names never share a path, not
even on a file system that ignores case; a segment over 200 bytes is cut and gets a hash.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple
from urllib.parse import unquote

from kube2git.core.objects import ObjectRef

FORMAT = ".kube2git/format.yaml"
COVERAGE = ".kube2git/coverage.yaml"
SEALS = ".kube2git/seals.yaml"

MAX_SEGMENT = 200
"""Bytes. File systems allow 255; the rest leaves room for ``.yaml``, a hash and tools' suffixes."""

_PLAIN = re.compile(r"[a-z0-9_-](?:[a-z0-9._-]*[a-z0-9_-])?")
_UNCHANGED = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789._-")
_WINDOWS_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


def segment(name: str) -> str:
    """Encode a name as one path segment.

    Lower-case letters, digits, ``.``, ``_`` and ``-`` stay; every other byte of the UTF-8 form
    becomes ``%XX``. Upper-case letters are encoded too, because names that differ only in case
    must not meet on macOS or Windows; so are a leading or trailing dot and the first letter of
    Windows' device names (``con``, ``nul``, …).
    """
    is_reserved = _WINDOWS_RESERVED.fullmatch(name) is not None
    if _PLAIN.fullmatch(name) and len(name) <= MAX_SEGMENT and not is_reserved:
        return name
    data = name.encode("utf-8", "surrogatepass")
    parts = [chr(byte) if byte in _UNCHANGED else f"%{byte:02X}" for byte in data]
    for end in (0, -1):
        if parts and (parts[end] == "." or (end == 0 and is_reserved)):
            parts[end] = f"%{data[end]:02X}"
    encoded = "".join(parts)
    if len(encoded) > MAX_SEGMENT:
        # "~" never comes out of the encoding, so a cut name meets no other name's segment.
        mark = hashlib.sha256(data).hexdigest()[:20]
        encoded = f"{_SPLIT_BYTE.sub('', encoded[: MAX_SEGMENT - 21])}~{mark}"
    return encoded


_SPLIT_BYTE = re.compile(r"%[0-9A-F]?\Z")
"""What a cut may leave of a ``%XX``."""


def directory_of(kind_group: str, namespace: str) -> str:
    """Return the folder of a kind: in a namespace, or cluster-scoped when ``namespace`` is ""."""
    if namespace:
        return f"namespaces/{segment(namespace)}/{kind_group}"
    return f"cluster/{kind_group}"


def path_of(ref: ObjectRef) -> str:
    """Return the path of an object's file, relative to the prefix."""
    return f"{directory_of(ref.kind_group, ref.namespace)}/{segment(ref.name)}.yaml"


def presumed_ref(path: str) -> ObjectRef:
    """Return which object should be in a file, to name one whose body cannot be read.

    ``path`` has the shape of an object's file. A name that was cut stays cut.
    """
    *scope, kind_group, file = path.split("/")
    kind, _, group = kind_group.partition(".")
    namespace = scope[1] if len(scope) > 1 else ""
    return ObjectRef(group, kind, unquote(namespace), unquote(file.removesuffix(".yaml")))


def snapshots_path(namespace: str, claim: str) -> str:
    """Return the path of the record of a claim's snapshots."""
    return f"snapshots/{segment(namespace)}/{segment(claim)}.yaml"


def is_snapshots_path(path: str) -> bool:
    """Tell whether a path has the shape of a record of snapshots."""
    return _SNAPSHOTS_PATH.fullmatch(path) is not None


class Place(NamedTuple):
    """The parts of a path that has the shape of an object's file."""

    namespace: str
    """The namespace's *segment*, encoded; "" for cluster-scoped objects."""
    kind_group: str


_SEGMENT = r"(?!\.)(?:[a-z0-9._-]|%[0-9A-F]{2})+(?:(?<!\.)|~[0-9a-f]{20})"
_OBJECT_PATH = re.compile(
    rf"(?:cluster|namespaces/({_SEGMENT}))/([A-Za-z][A-Za-z0-9-]*(?:\.[a-z0-9.-]+)?)/{_SEGMENT}\.yaml"
)

_SNAPSHOTS_PATH = re.compile(rf"snapshots/{_SEGMENT}/{_SEGMENT}\.yaml")


def place_of(path: str) -> Place | None:
    """Return where a path stands if it has exactly the shape of an object's file, else None.

    It tells which files are kube2git's to rewrite or remove. Which object a file holds, only its
    body says.
    """
    match = _OBJECT_PATH.fullmatch(path)
    return Place(match[1] or "", match[2]) if match else None
