"""Key files: made once, readable by their owner only, never overwritten."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from kube2git.errors import UsageError


def read(path: Path) -> bytes | None:
    """Return what a key file holds, or None when there is no such file; raise UsageError."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        raise UsageError(
            f"the key file {path} cannot be read", hint="Look at its owner and its rights."
        ) from None


def make(path: Path, text: Callable[[], str]) -> bool:
    """Write a new key file with mode 0600; False when it exists already and was left alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text())
    except OSError as error:
        # Half a key would be taken for the key, and never be made again.
        path.unlink(missing_ok=True)
        raise _unwritable(path, error) from None
    return True


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"the key file {path} cannot be written: {error.strerror}",
        hint="Choose another place for it in the section sealing of the configuration.",
    )
