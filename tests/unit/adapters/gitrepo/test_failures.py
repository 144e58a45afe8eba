"""What servers and git say, word for word, and what becomes of it."""

from __future__ import annotations

import pytest

from kube2git.adapters.gitrepo import addresses, failures
from kube2git.adapters.gitrepo.plumbing import Result
from kube2git.errors import PushError, RepositoryNotFoundError

ADDRESS = addresses.parse("https://git.example.com/ops/state.git")

SAID = [
    (
        (
            "remote: HTTP Basic: Access denied. The provided password or token is incorrect.\n"
            "fatal: Authentication failed for 'https://git.example.com/ops/state.git/'"
        ),
        "did not accept the credentials",
    ),
    (
        "fatal: could not read Username for 'https://git.example.com': terminal prompts disabled",
        "did not accept the credentials",
    ),
    (
        (
            "remote: Permission to ops/state.git denied to robot.\nfatal: unable to access "
            "'https://git.example.com/ops/state.git/': The requested URL returned error: 403"
        ),
        "does not allow these credentials",
    ),
    (
        (
            "git@git.example.com: Permission denied (publickey).\n"
            "fatal: Could not read from remote repository.\n\n"
            "Please make sure you have the correct access rights\nand the repository exists."
        ),
        "did not accept the SSH key",
    ),
    (
        (
            "Permissions 0644 for '/key' are too open.\nLoad key \"/key\": bad permissions\n"
            "git@git.example.com: Permission denied (publickey)."
        ),
        "did not accept the SSH key",
    ),
    ("Host key verification failed.\nfatal: Could not read from remote", "known_hosts"),
    (
        (
            "remote: error: GH006: Protected branch update failed for refs/heads/main.\n"
            "!\trefs/heads/main:refs/heads/main\t[remote rejected] (protected branch hook declined)"
        ),
        "rejected the commits",
    ),
    (
        (
            "fatal: unable to access 'https://git.example.com/': SSL certificate problem:"
            " self-signed certificate"
        ),
        "could not be trusted over TLS",
    ),
    (
        (
            "fatal: unable to access 'https://git.example.com/': server certificate verification"
            " failed. CAfile: none CRLfile: none"
        ),
        "could not be trusted over TLS",
    ),
    (
        (
            "fatal: unable to access 'https://git.example.com/': Could not resolve host:"
            " git.example.com"
        ),
        "could not be reached",
    ),
    (
        (
            "ssh: connect to host git.example.com port 22: Connection timed out\n"
            "fatal: Could not read from remote repository."
        ),
        "could not be reached",
    ),
    (
        (
            "error: RPC failed; curl 56 GnuTLS recv error (-110): The TLS connection was"
            " non-properly terminated.\nfatal: the remote end hung up unexpectedly"
        ),
        "broke off in the middle",
    ),
    ("fatal: unable to access 'https://h/': Empty reply from server", "broke off in the middle"),
]


@pytest.mark.parametrize(("said", "sentence"), SAID)
def test_known_failures_are_explained(said: str, sentence: str) -> None:
    error = failures.explain("Pushing to", Result(128, b"", said), ADDRESS, " Kept.")
    assert type(error) is PushError
    assert str(error).startswith(f"Pushing to {ADDRESS.shown} failed: the remote ")
    assert sentence in str(error)
    assert " Kept. Git said: " in str(error)
    assert error.hint.endswith(".")


@pytest.mark.parametrize(
    "said",
    [
        "remote: Repository not found.\nfatal: repository 'https://git.example.com/x/' not found",
        "fatal: '/srv/x.git' does not appear to be a git repository\nfatal: Could not read",
    ],
)
def test_a_missing_repository_is_not_a_failed_push(said: str) -> None:
    error = failures.explain("Fetching from", Result(128, b"", said), ADDRESS)
    assert type(error) is RepositoryNotFoundError


def test_an_unknown_failure_is_quoted_without_noise() -> None:
    said = "remote: \nhint: see\nTo https://h\n" + "\n".join(f"line {n}" for n in range(9))
    error = failures.explain("Fetching from", Result(128, b"", said), ADDRESS)
    assert type(error) is PushError
    assert str(error).endswith("Git said: line 3 | line 4 | line 5 | line 6 | line 7 | line 8")
    assert error.hint


def test_silence_is_told_too() -> None:
    assert "Git said: nothing" in str(
        failures.explain("Fetching from", Result(1, b"", ""), ADDRESS)
    )
