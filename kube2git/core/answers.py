"""What an API server's refusal means: who must act, and whether trying again can help.

Decided by HTTP status, reason and the causes' fields, never by the text alone. The sentences made
here are safe to show: the server quotes whole objects in its messages, values of Secrets among
them, so only what is known to hold no value is passed on.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kube2git.core.planning.immutable import immutable_fields


class Category(enum.StrEnum):
    """Why a write was refused."""

    CONFLICT = "conflict"
    """Others own fields of it (server-side apply without force): stances.parse_conflicts."""
    IMMUTABLE = "immutable"
    """It changes a field that never changes; a recreate may be proposed once a create passes."""
    INVALID = "invalid"
    """The object itself is refused; it will be again. Never a reason to delete anything."""
    STALE = "stale"
    """It has changed since it was read, or a precondition does not hold: read it again."""
    EXISTS = "exists"
    DENIED = "denied"
    """By RBAC, an admission policy or webhook, or a quota."""
    TERMINATING = "terminating"
    """The namespace is being deleted: wait for it once, then try again."""
    MISSING = "missing"
    """No such object, namespace or kind (yet)."""
    BUSY = "busy"
    """Too many requests: honour Retry-After and send fewer at once."""
    UNAVAILABLE = "unavailable"
    """The server, or a webhook that it must ask, gave no answer: try again."""


RETRYABLE = frozenset({Category.STALE, Category.TERMINATING, Category.BUSY, Category.UNAVAILABLE})
"""Trying again can help without anybody changing anything."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not success, as far as it may be shown."""

    category: Category
    message: str
    """A whole sentence without values."""
    fields: tuple[str, ...] = ()
    """Immutable: the fields that never change. Invalid: the fields that are refused."""
    others: tuple[str, ...] = ()
    """Immutable: further causes; the create will be refused for them."""


def classify(code: int, status: Mapping[str, Any] | None, kind_group: str) -> Refusal:
    """Tell what an answer with an error code means.

    ``status`` is the decoded Status object, None when the answer was not one (404 and 503 can be
    bare text).
    """
    status = status or {}
    reason = str(status.get("reason") or "")
    causes = _causes(status)
    message = str(status.get("message") or "")
    broken = _BROKEN_BODY.match(message) if code == 500 and not reason else None
    denial = _denial(message) if 400 <= code < 500 else ""
    category = _category(code, reason, causes)
    if broken is not None:
        category = Category.INVALID
    elif denial and category is Category.INVALID:
        category = Category.DENIED
    unheard = _UNHEARD.search(message) if code >= 500 else None
    detail = unheard[0] if unheard is not None else denial
    if broken is not None:
        detail = _field_of(broken["why"])
    fields = tuple(dict.fromkeys(cause.field for cause in causes if cause.field))
    if category is Category.INVALID and code == 422:
        never = immutable_fields(kind_group, fields)
        if never:
            others = tuple(field for field in fields if field not in never)
            verb = "changes" if len(never) == 1 else "change"
            message = f"{_listed(never)} never {verb} once the object exists."
            return Refusal(Category.IMMUTABLE, message, never, others)
    return Refusal(
        category, _sentence(category, f"{code} {reason}".strip(), causes, detail), fields
    )


@dataclass(frozen=True, slots=True)
class _Cause:
    reason: str
    field: str
    text: str


def _causes(status: Mapping[str, Any]) -> tuple[_Cause, ...]:
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return tuple(
        _Cause(
            str(cause.get("reason") or ""),
            str(cause.get("field") or ""),
            _without_value(str(cause.get("message") or "")),
        )
        for cause in causes or ()
        if isinstance(cause, dict)
    )


def _category(code: int, reason: str, causes: tuple[_Cause, ...]) -> Category:
    why = {cause.reason for cause in causes}
    if "NamespaceTerminating" in why:
        return Category.TERMINATING
    if code == 409:
        if "FieldManagerConflict" in why:
            return Category.CONFLICT
        return Category.EXISTS if reason == "AlreadyExists" else Category.STALE
    if code in (401, 403):
        return Category.DENIED
    if code in (404, 410):
        return Category.MISSING
    if code == 429:
        return Category.BUSY
    if code == 408 or code >= 500:
        return Category.UNAVAILABLE
    return Category.INVALID


