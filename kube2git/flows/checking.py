"""Check: would an export work? Tries what an export does, up to the first write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kube2git.core import filing, layout, yamlio
from kube2git.core.cleaning import RuleSet
from kube2git.core.ports import Cluster, KindRead, KindStatus, Repo
from kube2git.core.reading import SECRET, choose_kinds
from kube2git.core.sealing import Identities, SealingError, is_sealed, unseal
from kube2git.core.selection import Selection
from kube2git.errors import Kube2gitError


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    subject: str
    is_ok: bool
    message: str
    hint: str = ""


def check(
    open_repo: Callable[[], Repo],
    connect: Callable[[], Cluster],
    selection: Selection,
    rules: RuleSet,
    find_identities: Callable[[], Identities],
    sealed: frozenset[str],
    *,
    checks_signature: bool = False,
) -> Iterator[Finding]:
    """Yield what was found, check by check; a failed one does not stop those after it."""
    yield from _repository(open_repo)
    yield from _signing(open_repo)
    if checks_signature:
        yield from _signature(open_repo)
    yield from _recovery(open_repo, find_identities)
    yield from _cluster(connect, selection, rules, sealed)


def _repository(open_repo: Callable[[], Repo]) -> Iterator[Finding]:
    try:
        repo = open_repo()
        tip = repo.tip()
    except Kube2gitError as error:
        yield Finding("repository", False, str(error), error.hint)
        return
    held = f"its newest commit is {tip[:10]}" if tip else "the branch has no commit yet"
    yield Finding("repository", True, f"It can be read; {held}.")
    try:
        remote = repo.check_push()
    except Kube2gitError as error:
        yield Finding("remote", False, str(error), error.hint)
        return
    if remote:
        yield Finding("remote", True, f"{remote} would take a push.")
    else:
        yield Finding("remote", True, "There is none; commits stay in the local repository.")


def _signing(open_repo: Callable[[], Repo]) -> Iterator[Finding]:
    """Prove that the next commit can be signed, if it is to be."""
    try:
        repo = open_repo()
    except Kube2gitError:
        # Told already, of the repository.
        return
    try:
        if repo.check_signing():
            yield Finding("signing", True, "A commit can be signed; one was, and thrown away.")
    except Kube2gitError as error:
        yield Finding("signing", False, str(error), error.hint)


def _signature(open_repo: Callable[[], Repo]) -> Iterator[Finding]:
    """Tell whether a replay would take the newest commit for one that is signed."""
    try:
        repo = open_repo()
        tip = repo.tip()
        found = repo.signature(tip) if tip else None
    except Kube2gitError as error:
        yield Finding("signature", False, str(error), error.hint)
        return
    if found is None:
        return
    if found.is_trusted:
        yield Finding("signature", True, f"The newest commit is signed by {found}.")
    else:
        message = f"The newest commit is not trusted. {found.reason}"
        hint = "Set git.signing, or look who made the commit."
        yield Finding("signature", False, message, hint)


def _recovery(
    open_repo: Callable[[], Repo], find_identities: Callable[[], Identities]
) -> Iterator[Finding]:
    """Prove that what is sealed in the newest commit can be opened with the key at hand."""
    try:
        repo = open_repo()
        tip = repo.tip()
        tree = repo.tree(tip) if tip else {}
    except Kube2gitError:
        # Told already, of the repository.
        return
    paths = [path for path in tree if layout.place_of(path)]
    identities: Identities | None = None
    sealed, failures = 0, list[Kube2gitError]()
    for path, data in zip(paths, repo.read(tree[path] for path in paths), strict=True):
        # Most files are not sealed, and to decode them all would take long.
        if b"\nsops:" not in data:
            continue
        try:
            _, body = filing.read(path, data)
        except yamlio.YamlError as error:
            sealed += 1
            failures.append(error)
            continue
        if not is_sealed(body):
            continue
        sealed += 1
        if identities is None:
            try:
                identities = find_identities()
            except Kube2gitError as error:
                yield Finding("recovery key", False, str(error), error.hint)
                return
        try:
            if len(identities):
                unseal(body, identities)
        except SealingError as error:
            failures.append(error)
    if not sealed:
        return
    if identities is not None and not len(identities):
        yield Finding(
            "recovery key",
            True,
            f"None is at hand here, so that it was not tried on the {sealed} sealed files.",
            "Run this once where the recovery key is kept.",
        )
    elif failures:
        first = str(failures[0]).removesuffix(".")
        message = f"It opens {sealed - len(failures)} of {sealed} sealed files. {first}."
        yield Finding("recovery key", False, message, failures[0].hint)
    else:
        yield Finding("recovery key", True, f"It works: {sealed} of {sealed} sealed files open.")


def _cluster(
    connect: Callable[[], Cluster],
    selection: Selection,
    rules: RuleSet,
    sealed: frozenset[str],
) -> Iterator[Finding]:
    try:
        cluster = connect()
        identity = cluster.identity()
        discovery = cluster.discover()
    except Kube2gitError as error:
        yield Finding("cluster", False, str(error), error.hint)
        return
    yield Finding(
        "cluster", True, f"Context {identity.context} answers; server {identity.server_version}."
    )
    for group, why in sorted(discovery.failed.items()):
        yield Finding(f"API group {group}", False, why)
    kinds = choose_kinds(discovery, selection, rules, sealed)
    listed = 0
    if SECRET in kinds.left_out:
        yield Finding(
            "secrets",
            True,
            "They are left out, because no recipient is configured.",
            "Set sealing.recipients; `kube2git init` makes a key.",
        )
    for event in cluster.sweep(kinds.request(selection)):
        if isinstance(event, KindRead) and event.type.kind_group in kinds.exported:
            if event.status is KindStatus.LISTED:
                listed += 1
            else:
                yield Finding(event.type.resource_group, False, event.reason)
    yield Finding("rights", listed > 0, f"{listed} of {len(kinds.exported)} kinds can be listed.")
