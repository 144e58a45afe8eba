"""The composition root: settings -> adapters, imported lazily since each costs start-up time."""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import os
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kube2git.config import (
    ConfigError,
    SealingSettings,
    Settings,
    SigningForm,
    SnapshotWait,
    load,
)
from kube2git.core.selection import Patterns, Selection
from kube2git.errors import SnapshotterError, UsageError

if TYPE_CHECKING:
    from kube2git.adapters.gitrepo import GitRepository
    from kube2git.adapters.kube.applying import KubeTarget
    from kube2git.adapters.kube.cluster import KubeCluster
    from kube2git.adapters.kube.connection import ConnectionSettings
    from kube2git.adapters.kube.events import KubeEvents
    from kube2git.adapters.kube.leasing import KubeLease
    from kube2git.adapters.localfile import LocalFile
    from kube2git.core.cleaning import RuleSet
    from kube2git.core.planning.policy import Policy
    from kube2git.core.ports import Memory, Snapshotter, Target
    from kube2git.core.remap.catalogue import Catalogue
    from kube2git.core.remap.transforms import Transform
    from kube2git.core.sealing import Identities, Opener, Sealing
    from kube2git.core.snapshots.retention import Retention
    from kube2git.core.wire import Json
    from kube2git.flows.snapshotting import SnapshotRequest, Snapshotting, Task

CONFIG_NAME = "kube2git.yaml"
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def load_settings(
    file: str | None, environ: Mapping[str, str], flags: Mapping[str, Any]
) -> Settings:
    """Read the config file, the environment and the flags into settings.

    The file is the one given, ``KUBE2GIT_CONFIG``, ``./kube2git.yaml``, or the one in the user's
    config folder; a file that was asked for must exist.
    """
    path = config_file(file, environ)
    text = config_text(path) if path else None
    return settings_of(text, str(path), environ, flags)


def config_text(path: Path) -> bytes:
    """Return a config file's content; raise UsageError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the configuration file {path} cannot be read: {error.strerror}",
            hint="`kube2git init` makes one.",
        ) from None


def settings_of(
    text: bytes | None, source: str, environ: Mapping[str, str], flags: Mapping[str, Any]
) -> Settings:
    """Return the settings: flags over environment over a file's text; raise ConfigError."""
    if text is None:
        return load(None, source="the environment", environ=environ, flags=flags)
    from kube2git.core import yamlio

    try:
        located = yamlio.decode_config(text, source=source)
    except yamlio.YamlError as error:
        raise ConfigError(source, [error.problem]) from None
    return load(located.body, source=source, lines=located.lines, environ=environ, flags=flags)


def config_file(given: str | None, environ: Mapping[str, str]) -> Path | None:
    """Return the path of the config file to read; None when there is none."""
    asked = given or environ.get("KUBE2GIT_CONFIG")
    if asked:
        return Path(asked).expanduser()
    for path in (Path(CONFIG_NAME), config_home(environ) / CONFIG_NAME):
        if path.is_file():
            return path
    return None


def config_home(environ: Mapping[str, str]) -> Path:
    """Return the user's folder for configuration and keys."""
    return Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kube2git"


def now() -> datetime:
    """Return the present time in the local zone: the clock of the flows."""
    return datetime.now(UTC).astimezone()


def selection(settings: Settings) -> Selection:
    """Return what the settings select."""
    chosen = settings.export
    return Selection(
        Patterns(chosen.namespaces),
        Patterns(chosen.kinds),
        chosen.selector,
        chosen.cluster_scoped,
    )


def rules(settings: Settings) -> RuleSet:
    """Return the catalogue with the changes of the settings; raise ConfigError."""
    from kube2git.core.cleaning import RuleError, RuleSet

    chosen = settings.cleaning
    try:
        return RuleSet.default().with_changes(
            disabled=chosen.disable, enabled=chosen.enable, extra=chosen.rules
        )
    except RuleError as error:
        raise ConfigError("the section cleaning", list(error.problems)) from None


def cluster(settings: Settings) -> KubeCluster:
    """Connect to the API server; raise ClusterUnreachableError or UsageError."""
    from kube2git.adapters.kube.cluster import KubeCluster
    from kube2git.adapters.kube.connection import connect

    chosen = settings.cluster
    connection = connect(_connection_settings(settings))
    return KubeCluster(connection, connections=chosen.connections, page_size=chosen.page_size)


