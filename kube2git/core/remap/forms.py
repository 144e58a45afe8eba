"""The shapes in which a string names a namespace: where exactly in it the name stands.

Only places that cannot mean anything else are found. What a shape does not recognise stays as it
is and becomes a mention in the report.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from kube2git.core.remap.mapping import is_namespace_name

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that the server puts on every Namespace: its name."""


class Form(enum.StrEnum):
    """How a field names a namespace. ``list`` and ``selector`` are taken apart beforehand."""

    NAMESPACE = "namespace"
    """The whole string is the name."""
    LIST = "list"
    """A list of names; an item may be repeated for several targets."""
    SELECTOR = "selector"
    """A label selector on ``kubernetes.io/metadata.name``."""
    USER = "user"
    """``system:serviceaccount:<namespace>:<name>``."""
    GROUP = "group"
    """``system:serviceaccounts:<namespace>``."""
    NAMESPACED_NAME = "namespace/name"
    """``<namespace>/<name>``; for Istio also ``<namespace>/<host>``."""
    COMMA_LIST = "comma-list"
    """Names separated by commas in one string."""
    PRINCIPAL = "principal"
    """``…/ns/<namespace>/sa/<name>``, with or without ``spiffe://``."""
    DNS = "dns"
    """Names of services and pods, ``db.<namespace>.svc…``, anywhere in the string."""
    HOST = "host"
    """As ``dns``, in a field that holds a host or a URL: also ``db.<namespace>``, provided that
    the commit has a Service ``db`` in that namespace."""
    TRAEFIK = "traefik"
    """``<namespace>-<name>@kubernetescrd``, provided that the commit has that object."""
    TEXT = "text"
    """As ``dns``, in text that belongs to somebody else: never an open reference."""
    ENCODED_TEXT = "encoded-text"
    """As ``text``, below base64."""


class Span(NamedTuple):
    """``text[start:end]`` is a namespace's name."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the commit holds, where a short form alone would be a guess."""

    hosts: frozenset[str] = frozenset()
    """``db.shop`` for every Service db in namespace shop."""
    handles: Mapping[str, str] = field(default_factory=dict)
    """``shop-auth`` -> ``shop`` for Traefik's objects; left out when two namespaces claim one."""


_TRAEFIK_GROUPS = ("traefik.io", "traefik.containo.us")


def evidence_in(refs: Iterable[tuple[str, str, str, str]]) -> Evidence:
    """Collect what short forms are checked against; refs are (group, kind, namespace, name)."""
    hosts: set[str] = set()
    claims: dict[str, set[str]] = {}
    for group, kind, namespace, name in refs:
        if kind == "Service" and not group:
            hosts.add(f"{name}.{namespace}")
        elif group in _TRAEFIK_GROUPS:
            claims.setdefault(f"{namespace}-{name}", set()).add(namespace)
    return Evidence(
        frozenset(hosts),
        {handle: min(found) for handle, found in claims.items() if len(found) == 1},
    )


Finder = Callable[[str, Evidence], Iterator[Span]]

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"


def _groups(pattern: str) -> Finder:
    regex = re.compile(pattern)

    def find(text: str, _: Evidence) -> Iterator[Span]:
        for match in regex.finditer(text):
            yield Span(*match.span("ns"))

    return find


def _whole(text: str, _: Evidence) -> Iterator[Span]:
    # Globs and templates ("*", "${pvc.namespace}", Istio's ".") are no names.
    if is_namespace_name(text):
        yield Span(0, len(text))


# In regular expressions and in JSON inside strings the dots are escaped.
_DOT = r"\\{0,2}\."
_DOMAIN = rf"{_DOT}(?:cluster|clusterset){_DOT}local"
_END = rf"(?!(?:{_DOT})?[\w-])"
_DNS = re.compile(
    rf"""
    (?<![\w-])(?P<ns>{_LABEL}){_DOT}
    (?: (?P<svc>svc)(?P<domain>{_DOMAIN})?
      | (?P<pod>pod)(?P<pod_domain>{_DOMAIN})? ){_END}
    """,
    re.VERBOSE,
)
_POD_ADDRESS = re.compile(r"(?<![\w-])\d+(?:-\d+){3}\.$")


def _dns(text: str, _: Evidence) -> Iterator[Span]:
    if "svc" not in text and "pod" not in text:
        return
    for match in _DNS.finditer(text):
        start, end = match.span("ns")
        follows_a_label = text[start - 1 : start] == "."
        if match["svc"]:
            # "prod.svc" alone may be a file; with a label before or the domain after, it is not.
            certain = follows_a_label or match["domain"] is not None
        elif match["pod_domain"]:
            certain = follows_a_label
        else:
            certain = bool(_POD_ADDRESS.search(text[:start]))
        if certain:
            yield Span(start, end)


_HOST = re.compile(
    rf"""
    (?:^|,)\s*(?:[a-z][a-z0-9+.-]*://)?(?:[^/?#@,]*@)?
    (?P<service>{_LABEL})\.(?P<ns>{_LABEL})(?=$|[:/?#,])
    """,
    re.VERBOSE,
)


def _host(text: str, evidence: Evidence) -> Iterator[Span]:
    yield from _dns(text, evidence)
    for match in _HOST.finditer(text):
        if f"{match['service']}.{match['ns']}" in evidence.hosts:
            yield Span(*match.span("ns"))


_HANDLE = re.compile(r"(?<![\w.-])(?P<handle>[a-z0-9.-]+)@kubernetescrd(?![\w-])")


def _traefik(text: str, evidence: Evidence) -> Iterator[Span]:
    for match in _HANDLE.finditer(text):
        namespace = evidence.handles.get(match["handle"])
        if namespace:
            yield Span(match.start(), match.start() + len(namespace))


def _namespaced_name(text: str, evidence: Evidence) -> Iterator[Span]:
    yield from _before_slash(text, evidence)
    yield from _dns(text, evidence)


_before_slash = _groups(rf"^(?P<ns>{_LABEL})/(?=[^/]+$)")

FINDERS: Mapping[Form, Finder] = {
    Form.NAMESPACE: _whole,
    Form.USER: _groups(rf"^system:serviceaccount:(?P<ns>{_LABEL})(?=:[^:]+$)"),
    Form.GROUP: _groups(rf"^system:serviceaccounts:(?P<ns>{_LABEL})$"),
    Form.NAMESPACED_NAME: _namespaced_name,
    Form.COMMA_LIST: _groups(rf"(?:^|,)\s*(?P<ns>{_LABEL})(?=\s*(?:,|$))"),
    Form.PRINCIPAL: _groups(rf"(?:^|/)ns/(?P<ns>{_LABEL})(?=/)"),
    Form.DNS: _dns,
    Form.HOST: _host,
    Form.TRAEFIK: _traefik,
    Form.TEXT: _dns,
    Form.ENCODED_TEXT: _dns,
}
"""How to find a namespace's name in a string of each form."""


def selector_paths(path: str) -> Iterator[tuple[str, bool]]:
    """Yield where a label selector at ``path`` names namespaces, and whether they must exist.

    A NotIn that names a namespace which does not exist is common and harmless.
    """
    prefix = f"{path}." if path else ""
    expression = f"{prefix}matchExpressions[]{{key={NAME_LABEL}}}"
    yield f'{prefix}matchLabels["{NAME_LABEL}"]', True
    yield f"{expression}{{operator=In}}.values[+]", True
    yield f"{expression}{{operator=NotIn}}.values[+]", False
