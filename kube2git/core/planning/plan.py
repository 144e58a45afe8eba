"""A plan as a value: what a replay would do to each object, and why. Printable, and saved as JSON.

It holds no value of any object: paths of fields, and digests. Those of Secrets are digests of the
names of their fields only, since a plain digest of a short password can be guessed. What proves
that a saved plan still means the same is the commit's id together with ``Header.inputs``, and for
the live side uid and content: plan again, and compare with ``drift``.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kube2git.core import wire
from kube2git.core.objects import Manifest, ObjectRef
from kube2git.core.planning.live import LiveObject
from kube2git.core.wire import Json

FORMAT = 1
"""Of the JSON form. A plan of another format is refused, never guessed at."""


class Action(enum.StrEnum):
    CREATE = "create"
    UPDATE = "update"
    RECREATE = "recreate"
    """Delete, then create: an immutable field changes."""
    DELETE = "delete"
    UNCHANGED = "unchanged"
    SKIP = "skip"
    """Left alone on purpose; the reason says why."""
    BLOCKED = "blocked"
    """Cannot be done; the reason says what is in the way. The replay ends incomplete."""

    @property
    def writes(self) -> bool:
        return self in WRITES


WRITES = frozenset({Action.CREATE, Action.UPDATE, Action.RECREATE, Action.DELETE})


class Write(enum.StrEnum):
    """How an update is sent."""

    APPLY = "apply"
    """Server-side apply, then the removals as a JSON patch."""
    REPLACE = "replace"
    """One PUT of the whole object (transplant): apply would leave two halves that exclude
    each other."""


@dataclass(frozen=True, slots=True)
class FieldNote:
    """One field that changes."""

    path: str
    kind: str
    """added | removed | changed."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A field or list item that another manager owns, or nobody known, and the commit lacks."""

    path: str
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """A field that differs and is left to its owner."""

    path: str
    owners: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """What becomes of one object."""

    ref: ObjectRef
    action: Action
    reason: str = ""
    """Whole sentences; "" when the action speaks for itself."""
    api_version: str = ""
    """That it is written in; "" for deletions."""
    digest: str = ""
    """Of the desired object (``fingerprint``)."""
    uid: str = ""
    """Of the live object; "" when there is none."""
    resource_version: str = ""
    state: str = ""
    """What tells whether the live object is still the same: its digest, cleaned, so that a status
    does not count; of a sealed kind its resourceVersion."""
    write: Write = Write.APPLY
    changes: tuple[FieldNote, ...] = ()
    removals: tuple[Removal, ...] = ()
    kept: tuple[Kept, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guard:
    """A reason not to carry the plan out as it is."""

    sentence: str
    flag: str = ""
    """What the user adds to go on all the same; "" when nothing but a change elsewhere helps."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with the input, whether or not it is about one object."""

    sentence: str
    ref: ObjectRef | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """Of what, and for what, the plan is."""

    commit: str = ""
    revision: str = ""
    """As the user wrote it."""
    source_cluster: str = ""
    """uid of the cluster that the commit was exported from."""
    target_cluster: str = ""
    target_context: str = ""
    target_version: str = ""
    target_revision: str = ""
    """etcd revision at which the target was read; "" when there was not one."""
    maps: tuple[tuple[str, str], ...] = ()
    signed_by: str = ""
    """Who signed the commit with a key that counts; "" when nobody did."""
    selection: str = ""
    """For people."""
    options: tuple[str, ...] = ()
    """The flags that shape the plan, such as ``--prune=all``."""
    inputs: str = ""
    """Digest of the configuration that changes manifests (patches, class and image maps)."""

    @property
    def is_foreign(self) -> bool:
        """True when the commit is of another cluster than the target."""
        return bool(self.source_cluster) and self.source_cluster != self.target_cluster

    @property
    def place(self) -> str:
        """Return the target for people: what its context is called, and which cluster it is."""
        return f"context {self.target_context} (cluster {self.target_cluster})"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay would do."""

    header: Header
    actions: tuple[PlannedAction, ...]
    """Sorted by reference; the order of execution is the graph's."""
    guards: tuple[Guard, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[Action, int]:
        """How many objects each action is for; only those that occur."""
        found = Counter(action.action for action in self.actions)
        return {action: found[action] for action in Action if found[action]}

    @property
    def writes(self) -> tuple[PlannedAction, ...]:
        return tuple(action for action in self.actions if action.action.writes)

    @property
    def is_complete(self) -> bool:
        """True when the target would be what the commit says, but for what was left on purpose."""
        return not self.problems and not any(
            action.action is Action.BLOCKED for action in self.actions
        )

    def with_actions(self, actions: Iterable[PlannedAction]) -> Plan:
        """Return the plan with some of its actions decided anew."""
        changed = {action.ref: action for action in actions}
        return Plan(
            self.header,
            tuple(changed.get(action.ref, action) for action in self.actions),
            self.guards,
            self.problems,
            self.warnings,
        )

    def to_json(self) -> Json:
        """Return plain data for ``wire.encode``; the inverse of ``from_json``."""
        header = _plain(self.header, _HEADER)
        if self.header.maps:
            header["maps"] = [list(pair) for pair in self.header.maps]
        return {
            "format": FORMAT,
            "header": header,
            "counts": {str(action): count for action, count in self.counts.items()},
            "actions": [_action_to_json(action) for action in self.actions],
            "guards": [_plain(guard, ("sentence", "flag")) for guard in self.guards],
            "problems": [
                {"sentence": problem.sentence}
                | ({"object": problem.ref._asdict()} if problem.ref else {})
                for problem in self.problems
            ],
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, data: Any) -> Plan:
        """Read what ``to_json`` wrote; raise PlanFormatError when it is anything else."""
        if not isinstance(data, dict) or "format" not in data:
            raise PlanFormatError("The file is not a plan of kube2git.")
        if data["format"] != FORMAT:
            raise PlanFormatError(
                f"The plan has format {data['format']!r}, and this version of kube2git reads "
                f"format {FORMAT}: make the plan again."
            )
        try:
            header = dict(data["header"])
            maps = tuple((str(old), str(new)) for old, new in header.pop("maps", ()))
            options = tuple(map(str, header.pop("options", ())))
            return cls(
                Header(**header, maps=maps, options=options),
                tuple(_action_from_json(entry) for entry in data["actions"]),
                tuple(Guard(**entry) for entry in data["guards"]),
                tuple(_problem_from_json(entry) for entry in data["problems"]),
                tuple(data["warnings"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise PlanFormatError(
                f"The plan is damaged ({type(error).__name__}): make it again."
            ) from None


class PlanFormatError(ValueError):
    """The data is not a plan that this version can carry out; the message is a sentence."""


_HEADER = (
    "commit",
    "revision",
    "source_cluster",
    "target_cluster",
    "target_context",
    "target_version",
    "target_revision",
    "signed_by",
    "selection",
    "options",
    "inputs",
)


def _plain(value: object, names: Iterable[str]) -> Json:
    """Return the fields of a value that are not empty; tuples of text become lists."""
    found: Json = {}
    for name in names:
        part = getattr(value, name)
        if part:
            found[name] = list(part) if isinstance(part, tuple) else part
    return found


def _action_to_json(action: PlannedAction) -> Json:
    data: Json = {"object": action.ref._asdict(), "action": str(action.action)}
    data |= _plain(
        action,
        ("reason", "api_version", "digest", "uid", "resource_version", "state", "warnings"),
    )
    if action.write is not Write.APPLY:
        data["write"] = str(action.write)
    if action.changes:
        data["changes"] = [_plain(note, ("path", "kind")) for note in action.changes]
    if action.removals:
        data["removals"] = [_plain(removal, ("path", "owners")) for removal in action.removals]
    if action.kept:
        data["kept"] = [_plain(kept, ("path", "owners", "reason")) for kept in action.kept]
    return data


def _action_from_json(data: Mapping[str, Any]) -> PlannedAction:
    rest = dict(data)
    return PlannedAction(
        ref=ObjectRef(**rest.pop("object")),
        action=Action(rest.pop("action")),
        write=Write(rest.pop("write", Write.APPLY)),
        changes=tuple(
            FieldNote(note.get("path", ""), note["kind"]) for note in rest.pop("changes", ())
        ),
        removals=tuple(
            Removal(removal["path"], tuple(removal.get("owners", ())))
            for removal in rest.pop("removals", ())
        ),
        kept=tuple(
            Kept(kept["path"], tuple(kept.get("owners", ())), kept.get("reason", ""))
            for kept in rest.pop("kept", ())
        ),
        warnings=tuple(rest.pop("warnings", ())),
        **rest,
    )


def _problem_from_json(data: Mapping[str, Any]) -> Problem:
    ref = data.get("object")
    return Problem(data["sentence"], ObjectRef(**ref) if ref else None)


def fingerprint(manifest: Manifest, sealed_kinds: Iterable[str]) -> str:
    """Return what a plan says of an object's content: its digest; of a sealed kind, its shape's.

    The shape is which fields there are, without their values.
    """
    if manifest.ref.kind_group not in sealed_kinds:
        return manifest.digest
    body = {
        name: value if name in ("apiVersion", "kind") else _shape(value)
        for name, value in manifest.body.items()
    }
    return wire.digest([list(manifest.ref), body])


def live_state(known: LiveObject, sealed_kinds: Iterable[str]) -> str:
    """Return what ``PlannedAction.state`` says of a live object."""
    is_sealed = known.manifest.ref.kind_group in sealed_kinds
    return known.resource_version if is_sealed else known.manifest.digest


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(below) for name, below in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value]
    return None


def drift(saved: Plan, fresh: Plan) -> tuple[str, ...]:
    """Return why a saved plan no longer holds, given one made just now by the same steps.

    () when both write the same content to the same live states of the same cluster; what neither
    of them would write may differ. Of another cluster or context nothing else is told.
    """
    meant, found_at = saved.header.place, fresh.header.place
    if meant != found_at:
        return (f"It was made for {meant}, and this is {found_at}.",)
    found = []
    for name, what in (
        ("commit", "the revision names another commit"),
        ("maps", "namespaces are mapped otherwise"),
        ("options", "other flags are given"),
        ("inputs", "the configuration that changes manifests is another one"),
    ):
        old, new = getattr(saved.header, name), getattr(fresh.header, name)
        if old != new:
            found.append(f"Since the plan was made, {what}.")
    before = {action.ref: action for action in saved.actions}
    after = {action.ref: action for action in fresh.actions}
    for ref in sorted(before.keys() | after.keys()):
        old_action, new_action = before.get(ref), after.get(ref)
        writes = [action for action in (old_action, new_action) if action and action.action.writes]
        if writes and _essence(old_action) != _essence(new_action):
            found.append(
                f"{ref} has changed since the plan was made, or would be changed otherwise."
            )
    return tuple(found)


def _essence(action: PlannedAction | None) -> object:
    if action is None:
        return None
    return (
        action.action,
        action.write,
        action.digest,
        action.uid,
        action.state,
        action.changes,
        action.removals,
        action.kept,
    )
