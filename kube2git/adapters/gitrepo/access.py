"""How a remote lets us in: settings name files and variables, secrets exist only for one command.

A secret travels to git in the environment of that one command, for the remote's own host only;
never in an argument, a URL or a file.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from kube2git.adapters.gitrepo.addresses import Address
from kube2git.errors import UsageError


@dataclass(frozen=True, slots=True)
class Access:
    """Which credentials to use for the remote. Holds no secret itself."""

    username: str = ""
    """For HTTP; "" takes the URL's, else ``git``, which hosts that take tokens accept."""
    password_file: Path | None = None
    """File that holds a token or a password; read again for every exchange."""
    password_variable: str = ""
    """Name of the environment variable that may hold it."""
    ssh_key: Path | None = None
    ssh_known_hosts: Path | None = None
    ssh_accept_new_hosts: bool = False
    """Trust a host that known_hosts does not have yet; a key that *changed* is always refused."""
    ca_file: Path | None = None
    """Certificates (PEM) to trust for HTTPS."""
    timeout: float = 600.0
    """Seconds that one fetch or push may take."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one command needs to be let in."""

    options: tuple[str, ...] = ()
    """Arguments of git, before the subcommand."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    timeout: float | None = None
    """Seconds."""

    def scrub(self, text: str) -> str:
        """Take credentials out of what git or a server said."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return _USERINFO.sub("", text)


_USERINFO = re.compile(r"(?<=://)[^/@\s'\"]*@")

_HELPER = (
    '!f() { test "$1" = get || exit 0; '
    'printf \'username=%s\\npassword=%s\\n\' "$KUBE2GIT_USERNAME" "$KUBE2GIT_PASSWORD"; }; f'
)

_PATIENCE = (
    # A connection that moves under 1 kB a second for a minute is dead.
    *("-c", "http.lowSpeedLimit=1000"),
    *("-c", "http.lowSpeedTime=60"),
)


def credentials(access: Access, address: Address) -> Credentials:
    """Read the secrets that are configured now; raise UsageError when they cannot be read."""
    options = list(_PATIENCE)
    environment: dict[str, str] = {}
    secrets: list[str] = []
    if access.ca_file:
        options += ["-c", f"http.sslCAInfo={access.ca_file}"]
    if address.is_http:
        password = _password(access) or address.password
        username = access.username or address.username
        if password or username:
            # The empty helper forgets the user's own; ours answers for this host only, so that
            # a redirect elsewhere gets nothing.
            options += ["-c", "credential.helper="]
            options += ["-c", f"credential.{address.scheme}://{address.host}.helper={_HELPER}"]
            environment["KUBE2GIT_USERNAME"] = username or "git"
            environment["KUBE2GIT_PASSWORD"] = password
            secrets = [password, address.password, address.username]
    if address.is_ssh and (command := _ssh_command(access)):
        environment["GIT_SSH_COMMAND"] = command
    forms = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""))}
    longest_first = tuple(sorted(forms, key=len, reverse=True))
    return Credentials(tuple(options), environment, longest_first, access.timeout)


def _password(access: Access) -> str:
    if access.password_file:
        source = f"The file {access.password_file}"
        try:
            text = access.password_file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise UsageError(
                f"The Git password could not be read from {access.password_file}: {reason}.",
                hint="Check the path and its permissions in the settings for the repository.",
            ) from None
    elif text := os.environ.get(access.password_variable, ""):
        source = f"The environment variable {access.password_variable}"
    else:
        return ""
    password = text.strip("\r\n")
    if not password or "\n" in password or "\0" in password:
        raise UsageError(
            f"{source} should hold the Git password, on exactly one line.",
            hint="Put the token or the password there, and nothing else.",
        )
    return password


def _ssh_command(access: Access) -> str:
    if not (access.ssh_key or access.ssh_known_hosts or access.ssh_accept_new_hosts):
        return ""
    new_hosts = "accept-new" if access.ssh_accept_new_hosts else "yes"
    settings = [
        "BatchMode=yes",
        f"StrictHostKeyChecking={new_hosts}",
        "ConnectTimeout=30",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=4",
    ]
    words = ["ssh"]
    if access.ssh_key:
        words += ["-i", str(access.ssh_key)]
        settings += ["IdentitiesOnly=yes", "IdentityAgent=none"]
    if access.ssh_known_hosts:
        # ssh splits the value at spaces unless it is quoted for ssh as well.
        settings += [f'UserKnownHostsFile="{access.ssh_known_hosts}"', "GlobalKnownHostsFile=none"]
    for setting in settings:
        words += ["-o", setting]
    return shlex.join(words)
