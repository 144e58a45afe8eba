"""Every setting is one field here: its default, its help and its type are the schema.

From it follow the validation, the environment's names and the sample file in config/.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kube2git.core.sealing import LeakPolicy
from kube2git.core.selection import ClusterScoped


def _setting(default: Any, help: str) -> Any:
    if isinstance(default, list | dict):
        raise TypeError("defaults are immutable: use a tuple")
    return field(default=default, metadata={"help": help})


def _mapping(help: str) -> Any:
    return field(default_factory=dict, metadata={"help": help})


class SigningForm(enum.StrEnum):
    """With what commits are signed."""

    NONE = "none"
    SSH = "ssh"
    GPG = "gpg"


@dataclass(frozen=True)
class Git:
    """The repository's branch, its remote, and how to reach it."""

    branch: str = _setting("main", "The branch that is written.")
    prefix: str = _setting(
        "", "A folder of the repository for this cluster, for example clusters/prod."
    )
    remote: str = _setting(
        "",
        "For a local repository: where to push. A URL, a path, or the name of a remote it has. "
        "Empty: it is not pushed.",
    )
    push: bool = _setting(True, "Push after a commit, and make up for pushes that failed.")
    cache: str = _setting(
        "", "Where repositories given by URL are cloned. Empty: the user's cache folder."
    )
    author: str = _setting("kube2git <kube2git@localhost>", "Author of the commits.")
    lock_timeout: float = _setting(
        10.0, "Seconds to wait for another run that holds the repository."
    )
    timeout: float = _setting(300.0, "Seconds that one fetch or push may take.")
    signing: SigningForm = _setting(
        SigningForm.NONE, "How commits are signed: none, ssh or gpg (git's own means)."
    )
    signing_key: str = _setting(
        "",
        "ssh: path of a key, private, or public with the private one in ssh-agent. gpg: a key id; "
        "empty: the author's key.",
    )
    depth: int = _setting(
        0, "Fetch so many commits of history only (for short-lived clones). 0: all of it."
    )
    partial: bool = _setting(
        False, "Fetch the contents of files only when they are read (for short-lived clones)."
    )
    username: str = _setting("", "User for HTTPS. Empty: git (most servers ignore it for tokens).")
    password_file: str = _setting("", "A file with the password or token for HTTPS.")
    password_variable: str = _setting(
        "KUBE2GIT_GIT_PASSWORD", "The environment variable that may hold it instead."
    )
    ssh_key_file: str = _setting("", "A private key for SSH. Empty: what ssh itself finds.")
    known_hosts_file: str = _setting("", "Known host keys for SSH. Empty: what ssh itself finds.")
    host_key_checking: bool = _setting(
        True, "Refuse SSH servers whose key is unknown. false: accept a new one on first use."
    )
    ca_file: str = _setting("", "Certificate authorities for HTTPS.")


@dataclass(frozen=True)
class ClusterSettings:
    """Which API server, as whom."""

    kubeconfig: str = _setting("", "Empty: KUBECONFIG, ~/.kube/config, or the Pod's own account.")
    context: str = _setting("", "Empty: the kubeconfig's current context.")
    impersonate: str = _setting("", "Act as this user (kubectl's --as).")
    impersonate_groups: tuple[str, ...] = _setting((), "Act as a member of these groups.")
    request_timeout: float = _setting(60.0, "Seconds that one request may take.")
    connections: int = _setting(4, "Parallel connections for listing.")
    page_size: int = _setting(500, "Objects a request.")


@dataclass(frozen=True)
class Export:
    """What is exported."""

    namespaces: tuple[str, ...] = _setting(
        (), "Globs; one that begins with ! takes away. Empty: every namespace."
    )
    kinds: tuple[str, ...] = _setting(
        (), "kind.group, plural or short names, globs, ! takes away. Empty: every kind."
    )
    selector: str = _setting("", "A label selector.")
    cluster_scoped: ClusterScoped = _setting(
        ClusterScoped.AUTO,
        "Cluster-scoped objects: yes, no, or auto (all when every namespace is selected, else "
        "those that the selected namespaces need).",
    )
    max_removal_share: float = _setting(
        0.5, "Stop when a run would remove more than this share of the exported objects."
    )
    message: str = _setting("", "Subject of the commit message. Empty: the counts of changes.")


@dataclass(frozen=True)
class Cleaning:
    """Changes to the built-in catalogue of rules (`kube2git explain` names them)."""

    disable: tuple[str, ...] = _setting((), "Rules to switch off, by id.")
    enable: tuple[str, ...] = _setting((), "Optional rules to switch on, by id.")
    rules: tuple[Mapping[str, Any], ...] = _setting(
        (), "Rules of your own: id, kinds, paths, action (strip | leave-out), reason."
    )


