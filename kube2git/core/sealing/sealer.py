"""Seals the objects of one export, keeps the file of what has not changed, and finds leaks.

Fails closed: what cannot be sealed is not written, and what holds a Secret's value in clear text
is withheld unless the policy says otherwise.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase

from kube2git.core import wire, yamlio
from kube2git.core.objects import ref_of
from kube2git.core.sealing.creationrules import CreationRules
from kube2git.core.sealing.document import seal
from kube2git.core.sealing.errors import CannotSealError
from kube2git.core.sealing.fingerprints import Seals, fingerprint, key_id
from kube2git.core.sealing.keys import Recipients
from kube2git.core.sealing.leaks import Finding, SecretValues
from kube2git.core.sealing.rules import SealRule
from kube2git.core.sealing.scope import Scope
from kube2git.core.wire import Json


class LeakPolicy(enum.StrEnum):
    """What happens to an object that holds a Secret's value in clear text."""

    WITHHOLD = "withhold"
    """It is not written; its old file stays."""
    SEAL = "seal"
    """The fields in question are sealed."""
    WARN = "warn"
    """It is written as it is, and said."""


@dataclass(frozen=True)
class Sealing:
    """What a configuration says about sealing."""

    rules: Mapping[str, SealRule]
    """kind_group -> what is sealed in it."""
    recipients: Recipients | None = None
    """None: only those that a .sops.yaml in the repository names."""
    key: bytes = field(default=b"", repr=False)
    """The fingerprint key; empty: nothing is recognised as unchanged."""
    leaks: LeakPolicy = LeakPolicy.WITHHOLD
    allowed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """kind_group -> fields (globs) that may hold a Secret's value in clear text."""

    def fingerprint(self) -> str:
        """Return the identity of all that decides what a sealed file must be."""
        texts = self.recipients.texts if self.recipients else ()
        scopes = sorted((kind, rule.scope.settings) for kind, rule in self.rules.items())
        allowed = {kind: list(fields) for kind, fields in self.allowed.items()}
        key = key_id(self.key) if self.key else ""
        return wire.digest([list(texts), scopes, key, str(self.leaks), allowed])


