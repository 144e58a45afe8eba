"""Where a remote repository is: what git is given, what people are shown, what is kept out of both.

Pure. A URL may carry a user name and a password; they are taken out here, once, and never come
back into a URL.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from kube2git.errors import UsageError

_SCP_LIKE = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>[^@/:]+|\[[0-9a-fA-F:.]+\]):(?P<path>.+)")
_SCHEMES = frozenset({"http", "https", "ssh", "git+ssh", "ssh+git", "git", "file"})


@dataclass(frozen=True, slots=True)
class Address:
    """A remote's address, split into what may be seen and what may not."""

    url: str
    """What git is given: no password; a user name only where SSH needs it."""
    shown: str
    """What people are shown."""
    scheme: str
    host: str = ""
    """With the port, as in the URL."""
    username: str = field(default="", repr=False)
    """From the URL; over HTTP it may itself be a token."""
    password: str = field(default="", repr=False)

    @property
    def is_http(self) -> bool:
        return self.scheme in {"http", "https"}

    @property
    def is_ssh(self) -> bool:
        return self.scheme in {"ssh", "git+ssh", "ssh+git"}

    @property
    def cache_name(self) -> str:
        """Name of the folder that holds the local copy; the same whatever the credentials."""
        last = re.sub(r"[^A-Za-z0-9._-]", "-", re.split("[/:]", self.url.rstrip("/"))[-1])
        mark = hashlib.sha256(self.url.encode()).hexdigest()[:16]
        return f"{last.removesuffix('.git').strip('.-')[:60] or 'repository'}-{mark}.git"


def is_remote(location: str) -> bool:
    """Tell whether a location is a URL or ``user@host:path``, not a path on this machine."""
    if "://" in location:
        return True
    # Git's own rule: host:path, unless a slash comes before the colon.
    return bool(_SCP_LIKE.fullmatch(location)) and not Path(location).exists()


def parse(location: str) -> Address:
    """Split an address; a plain path becomes an absolute one. Raise UsageError when git can't."""
    if location.startswith("-") or any(ord(char) < 32 for char in location):
        raise UsageError("The address of the remote repository is not one that Git understands.")
    if not is_remote(location):
        path = str(Path(location).expanduser().absolute())
        return Address(path, path, "file")
    if "://" not in location:
        match = _SCP_LIKE.fullmatch(location)
        host = match["host"] if match else ""
        return Address(location, location, "ssh", host)
    try:
        parts = urlsplit(location)
    except ValueError:
        raise UsageError("The URL of the remote repository is malformed.") from None
    if parts.scheme not in _SCHEMES:
        raise UsageError(
            f"Git has no transport for URLs that begin with {parts.scheme}://.",
            hint="Use https://, ssh:// or user@host:path.",
        )
    userinfo, _, host = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    is_ssh = parts.scheme in {"ssh", "git+ssh", "ssh+git"}
    # The login name of SSH is part of the address and no credential.
    netloc = f"{username}@{host}" if is_ssh and username else host
    url = urlunsplit(parts._replace(netloc=netloc))
    shown = urlunsplit(parts._replace(netloc=netloc, query="", fragment=""))
    return Address(url, shown, parts.scheme, host, unquote(username), unquote(password))
