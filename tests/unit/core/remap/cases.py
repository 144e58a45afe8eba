"""Golden cases: objects in which ``«prod»`` must be rewritten and every other ``prod`` must not.

Each document of ``golden/*.yaml`` names the rules that must have been used and holds an
``object``, or a pod ``template`` for every kind that carries one, and in ``with`` what else the
commit holds.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kube2git.core.objects import Manifest
from kube2git.core.remap import embedding
from kube2git.core.remap.groups import BUILT_IN_GROUPS

MARKED = "«prod»"
_BARE = re.compile(r"(?<![A-Za-z0-9_«-])prod(?![A-Za-z0-9_»-])")


class Encoded(str):
    """Text that stands in the object below base64."""


class _Loader(yaml.SafeLoader):
    """Reads ``!base64 text`` as text that is still to be encoded."""


_Loader.add_constructor("!base64", lambda _, node: Encoded(node.value))


@dataclass(frozen=True)
class Case:
    name: str
    rules: frozenset[str]
    template: Any
    """The object with its marks."""
    companions: tuple[Any, ...] = ()

    @property
    def is_custom(self) -> bool:
        return self.manifest("prod").ref.group not in BUILT_IN_GROUPS

    def manifest(self, marked: str, bare: str = "prod") -> Manifest:
        return Manifest.of(fill(self.template, marked, bare))

    def commit(self, marked: str, bare: str = "prod") -> list[Manifest]:
        """Return the object and what else the commit holds."""
        others = [fill(other, bare, bare) for other in self.companions]
        return [self.manifest(marked, bare), *map(Manifest.of, others)]

    def bare_words(self) -> int:
        return sum(len(_BARE.findall(text)) for text in _strings(self.template))


def fill(value: Any, marked: str, bare: str = "prod") -> Any:
    """Return the object with names put in for the marked and for the bare places."""
    if isinstance(value, dict):
        return {fill(key, marked, bare): fill(item, marked, bare) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, marked, bare) for item in value]
    if isinstance(value, str):
        text = _BARE.sub(bare, value).replace(MARKED, marked)
        return base64.b64encode(text.encode()).decode() if isinstance(value, Encoded) else text
    return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _load() -> Iterator[Case]:
    for file in sorted((Path(__file__).parent / "golden").glob("*.yaml")):
        documents = yaml.load_all(file.read_text(encoding="utf-8"), _Loader)
        for number, document in enumerate(documents, start=1):
            name = f"{file.stem}-{number}"
            rules = frozenset(document["rules"])
            companions = tuple(document.get("with", ()))
            if "object" in document:
                yield Case(name, rules, document["object"], companions)
                continue
            for pattern, path in embedding.PLACES[embedding.POD]:
                body = _embed(pattern, path, document["template"])
                kind = f"{body['kind']}-{path}"
                # In a Pod itself, the annotations are those of every object.
                own = rules if path else _as_pod(rules)
                yield Case(f"{name}-{kind}", own, body, companions)


def _as_pod(rules: frozenset[str]) -> frozenset[str]:
    swap = {"template-annotation-text": "annotation-text"}
    return frozenset(swap.get(rule, rule) for rule in rules)


def _embed(pattern: str, path: str, template: Any) -> Any:
    kind, _, group = pattern.replace("*", "Some").partition(".")
    body: Any = {"apiVersion": f"{group}/v1" if group else "v1", "kind": kind}
    if not path:
        body |= template
        body["metadata"] = {**template.get("metadata", {}), "name": "t", "namespace": "web"}
        return body
    inner = template
    for part in reversed(path.split(".")):
        key = part.removesuffix("[]").replace("*", "some")
        inner = {key: [inner] if part.endswith("[]") else inner}
    return body | {"metadata": {"name": "t", "namespace": "web"}} | inner


CASES = tuple(_load())