@dataclass(frozen=True)
class Replay:
    """How commits are replayed, and what changes on the way to the target."""

    timeout: float = _setting(300.0, "Seconds that a replay waits for objects to be ready, in all.")
    connections: int = _setting(16, "Parallel writes, at most; fewer when the server is busy.")
    prune_limit: float = _setting(
        0.1, "Deleting more than this share of the objects must be allowed by --allow-prune=many."
    )
    protected_namespaces: tuple[str, ...] = _setting(
        ("kube-node-lease", "kube-public", "kube-system"), "Left alone unless named with -n."
    )
    inventory_namespace: str = _setting(
        "kube-system",
        "Where the target remembers what replays made, for --prune=owned. Empty: nowhere.",
    )
    take_over: tuple[str, ...] = _setting(
        (), "Field managers (globs) whose fields are overwritten with the commit's values."
    )
    yield_to: tuple[str, ...] = _setting(
        (), "Field managers (globs) whose fields are left as they are."
    )
    storage_classes: tuple[str, ...] = _setting((), "Storage classes by other names: gp2=premium.")
    clusters_sharing_storage: tuple[str, ...] = _setting(
        (),
        "Contexts of other clusters that reach the same storage: --adopt-volumes writes no volume "
        "that one of them uses.",
    )
    zones: tuple[str, ...] = _setting(
        (), "Zones in which volumes are restored, by the recorded one: eu-west-1a=eu-central-1b."
    )
    images: tuple[str, ...] = _setting(
        (), "Images by other names: registry.example.com/a=mirror.example.com/a."
    )
    patches: tuple[Mapping[str, Any], ...] = _setting(
        (), "Patches by selector; docs/replay.md shows their form."
    )
    references: tuple[Mapping[str, Any], ...] = _setting(
        (), "Further places that name a namespace; docs/replay.md shows their form."
    )
    require_signature: bool = _setting(
        False, "Refuse a commit that nobody below has signed, as --verify does."
    )
    allowed_signers: str = _setting(
        "", "A file in git's allowed-signers format: the SSH keys whose signatures count."
    )
    allowed_gpg_keys: tuple[str, ...] = _setting(
        (), "Fingerprints of the GPG keys whose signatures count."
    )
    resource_modifiers: str = _setting(
        "", "A file with a ConfigMap of Velero resource modifiers, which are applied too."
    )


@dataclass(frozen=True)
class SealingSettings:
    """Secrets in Git: for whom their values are sealed, and what else is sealed."""

    recipients: tuple[str, ...] = _setting(
        (), "age public keys, or SSH public keys. Empty: Secrets are left out of the export."
    )
    fields: Mapping[str, tuple[str, ...]] = _mapping(
        "Fields of other kinds to seal, by kind.group: {ConfigMap: [data.password]}."
    )
    fingerprint_key_file: str = _setting(
        "",
        "The key by which unchanged values are recognised, made when it is missing. Empty: "
        "fingerprint.key in the user's config folder.",
    )
    fingerprint_key_variable: str = _setting(
        "KUBE2GIT_FINGERPRINT_KEY", "The environment variable that may hold it instead."
    )
    identity_files: tuple[str, ...] = _setting(
        (), "Private keys that open the files again. Empty: age.key in the user's config folder."
    )
    passphrase_variable: str = _setting(
        "KUBE2GIT_PASSPHRASE",
        "The environment variable that may hold the passphrase of those files. On a terminal it is "
        "asked for.",
    )
    identity_variable: str = _setting(
        "SOPS_AGE_KEY", "The environment variable that may hold private keys besides."
    )
    leaks: LeakPolicy = _setting(
        LeakPolicy.WITHHOLD,
        "What happens to an object that holds a Secret's value in clear text: withhold, seal or "
        "warn. Git never forgets.",
    )
    allow: Mapping[str, tuple[str, ...]] = _mapping(
        "Fields (globs) that may hold such values in clear text, by kind.group."
    )


