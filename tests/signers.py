"""Keys that sign commits: real SSH keys, and a GPG that is a script."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

GPG_KEY = "0123456789ABCDEF0123456789ABCDEF01234567"

_GPG = f"""#!/bin/sh
# Speaks to git as gpg does: a signature is the digest of what was signed.
digest() {{ sha256sum | cut -d" " -f1; }}
echo "$@" >> "$(dirname "$0")/calls"
for word; do last=$word; done
case "$*" in
*--verify*)
    if [ "$(sed -n 3p "$SIGNATURE")" = "$(digest)" ]; then
        echo "[GNUPG:] NEWSIG"
        echo "[GNUPG:] GOODSIG 89ABCDEF01234567 Robot <robot@example.com>"
        echo "[GNUPG:] VALIDSIG {GPG_KEY} 2024-05-17 1 0 4 0 1 10 00 {GPG_KEY}"
        echo "[GNUPG:] TRUST_UNDEFINED 0 pgp"
    else
        echo "[GNUPG:] BADSIG 89ABCDEF01234567 Robot <robot@example.com>"
        exit 1
    fi ;;
*)
    [ "$last" = no-such-key ] && {{ echo "gpg: no secret key" >&2; exit 2; }}
    echo "[GNUPG:] SIG_CREATED D 1 10 00 0 {GPG_KEY}" >&2
    printf -- '-----BEGIN PGP SIGNATURE-----\\n\\n%s\\n' "$(digest)"
    echo "-----END PGP SIGNATURE-----" ;;
esac
"""


def make_ssh_key(path: Path, passphrase: str = "") -> Path:
    """Make an SSH key pair with the real ssh-keygen; return the private one's path."""
    options = ("-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f", str(path))
    subprocess.run(["ssh-keygen", *options], check=True)
    return path


def allow(path: Path, keys: Mapping[str, Path]) -> Path:
    """Write an allowed-signers file: who -> path of the private key."""
    lines = [f"{who} {key.with_suffix('.pub').read_text()}" for who, key in keys.items()]
    path.write_text("".join(lines))
    return path


def make_gpg(folder: Path) -> Path:
    """Make a program that takes gpg's place; return its path."""
    folder.mkdir()
    program = folder / "gpg"
    # Git gives the signature's file as the word before the last.
    program.write_text(_GPG.replace('"$SIGNATURE"', '"$(for w; do p=$f; f=$w; done; echo "$p")"'))
    program.chmod(0o755)
    return program