def target(settings: Settings) -> KubeTarget:
    """Connect to an API server that is written to; raise as ``cluster`` does."""
    from kube2git.adapters.kube.applying import KubeTarget
    from kube2git.adapters.kube.connection import connect

    chosen, writers = settings.cluster, settings.replay.connections
    base = _connection_settings(settings)
    return KubeTarget(
        connect(replace(base, connections=max(base.connections, writers))),
        connections=chosen.connections,
        page_size=chosen.page_size,
        writers=writers,
    )


def neighbours(settings: Settings, contexts: Iterable[str]) -> dict[str, KubeCluster]:
    """Connect to clusters that share the target's storage, by context; raise UsageError.

    As whom is up to each context: whoever is impersonated in the target may be nobody there.
    """
    found = {}
    for context in contexts:
        chosen = replace(settings.cluster, context=context, impersonate="", impersonate_groups=())
        found[context] = cluster(replace(settings, cluster=chosen))
    return found


def _connection_settings(settings: Settings) -> ConnectionSettings:
    from kube2git.adapters.kube.connection import ConnectionSettings

    chosen = settings.cluster
    return ConnectionSettings(
        kubeconfig=chosen.kubeconfig,
        context=chosen.context,
        as_user=chosen.impersonate,
        as_groups=chosen.impersonate_groups,
        request_timeout=chosen.request_timeout,
        connections=chosen.connections,
    )


def lease(settings: Settings) -> KubeLease:
    """Return the Lease that replicas of the daemon share; raise UsageError."""
    chosen = settings.serve
    namespace = own_namespace(settings)
    if not namespace:
        raise UsageError(
            "no namespace is known for the Lease",
            hint="Set serve.lease_namespace, or leave serve.lease_name empty.",
        )
    return _lease(settings, namespace, chosen.lease_name, chosen.lease_seconds, _holder())


def _holder() -> str:
    return f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"


def _lease(settings: Settings, namespace: str, name: str, seconds: float, holder: str) -> KubeLease:
    from kube2git.adapters.kube.connection import connect
    from kube2git.adapters.kube.leasing import KubeLease
    from kube2git.adapters.kube.retrying import Backoff

    # A claim that has to wait is one that fails: the next one comes soon.
    patience = max(1.0, seconds / 3)
    connection = replace(
        _connection_settings(settings), request_timeout=patience, backoff=Backoff(attempts=1)
    )
    return KubeLease(
        connect(connection),
        namespace,
        name,
        holder,
        seconds=seconds,
    )


def events(settings: Settings) -> KubeEvents | None:
    """Return what writes Events about the daemon; None where its namespace is not known."""
    from kube2git.adapters.kube.connection import connect
    from kube2git.adapters.kube.events import KubeEvents
    from kube2git.adapters.kube.retrying import Backoff

    namespace = own_namespace(settings)
    if not namespace:
        return None
    connection = replace(
        _connection_settings(settings), request_timeout=5.0, backoff=Backoff(attempts=1)
    )
    pod = socket.gethostname() if _OWN_NAMESPACE.exists() else ""
    return KubeEvents(connect(connection), namespace, pod)


def own_namespace(settings: Settings) -> str:
    """Return the daemon's own namespace; "" when it is not said and this is no Pod."""
    if settings.serve.lease_namespace:
        return settings.serve.lease_namespace
    try:
        return _OWN_NAMESPACE.read_text().strip()
    except OSError:
        return ""


def last_runs(settings: Settings) -> LocalFile:
    """Return the file that keeps when schedules ran last."""
    from kube2git.adapters.localfile import LocalFile

    return LocalFile(_path(settings.serve.state_file) or cache_home(os.environ) / "serve.json")


