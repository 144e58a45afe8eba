"""Which texts in a Secret's value are worth looking for elsewhere: long, not public, not everyday.

A Secret holds more than secrets: host names, user names, certificates. To find these all over a
cluster's manifests would drown the one password that was copied. What an everyday text is, is told
by its form and by the name of its key.

    looked for             the value; of a text of several lines, each line, and in `key = value`
                           lines the value; of a JSON document, each text in it; of an address, the
                           password in it; of a PEM private key, a line from its middle; of text
                           that is base64 of text, that text as well
    public, left out       certificates, public keys
    everyday, left out     made of nothing but words and numbers (db.shop.svc:5432, us-east-1a);
                           under a key that says password, token or secret: made of nothing but
                           the commonest words (administrator, default-password); under a key
                           that ends in name, user, id and the like: everything
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterator
from typing import Any

from kube2git.core import wire

MIN_LENGTH = 12
"""Characters. Shorter texts turn up by chance."""

_MAX_LINES = 200
"""Of one value: a long file in a Secret has its secrets at the beginning, or is one as a whole."""

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_PUBLIC_LINE = re.compile(r"(?:ssh-(?:rsa|ed25519)|ecdsa-sha2-\S+) AAAA\S+|age1[a-z0-9]{58}")
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?[\"']?([\w.-]+)[\"']?\s*[=:]\s*(\S.*)")
_PASSWORD_IN_ADDRESS = re.compile(r"://[^\s:/@]*:([^\s/@]+)@")
_LAYOUT = str.maketrans("", "", "\n\r\t")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4}){3,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")

_CHUNK = re.compile(r"[^\W_]+")
_ORDINARY = re.compile(
    r"[0-9]+|v[0-9]+(?:alpha|beta|rc)[0-9]+"
    r"|[0-9]{0,3}(?:[A-Z]{1,12}|[A-Z]?[a-z]{1,20}(?:[A-Z][a-z]{2,15}){0,4})(?:[0-9]{1,4}[a-z]{0,2})?"
)
"""A number, a version, or a word (also a camelCase one) with at most a few digits at its ends."""
_MIXED = re.compile(r"[0-9][A-Za-z]|[A-Za-z][0-9]")
_MANY = 3
"""Words with digits, from which on they are groups of characters: Wm3-Tq8-Zx1-Pl5."""
_MARKS = re.compile(r"[!#$%^~]")
"""In a text without spaces, these are typical of generated and of mangled passwords."""

_LAST_WORD = re.compile(r"([A-Z]?[a-z]+|[A-Z]+)[^A-Za-z]*\Z")
_HINT = re.compile(r"pass|pwd|secret|token|credential", re.IGNORECASE)
_NAMES = frozenset(
    ("email", "host", "hostname", "id", "login", "name", "namespace", "region", "user", "username")
)
# fmt: off
_COMMONEST = frozenset((
    "admin", "administrator", "app", "application", "authentication", "authorization", "bearer",
    "certificate", "changeme", "cluster", "config", "configuration", "controller", "credential",
    "credentials", "database", "default", "development", "disabled", "enabled", "environment",
    "example", "false", "kube", "kubernetes", "local", "localhost", "my", "namespace", "none",
    "operator", "organization", "password", "placeholder", "production", "registry", "root",
    "secret", "server", "service", "staging", "system", "test", "token", "true", "user", "username",
    "value", "your",
))
# fmt: on
_ADDRESSES = frozenset(("endpoint", "file", "path", "type", "uri", "url"))


def candidates(key: str, text: str) -> Iterator[str]:
    """Yield the texts in the value of a key that are worth looking for; none has a line break."""
    for inner_key, part in _parts(key, text.strip()):
        bare = part.strip("\"' \t,;")
        if len(bare) >= MIN_LENGTH and not _is_everyday(inner_key, bare):
            yield bare


def _parts(key: str, text: str) -> Iterator[tuple[str, str]]:
    if "://" in text:
        for password in _PASSWORD_IN_ADDRESS.findall(text):
            yield "password", password
    decoded = _decoded(text)
    if decoded:
        yield from _parts(key, decoded)
        if not _without_public(decoded).strip():
            return
    if text.startswith(("{", "[")):
        try:
            document = wire.decode(text.encode("utf-8", "replace"))
        except wire.MalformedJsonError:
            pass
        else:
            yield from _parts_of_json(key, document)
            return
    if "PRIVATE KEY-----" in text:
        for kind, block in _PEM.findall(text):
            lines = block.split()
            if kind.endswith("PRIVATE KEY") and lines:
                yield key, lines[len(lines) // 2]
    lines = _without_public(text).splitlines()
    if len(lines) == 1:
        yield key, lines[0]
        return
    for line in lines[:_MAX_LINES]:
        assignment = _ASSIGNMENT.match(line)
        if assignment and len(assignment[2]) >= MIN_LENGTH:
            yield assignment[1], assignment[2]
        else:
            yield key, line


def _parts_of_json(key: str, document: Any) -> Iterator[tuple[str, str]]:
    # Without recursion: how deep a Secret's value is nested, anybody may choose.
    nodes = [(key, document)]
    while nodes:
        above, node = nodes.pop()
        if isinstance(node, dict):
            nodes += node.items()
        elif isinstance(node, list):
            nodes += ((above, item) for item in node)
        elif isinstance(node, str):
            yield from _parts(above, node.strip())


def _decoded(text: str) -> str:
    """Return the text that ``text`` is the base64 of, or ""."""
    joined = "".join(text.split())
    if not _BASE64.fullmatch(joined):
        return ""
    try:
        decoded = a2b_base64(joined).decode()
    except (Base64Error, UnicodeDecodeError):
        return ""
    return decoded if decoded.translate(_LAYOUT).isprintable() else ""


def _without_public(text: str) -> str:
    if "-----BEGIN " in text:
        text = _PEM.sub("", text)
    return _PUBLIC_LINE.sub("", text) if "AAAA" in text or "age1" in text else text


def _is_everyday(key: str, text: str) -> bool:
    match = _LAST_WORD.search(key)
    ending = match[1].lower() if match else ""
    if ending in _NAMES:
        return True
    chunks = _CHUNK.findall(text)
    if not all(map(_ORDINARY.fullmatch, chunks)):
        return False
    if len(list(filter(_MIXED.search, chunks))) >= _MANY:
        return False
    if _MARKS.search(text) and " " not in text:
        return False
    if not _HINT.search(key) or ending in _ADDRESSES:
        return True
    return all(chunk.lower() in _COMMONEST for chunk in chunks)
