"""What git and servers say when an exchange fails, in plain words and with a remedy."""

from __future__ import annotations

import re
from typing import NamedTuple

from kube2git.adapters.gitrepo.addresses import Address
from kube2git.adapters.gitrepo.plumbing import Result
from kube2git.errors import Kube2gitError, PushError, RepositoryNotFoundError


class _Known(NamedTuple):
    pattern: str
    sentence: str
    hint: str
    error: type[Kube2gitError] = PushError


_KNOWN = (
    _Known(
        r"Permission denied \(|UNPROTECTED PRIVATE KEY|Load key .*: |Too many authentication",
        "did not accept the SSH key",
        "Check the key file, that only its owner may read it, and that the remote knows its"
        " public half with the right to write.",
    ),
    _Known(
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        "showed a host key that is not in known_hosts",
        "Compare the key with the host's published fingerprint, then add it to the known_hosts"
        " file (ssh-keyscan prints it).",
    ),
    _Known(
        r"Authentication failed|could not read (Username|Password)|error: 401|HTTP Basic: Access",
        "did not accept the credentials, or asks for some",
        "Check the user name and the token or password in the settings for the repository, and"
        " that it has not expired.",
    ),
    _Known(
        r"error: 403|[Pp]ermission to .* denied|Write access to repository not granted",
        "does not allow these credentials to do that",
        "Give the token or key the right to read and write this repository.",
    ),
    _Known(
        r"hook declined|aborted by hook|protected branch|\[remote rejected\]",
        "rejected the commits",
        "A hook or a branch protection of the remote stands in the way: allow this user to push"
        " to the branch, or choose another branch.",
    ),
    _Known(
        r"repository '.*' not found|does not appear to be a git repository|error: 404"
        r"|[Rr]epository not found|does not exist$",
        "has no such repository, or hides it from these credentials",
        "Check the address, and create the repository there first.",
        RepositoryNotFoundError,
    ),
    _Known(
        r"SSL certificate|certificate verif|certificate (has expired|subject name)|self.signed"
        r"|issuer certificate|no alternative certificate",
        "could not be trusted over TLS",
        "If it uses a certificate authority of its own, name that in the settings (CA file).",
    ),
    _Known(
        r"Could not resolve|Connection refused|[Tt]imed out|Failed to connect|Couldn't connect"
        r"|No route to host|Network is unreachable|Could not connect",
        "could not be reached",
        "Check the network, the address and the port.",
    ),
    _Known(
        r"hung up|early EOF|unexpected disconnect|RPC failed|Connection reset|Connection closed"
        r"|Broken pipe|Operation too slow|Empty reply|Recv failure|transfer closed"
        r"|invalid index-pack|SSL_ERROR_SYSCALL|GnuTLS recv error|SSL_read",
        "broke off in the middle",
        "Try again; if it happens every time, look at the server's log or the proxy in between.",
    ),
)

_QUOTED_LINES = 6
_NOISE = re.compile(r"^(remote:\s*$|hint:|To |Please make sure|and the repository exists)")


def explain(verb: str, result: Result, address: Address, kept: str = "") -> Kube2gitError:
    """Return the error for a failed exchange. ``kept`` says what became of our commits."""
    if result.timed_out:
        return PushError(
            f"{verb} {address.shown} did not end in time and was stopped.{kept}",
            hint="Check the network, or set a longer timeout for the repository.",
        )
    words = _quote(result.error)
    for known in _KNOWN:
        if re.search(known.pattern, result.error, re.MULTILINE):
            return known.error(
                f"{verb} {address.shown} failed: the remote {known.sentence}.{kept}"
                f" Git said: {words}",
                hint=known.hint,
            )
    return PushError(
        f"{verb} {address.shown} failed.{kept} Git said: {words}",
        hint="Try the same with git itself, from this machine.",
    )


def no_such_revision(where: str, revision: str) -> RepositoryNotFoundError:
    """Return the error for a revision that a repository, as people know it, does not have."""
    return RepositoryNotFoundError(
        f"{where} has no revision {revision}: no branch and no tag of that name, and no commit"
        " with that id.",
        hint="Name a branch, a tag, or a commit by its whole id.",
    )


def _quote(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if not _NOISE.match(line)]
    return " | ".join(telling[-_QUOTED_LINES:]) or "nothing"
