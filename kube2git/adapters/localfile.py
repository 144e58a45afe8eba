"""One small file beside the repository: the Memory port. Losing it costs time, never data."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


class LocalFile:
    """A file that is replaced as a whole, readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> bytes | None:
        """Return the bytes, or None when there are none to be had."""
        try:
            return self.path.read_bytes()
        except OSError:
            return None

    def save(self, data: bytes) -> None:
        """Replace the file; a disk that is full or read-only costs the next run its speed only."""
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                Path(name).replace(self.path)
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise
