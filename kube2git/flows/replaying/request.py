"""What a replay is asked for, what it plans, and what came of it: values only."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from kube2git.core.health import Health
from kube2git.core.objects import ObjectRef
from kube2git.core.planning.plan import Action
from kube2git.core.planning.policy import Policy
from kube2git.core.ports import Cluster, Snapshotter
from kube2git.core.remap.catalogue import CATALOGUE, Catalogue
from kube2git.core.remap.transforms import Transform
from kube2git.core.selection import ObjectName, Selection
from kube2git.core.wire import Json

Unseal = Callable[[str, Json], Json]
"""(path, sealed object) -> the object in clear; raises ValueError with a safe sentence."""
FindSnapshotters = Callable[[], Mapping[str, Snapshotter]]
"""Returns what can restore snapshots, by method; asked for only when some are to be restored."""
FindNeighbours = Callable[[], Mapping[str, Cluster]]
"""Returns the clusters that share the target's storage, by context; asked for only when a
volume is to be adopted."""


class DryRun(enum.StrEnum):
    """How far a replay goes."""

    NONE = "none"
    CLIENT = "client"
    """Compare only: nothing but reading is asked of the server."""
    SERVER = "server"
    """Ask the server what each write would do."""


@dataclass(frozen=True)
class ReplayRequest:
    """What to replay, where things go, and what the user allows."""

    revision: str
    names: tuple[ObjectName, ...] = ()
    selection: Selection = field(default_factory=Selection)
    maps: tuple[str, ...] = ()
    """FROM=TO."""
    policy: Policy = field(default_factory=Policy)
    dry_run: DryRun = DryRun.NONE
    is_strict: bool = False
    """Refuse when a reference leads to a namespace that is not there."""
    transforms: tuple[Transform, ...] = ()
    catalogue: Catalogue = CATALOGUE
    inputs: str = ""
    """Digest of the settings behind ``transforms`` and ``catalogue``."""
    waits: bool = False
    """Wait until everything that was written is ready."""
    timeout: float = 300.0
    """Seconds that a replay waits for objects to be ready, in all."""
    requires_signature: bool = False
    """Refuse a commit whose signer the settings do not allow."""
    inventory_namespace: str = "kube-system"
    """"" keeps no inventory."""
    is_rehearsal: bool = False
    """Replay into namespaces made for it, which go again afterwards."""
    zones: Mapping[str, str] = field(default_factory=dict)
    """Zones of volumes by other names, for what is restored."""
    neighbours: tuple[str, ...] = ()
    """Contexts of the clusters that ``FindNeighbours`` returns."""
    prefix: str = ""
    """Of the repository; with the source cluster and the maps it names the set."""

    def options(self) -> tuple[str, ...]:
        """Return what shapes the plan besides revision, selection and maps, as flags."""
        policy = self.policy
        found = [f"--prune={policy.prune}"]
        found += [f"--allow-prune={name}" for name in sorted(policy.allowed)]
        found += [f"--jobs={policy.jobs}", f"--webhooks={policy.webhooks}"]
        if policy.volumes is not None:
            found.append(f"--volumes={policy.volumes}")
        if policy.replicas is not None:
            found.append(f"--replicas={policy.replicas}")
        flags = {
            "--keep-extra": policy.keep_extra,
            "--recreate": policy.recreate,
            "--adopt-volumes": policy.adopt_volumes,
            "--without-secrets": policy.without_secrets,
        }
        found += [flag for flag, is_given in flags.items() if is_given]
        if policy.adopt_volumes:
            found += [f"--shares-storage-with={context}" for context in self.neighbours]
        found += [
            f"--{rule.stance}={rule.manager}" for rule in policy.owners if rule.reason == ASKED
        ]
        return tuple(found)

    def selected(self) -> str:
        """Return what is selected, for people; "" for everything."""
        selection = self.selection
        says_where = bool(self.names) and all(name.namespace for name in self.names)
        parts = [
            *(str(name) for name in self.names),
            *(f"-n {name}" for name in selection.namespaces.texts if not says_where),
            *(f"--kind {kind}" for kind in selection.kinds.texts),
        ]
        if selection.labels:
            parts.append(f"-l {selection.labels}")
        return " ".join(parts)

    @property
    def is_partial(self) -> bool:
        return bool(self.names) or not self.selection.is_everything

    @property
    def takes_all_kinds(self) -> bool:
        """True when no OBJECT, kind or label limits what a namespace is selected with."""
        return self.selection.kinds.is_everything and not (self.names or self.selection.labels)


ASKED = "the user asked for it"
"""The reason of stances given on the command line."""


class Verdict(enum.StrEnum):
    """What came of one object."""

    CREATED = "created"
    CONFIGURED = "configured"
    RECREATED = "recreated"
    DELETED = "deleted"
    FAILED = "failed"
    NOT_TRIED = "not tried"
    """Something that it needs had failed, or the run was stopped before its turn."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one planned write."""

    ref: ObjectRef
    verdict: Verdict
    message: str = ""
    """Whole sentences."""
    warnings: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        return self.verdict not in (Verdict.FAILED, Verdict.NOT_TRIED)


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay came to."""

    name: str
    """``<short sha>-<YYYYMMDDhhmmss>``: the value of the label on what was written."""
    outcomes: tuple[Outcome, ...]
    """One for each planned write, sorted by reference."""
    blocked: tuple[ObjectRef, ...]
    """What the plan said cannot be done."""
    not_ready: Mapping[ObjectRef, Health]
    """What was waited for in vain."""
    warnings: tuple[str, ...]
    problems: int
    seconds: Mapping[str, float]
    is_interrupted: bool = False
    stopped: str = ""
    """Why the run ended before its time; "" when it did not."""

    @property
    def is_complete(self) -> bool:
        all_done = all(outcome.is_done for outcome in self.outcomes)
        is_cut_short = bool(self.is_interrupted or self.stopped)
        return all_done and not (self.blocked or self.not_ready or self.problems or is_cut_short)


SUCCESS: dict[Action, Verdict] = {
    Action.CREATE: Verdict.CREATED,
    Action.UPDATE: Verdict.CONFIGURED,
    Action.RECREATE: Verdict.RECREATED,
    Action.DELETE: Verdict.DELETED,
}
"""What an action comes to when it succeeds."""


@dataclass(frozen=True, slots=True)
class Companion:
    """A cluster-scoped object that comes along, and why."""

    ref: ObjectRef
    reasons: Sequence[str]
