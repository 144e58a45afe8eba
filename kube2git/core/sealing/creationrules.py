"""The creation rules of a ``.sops.yaml``: who may open which files, and which values are sealed.

What kube2git cannot do as sops would is an error that names it. Read are the creation rules only;
``stores`` (indentation), ``destination_rules`` (``sops publish``) and other keys at the top, where
people keep YAML anchors, say nothing of how files are sealed. Source: config/config.go, sops 3.11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kube2git.core.sealing import patterns
from kube2git.core.sealing.errors import CreationRuleError, SealingKeyError
from kube2git.core.sealing.keys import Recipients
from kube2git.core.sealing.rules import SealRule
from kube2git.core.sealing.scope import (
    COMMENT_SETTINGS,
    MAC_ONLY_ENCRYPTED,
    SETTINGS,
    Scope,
    ScopeError,
)

_KNOWN = {"path_regex", "age", "key_groups", MAC_ONLY_ENCRYPTED, *SETTINGS, *COMMENT_SETTINGS}


@dataclass(frozen=True)
class CreationRule:
    """What one rule says of the files that it matches."""

    recipients: Recipients
    chosen: Scope | None = None
    """Which values are sealed; None when the rule leaves that open."""
    mac_only_encrypted: bool = False
    path_regex: str = ""

    def matches(self, path: str) -> bool:
        return patterns.compile(self.path_regex).search(path) is not None

    def scope_for(self, rule: SealRule) -> Scope:
        """Return what to seal in a file of this kind.

        Where the creation rule leaves it open, sops would seal everything, the name as well; then
        the kind's own rule holds.
        """
        if self.chosen:
            return self.chosen
        return replace(rule.scope, mac_only_encrypted=self.mac_only_encrypted)


@dataclass(frozen=True)
class CreationRules:
    """A ``.sops.yaml``, read."""

    rules: tuple[CreationRule, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> CreationRules:
        """Read the decoded file; raise CreationRuleError, which names the rule and the setting."""
        rules = data.get("creation_rules")
        if rules is None:
            return cls()
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            raise CreationRuleError("In .sops.yaml, creation_rules is not a list of rules.")
        return cls(tuple(_read(rule, place) for place, rule in enumerate(rules, 1)))

    def rule_for(self, path: str) -> CreationRule | None:
        """Return the first rule that matches a path, relative to the folder of the file.

        None when none does; sops itself then refuses to seal.
        """
        return next((rule for rule in self.rules if rule.matches(path)), None)


def _read(rule: Mapping[str, Any], place: int) -> CreationRule:
    unknown = sorted(name for name in rule if name not in _KNOWN and rule[name])
    if unknown:
        raise _error(
            place, f"uses {', '.join(unknown)}, which kube2git does not support", _HINT_AGE
        )
    path_regex = rule.get("path_regex") or ""
    try:
        patterns.compile(path_regex)
        chosen = Scope.of(rule)
    except (patterns.UnsupportedPatternError, TypeError) as error:
        why = "it is not text" if isinstance(error, TypeError) else error
        raise _error(place, f"has a path_regex that cannot be used: {why}") from None
    except ScopeError as error:
        raise _error(place, f"cannot be followed: {error}".rstrip(".")) from None
    try:
        recipients = Recipients.parse(_recipients(rule, place))
    except SealingKeyError as error:
        raise _error(place, f"names a wrong recipient: {error}".rstrip("."), error.hint) from None
    return CreationRule(recipients, chosen, bool(rule.get(MAC_ONLY_ENCRYPTED)), path_regex)


def _recipients(rule: Mapping[str, Any], place: int) -> list[str]:
    groups = rule.get("key_groups")
    if not groups:
        return _texts(rule.get("age"), place)
    if rule.get("age"):
        raise _error(place, "has both age and key_groups, of which sops ignores age", "Keep one.")
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise _error(place, "has key_groups that are not a list of groups")
    if len(groups) > 1:
        raise _error(
            place,
            f"has {len(groups)} key_groups: splitting a key between groups is not supported",
            "Put all recipients into one group; each of them can then open the files alone.",
        )
    others = sorted(name for name, keys in groups[0].items() if name != "age" and keys)
    if others:
        raise _error(
            place, f"uses {', '.join(others)} in key_groups, which is not supported", _HINT_AGE
        )
    return _texts(groups[0].get("age"), place)


def _texts(value: Any, place: int) -> list[str]:
    texts = value if isinstance(value, list) else [value or ""]
    if not all(isinstance(text, str) for text in texts):
        raise _error(place, "names recipients under age that are not text")
    parts = (part.strip() for text in texts for part in text.split(","))
    return [part for part in parts if part]


_HINT_AGE = "Seal for age recipients only, or give those files a rule of their own."


def _error(place: int, problem: str, hint: str = "") -> CreationRuleError:
    return CreationRuleError(f"Rule {place} in .sops.yaml {problem}.", hint=hint)
