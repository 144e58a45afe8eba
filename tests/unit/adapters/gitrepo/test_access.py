from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube2git.adapters.gitrepo import Access, access, addresses


def test_nothing_is_granted_where_nothing_is_set() -> None:
    granted = access.credentials(Access(), addresses.parse("https://h/a.git"))
    assert not any("credential" in option for option in granted.options)
    assert granted.environment == {}
    assert access.credentials(Access(), addresses.parse("git@h:a")).environment == {}


def test_secrets_are_in_no_argument_and_for_one_host_only(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\r\n")
    settings = Access(password_file=tmp_path / "token")
    granted = access.credentials(settings, addresses.parse("https://h:8443/a.git"))
    assert granted.environment["KUBE2GIT_PASSWORD"] == "s3cret"
    assert granted.environment["KUBE2GIT_USERNAME"] == "git"
    assert "s3cret" not in " ".join(granted.options)
    assert "s3cret" not in repr(granted)
    helpers = [option for option in granted.options if option.startswith("credential.")]
    assert helpers[0] == "credential.helper="
    assert helpers[1].startswith("credential.https://h:8443.helper=!")
    elsewhere = access.credentials(settings, addresses.parse("ssh://git@h/a.git"))
    assert elsewhere.environment == {}


@given(st.text(st.characters(codec="utf-8"), min_size=6), st.text(max_size=10))
def test_what_is_said_is_scrubbed(secret: str, around: str) -> None:
    location = f"https://robot:{quote(secret, safe='')}@h/a.git"
    granted = access.credentials(Access(), addresses.parse(location))
    said = f"{around}fatal: {location} {secret} {quote(secret, safe='')} {secret}"
    assert secret not in granted.scrub(said).replace(around, "")
    assert "robot" not in granted.scrub(f"unable to access '{location}'")


def test_credentials_of_other_urls_are_scrubbed_too() -> None:
    granted = access.Credentials()
    assert granted.scrub("see https://a:b@c/d and 'ssh://e@f'") == "see https://c/d and 'ssh://f'"


def test_ssh_gets_what_is_set_and_never_asks(tmp_path: Path) -> None:
    settings = Access(ssh_key=tmp_path / "a key", ssh_known_hosts=tmp_path / "known hosts")
    granted = access.credentials(settings, addresses.parse("git@h:a.git"))
    command = granted.environment["GIT_SSH_COMMAND"]
    assert f"-i '{tmp_path}/a key'" in command
    assert f"'UserKnownHostsFile=\"{tmp_path}/known hosts\"'" in command
    for setting in ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes"):
        assert f"-o {setting}" in command


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (Access(ssh_accept_new_hosts=True), "accept-new"),
        (Access(ssh_known_hosts=Path("/file")), "yes"),
        (Access(ssh_key=Path("/file")), "yes"),
    ],
)
def test_new_hosts_are_accepted_only_when_that_is_set(settings: Access, word: str) -> None:
    granted = access.credentials(settings, addresses.parse("git@h:a.git"))
    assert f"-o StrictHostKeyChecking={word} " in granted.environment["GIT_SSH_COMMAND"]
