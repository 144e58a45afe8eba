"""From a clean object to its file, sealed if need be, withheld if it must not leave; and back.

An object whose file would say the same is not written again, though every sealing gives new bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kube2git.core import wire, yamlio
from kube2git.core.objects import ObjectRef, ResourceType, ref_of
from kube2git.core.sealing import (
    LeakPolicy,
    Sealer,
    SealingError,
    SealRule,
    SecretValues,
    describe,
)
from kube2git.core.wire import Json, RawObject
from kube2git.errors import UsageError


def read(path: str, data: bytes) -> tuple[ObjectRef, Json]:
    """Return the object in a file; raise YamlError, which names the file, when there is none."""
    body = yamlio.decode(data, source=path)
    try:
        return ref_of(body), body
    except ValueError as error:
        hint = "Write a whole object there, or remove the file; the next export writes it anew."
        raise yamlio.YamlError(str(error), hint=hint, source=path) from None


class Filed(NamedTuple):
    """What becomes of an object's file."""

    blob: str | None
    """Its blob id; None when there is none and none may be written."""
    data: bytes | None = None
    """What has to be stored; None when the file stays as it is."""
    withheld: str = ""
    """Why the object was not written; its old file stays."""


class Filing:
    """Makes the files of one sweep."""

    def __init__(
        self, tree: Mapping[str, str], blob_id: Callable[[bytes], str], sealer: Sealer | None
    ) -> None:
        """``tree`` is what the repository holds: path -> blob id."""
        self._tree = tree
        self._blob_id = blob_id
        self._sealer = sealer
        self._secrets: list[tuple[str, str, bytes] | Json] = []
        self._values: SecretValues | None = None
        self._warnings: list[str] = []
        if sealer:
            sealer.start_over()

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*self._warnings, *(self._sealer.warnings if self._sealer else ()))

    def keep(self, path: str, type: ResourceType, item: RawObject) -> bool:
        """Leave a sealed file as it is; False when it is not known what it holds."""
        sealer = self._sealer
        if sealer is None or not sealer.knows(path):
            return False
        sealer.keep(path)
        # A copy, since the page should not stay; decoded only if a leak has to be looked for.
        self._secrets.append((type.api_version, type.kind, bytes(item.raw)))
        return True

    def file(self, ref: ObjectRef, path: str, clean: Json) -> Filed:
        """Return the file of an object."""
        sealer = self._sealer
        try:
            if sealer is None:
                return self._in_clear(path, clean)
            if rule := sealer.rule_for(clean):
                self._secrets.append(clean)
                return self._sealed(sealer, path, clean, rule)
            return self._checked(sealer, ref, path, clean)
        except yamlio.TooDeepError as error:
            reason = str(error)
        except (SealingError, UsageError) as error:
            reason = f"{error} {error.hint}".strip()
        if sealer:
            sealer.keep(path)
        return Filed(self._tree.get(path), None, reason)

    def _in_clear(self, path: str, clean: Json) -> Filed:
        data = yamlio.encode(clean)
        blob = self._blob_id(data)
        return Filed(blob, None if blob == self._tree.get(path) else data)

    def _sealed(self, sealer: Sealer, path: str, clean: Json, rule: SealRule) -> Filed:
        old = self._tree.get(path)
        if old is not None and sealer.is_unchanged(path, clean, rule, old):
            sealer.keep(path)
            return Filed(old)
        data = yamlio.encode(sealer.seal(path, clean, rule))
        blob = self._blob_id(data)
        sealer.note(path, clean, rule, blob)
        return Filed(blob, data)

    def _checked(self, sealer: Sealer, ref: ObjectRef, path: str, clean: Json) -> Filed:
        """Return the file of an object in clear text, unless a Secret's value is in it."""
        filed = self._in_clear(path, clean)
        findings = (
            sealer.leaks_in(clean, self._secret_values(sealer)) if filed.data is not None else []
        )
        if findings and sealer.leaks is LeakPolicy.SEAL:
            fields = [finding.field for finding in findings]
            return self._sealed(sealer, path, clean, SealRule.of(ref.kind_group, fields))
        if findings and sealer.leaks is LeakPolicy.WITHHOLD:
            return Filed(self._tree.get(path), None, " ".join(describe(findings, ref.kind_group)))
        if findings:
            self._warnings.append(f"{ref}: {' '.join(describe(findings, ref.kind_group))}")
        sealer.forget(path)
        return filed

    def _secret_values(self, sealer: Sealer) -> SecretValues:
        """Return the values of all that this run seals; made when first asked for."""
        if self._values is None:
            self._values = SecretValues()
            for secret in self._secrets:
                if isinstance(secret, tuple):
                    api_version, kind, raw = secret
                    body = {"apiVersion": api_version, "kind": kind, **wire.decode(raw)}
                else:
                    body = secret
                if rule := sealer.rule_for(body):
                    self._values.add(body, rule)
            self._secrets.clear()
        return self._values
