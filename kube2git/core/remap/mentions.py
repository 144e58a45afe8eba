"""Which words that equal a namespace's name may stand for the namespace, where no rule knows.

People read what is left. A name such as ``shop`` is also that of the application, its image, its
domain and its API group: places that can never name a namespace are passed over.
"""

from __future__ import annotations

import re

_TYPES = frozenset(
    {
        "apiVersion",
        "kind",
        "group",
        "apiGroup",
        "apiGroups",
        "plural",
        "singular",
        "listKind",
        "shortNames",
        "categories",
        "resource",
        "resources",
        "verbs",
        "resourceNames",
    }
)
"""Fields that name kinds and rights."""
_THINGS = frozenset(
    {"image", "images", "repository", "host", "hosts", "hostname", "hostnames", "subdomain"}
    | {"domain", "finalizers"}
)
"""Fields that name something else that has names of its own."""
_LABELS = frozenset({"labels", "matchLabels", "selector", "nodeSelector", "commonLabels"})
"""Maps of labels, whose values are free: ``app: shop`` is about the application."""
_FREE = frozenset({"annotations", "data", "stringData", "binaryData"})
"""Maps whose keys are the user's own words."""
_DOMAIN_AFTER = re.compile(r"\.[A-Za-z0-9]")


def may_stand(keys: tuple[str, ...]) -> bool:
    """Tell whether a value at the end of these keys may name a namespace; the last is nearest."""
    key = keys[-1] if keys else ""
    if _is_about_namespaces(key) or (len(keys) > 1 and keys[-2] in _FREE):
        return True
    if len(keys) > 1 and keys[-2] in _LABELS:
        return False
    if key in _TYPES or key in _THINGS:
        return False
    if key == "name":
        return len(keys) > 1 and _is_about_namespaces(keys[-2])
    return not key.endswith(("Name", "Names"))


def may_stand_in_key(keys: tuple[str, ...]) -> bool:
    """Tell whether a key of the map at the end of these keys may name a namespace."""
    return not (keys and keys[-1] in _LABELS)


def begins_domain(text: str, end: int) -> bool:
    """Tell whether a word that ends here goes on as a domain's or file's name does."""
    return _DOMAIN_AFTER.match(text, end) is not None


def _is_about_namespaces(key: str) -> bool:
    return "namespace" in key.lower()
