"""Frozen settings out of a file, the environment and flags; all problems told at once.

Every setting is one field below: its default, its help and its type are the schema from which the
validation, the environment's names and the sample file in config/ follow. A flag beats the
environment (``KUBE2GIT_<SECTION>_<NAME>``), which beats the file, which beats the default.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kube2git.core import durations, schedules
from kube2git.core.sealing import LeakPolicy
from kube2git.core.selection import ClusterScoped, LabelSelector, LabelSelectorError
from kube2git.errors import UsageError

Problem = tuple[str, str]
"""(dotted path of the setting, what is wrong with it)."""


class ConfigError(UsageError):
    """The configuration has problems; the message lists all of them."""

    def __init__(self, source: str, problems: list[str]) -> None:
        count = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(
            f"{source} has {count}:\n{lines}",
            hint="config/kube2git.yaml shows every setting with its default.",
        )


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


def load(
    file: Mapping[str, Any] | None = None,
    *,
    source: str = "the configuration",
    lines: Mapping[tuple[str | int, ...], int] | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Build the settings; raise ConfigError that lists every problem.

    ``file`` is the decoded file and ``lines`` its line numbers by path; ``flags`` maps dotted
    names (``git.branch``) to values, None meaning not given.
    """
    problems: list[str] = []
    values: dict[tuple[str, ...], Any] = {}

    def told(path: tuple[str, ...], what: str) -> None:
        line = (lines or {}).get(path)
        where = f"line {line}: " if line else ""
        problems.append(f"{where}{'.'.join(path)}: {what}")

    _read_file(file or {}, Settings, (), values, told)
    names = environment_names()
    for name, text in (environ or {}).items():
        path = names.get(name)
        if path is not None:
            try:
                values[path] = _from_text(text, _type_of(path))
            except ValueError as error:
                problems.append(f"{name}: {error}")
    for dotted, value in (flags or {}).items():
        if value is not None:
            values[tuple(dotted.split("."))] = value
    settings: Settings = _build(Settings, (), values)
    for path, what in _inconsistencies(settings):
        told(path, what)
    if problems:
        raise ConfigError(source, problems)
    return settings


def environment_names() -> dict[str, tuple[str, ...]]:
    """Return every environment variable that sets something: name -> path of the setting."""
    return {"_".join(("KUBE2GIT", *path)).upper(): path for path, _ in every_setting()}


