"""Every failure that a user may see: one tree, an exit code and a remedy on each class.

Adapters translate their library's exceptions into these at their door, so that nothing above
them knows which library is in use. A message says what failed and why; it never holds a
Secret's value or a credential.

    Kube2gitError ................. 4   failed
    ├── UsageError ................ 2   wrong flags, configuration or object names
    ├── RefusedError .............. 5   refused for safety
    ├── RepositoryNotFoundError ... 10  no repository, revision or object there
    ├── RepositoryLockedError ..... 11  another run holds the repository
    ├── PushError ................. 12  push rejected, or Git authentication failed
    ├── YamlError ................. 4   a file that people edit cannot be read (core/yamlreader)
    ├── SnapshotterError .......... 4   the storage as a whole cannot be used
    ├── ClusterUnreachableError ... 20  no answer from the API server
    ├── ClusterDeniedError ........ 21  the API server refused this identity
    └── InterruptedRunError ...... 130  ended by the user, by Ctrl-C
        └── TerminatedRunError ... 143  the same, by SIGTERM
"""

from __future__ import annotations

from typing import ClassVar


class Kube2gitError(Exception):
    """Something went wrong; ``hint`` says what the user can do about it."""

    exit_code: ClassVar[int] = 4

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(Kube2gitError):
    """The flags, the configuration or the names given do not make sense."""

    exit_code = 2


class RefusedError(Kube2gitError):
    """A guard stopped the run before it could do damage; nothing was written."""

    exit_code = 5


class RepositoryNotFoundError(Kube2gitError):
    """The repository, the revision or the object in it does not exist."""

    exit_code = 10


class RepositoryLockedError(Kube2gitError):
    """Another run of kube2git holds the repository."""

    exit_code = 11


class PushError(Kube2gitError):
    """The remote did not take, or did not give, what was asked of it."""

    exit_code = 12


class SnapshotterError(Kube2gitError):
    """The storage that holds the snapshots cannot be used at all: no credentials, no answer."""


class ClusterUnreachableError(Kube2gitError):
    """The API server gave no usable answer."""

    exit_code = 20


class ClusterDeniedError(Kube2gitError):
    """The API server refused this identity."""

    exit_code = 21


class InterruptedRunError(Kube2gitError):
    """The user ended the run; the message says what holds then."""

    exit_code = 130


class TerminatedRunError(InterruptedRunError):
    """The system, or the user, ended the run by SIGTERM."""

    exit_code = 143


EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "differences found (diff, snapshot verify), not ready (check); never a failure",
    2: "usage or configuration error",
    3: "finished, but something was skipped or failed, and is listed",
    4: "failed",
    5: "refused for safety",
    10: "repository or revision not found",
    11: "repository locked by another run",
    12: "push rejected, or Git authentication",
    20: "cluster unreachable",
    21: "cluster denied access",
    130: "interrupted",
    143: "terminated",
}
