"""The built-in rules, as data: what the server filled in, and what a person meant.

The first rule that fits is the one that is named, so special rules stand before general ones.
"""

from kube2git.core.cleaning.catalogue import (
    access,
    annotations,
    engines,
    metadata,
    runtime,
    servermade,
    services,
    storage,
    workloads,
)
from kube2git.core.cleaning.rules import Rule

RULES: tuple[Rule, ...] = (
    *runtime.RULES,
    *servermade.RULES,
    *metadata.RULES,
    *annotations.RULES,
    *engines.RULES,
    *workloads.RULES,
    *services.RULES,
    *access.RULES,
    *storage.RULES,
)
