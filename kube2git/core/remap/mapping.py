"""Which namespace becomes which: all rules at once, so that ``a=b`` and ``b=a`` swap.

An exact rule beats every glob; of several globs that match, the one with the most literal
characters counts. Neither the order of the rules nor the order of the namespaces matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kube2git.errors import UsageError

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_GLOB = re.compile(r"[a-z0-9*-]+")


def is_namespace_name(text: str) -> bool:
    """Tell whether a namespace may be called this (a DNS label, RFC 1123)."""
    return bool(_LABEL.fullmatch(text))


@dataclass(frozen=True, slots=True)
class NamespaceMap:
    """What every namespace is called in the target: the same, another name, or several."""

    renamed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Each namespace that does not simply keep its name -> its names in the target, sorted."""
    idle: tuple[str, ...] = ()
    """Rules, as they were given, that match none of the namespaces: often a misspelt name."""

    @classmethod
    def parse(cls, rules: Iterable[str], namespaces: Iterable[str] = ()) -> NamespaceMap:
        """Read rules such as ``prod=staging`` and ``team-*=dr-team-*``.

        ``namespaces`` are the names that globs speak of: those of the commit. An exact rule also
        holds for a namespace that is only referred to. What ``*`` matched is carried over, the
        first ``*`` to the first, the second to the second. Two rules for one name make two
        copies of it; ``a=a`` beside ``a=b`` keeps it as well. Raises UsageError naming every
        problem of every rule.
        """
        given = list(dict.fromkeys(rules))
        names = sorted(set(namespaces))
        problems: list[str] = []
        exact: dict[str, set[str]] = {}
        globs: dict[str, set[str]] = {}
        for rule in given:
            source, equals, target = rule.partition("=")
            if problem := _problem_of(rule, source, target if equals else None):
                problems.append(problem)
            else:
                (globs if "*" in source else exact).setdefault(source, set()).add(target)
        targets = {source: set(found) for source, found in exact.items()}
        for name in names:
            if name not in exact:
                pattern = _pattern_for(name, globs, problems)
                if pattern:
                    targets[name] = {
                        _carry_over(name, pattern, target, problems) for target in globs[pattern]
                    }
        if problems:
            raise UsageError(
                "The namespace map cannot be used:\n" + "\n".join(f"- {text}" for text in problems),
                hint="Write each rule as FROM=TO, for example prod=staging or team-*=dr-team-*.",
            )
        renamed = {name: tuple(sorted(found)) for name, found in targets.items() if found != {name}}
        sources = {rule: rule.partition("=")[0] for rule in given}
        idle = tuple(
            rule
            for rule, source in sources.items()
            if not any(_regex(source).fullmatch(name) for name in names)
        )
        return cls(renamed, idle)

    def targets(self, namespace: str) -> tuple[str, ...]:
        """Return the names that a namespace has in the target, sorted; never empty."""
        return self.renamed.get(namespace) or (namespace,)


def _problem_of(rule: str, source: str, target: str | None) -> str:
    if not source or not target:
        return f"{rule!r} is not of the form FROM=TO."
    for side in (source, target):
        if not _GLOB.fullmatch(side):
            return (
                f"{rule!r}: {side!r} may hold only lower-case letters, digits, '-' and the "
                "wildcard '*'."
            )
        if "*" not in side and not is_namespace_name(side):
            return (
                f"{rule!r}: {side!r} cannot be the name of a namespace: at most 63 characters, "
                "beginning and ending with a letter or digit."
            )
        if "**" in side:
            return f"{rule!r}: write one '*' at a place, not '**'."
    if target.count("*") not in (0, source.count("*")):
        return (
            f"{rule!r}: both sides must have the same number of '*', or the right one none, which "
            "merges all matches into one namespace."
        )
    return ""


def _regex(source: str) -> re.Pattern[str]:
    return re.compile("(.*?)".join(map(re.escape, source.split("*"))))


def _pattern_for(name: str, globs: Mapping[str, set[str]], problems: list[str]) -> str:
    """Return the most literal pattern that matches, "" when none does; report a tie."""
    matching = sorted(source for source in globs if _regex(source).fullmatch(name))
    if not matching:
        return ""
    literal = {source: len(source) - source.count("*") for source in matching}
    best = [source for source in matching if literal[source] == max(literal.values())]
    if len(best) > 1:
        problems.append(
            f"Both {' and '.join(map(repr, best))} match the namespace {name!r}, and neither is "
            "more exact: add a rule for this namespace alone."
        )
        return ""
    return best[0]


def _carry_over(name: str, pattern: str, target: str, problems: list[str]) -> str:
    match = _regex(pattern).fullmatch(name)
    carried = iter(match.groups() if match else ())
    result = "".join(next(carried) if char == "*" else char for char in target)
    if not is_namespace_name(result):
        problems.append(
            f"'{pattern}={target}' would call the namespace {name!r} {result!r}, which is not a "
            "valid name: at most 63 characters, beginning and ending with a letter or digit."
        )
    return result