class LogFormat(enum.StrEnum):
    """How the daemon writes its log."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True)
class Serve:
    """The daemon: when it exports, where it answers, and which replica works."""

    schedules: Mapping[str, Mapping[str, Any]] = _mapping(
        "Named schedules; docs/operations.md shows their form."
    )
    run_at_start: bool = _setting(
        True, "Run every schedule once when the daemon begins. false: only what was missed."
    )
    jitter: float = _setting(
        0.0, "Seconds, at most, by which schedules run later, each always by the same time."
    )
    retry: float = _setting(
        60.0, "Seconds until a failed run is tried again; doubled each time, up to 15 minutes."
    )
    paused: bool = _setting(False, "Begin no runs.")
    restore_only: bool = _setting(
        False, "Export nothing: for the time in which you restore from the history."
    )
    run_timeout: float = _setting(3600.0, "Seconds after which a run is stopped.")
    stop_timeout: float = _setting(
        20.0, "Seconds that a run may take to its end when the daemon is asked to stop."
    )
    listen: str = _setting("127.0.0.1:8080", "Address of /metrics, /healthz and /readyz.")
    log_format: LogFormat = _setting(LogFormat.TEXT, "text or json.")
    state_file: str = _setting(
        "", "Where the times of the last runs are kept. Empty: serve.json in the cache folder."
    )
    config_repo: str = _setting(
        "",
        "A Git repository with the configuration that counts, reached as the section git says. "
        "Empty: this file counts.",
    )
    config_revision: str = _setting("main", "A branch of it, a tag, or a whole commit id.")
    config_file: str = _setting("kube2git.yaml", "The path of the file in it.")
    config_interval: float = _setting(60.0, "Seconds between two looks at it.")
    lease_name: str = _setting(
        "", "The Lease by which several replicas agree on one that works. Empty: none."
    )
    lease_namespace: str = _setting(
        "", "The daemon's own namespace, for its Lease and its Events. Empty: that of its Pod."
    )
    lease_seconds: float = _setting(
        15.0, "Seconds after which another replica takes over from one that is gone."
    )


@dataclass(frozen=True)
class RetentionSettings:
    """Which snapshots a prune keeps; the newest ready one always stays."""

    keep_last: int = _setting(0, "Keep so many.")
    keep_hourly: int = _setting(0, "Keep the last one of each of so many hours.")
    keep_daily: int = _setting(0, "Keep the last one of each of so many days.")
    keep_weekly: int = _setting(0, "Keep the last one of each of so many weeks.")
    keep_monthly: int = _setting(0, "Keep the last one of each of so many months.")
    keep_within: str = _setting("", "Keep all that are younger, for example 14d.")
    ttl: str = _setting(
        "720h", "How long one is kept when no keep rule above is set. Empty: for ever."
    )


class SnapshotWait(enum.StrEnum):
    """How far runs wait for their snapshots."""

    AUTO = "auto"
    CUT = "cut"
    READY = "ready"


@dataclass(frozen=True)
class SnapshotSettings:
    """Snapshots of persistent volumes; docs/snapshots.md explains them."""

    enabled: bool = _setting(False, "Take snapshots in every export, as --snapshots does.")
    namespaces: tuple[str, ...] = _setting(
        (), "Claims in these namespaces (globs, ! takes away). Empty: every namespace."
    )
    selector: str = _setting("", "Claims with these labels.")
    storage_classes: tuple[str, ...] = _setting(
        (), "Claims of these storage classes (globs, ! takes away). Empty: every class."
    )
    classes: Mapping[str, Mapping[str, str]] = _mapping(
        "By storage class, where the choice is not to be left to kube2git: "
        "{gp3: {snapshotter: csi, snapshot_class: ebs-retain}}."
    )
    wait: SnapshotWait = _setting(
        SnapshotWait.AUTO,
        "How far to wait: ready, cut (the data is fixed, the next run completes the record), or "
        "auto: cut in runs of a schedule, ready in all others.",
    )
    timeout: float = _setting(600.0, "Seconds that all snapshots of a run may take.")
    freeze_timeout: float = _setting(60.0, "Seconds that hooks may keep a Pod frozen for the cut.")
    group_label: str = _setting(
        "", "Claims in a namespace that share a value of this label are cut at one instant."
    )
    hooks: tuple[Mapping[str, Any], ...] = _setting(
        (), "Commands in Pods before and after the cut; docs/snapshots.md shows their form."
    )
    lease_namespace: str = _setting(
        "kube-system", "Where a Lease keeps two runs apart. Empty: nowhere."
    )
    keep_objects: bool = _setting(
        False, "CSI: leave VolumeSnapshots in the cluster once their ids are committed."
    )
    socket: str = _setting(
        "", "The socket of `kube2git sidecar`, which then does the work. Empty: this process."
    )
    options: Mapping[str, Mapping[str, Any]] = _mapping(
        "Options of snapshotters, by their names: {ebs: {regions: [eu-central-1]}}."
    )
    prune: bool = _setting(
        False, "After an export that took snapshots, delete those that retention lets go."
    )
    retention: RetentionSettings = field(default_factory=RetentionSettings)


@dataclass(frozen=True)
class Settings:
    """Everything that can be set."""

    repo: str = _setting(
        "", "The repository: a path (bare or with a work tree), or a URL that is cloned."
    )
    git: Git = field(default_factory=Git)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    export: Export = field(default_factory=Export)
    cleaning: Cleaning = field(default_factory=Cleaning)
    sealing: SealingSettings = field(default_factory=SealingSettings)
    replay: Replay = field(default_factory=Replay)
    serve: Serve = field(default_factory=Serve)
    snapshots: SnapshotSettings = field(default_factory=SnapshotSettings)
