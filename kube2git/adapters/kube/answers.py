"""What the API server answered, and how it is told to people. Pure.

Of an error's body only the Status message is passed on, shortened; of anything about Secrets not
even that, since admission and decoding errors may quote the object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kube2git.core import wire
from kube2git.core.objects import ResourceType
from kube2git.errors import ClusterDeniedError, ClusterUnreachableError, Kube2gitError

MAX_MESSAGE = 300
_ABOUT_SECRETS = re.compile(r"/secrets(/|$)")


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, whatever its status; the body is whole and not compressed."""

    path: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300

    def failure(self) -> Mapping[str, Any]:
        """Return the Status object of an error; empty when the body is something else."""
        try:
            body = wire.decode(self.body)
        except wire.MalformedJsonError:
            return {}
        return body if isinstance(body, dict) and body.get("kind") == "Status" else {}

    def explanation(self) -> str:
        """Say in a few words what the server objected to: ``503 ServiceUnavailable (…)``."""
        status = self.failure()
        words = f"{self.status} {status.get('reason') or ''}".strip()
        message = " ".join(str(status.get("message") or "").split())
        if not message or _ABOUT_SECRETS.search(self.path):
            return words
        if len(message) > MAX_MESSAGE:
            message = f"{message[:MAX_MESSAGE]}…"
        return f"{words} ({message})"

    def error(self, what: str) -> Kube2gitError:
        """Return the error for an answer that is not a success; ``what`` was being done."""
        if self.status == 403:
            return ClusterDeniedError(
                f"{what}: the API server answered {self.explanation()}",
                hint="Give this identity the right to it, or use another context.",
            )
        return ClusterUnreachableError(
            f"{what}: the API server answered {self.explanation()}",
            hint="Try again; if it stays so, look at the API server's log.",
        )


def missing_right(type: ResourceType, verb: str) -> str:
    """Return the sentence that tells which RBAC rule would allow a verb on a kind."""
    rule = f'{{apiGroups: ["{type.group}"], resources: ["{type.plural}"], verbs: ["{verb}"]}}'
    return f"a role with the rule {rule} would allow it"
