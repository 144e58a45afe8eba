"""What holds for a process as a whole: its clock, its garbage collector."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from datetime import UTC, datetime


def now() -> datetime:
    """Return the present time in the local zone: the clock of the flows."""
    return datetime.now(UTC).astimezone()


@contextlib.contextmanager
def few_collections() -> Iterator[None]:
    """Run the garbage collector rarely while many objects are decoded.

    Decoded JSON has no cycles, so reference counts free it; looking for cycles in it triples the
    time of decoding.
    """
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
