"""Who may speak to a control plane: users, their tokens and their kubeconfig files.

Rule: only `admin` may do anything; every other user has no rights until a test binds some.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

ADMIN = "admin"
USERS = ("reader", "two-namespaces", "no-secrets", "nobody", "writer")


def make_tokens(users: Iterable[str] = USERS) -> dict[str, str]:
    """Draw a token for admin and for each user; other people on this machine cannot guess it."""
    return {user: secrets.token_hex(16) for user in (ADMIN, *users)}


def write_tokens(path: Path, tokens: Mapping[str, str]) -> None:
    """Write the file for --token-auth-file: token, user, uid, groups."""
    lines = [
        f"{token},{user},{user}-uid{',system:masters' if user == ADMIN else ''}\n"
        for user, token in tokens.items()
    ]
    path.touch(mode=0o600)
    path.write_text("".join(lines))


def write_kubeconfig(
    path: Path, *, server: str, ca_file: Path, token: str, user: str, cluster: str
) -> Path:
    """Write a kubeconfig that stands on its own, with one context named like the cluster."""
    cluster, user = json.dumps(cluster), json.dumps(user)  # YAML would read some names as numbers
    authority = base64.b64encode(ca_file.read_bytes()).decode()
    path.touch(mode=0o600)
    path.write_text(f"""\
apiVersion: v1
kind: Config
current-context: {cluster}
clusters:
- name: {cluster}
  cluster:
    server: {server}
    certificate-authority-data: {authority}
contexts:
- name: {cluster}
  context:
    cluster: {cluster}
    user: {user}
users:
- name: {user}
  user:
    token: {token}
""")
    return path
