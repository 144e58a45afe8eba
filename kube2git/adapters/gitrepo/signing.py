"""Signs commits and checks signatures, both by git's own means: keys stay with git, ssh and gpg."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kube2git.adapters.gitrepo.access import Credentials
from kube2git.adapters.gitrepo.identity import Author
from kube2git.adapters.gitrepo.objects import RawCommit
from kube2git.adapters.gitrepo.plumbing import Git, Result
from kube2git.core.ports import Signature
from kube2git.errors import Kube2gitError, UsageError

# A session without a terminal: nobody can be asked, so nothing waits for an answer either.
_UNATTENDED = Credentials(timeout=60.0)


@dataclass(frozen=True, slots=True)
class Signing:
    """How commits are signed."""

    is_ssh: bool
    """With an SSH key; else with GPG."""
    key: str = ""
    """Path of an SSH key, or what gpg calls a key; "": gpg's key for the author's address."""

    def sign(self, git: Git, commit: RawCommit) -> str:
        """Write a commit anew, signed; return its id. Raise UsageError or Kube2gitError."""
        options = ["-c", f"gpg.format={'ssh' if self.is_ssh else 'openpgp'}"]
        options += ["-c", f"i18n.commitEncoding={commit.encoding}"]
        if self.is_ssh and not Path(self.key).is_file():
            raise UsageError(
                f"Commits cannot be signed: there is no key file {self.key}.",
                hint="Set git.signing_key to an SSH key, or git.signing to none.",
            )
        if self.key:
            options += ["-c", f"user.signingKey={self.key}"]
        parents = [word for parent in commit.parents for word in ("-p", parent)]
        result = git.run(
            *(*options, "commit-tree", "-S", *parents, commit.tree),
            data=commit.message,
            credentials=_UNATTENDED,
            environment=_person("AUTHOR", commit.author) | _person("COMMITTER", commit.committer),
        )
        if not result.ok:
            raise self._failure(result)
        return result.out.decode().strip()

    def prove(self, git: Git, author: Author) -> None:
        """Sign a commit in a repository that is removed again; raise as ``sign`` does."""
        with tempfile.TemporaryDirectory(prefix="kube2git-") as folder:
            here = git.at(Path(folder))
            here.must("init", "--quiet", "--bare", "--template=")
            who = author.at(datetime.fromtimestamp(0, UTC))
            tree = here.must("mktree").decode().strip()
            self.sign(here, RawCommit(tree, (), who, who, "utf-8", b"Can it be signed?\n"))

    def _failure(self, result: Result) -> Kube2gitError:
        said = result.error
        if result.timed_out:
            why = "the program that signs did not end in time"
        elif "cannot run" in said:
            program = re.search(r"cannot run ([^:]*)", said)
            return Kube2gitError(
                "Commits cannot be signed, and nothing was committed: the program "
                f"{program[1] if program else ''} cannot be started.",
                hint=f"Install {'OpenSSH' if self.is_ssh else 'GnuPG'}, or set git.signing to "
                "none.",
            )
        elif self.is_ssh and "passphrase" in said:
            why = "the key is protected by a passphrase, and nobody can be asked for it"
        else:
            words = " ".join(said.split()).removeprefix("error:").strip(" ?.")
            why = words or "no reason was given"
        return Kube2gitError(
            f"Commits cannot be signed, and nothing was committed: {why}.",
            hint="Load the key into ssh-agent, or name one without a passphrase."
            if self.is_ssh
            else "Try `gpg --sign` with that key as this user, without a terminal.",
        )


def _person(role: str, line: bytes) -> dict[str, str]:
    """Take ``Name <mail> seconds zone`` apart, into the environment that git reads it from."""
    who, seconds, zone = line.decode("utf-8", "surrogateescape").rsplit(" ", 2)
    name, _, mail = who.rpartition("<")
    return {
        f"GIT_{role}_NAME": name.strip(),
        f"GIT_{role}_EMAIL": mail.rstrip(">"),
        f"GIT_{role}_DATE": f"@{seconds} {zone}",
    }


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures count."""

    signers: Path | None = None
    """A file in git's allowed-signers format, for SSH keys."""
    gpg_keys: tuple[str, ...] = ()
    """Fingerprints of GPG keys, with all their digits."""

    def judge(self, git: Git, commit: str, signature: bytes) -> Signature:
        """Tell who signed a commit, and whether that counts; raise UsageError."""
        if not signature:
            return Signature(False, reason="It is not signed.")
        is_ssh = signature.startswith(b"-----BEGIN SSH SIGNATURE-----")
        options: list[str] = []
        if is_ssh:
            if self.signers is None:
                why = "It is signed with an SSH key, and replay.allowed_signers names no file."
                return Signature(False, reason=why)
            try:
                self.signers.read_bytes()
            except OSError as error:
                raise UsageError(
                    f"The file of allowed signers {self.signers} cannot be read: {error.strerror}.",
                    hint="Set replay.allowed_signers to a file in git's allowed-signers format.",
                ) from None
            options = ["-c", f"gpg.ssh.allowedSignersFile={self.signers.absolute()}"]
        form = "--format=%G?%x00%GS%x00%GF%x00%GP"
        result = git.run(
            *(*options, "-c", "log.showSignature=false", "-c", "i18n.logOutputEncoding=UTF-8"),
            *("log", "-1", "--no-patch", form, commit),
            credentials=_UNATTENDED,
        )
        words = result.out.decode("utf-8", "replace").rstrip("\n").split("\0")
        if not result.ok or len(words) != 4:
            return Signature(False, reason=f"Its signature cannot be checked: {result.reason}.")
        verdict, signer, key, primary = words
        if verdict == "G" and is_ssh and key.startswith("SHA256:"):
            return Signature(True, signer, key)
        if verdict in ("G", "U") and not is_ssh:
            allowed = {_fingerprint(text) for text in self.gpg_keys}
            if allowed & {_fingerprint(key), _fingerprint(primary)} - {""}:
                return Signature(True, signer, key)
        return Signature(False, signer, key, _reason(verdict, key, is_ssh=is_ssh))


def _fingerprint(text: str) -> str:
    return "".join(text.split()).upper().removeprefix("0X")


def _reason(verdict: str, key: str, *, is_ssh: bool) -> str:
    if verdict in ("G", "U"):
        where = "replay.allowed_signers" if is_ssh else "replay.allowed_gpg_keys"
        return f"It is signed with the key {key}, which {where} does not name."
    if verdict == "B":
        return "Its signature does not fit what it holds: it was changed after it was signed."
    why = {
        "X": "has expired",
        "Y": "was made with a key that has expired",
        "R": "was made with a key that was revoked",
    }.get(verdict, "cannot be checked, because the key or the program for it is missing here")
    return f"Its signature {why}."