class Sealer:
    """Sealing for one run over one repository."""

    def __init__(
        self,
        sealing: Sealing,
        *,
        creation: CreationRules | None = None,
        below: str = "",
        before: Seals | None = None,
        when: datetime,
    ) -> None:
        """Prepare a run.

        ``creation`` are the rules of a .sops.yaml, ``below`` the folder of the prefix as seen from
        that file; ``before`` is what seals.yaml said; ``when`` is noted in the files and needs a
        zone.
        """
        self._sealing = sealing
        self._creation = creation or CreationRules()
        self._below = f"{below}/" if below else ""
        known = before or Seals()
        mine = key_id(sealing.key) if sealing.key else ""
        self.is_first_with_key = bool(known.fingerprints) and known.key_id != mine
        """True when the seals were made with another key, so that all is sealed again once."""
        self._before = known.fingerprints if sealing.key and known.key_id == mine else {}
        self._when = when
        self._now: dict[str, str] = {}
        self._in_clear: set[str] = set()
        self.warnings: list[str] = []
        """What the policy lets be written in clear all the same."""

    @classmethod
    def of_commit(
        cls,
        sealing: Sealing,
        before: Seals,
        rules_file: tuple[bytes, str] | None,
        when: datetime,
    ) -> Sealer:
        """Make one out of what a commit holds: seals.yaml, and the nearest .sops.yaml if any.

        ``rules_file`` is the bytes of the latter and the folder of the prefix as seen from it.
        Raises CreationRuleError.
        """
        creation, below = CreationRules(), ""
        if rules_file is not None:
            creation = CreationRules.parse(yamlio.decode(rules_file[0], source=".sops.yaml"))
            below = rules_file[1]
        return cls(sealing, creation=creation, below=below, before=before, when=when)

    def start_over(self) -> None:
        """Forget what was sealed so far: the sweep begins again."""
        self._now, self._in_clear, self.warnings = {}, set(), []

    @property
    def can_seal(self) -> bool:
        """Tell whether there is anybody to seal for."""
        return self._sealing.recipients is not None or bool(self._creation.rules)

    def fingerprint(self) -> str:
        """Return the identity of all that decides what a sealed file must be."""
        rules = [
            [rule.path_regex, list(rule.recipients.texts), rule.chosen and rule.chosen.settings]
            for rule in self._creation.rules
        ]
        return wire.digest([self._sealing.fingerprint(), rules, self._below])

    def rule_for(self, body: Json) -> SealRule | None:
        """Return the rule by which an object is sealed; None when it is written in clear."""
        rule = self._sealing.rules.get(ref_of(body).kind_group)
        return rule if rule is not None and rule.applies_to(body) else None

    def is_unchanged(self, path: str, body: Json, rule: SealRule, blob: str) -> bool:
        """Tell whether the file at a path, ``blob``, holds this object, sealed as it should be."""
        mark = self._mark(path, body, rule, blob)
        return bool(mark) and self._before.get(path) == mark

    def note(self, path: str, body: Json, rule: SealRule, blob: str) -> None:
        """Note for seals.yaml that the file at a path, ``blob``, holds this object."""
        if mark := self._mark(path, body, rule, blob):
            self._now[path] = mark

    def _mark(self, path: str, body: Json, rule: SealRule, blob: str) -> str:
        if not self._sealing.key:
            return ""
        recipients, scope = self._chosen(path, rule)
        return fingerprint(self._sealing.key, path, recipients, scope, body, blob)

    def seal(self, path: str, body: Json, rule: SealRule) -> Json:
        """Return the sealed document; raise CannotSealError.

        Its own values must not stand beside it in clear either, in an annotation for example: the
        policy on leaks is for them, too.
        """
        document = self._seal(path, body, rule)
        values = SecretValues()
        values.add(body, rule)
        findings = self.leaks_in(document, values)
        if not findings:
            return document
        if self.leaks is LeakPolicy.SEAL:
            return self._seal(path, body, rule.wider(finding.field for finding in findings))
        told = " ".join(describe(findings, rule.kind_group))
        if self.leaks is LeakPolicy.WITHHOLD:
            raise CannotSealError(told)
        self.warnings.append(f"{ref_of(body)}: {told}")
        return document

    def _seal(self, path: str, body: Json, rule: SealRule) -> Json:
        recipients, scope = self._chosen(path, rule)
        return seal(body, rule, recipients, when=self._when, scope=scope)

    def keep(self, path: str) -> None:
        """Take over what seals.yaml said of a file that stays as it is."""
        if path in self._before:
            self._now[path] = self._before[path]
        else:
            self._now.pop(path, None)

    def forget(self, path: str) -> None:
        """Note that the file at a path is not sealed any more."""
        self._in_clear.add(path)

    def knows(self, path: str) -> bool:
        """Tell whether seals.yaml says what the file at a path holds."""
        return path in self._before

    def seals(self, removed: frozenset[str]) -> Seals:
        """Return the new content of seals.yaml, without the files that are removed."""
        gone = removed | self._in_clear
        kept = {path: mark for path, mark in self._before.items() if path not in gone}
        mine = key_id(self._sealing.key) if self._sealing.key else ""
        return Seals(mine, {**kept, **self._now})

    def _chosen(self, path: str, rule: SealRule) -> tuple[Recipients, Scope]:
        named = self._creation.rule_for(f"{self._below}{path}")
        if named is not None:
            return named.recipients, named.scope_for(rule)
        if self._sealing.recipients is None:
            raise CannotSealError(
                "No rule of .sops.yaml matches this file, and no recipient is configured.",
                hint="Add a creation rule for it, or set sealing.recipients.",
            )
        return self._sealing.recipients, rule.scope

    # ── leaks ────────────────────────────────────────────────────────────────────────────────

    @property
    def leaks(self) -> LeakPolicy:
        return self._sealing.leaks

    def leaks_in(self, body: Json, values: SecretValues) -> list[Finding]:
        """Return where an object holds values of Secrets in clear text and may not."""
        allowed = self._sealing.allowed.get(ref_of(body).kind_group, ())
        return [
            finding
            for finding in values.search(body)
            if not any(
                finding.field == field or fnmatchcase(finding.field, field) for field in allowed
            )
        ]


def describe(findings: Sequence[Finding], kind_group: str) -> Iterator[str]:
    """Yield a sentence for each leak, and the two settings that would end it; never a value."""
    for finding in findings[:3]:
        yield f"{finding.field} holds a value of {finding.secret} ({finding.key}) in clear text."
    if len(findings) > 3:
        yield f"So do {len(findings) - 3} more fields."
    fields = "', '".join(sorted({finding.field for finding in findings}))
    yield (
        f"Seal it with sealing.fields: {{{kind_group}: ['{fields}']}}, or allow it with "
        f"sealing.allow: {{{kind_group}: ['{fields}']}}."
    )
