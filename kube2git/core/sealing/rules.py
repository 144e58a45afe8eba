"""Which kinds are sealed, and which of their fields: Secrets always, others as the config names.

Fields are written as in the other catalogues, as far as SOPS can follow them:

    data.password                   a key
    data["app.properties"]          a key that holds dots
    spec.users[].password           the same key in each item of a list (the brackets are optional)
    spec.*.password   data.*_TOKEN  any key, any key of this form

SOPS chooses by the names of keys at any depth, never by their path. So the last key of a field is
what it gets, and fields of the same name elsewhere in the object are sealed with it: more than was
asked for, never less. A key that would also hide which object the file holds (``name``, ``*``)
gives way to the key above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from kube2git.core.sealing.errors import CannotSealError
from kube2git.core.sealing.scope import Scope
from kube2git.core.wire import Json
from kube2git.errors import UsageError

SECRET = "Secret"  # noqa: S105 - the name of the kind

_STEP = re.compile(r'\["(?P<quoted>[^"]+)"\]|\[\]|(?P<key>[A-Za-z0-9_*$-]+)')
_VISIBLE = ("apiVersion", "kind", "metadata", "name", "namespace")


@dataclass(frozen=True)
class SealRule:
    """How the objects of one kind are sealed."""

    kind_group: str
    scope: Scope
    always: bool = False
    """Whether an object without a value to seal becomes a sealed file too."""

    @classmethod
    def of(cls, kind_group: str, fields: Iterable[str]) -> SealRule:
        """Make the rule that seals these fields; raise UsageError for one that cannot be."""
        is_secret = kind_group == SECRET
        keys = dict.fromkeys(("data", "stringData") if is_secret else ())
        keys.update(dict.fromkeys(_key_of(kind_group, field) for field in fields))
        if not keys:
            raise UsageError(
                f"No field of {kind_group} is named to be sealed.",
                hint="Name at least one, such as spec.password.",
            )
        expression = "|".join(_expression(key) for key in keys)
        return cls(kind_group, Scope("encrypted_regex", f"^({expression})$"), always=is_secret)

    def wider(self, fields: Iterable[str]) -> SealRule:
        """Return the rule that seals these fields as well.

        Raises UsageError as ``of`` does, and CannotSealError where this rule was read from a sealed
        file and does not name what it seals.
        """
        more = SealRule.of(self.kind_group, fields).scope
        if self.scope.setting != more.setting:
            raise CannotSealError(
                f"The setting {self.scope.setting} of the sealed file leaves values of this "
                f"{self.kind_group} in clear text.",
                hint="Name the fields in sealing.fields, so that they are sealed by name.",
            )
        return replace(self, scope=Scope(more.setting, f"{self.scope.text}|{more.text}"))

    def applies_to(self, body: Json) -> bool:
        """Tell whether this object becomes a sealed file."""
        return self.always or next(self.scope.sealed_values(body), None) is not None

    def check(self, scope: Scope, body: Json) -> None:
        """Raise CannotSealError if ``scope`` leaves in clear what this rule seals."""
        for keys, _ in self.scope.sealed_values(body):
            if not scope.seals(keys):
                raise CannotSealError(
                    f"The setting {scope.setting} in .sops.yaml would leave "
                    f"{field_text(keys)} of this {self.kind_group} in clear text.",
                    hint="Change that creation rule, or remove the setting from it.",
                )


def seal_rules(fields: Mapping[str, Sequence[str]]) -> dict[str, SealRule]:
    """Return kind_group -> rule, for Secrets and for what the config names beside them."""
    kinds = {SECRET: (), **fields}
    return {kind: SealRule.of(kind, named) for kind, named in kinds.items()}


def field_text(keys: Sequence[str]) -> str:
    """Write a field as the config takes it: the inverse of reading one."""
    text = ""
    for key in keys:
        if re.fullmatch(r"[A-Za-z0-9_$-]+", key):
            text += f".{key}" if text else key
        else:
            text += f'["{key}"]'
    return text


def _key_of(kind_group: str, field: str) -> str:
    """Return the key by which SOPS finds a field: its last one that hides no identity."""
    for key in reversed(_keys(kind_group, field)):
        if not any(fnmatchcase(visible, key) for visible in _VISIBLE):
            return key
    raise UsageError(
        f"The field {field} of {kind_group} cannot be sealed: the file would not say any more "
        "which object it holds.",
        hint="Name a field outside of apiVersion, kind and the object's name.",
    )


def _keys(kind_group: str, field: str) -> list[str]:
    keys: list[str] = []
    at = 0
    while at < len(field):
        dotted = field[at] == "."
        step = _STEP.match(field, at + dotted)
        # Keys are set apart by dots; brackets follow without one.
        if step is None or dotted != bool(at > 0 and step["key"]):
            raise UsageError(
                f"The field {field!r} of {kind_group} cannot be read from character {at + 1} on.",
                hint='Write it like spec.password, or like data["app.properties"].',
            )
        keys += filter(None, (step["quoted"], step["key"]))
        at = step.end()
    return keys


def _expression(key: str) -> str:
    return ".*".join(re.escape(part) for part in key.split("*"))
