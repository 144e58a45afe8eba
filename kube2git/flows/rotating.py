"""Rotate: seal every sealed file anew, with new data keys, for the recipients of today."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kube2git.core import filing, layout, yamlio
from kube2git.core.ports import Clock, Repo, Synced
from kube2git.core.report import Progress, Withheld
from kube2git.core.sealing import (
    Identities,
    Sealer,
    Sealing,
    SealingError,
    SealRule,
    Seals,
    is_sealed,
    other_keys_of,
    scope_of,
    unseal,
)
from kube2git.errors import UsageError


@dataclass(frozen=True)
class RotateReport:
    """What a rotation came to."""

    commit: str
    """"" when there was nothing to seal."""
    sealed: int
    left: tuple[Withheld, ...]
    """Files that stay as they are, and why."""
    synced: Synced


def rotate(
    repo: Repo, sealing: Sealing, identities: Identities, *, clock: Clock, push: bool
) -> Iterator[Progress | RotateReport]:
    """Seal everything anew in one commit; yield progress, and the report last.

    Raises UsageError when there is nobody to seal for, PushError when only the push failed.
    """
    with repo.lock():
        repo.fetch()
        base = repo.resolve("HEAD")
        tree = repo.tree(base)
        now = clock()
        sealer = Sealer.of_commit(sealing, Seals(), repo.file_above(base, ".sops.yaml"), now)
        if not sealer.can_seal:
            raise UsageError(
                "no recipient is configured to seal for", hint="Set sealing.recipients."
            )
        changes: dict[str, str | None] = {}
        left: list[Withheld] = []
        with repo.writer(base) as writer:
            for path, data in _sealed_files(repo, tree):
                try:
                    ref, body = filing.read(path, data)
                except yamlio.YamlError as error:
                    left.append(Withheld(str(layout.presumed_ref(path)), f"{error}. {error.hint}"))
                    continue
                if not is_sealed(body):
                    continue
                subject = str(ref)
                if others := other_keys_of(body):
                    why = f"It is sealed for {', '.join(others)} keys too, which would be lost."
                    left.append(Withheld(subject, why))
                    continue
                try:
                    clear = unseal(body, identities)
                    rule = sealer.rule_for(clear) or SealRule(ref.kind_group, scope_of(body))
                    data = yamlio.encode(sealer.seal(path, clear, rule))
                except SealingError as error:
                    left.append(Withheld(subject, f"{error} {error.hint}".strip()))
                    continue
                changes[path] = blob = writer.add(data)
                sealer.note(path, clear, rule, blob)
                yield Progress("sealing", objects=len(changes))
            commit = ""
            if changes:
                kept = _kept_seals(repo, tree, {item.subject for item in left})
                seals = sealer.seals(frozenset()).render()
                seals["seals"] = {**kept, **seals["seals"]}
                changes[layout.SEALS] = writer.add(yamlio.encode(seals))
                commit = writer.commit(f"seal: {len(changes) - 1} sealed anew", now, changes)
        synced = repo.push() if push else Synced("")
        yield RotateReport(commit, max(0, len(changes) - 1), tuple(left), synced)


def _sealed_files(repo: Repo, tree: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """Give what looks sealed; to decode all files would take long."""
    paths = [path for path in tree if layout.place_of(path)]
    for path, data in zip(paths, repo.read(tree[path] for path in paths), strict=True):
        if b"sops:" in data:
            yield path, data


def _kept_seals(repo: Repo, tree: dict[str, str], left: set[str]) -> dict[str, str]:
    """Return what seals.yaml says of the files that stay as they are."""
    if not left or layout.SEALS not in tree:
        return {}
    (data,) = repo.read([tree[layout.SEALS]])
    return dict(Seals.parse(yamlio.decode(data, source=layout.SEALS)).fingerprints)