def policy(settings: Settings, **choices: Any) -> Policy:
    """Return the policy of a replay: the settings, and choices that are fields of Policy.

    ``take_over`` and ``yield_to`` are further managers, beside those of the settings.
    """
    from kube2git.core.planning.policy import Policy
    from kube2git.core.planning.stances import DEFAULT_RULES, OwnerRule, Stance
    from kube2git.core.sealing import seal_rules
    from kube2git.flows.replaying import ASKED

    chosen = settings.replay
    taken = (*choices.pop("take_over", ()), *chosen.take_over)
    yielded = (*choices.pop("yield_to", ()), *chosen.yield_to)
    return Policy(
        prune_limit=chosen.prune_limit,
        protected=frozenset(chosen.protected_namespaces),
        sealed_kinds=frozenset(seal_rules(settings.sealing.fields)),
        owners=(
            *(OwnerRule(manager, Stance.TAKE_OVER, ASKED) for manager in taken),
            *(OwnerRule(manager, Stance.YIELD, ASKED) for manager in yielded),
            *DEFAULT_RULES,
        ),
        **choices,
    )


def transforms(settings: Settings) -> tuple[Transform, ...]:
    """Return what changes objects on the way to the target; raise UsageError."""
    from kube2git.core import yamlio
    from kube2git.core.remap import velero
    from kube2git.core.remap.patches import parse_patches
    from kube2git.core.remap.substitutions import ImageMap, StorageClassMap

    chosen = settings.replay
    found: list[Transform] = []
    if chosen.storage_classes:
        found.append(StorageClassMap.parse(chosen.storage_classes))
    if chosen.images:
        found.append(ImageMap.parse(chosen.images))
    found += parse_patches(chosen.patches)
    if chosen.resource_modifiers:
        path = Path(chosen.resource_modifiers).expanduser()
        try:
            body = yamlio.decode(path.read_bytes(), source=str(path))
        except OSError as error:
            raise UsageError(f"the file {path} cannot be read: {error.strerror}") from None
        except yamlio.YamlError as error:
            raise ConfigError(str(path), [error.problem]) from None
        found.append(velero.parse(body, lambda text: yamlio.decode(text.encode())))
    return tuple(found)


def zones(settings: Settings) -> Mapping[str, str]:
    """Return which zone a restored volume is made in, by the recorded one; raise UsageError."""
    from kube2git.core.remap.substitutions import parse_pairs

    return parse_pairs(settings.replay.zones, "zone map", "eu-west-1a=eu-central-1b")


def references(settings: Settings) -> Catalogue:
    """Return the catalogue of references with the rows of the settings; raise UsageError."""
    from kube2git.core.remap.catalogue import CATALOGUE
    from kube2git.core.remap.references import parse_rules

    return CATALOGUE.extended(parse_rules(settings.replay.references))


def inputs(settings: Settings) -> str:
    """Return the identity of the settings that change objects on the way to the target."""
    from kube2git.core import wire

    chosen = settings.replay
    given = [
        chosen.storage_classes,
        chosen.zones,
        chosen.images,
        list(map(dict, chosen.patches)),
        list(map(dict, chosen.references)),
    ]
    if chosen.resource_modifiers:
        given.append(Path(chosen.resource_modifiers).expanduser().read_text())
    return wire.digest(given) if any(given) else ""


def sealing(settings: Settings, *, makes_key: bool = False) -> Sealing:
    """Return how Secrets are sealed; ``makes_key``: make a fingerprint key if there is none."""
    from kube2git.adapters import keyfiles
    from kube2git.core.sealing import Recipients, Sealing, fingerprints, seal_rules

    chosen = settings.sealing
    text = os.environ.get(chosen.fingerprint_key_variable) or None
    if text is None:
        path = _path(chosen.fingerprint_key_file) or config_home(os.environ) / "fingerprint.key"
        data = keyfiles.read(path)
        if data is None and makes_key:
            try:
                keyfiles.make(path, lambda: f"{fingerprints.new_key()}\n")
                data = keyfiles.read(path)
            except UsageError:
                # Where nothing is sealed, a home folder that is read-only must not matter.
                if chosen.recipients:
                    raise
        text = None if data is None else data.decode("utf-8", "replace")
    return Sealing(
        rules=seal_rules(chosen.fields),
        recipients=Recipients.parse(chosen.recipients) if chosen.recipients else None,
        key=fingerprints.parse_key(text) if text is not None else b"",
        leaks=chosen.leaks,
        allowed=chosen.allow,
    )


Ask = Callable[[Path], "str | None"]
"""Asks for the passphrase of an identity file; None when nobody can be asked."""