_HEADLINES = {
    Category.CONFLICT: "Other field managers own fields of it",
    Category.INVALID: "The API server does not accept the object",
    Category.STALE: "The object has changed in the meantime",
    Category.EXISTS: "An object of this name exists already",
    Category.DENIED: "The API server does not allow it",
    Category.TERMINATING: "The namespace is being deleted",
    Category.MISSING: "The API server does not know the object, its namespace or its kind",
    Category.BUSY: "The API server asks for fewer requests",
    Category.UNAVAILABLE: "The API server, or a webhook that it has to ask, did not answer",
}


def _sentence(category: Category, answer: str, causes: tuple[_Cause, ...], detail: str) -> str:
    parts = [
        f"{cause.field}: {cause.text}" if cause.field and cause.text else cause.field or cause.text
        for cause in causes
    ]
    told = "; ".join(part for part in parts if part) or detail
    return f"{_HEADLINES[category]} ({answer}{': ' if told else ''}{told})."


_BROKEN_BODY = re.compile(
    r"failed to (?:create typed patch object|convert new object) \([^)]*\)[^:]*: (?P<why>.*)"
)
"""How a 1.37 server refuses an apply that does not fit the kind's schema: with a bare 500.

Source: apimachinery, managedfields/internal/structuredmerge.go. A field that a newer server knows
and this one does not comes here.
"""
_UNHEARD = re.compile(r'failed calling webhook "[^"]*"')
"""The part of a server error that names the webhook which gave no answer."""
_MISFIT = re.compile(
    r"\.?(?P<field>[^:\s]+): (?P<why>field not declared in schema|duplicate entries for key"
    r"|expected [a-z]+(?: \([a-z ]+\))?, got [a-z]+)"
)


def _field_of(why: str) -> str:
    match = _MISFIT.match(why)
    return f"{match['field']}: {match['why']}" if match is not None else ""


_DENIALS = (
    re.compile(r'User "[^"]*" cannot \w+ resource "[^"]*" in API group "[^"]*"'),
    re.compile(r'admission webhook "[^"]*" denied the request'),
    re.compile(r"ValidatingAdmissionPolicy '[^']*' with binding '[^']*' denied request"),
    re.compile(r"exceeded quota: [a-z0-9.-]+"),
    re.compile(r"violates PodSecurity \"[a-z]+:[a-z0-9.]+\""),
)
"""Parts of a denial that name who denied it; the rest of the text may quote the object."""


def _denial(message: str) -> str:
    for pattern in _DENIALS:
        match = pattern.search(message)
        if match is not None:
            return match[0]
    return ""


def _listed(fields: tuple[str, ...]) -> str:
    return ", ".join(fields[:-1]) + (" and " if len(fields) > 1 else "") + fields[-1]


_WITH_VALUE = frozenset(
    {"Invalid value", "Unsupported value", "Duplicate value", "Not found", "Too long", "Too many"}
)
_GO_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_BARE = re.compile(r"(?:-?[0-9.]+|true|false|null)(?=: |$)")
_PROSE = re.compile(r"[A-Za-z][A-Za-z0-9 .,'`()/-]*")
_decoder = json.JSONDecoder()


def _without_value(message: str) -> str:
    """Return a cause's text without the value it quotes; "" when that cannot be told apart.

    Forms: apimachinery, util/validation/field/errors.go. A first line can be followed by a dump
    of the whole spec.
    """
    line = message.partition("\n")[0]
    head, separator, rest = line.partition(": ")
    if not separator:
        return line if _PROSE.fullmatch(line) else ""
    if head not in _WITH_VALUE:
        return line if head in ("Forbidden", "Required value") else ""
    end = _end_of_value(rest)
    if end is None:
        return rest if _PROSE.fullmatch(rest) else head.lower()
    detail = rest[end:].removeprefix(": ")
    return detail or head.lower()


def _end_of_value(text: str) -> int | None:
    match = _GO_STRING.match(text) or _BARE.match(text)
    if match is not None:
        return match.end()
    try:
        _, end = _decoder.raw_decode(text)
    except ValueError:
        return None
    return end