def as_environment(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables that set what flags set: ``git.branch`` -> value."""
    return {
        "_".join(("kube2git", *dotted.split("."))).upper(): (
            ",".join(value) if isinstance(value, list | tuple) else _as_text(value)
        )
        for dotted, value in values.items()
    }


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def every_setting() -> list[tuple[tuple[str, ...], dataclasses.Field[Any]]]:
    """Return every setting with its path, in the order of the sample file."""
    return list(_fields(Settings, ()))


def _fields(
    section: type, path: tuple[str, ...]
) -> typing.Iterator[tuple[tuple[str, ...], dataclasses.Field[Any]]]:
    for item in dataclasses.fields(section):
        kind = _hints(section)[item.name]
        if dataclasses.is_dataclass(kind):
            yield from _fields(typing.cast(type, kind), (*path, item.name))
        else:
            yield (*path, item.name), item


@functools.cache
def _hints(section: type) -> Mapping[str, Any]:
    return typing.get_type_hints(section)


def _type_of(path: tuple[str, ...]) -> Any:
    kind: Any = Settings
    for name in path:
        kind = _hints(kind)[name]
    return kind


def _read_file(
    data: Any, section: type, path: tuple[str, ...], values: dict[tuple[str, ...], Any], told: Any
) -> None:
    if not isinstance(data, Mapping):
        told(path, "this must be a section with settings below it.")
        return
    hints = _hints(section)
    for name, value in data.items():
        here = (*path, str(name))
        if name not in hints:
            known = ", ".join(hints)
            told(here, f"there is no such setting; known here are {known}.")
        elif dataclasses.is_dataclass(hints[name]):
            if value is not None:
                _read_file(value, typing.cast(type, hints[name]), here, values, told)
        elif value is not None:
            try:
                values[here] = _from_value(value, hints[name])
            except ValueError as error:
                told(here, str(error))


def _from_value(value: Any, kind: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin is tuple:
        item = typing.get_args(kind)[0]
        if not isinstance(value, list | tuple):
            raise ValueError("this must be a list.")
        return tuple(_from_value(entry, item) for entry in value)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ValueError("this must be a mapping.")
        _, item = typing.get_args(kind)
        return {str(key): _from_value(entry, item) for key, entry in value.items()}
    if kind is Any:
        return value
    if kind is bool:
        if not isinstance(value, bool):
            raise ValueError("this must be true or false.")
        return value
    if kind in (int, float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("this must be a number.")
        if kind is int and int(value) != value:
            raise ValueError("this must be a whole number.")
        return kind(value)
    if kind is str:
        if not isinstance(value, str):
            raise ValueError("this must be text; put it in quotes.")
        return value
    return _from_word(str(value), kind)


def _from_word(text: str, kind: Any) -> Any:
    try:
        return kind(text)
    except ValueError:
        words = ", ".join(str(word) for word in kind)
        raise ValueError(f"this must be one of {words}.") from None


def _from_text(text: str, kind: Any) -> Any:
    """Read an environment variable: lists are separated by commas."""
    origin = typing.get_origin(kind)
    if origin is not None and (origin is not tuple or typing.get_args(kind)[0] is not str):
        raise ValueError("this can be set in the configuration file only.")
    if origin is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError("this must be true or false.")
        return text.lower() == "true"
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise ValueError("this must be a number.") from None
    return text if kind is str else _from_word(text, kind)


def _build(section: type, path: tuple[str, ...], values: Mapping[tuple[str, ...], Any]) -> Any:
    given: dict[str, Any] = {}
    for name, kind in _hints(section).items():
        here = (*path, name)
        if dataclasses.is_dataclass(kind):
            given[name] = _build(typing.cast(type, kind), here, values)
        elif here in values:
            given[name] = values[here]
    return section(**given)


def _inconsistencies(settings: Settings) -> list[tuple[tuple[str, ...], str]]:
    """Check what a type cannot say."""
    found: list[tuple[tuple[str, ...], str]] = []
    for section, selector in (
        ("export", settings.export.selector),
        ("snapshots", settings.snapshots.selector),
    ):
        try:
            LabelSelector.parse(selector)
        except LabelSelectorError as error:
            found.append(((section, "selector"), f"{error}."))
    retention = settings.snapshots.retention
    for name, text in (("keep_within", retention.keep_within), ("ttl", retention.ttl)):
        try:
            durations.parse(text or "0s")
        except ValueError as error:
            found.append((("snapshots", "retention", name), f"{error}."))
    for storage_class, fields in settings.snapshots.classes.items():
        for unknown in sorted(fields.keys() - {"snapshotter", "snapshot_class"}):
            where = ("snapshots", "classes", storage_class, unknown)
            found.append(
                (where, "there is no such setting; known here are snapshotter and snapshot_class.")
            )
    if not 0 < settings.export.max_removal_share <= 1:
        found.append((("export", "max_removal_share"), "this must be above 0 and at most 1."))
    if not 0 <= settings.replay.prune_limit <= 1:
        found.append((("replay", "prune_limit"), "this must be between 0 and 1."))
    if settings.git.prefix.startswith("/") or ".." in settings.git.prefix.split("/"):
        found.append((("git", "prefix"), "this must be a folder inside the repository."))
    if not re.fullmatch(r"[^<>]*\S\s*<[^<>\s]+>", settings.git.author):
        found.append((("git", "author"), "this must look like Name <mail@example.com>."))
    for place, name, what in (
        (("git", "branch"), settings.git.branch, "the name of a branch"),
        (
            ("serve", "config_revision"),
            settings.serve.config_revision,
            "the name of a branch or a tag, and no commit id",
        ),
    ):
        if not re.fullmatch(r"(?!-)[^\s~^:?*\[\\]+", name) or ".." in name:
            found.append((place, f"this is not {what}."))
    if settings.git.signing is SigningForm.SSH and not settings.git.signing_key:
        found.append((("git", "signing_key"), "git.signing: ssh needs the path of a key here."))
    replay = settings.replay
    if replay.require_signature and not (replay.allowed_signers or replay.allowed_gpg_keys):
        found.append(
            (
                ("replay", "require_signature"),
                "this needs replay.allowed_signers (or allowed_gpg_keys): whose signatures count?",
            )
        )
    _, wrong = schedules.parse(settings.serve.schedules)
    found += ((("serve", "schedules", *path), what) for path, what in wrong.items())
    host, _, port = settings.serve.listen.rpartition(":")
    if not (host and port.isdecimal() and int(port) < 1 << 16):
        found.append((("serve", "listen"), "this must look like 127.0.0.1:8080."))
    for path, least in (
        (("cluster", "connections"), 1),
        (("cluster", "page_size"), 1),
        (("cluster", "request_timeout"), 1),
        (("replay", "connections"), 1),
        (("replay", "timeout"), 1),
        (("git", "timeout"), 1),
        (("git", "lock_timeout"), 0),
        (("git", "depth"), 0),
        (("serve", "jitter"), 0),
        (("serve", "retry"), 1),
        (("serve", "run_timeout"), 1),
        (("serve", "stop_timeout"), 0),
        (("serve", "lease_seconds"), 2),
        (("serve", "config_interval"), 1),
        (("snapshots", "timeout"), 1),
        (("snapshots", "freeze_timeout"), 1),
        *((("snapshots", "retention", f"keep_{each}"), 0) for each in _KEEP),
    ):
        value: Any = settings
        for name in path:
            value = getattr(value, name)
        if value < least:
            found.append((path, f"this must be at least {least}."))
    return found


_KEEP = ("last", "hourly", "daily", "weekly", "monthly")
