"""What a rule is: one line of the catalogue, or of a configuration."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class Action(enum.StrEnum):
    """What happens to the fields, or to the object, that a rule is about."""

    STRIP = "strip"
    """The fields are taken out."""
    NORMALISE = "normalise"
    """The fields are written in one way of several that mean the same."""
    LEAVE_OUT = "leave-out"
    """The whole object is not exported."""
    KEEP = "keep"
    """Nothing: listed because it looks like the server's and is a person's."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the catalogue."""

    id: str
    """The word by which a configuration and ``explain`` name it."""
    action: Action
    kinds: tuple[str, ...]
    """Globs over kind_groups: ``Deployment.apps``, ``*.metrics.k8s.io``, ``*``."""
    paths: tuple[str, ...]
    """Fields in the language of ``paths.py``. For leave-out: objects that have one of these."""
    reason: str
    source: str
    when: str = ""
    """The condition on what stands at the path, by its name in ``conditions.py``; "" is always."""
    values: tuple[Any, ...] = ()
    """Only these values are meant; () is any."""
    how: str = ""
    """For normalise: the function, by its name in ``conditions.py``."""
    names: tuple[str, ...] = ()
    """For leave-out, instead of paths: globs over ``namespace/name`` (``/name`` if the object is
    cluster-scoped). The condition sees the object as it would be exported."""
    is_optional: bool = False
    """Off, unless a configuration switches it on."""
    is_required: bool = False
    """Cannot be switched off: the promises would not hold."""

    @property
    def is_about_whole_kinds(self) -> bool:
        """True when no object of these kinds is exported, so that they need not even be listed."""
        return self.action is Action.LEAVE_OUT and not (self.paths or self.names)


class RuleError(ValueError):
    """A configuration's changes to the rules do not make sense; ``problems`` lists all of them."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)