def identities(settings: Settings, ask: Ask) -> Identities:
    """Return the private keys at hand, which may be none; raise SealingKeyError."""
    from kube2git.adapters import keyfiles
    from kube2git.core.sealing import Identities

    chosen = settings.sealing
    named = [Path(name).expanduser() for name in chosen.identity_files]
    parts = []
    for path in named or [identity_file(os.environ)]:
        data = keyfiles.read(path)
        if data is None and named:
            raise UsageError(f"the identity file {path} does not exist")
        if data is not None:
            parts.append(_identities_in(path, data, chosen.passphrase_variable, ask))
    if inline := os.environ.get(chosen.identity_variable):
        parts.append(Identities.parse(inline))
    return Identities.joined(parts)


def _identities_in(path: Path, data: bytes, variable: str, ask: Ask) -> Identities:
    from kube2git.core.sealing import Identities, is_protected

    if not is_protected(data):
        return Identities.parse(data)
    return Identities.parse(data, passphrase=os.environ.get(variable) or ask(path))


def unsealer(settings: Settings, ask: Ask) -> Callable[[str, Json], Json]:
    """Return what opens a sealed file, given its path; it raises SealingError.

    The private keys are read when the first one is opened.
    """
    from kube2git.core.sealing import unseal

    keys = functools.cache(lambda: identities(settings, ask))

    def open_file(path: str, body: Json) -> Json:
        del path
        return unseal(body, keys())

    return open_file


def opener(settings: Settings, ask: Ask, *, reveals: bool = False) -> Opener:
    """Return what opens sealed files with the private keys at hand."""
    from kube2git.core.sealing import Opener

    return Opener(functools.cache(lambda: identities(settings, ask)), reveals=reveals)


def identity_file(environ: Mapping[str, str]) -> Path:
    """Return where the private key is kept unless the configuration says otherwise."""
    return config_home(environ) / "age.key"


def make_identity(ask: Ask) -> tuple[Path, str, bool]:
    """Make a private key unless there is one; return its file, its public key, and if it is new."""
    from kube2git.adapters import keyfiles
    from kube2git.core.sealing import new_identity

    path = identity_file(os.environ)
    is_new = keyfiles.make(path, lambda: new_identity(now())[0])
    variable = SealingSettings().passphrase_variable
    found = _identities_in(path, keyfiles.read(path) or b"", variable, ask)
    return path, min(found.recipients), is_new


def repository(settings: Settings) -> GitRepository:
    """Open the repository, cloning it when it is a URL; raise RepositoryNotFoundError."""
    from kube2git.adapters.gitrepo import (
        Access,
        Author,
        GitRepository,
        Signing,
        Trust,
        is_remote,
    )

    if not settings.repo:
        raise UsageError(
            "no repository is given",
            hint="Say --repo PATH|URL, set KUBE2GIT_REPO, or write repo: into kube2git.yaml; "
            "`kube2git init` makes a new one.",
        )
    git = settings.git
    name, _, mail = git.author.rpartition("<")
    is_local = not is_remote(settings.repo)
    return GitRepository.open(
        settings.repo,
        branch=git.branch,
        prefix=git.prefix,
        remote=git.remote if is_local else "",
        author=Author(name.strip(), mail.rstrip("> ")),
        access=Access(
            username=git.username,
            password_file=_path(git.password_file),
            password_variable=git.password_variable,
            ssh_key=_path(git.ssh_key_file),
            ssh_known_hosts=_path(git.known_hosts_file),
            ssh_accept_new_hosts=not git.host_key_checking,
            ca_file=_path(git.ca_file),
            timeout=git.timeout,
        ),
        cache_dir=_path(git.cache) or cache_home(os.environ) / "repositories",
        lock_timeout=git.lock_timeout,
        depth=git.depth,
        blobless=git.partial,
        signing=None
        if git.signing is SigningForm.NONE
        else Signing(
            git.signing is SigningForm.SSH,
            str(_path(git.signing_key) or "")
            if git.signing is SigningForm.SSH
            else git.signing_key,
        ),
        trust=Trust(_path(settings.replay.allowed_signers), settings.replay.allowed_gpg_keys),
    )


def _path(text: str) -> Path | None:
    return Path(text).expanduser() if text else None


