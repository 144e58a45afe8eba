"""Storage classes and images by other names, wherever an object says which one it wants."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kube2git.core.objects import ObjectRef, ref_of
from kube2git.core.remap import embedding, paths
from kube2git.core.remap.embedding import CLAIM, POD
from kube2git.core.remap.groups import BUILT_IN_GROUPS
from kube2git.core.remap.transforms import Change
from kube2git.core.wire import Json
from kube2git.errors import UsageError

_CLASS_PLACES: tuple[tuple[tuple[str, ...], str], ...] = (
    ((CLAIM,), "spec.storageClassName"),
    ((CLAIM,), 'metadata.annotations["volume.beta.kubernetes.io/storage-class"]'),
    (("PersistentVolume",), "spec.storageClassName"),
)
_CUSTOM_CLASS_PLACE = "**.storageClassName|storageClass"

_IMAGE_PLACES: tuple[tuple[tuple[str, ...], str], ...] = (
    ((POD,), "spec.containers|initContainers|ephemeralContainers[].image"),
    ((POD,), "spec.volumes[].image.reference"),
)
_CUSTOM_IMAGE_PLACE = "**.image|imageName"

_QUOTA = re.compile(r"(?P<name>[^/]+)(?=\.storageclass\.storage\.k8s\.io/)")


@dataclass(frozen=True, slots=True)
class StorageClassMap:
    """Which storage class becomes which; all at once, so that two can be swapped.

    It speaks of claims, claim templates and volumes, of quotas by class, and in custom resources
    of fields called ``storageClassName`` or ``storageClass``. StorageClasses themselves stay.
    """

    renamed: Mapping[str, str]

    @classmethod
    def parse(cls, rules: Iterable[str]) -> StorageClassMap:
        """Read rules such as ``gp2=premium-rwo``; raise UsageError naming every problem."""
        return cls(parse_pairs(rules, "storage class map", "gp2=premium-rwo"))

    def __str__(self) -> str:
        return "the storage class map"

    def apply(self, source: ObjectRef, body: Json) -> tuple[Json, Sequence[Change]]:
        new, changes = _substitute(body, _class_graph(source.kind_group), self.rename, self)
        if source.kind_group == "ResourceQuota":
            return self._rename_quotas(new, changes)
        return new, changes

    def rename(self, name: str, _: bool = True) -> str | None:
        """Return the class's new name, None when no rule is about it."""
        return self.renamed.get(name)

    def _rename_quotas(self, body: Json, changes: list[Change]) -> tuple[Json, list[Change]]:
        hard = (body.get("spec") or {}).get("hard")
        if not isinstance(hard, dict):
            return body, changes
        renamed: Json = {}
        for key, value in hard.items():
            match = _QUOTA.match(key)
            new = self.renamed.get(match["name"]) if match else None
            if match and new:
                changes.append(Change(ref_of(body), str(self), "spec.hard", match["name"], new))
                key = f"{new}{key[match.end() :]}"
            renamed[key] = value
        if renamed == hard:
            return body, changes
        return {**body, "spec": {**body["spec"], "hard": renamed}}, changes


@dataclass(frozen=True, slots=True)
class ImageMap:
    """Which image, or which registry or folder of images, becomes which; the longest rule counts.

    A rule holds for a whole image, or up to a ``/``, ``:`` or ``@`` in it. The image of a
    container is also understood by its full name: ``nginx`` is ``docker.io/library/nginx``. In
    custom resources fields called ``image`` or ``imageName`` count, as they are written.
    """

    renamed: Mapping[str, str]

    @classmethod
    def parse(cls, rules: Iterable[str]) -> ImageMap:
        """Read rules such as ``docker.io=mirror.example.com/hub`` or ``acme/web:1=acme/web:2``.

        Raises UsageError naming every problem.
        """
        return cls(parse_pairs(rules, "image map", "docker.io=mirror.example.com/hub"))

    def __str__(self) -> str:
        return "the image map"

    def apply(self, source: ObjectRef, body: Json) -> tuple[Json, Sequence[Change]]:
        return _substitute(body, _image_graph(source.kind_group), self.rename, self)

    def rename(self, image: str, is_certain: bool = True) -> str | None:
        """Return the image's new name, None when no rule is about it.

        ``is_certain``: it is an image, and not merely a field of that name.
        """
        for name in (image, _full_name(image)) if is_certain and image else (image,):
            for end in range(len(name), 0, -1):
                if end == len(name) or name[end] in "/:@":
                    new = self.renamed.get(name[:end])
                    if new is not None:
                        return new + name[end:]
        return None


def _full_name(image: str) -> str:
    first, slash, _ = image.partition("/")
    if not slash:
        return f"docker.io/library/{image}"
    # A registry has a dot or a port, or is this very word.
    return image if "." in first or ":" in first or first == "localhost" else f"docker.io/{image}"


def _substitute(
    body: Json, graph: paths.Graph[bool], rename: Callable[[str, bool], str | None], by: object
) -> tuple[Json, list[Change]]:
    changes: list[Change] = []

    def change(value: Any, is_certain: bool, steps: paths.Steps) -> Any:
        new = rename(value, is_certain) if isinstance(value, str) else None
        if new is None or new == value:
            return value
        changes.append(Change(ref_of(body), str(by), paths.render(steps), value, new))
        return new

    return paths.replace(body, graph.start, change), changes


@lru_cache(maxsize=1024)
def _class_graph(kind_group: str) -> paths.Graph[bool]:
    return _graph(kind_group, _CLASS_PLACES, _CUSTOM_CLASS_PLACE)


@lru_cache(maxsize=1024)
def _image_graph(kind_group: str) -> paths.Graph[bool]:
    return _graph(kind_group, _IMAGE_PLACES, _CUSTOM_IMAGE_PLACE)


def _graph(
    kind_group: str, places: Iterable[tuple[tuple[str, ...], str]], custom: str
) -> paths.Graph[bool]:
    """Return the places of a kind, with True, and in custom resources those by name, with False."""
    certain = [
        (path, True)
        for kinds, place in places
        for path in embedding.paths_in(kind_group, kinds, place)
    ]
    is_custom = kind_group.partition(".")[2] not in BUILT_IN_GROUPS
    return paths.Graph([*certain, (custom, False)] if is_custom else certain)


def parse_pairs(rules: Iterable[str], what: str, example: str) -> dict[str, str]:
    """Read rules of the form FROM=TO; raise UsageError naming every problem."""
    renamed: dict[str, str] = {}
    problems: list[str] = []
    for rule in rules:
        old, equals, new = (part.strip(" /") for part in rule.partition("="))
        if not (equals and old and new) or re.search(r"\s", old + new):
            problems.append(f"{rule!r} is not of the form FROM=TO.")
        elif renamed.setdefault(old, new) != new:
            problems.append(f"{old!r} is to become both {renamed[old]!r} and {new!r}.")
    if problems:
        raise UsageError(
            f"The {what} cannot be used:\n" + "\n".join(f"- {problem}" for problem in problems),
            hint=f"Write each rule as FROM=TO, for example {example}.",
        )
    return renamed
