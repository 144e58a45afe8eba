"""Which failures are worth another try, and after how long. Pure."""

from __future__ import annotations

from dataclasses import dataclass

APPLY = "application/apply-patch+yaml"

_REFUSED_UNDONE = frozenset({429})
"""The server turned the request away before doing anything: any method may be sent again."""
_TRANSIENT = frozenset({429, 500, 502, 503, 504})
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often, and how long between the tries, in seconds."""

    attempts: int = 5
    first: float = 0.25
    longest: float = 8.0
    longest_asked: float = 30.0
    """The most that is waited because the server asks for it (Retry-After)."""
    total: float = 120.0
    """No further try begins so long after the first."""

    def delay(self, attempt: int, retry_after: str | None, jitter: float) -> float:
        """Return the wait after the attempt-th try (from 1); ``jitter`` is between 0 and 1.

        The jitter spreads clients that failed together over half of the wait.
        """
        own = min(self.first * 2.0 ** (attempt - 1), self.longest)
        spread = own * (0.5 + jitter / 2)
        return max(spread, min(_seconds(retry_after), self.longest_asked))


def _seconds(retry_after: str | None) -> float:
    # The API server says whole seconds; a date, which a proxy may send, counts as unsaid.
    return float(retry_after) if retry_after and retry_after.isdecimal() else 0.0


def is_repeatable(method: str, content_type: str) -> bool:
    """Tell whether sending the same request twice does the same as sending it once."""
    return method in _REPEATABLE or (method == "PATCH" and content_type == APPLY)


def is_worth_repeating(status: int, method: str, content_type: str) -> bool:
    """Tell whether this answer may be a passing one, and the request safe to repeat."""
    if status in _REFUSED_UNDONE:
        return True
    return status in _TRANSIENT and is_repeatable(method, content_type)