def cache_home(environ: Mapping[str, str]) -> Path:
    """Return the user's folder for what can be made again."""
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kube2git"


def config_in_git(settings: Settings, *, settles_for_last: bool = False) -> bytes:
    """Fetch ``serve.config_repo`` and return the file in it; raise Kube2gitError.

    ``settles_for_last``: while the server does not answer, return what was fetched before.
    """
    from kube2git.errors import Kube2gitError

    chosen = settings.serve
    cache = _path(settings.git.cache) or cache_home(os.environ) / "repositories"
    # A clone of its own: the runs hold the lock of theirs for as long as they take.
    git = replace(
        settings.git,
        branch=chosen.config_branch,
        prefix="",
        remote="",
        cache=str(cache / "config"),
        depth=1,
        partial=False,
    )
    with repository(replace(settings, repo=chosen.config_repo, git=git)) as found:
        try:
            found.fetch()
        except Kube2gitError:
            if not settles_for_last:
                raise
        tip = found.tip()
        file = found.file_above(tip, chosen.config_file) if tip else None
    if file is None:
        raise UsageError(
            f"the repository of the configuration has no file {chosen.config_file} on its branch "
            f"{chosen.config_branch}",
            hint="Set serve.config_file and serve.config_branch.",
        )
    return file[0]


def reach(settings: Settings) -> bool:
    """Ask the repository and the cluster for an answer, as an export would; raise Kube2gitError."""
    with repository(settings) as found:
        if settings.git.push:
            found.check_push()
    cluster(settings).identity()
    return True


def create_repository(where: str, branch: str) -> bool:
    """Make a bare repository at a path; False when it exists, or is a URL, and was left alone."""
    from kube2git.adapters.gitrepo import GitRepository, is_remote

    path = Path(where).expanduser()
    if is_remote(where) or (path.is_dir() and any(path.iterdir())):
        return False
    GitRepository.create(path, branch=branch)
    return True


def new_config(where: str, branch: str, prefix: str, recipient: str) -> bytes:
    """Return a config file for a repository: the absolute path, so that it works anywhere."""
    from kube2git.core import yamlio

    path = Path(where).expanduser()
    data: dict[str, Any] = {"repo": str(path.resolve()) if path.exists() else where}
    git = {key: text for key, text in (("branch", branch), ("prefix", prefix)) if text}
    if git:
        data["git"] = git
    data["sealing"] = {"recipients": [recipient]}
    return yamlio.encode(data)


@contextlib.contextmanager
def few_collections() -> Iterator[None]:
    """Run the garbage collector rarely while many objects are decoded.

    Decoded JSON has no cycles, so reference counts free it; looking for cycles in it triples the
    time of decoding.
    """
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def memory(settings: Settings, repository: GitRepository) -> Memory:
    """Return the local memory of the last export into this repository, branch and prefix."""
    from kube2git.adapters.localfile import LocalFile

    words = "\0".join((settings.git.branch, settings.git.prefix))
    mark = hashlib.sha256(words.encode()).hexdigest()[:12]
    return LocalFile(repository.private_dir / f"seen-{mark}.json")


SNAPSHOTTERS = "kube2git.snapshotters"
"""The group of entry points; each names a SnapshotterFactory."""
_FIRST_ASKED = ("csi", "ebs")


def snapshotters(settings: Settings, target: Callable[[], Target]) -> dict[str, Snapshotter]:
    """Return who takes snapshots: the sidecar's, when there is its socket, else those in here.

    By their methods, in the order of asking. Raise SnapshotterError when the sidecar is not there.
    """
    if not settings.snapshots.socket:
        return own_snapshotters(settings, target)
    from kube2git.adapters.sidecar import Sidecar

    return dict(Sidecar(settings.snapshots.socket).snapshotters())


