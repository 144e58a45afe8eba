"""What the last run made of each stored object, so that an unchanged one need not be decoded.

An object with the same uid and resourceVersion, read by the same rules, gives the same bytes. The
memory is a cache in the strict sense: without it, or with one of other rules, a run does the same
and takes longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kube2git import __version__
from kube2git.core import wire
from kube2git.core.ports import ClusterIdentity

_VERSION = 2


def memory_fingerprint(identity: ClusterIdentity, kinds: str, cleaning: str, sealing: str) -> str:
    """Return the identity of all but the objects that decides their bytes: three fingerprints."""
    return wire.digest(
        [__version__, identity.uid, identity.server_version, kinds, cleaning, sealing]
    )


@dataclass(slots=True)
class Seen:
    """uid -> (resourceVersion, outcome); outcome is a blob id, or ``-`` and a rule's id."""

    fingerprint: str
    """Of everything else that decides an object's bytes: rules, context, versions, program."""
    entries: dict[str, tuple[str, str]] = field(default_factory=dict)

    def encode(self) -> bytes:
        return wire.encode([_VERSION, self.fingerprint, self.entries])

    @classmethod
    def decode(cls, data: bytes | None, fingerprint: str) -> Mapping[str, tuple[str, str]]:
        """Return the entries to rely on: none when the memory is absent, foreign or broken."""
        if not data:
            return {}
        try:
            version, known, entries = wire.decode(data)
        except (wire.MalformedJsonError, ValueError, TypeError):
            return {}
        if version != _VERSION or known != fingerprint or not isinstance(entries, dict):
            return {}
        return {uid: (entry[0], entry[1]) for uid, entry in entries.items() if len(entry) == 2}
