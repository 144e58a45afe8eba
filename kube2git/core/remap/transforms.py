"""Other changes on the way to the target, applied to one object after the other.

``substitutions`` changes storage classes and images, ``patches`` whatever a patch says, ``velero``
reads patches from a ConfigMap of Velero's. What is selected by namespace is selected as it is
called in the commit, so that a rename does not change what a patch is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from kube2git.core.objects import Manifest, ObjectRef, ref_of
from kube2git.core.remap.findings import Moved
from kube2git.core.remap.patching import PatchError
from kube2git.core.wire import Json


class Change(NamedTuple):
    """What a transformation did to one object, for the plan."""

    ref: ObjectRef
    by: str
    """Which transformation, as people call it."""
    path: str = ""
    old: str = ""
    new: str = ""
    """Only names of classes and images; "" for patches, whose values may be secret."""


class Transform(Protocol):
    """One way to change objects; its text is what people call it."""

    def apply(self, source: ObjectRef, body: Json) -> tuple[Json, Sequence[Change]]:
        """Return the object, changed or the very same, and what was done to it.

        ``source`` is what the object is called in the commit. Raises PatchError when the
        transformation does not fit the object.
        """
        ...


@dataclass(frozen=True, slots=True)
class Transformed:
    """The objects, what was done to them, and what could not be done."""

    objects: Sequence[Moved]
    changes: Sequence[Change]
    problems: Sequence[str]
    """Whole sentences, to be refused before anything is written."""


def transform(objects: Iterable[Moved], steps: Sequence[Transform]) -> Transformed:
    """Apply every step to every object, in the order of the steps; collect all problems."""
    done: list[Moved] = []
    changes: list[Change] = []
    problems: list[str] = []
    for moved in objects:
        ref, body = moved.manifest.ref, moved.manifest.body
        for step in steps:
            try:
                new, found = step.apply(moved.source, body)
                _check_identity(new, ref)
            except PatchError as error:
                problems.append(f"{step} cannot be applied to {ref}: {error}")
            else:
                body = new
                changes += found
        is_same = body is moved.manifest.body
        done.append(moved if is_same else Moved(moved.source, Manifest.of(body)))
    return Transformed(done, changes, problems)


def _check_identity(body: Json, ref: ObjectRef) -> None:
    try:
        is_same = ref_of(body) == ref
    except (ValueError, AttributeError) as error:
        raise PatchError("it would not be an object any more.") from error
    if not is_same:
        raise PatchError("it would make another object of it.")