def own_snapshotters(settings: Settings, target: Callable[[], Target]) -> dict[str, Snapshotter]:
    """Return the snapshotters that are installed, by their methods, in the order of asking.

    Raise UsageError when one cannot be loaded, or does not like its options.
    """
    from importlib import metadata

    from kube2git.core.ports import SnapshotterContext

    chosen = settings.snapshots
    points = {point.name: point for point in metadata.entry_points(group=SNAPSHOTTERS)}
    order = [name for name in _FIRST_ASKED if name in points]
    order += sorted(points.keys() - set(order))
    if unknown := sorted(chosen.options.keys() - points.keys()):
        raise UsageError(
            f"snapshots.options names {unknown[0]}, and no such snapshotter is installed",
            hint=f"Installed are: {', '.join(order) or 'none'}.",
        )
    found: dict[str, Snapshotter] = {}
    for name in order:
        try:
            factory = points[name].load()
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"the snapshotter {name} cannot be loaded: {error}",
                hint="Install its package again, or remove it.",
            ) from None
        context = SnapshotterContext(
            target, now, chosen.options.get(name, {}), keeps_objects=chosen.keep_objects
        )
        made: Snapshotter = factory(context)
        found[made.method] = made
    return found


def snapshot_request(
    settings: Settings, *, is_scheduled: bool = False, **choices: Any
) -> SnapshotRequest:
    """Return what to snapshot, and how: the settings, and choices that are fields of the request.

    ``is_scheduled``: a run follows of itself, and completes what this one need not wait for. Raise
    UsageError when a hook is not understood.
    """
    from kube2git.core.selection import LabelSelector
    from kube2git.core.snapshots import Wait
    from kube2git.core.snapshots.choosing import ClaimSelection, ClassRule
    from kube2git.core.snapshots.hooks import parse_rules
    from kube2git.flows.snapshotting import SnapshotRequest

    chosen = settings.snapshots
    wait = Wait.CUT if is_scheduled else Wait.READY
    if chosen.wait is not SnapshotWait.AUTO:
        wait = Wait(chosen.wait)
    request = SnapshotRequest(
        selection=ClaimSelection(
            Patterns(chosen.namespaces),
            LabelSelector.parse(chosen.selector),
            Patterns(chosen.storage_classes),
            selection(settings),
        ),
        classes={name: ClassRule(**fields) for name, fields in chosen.classes.items()},
        hooks=parse_rules(chosen.hooks),
        group_label=chosen.group_label,
        wait=wait,
        seconds=chosen.timeout,
        freeze=chosen.freeze_timeout,
    )
    return replace(request, **choices)


def snapshotting(settings: Settings, *, is_scheduled: bool = False, **choices: Any) -> Snapshotting:
    """Return a run over the volumes; the rest is as for ``snapshot_request``."""
    from kube2git.adapters.kube.applying import KubeTarget
    from kube2git.adapters.kube.commands import PodCommands
    from kube2git.adapters.kube.connection import connect
    from kube2git.flows.snapshotting import Snapshotting, Task

    request = snapshot_request(settings, is_scheduled=is_scheduled, **choices)
    connection = connect(_connection_settings(settings))
    target = KubeTarget(connection, page_size=settings.cluster.page_size)
    try:
        found = snapshotters(settings, lambda: target)
    except SnapshotterError as error:
        # The export goes on, and each volume's record says why it has no snapshot.
        from kube2git.adapters.sidecar import AbsentSidecar

        found = {AbsentSidecar.method: AbsentSidecar(error)}
    return Snapshotting(
        target,
        found,
        PodCommands(connection),
        request,
        lease=snapshot_lease(settings, Task.TAKE),
    )


def snapshot_lease(settings: Settings, task: Task) -> KubeLease | None:
    """Return what keeps runs over the snapshots apart; None where that is not wanted."""
    from kube2git.flows.snapshotting import LEASE_SECONDS

    namespace = settings.snapshots.lease_namespace
    if not namespace:
        return None
    return _lease(settings, namespace, "kube2git-snapshots", LEASE_SECONDS, f"{task}-{_holder()}")


def retention(settings: Settings) -> Retention:
    """Return which snapshots stay."""
    from kube2git.core import durations, schedules
    from kube2git.core.snapshots.retention import Retention

    chosen = settings.snapshots.retention
    found, _ = schedules.parse(settings.serve.schedules)
    return Retention(
        chosen.keep_last,
        chosen.keep_hourly,
        chosen.keep_daily,
        chosen.keep_weekly,
        chosen.keep_monthly,
        durations.parse(chosen.keep_within) if chosen.keep_within else None,
        durations.parse(chosen.ttl) if chosen.ttl else None,
        {item.name: item.retention for item in found if item.retention is not None},
    )
