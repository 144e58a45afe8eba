"""What a replay may do: the user's choices, as one value with safe defaults."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from kube2git.core.planning.stances import DEFAULT_RULES, OwnerRule


class Prune(enum.StrEnum):
    """What is deleted that the commit lacks."""

    NONE = "none"
    OWNED = "owned"
    """What earlier replays of the same set made."""
    ALL = "all"
    """Everything that an export of the same selection would hold."""


class Jobs(enum.StrEnum):
    """What becomes of a Job that does not exist in the target.

    A file does not tell whether its Job had completed (status is not exported), so the default
    restores the object without letting it run again: nothing is lost, and nothing runs twice.
    """

    SUSPEND = "suspend"
    SKIP = "skip"
    RUN = "run"


class Webhooks(enum.StrEnum):
    LAST = "last"
    """After everything else, once the workloads behind them are ready."""
    SKIP = "skip"


class Volumes(enum.StrEnum):
    """What becomes of claims that do not exist in the target."""

    RESTORE = "restore"
    """They come back with the data of the commit's snapshots."""
    EMPTY = "empty"
    SKIP = "skip"
    """They are left out."""


class Allowance(enum.StrEnum):
    """What a guard stops unless it is allowed by name: ``--allow-prune=many``."""

    EMPTY = "empty"
    """Deletions although the commit holds no object for this selection."""
    MANY = "many"
    """Deletions of a larger part of the set than the limit."""
    NAMESPACES = "namespaces"
    CRDS = "crds"
    VOLUMES = "volumes"
    CLAIMS = "claims"
    OTHERS = "others"
    """Objects that carry another tool's mark; without it they are only reported."""


PROTECTED_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})


@dataclass(frozen=True, slots=True)
class Policy:
    """The choices of one replay. The default deletes nothing and overrides nobody."""

    prune: Prune = Prune.NONE
    allowed: frozenset[Allowance] = frozenset()
    prune_limit: float = 0.1
    """Share of the set above which deletions must be allowed."""
    keep_extra: bool = False
    """Leave fields that others own and the commit lacks."""
    recreate: bool = False
    """Delete and create anew where an immutable field changes and the kind allows it."""
    adopt_volumes: bool = False
    """Write static PersistentVolumes; without it they are records only."""
    without_secrets: bool = False
    """Go on without Secrets that could not be unsealed."""
    jobs: Jobs = Jobs.SUSPEND
    webhooks: Webhooks = Webhooks.LAST
    volumes: Volumes | None = None
    """None: nobody said, which a guard refuses where the commit has snapshots."""
    only_data: bool = False
    """Write nothing but claims that are not there, each with its data, and what they need."""
    replicas: int | None = None
    """Scale every workload to this; None: as the commit says."""
    protected: frozenset[str] = PROTECTED_NAMESPACES
    """Namespaces left alone unless they are named; kube2git's own is added by the caller."""
    named_namespaces: frozenset[str] = frozenset()
    """Namespaces that the user named one by one, which lifts their protection."""
    owners: tuple[OwnerRule, ...] = DEFAULT_RULES
    sealed_kinds: frozenset[str] = frozenset({"Secret"})
    """kind_group of kinds whose content must not be guessable from a saved plan."""

    def protects(self, namespace: str) -> bool:
        return namespace in self.protected and namespace not in self.named_namespaces
