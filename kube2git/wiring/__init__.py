"""The composition root: settings -> adapters, imported lazily since each costs start-up time."""

from __future__ import annotations

from kube2git.wiring.choices import inputs, policy, references, rules, selection, transforms, zones
from kube2git.wiring.clusters import cluster, events, lease, neighbours, own_namespace, target
from kube2git.wiring.files import (
    CONFIG_NAME,
    cache_home,
    config_file,
    config_home,
    config_text,
    identity_file,
    load_settings,
    new_config,
    settings_of,
)
from kube2git.wiring.process import few_collections, now
from kube2git.wiring.repositories import (
    config_in_git,
    create_repository,
    last_runs,
    memory,
    reach,
    repository,
)
from kube2git.wiring.secrets import Ask, identities, make_identity, opener, sealing, unsealer
from kube2git.wiring.snapshots import (
    SNAPSHOTTERS,
    own_snapshotters,
    retention,
    snapshot_lease,
    snapshot_request,
    snapshotters,
    snapshotting,
)

__all__ = [
    "CONFIG_NAME",
    "SNAPSHOTTERS",
    "Ask",
    "cache_home",
    "cluster",
    "config_file",
    "config_home",
    "config_in_git",
    "config_text",
    "create_repository",
    "events",
    "few_collections",
    "identities",
    "identity_file",
    "inputs",
    "last_runs",
    "lease",
    "load_settings",
    "make_identity",
    "memory",
    "neighbours",
    "new_config",
    "now",
    "opener",
    "own_namespace",
    "own_snapshotters",
    "policy",
    "reach",
    "references",
    "repository",
    "retention",
    "rules",
    "sealing",
    "selection",
    "settings_of",
    "snapshot_lease",
    "snapshot_request",
    "snapshotters",
    "snapshotting",
    "target",
    "transforms",
    "unsealer",
    "zones",
]
