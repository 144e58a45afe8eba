from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube2git.adapters.gitrepo import addresses
from kube2git.errors import UsageError


@pytest.mark.parametrize(
    ("location", "is_remote"),
    [
        ("https://example.com/a.git", True),
        ("ssh://git@example.com/a.git", True),
        ("git@example.com:a/b.git", True),
        ("example.com:b.git", True),
        ("[::1]:b.git", True),
        ("file:///srv/a.git", True),
        ("/srv/a.git", False),
        ("./a:b", False),
        ("a/b:c", False),
        ("state", False),
        (".", False),
    ],
)
def test_urls_and_paths_are_told_apart(location: str, *, is_remote: bool) -> None:
    assert addresses.is_remote(location) is is_remote


def test_a_path_that_exists_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a:b").mkdir()
    assert not addresses.is_remote("a:b")
    assert addresses.parse("a:b").url == str(tmp_path / "a:b")


@pytest.mark.parametrize(
    ("location", "url", "shown"),
    [
        ("https://u:p@h:8443/a.git", "https://h:8443/a.git", "https://h:8443/a.git"),
        ("https://t0ken@h/a?x=y#z", "https://h/a?x=y#z", "https://h/a"),
        ("http://u:p@[::1]:80/a", "http://[::1]:80/a", "http://[::1]:80/a"),
        ("ssh://git:p@h:22/a", "ssh://git@h:22/a", "ssh://git@h:22/a"),
        ("git@h:a/b.git", "git@h:a/b.git", "git@h:a/b.git"),
        ("file:///srv/a.git", "file:///srv/a.git", "file:///srv/a.git"),
    ],
)
def test_credentials_are_taken_out(location: str, url: str, shown: str) -> None:
    address = addresses.parse(location)
    assert (address.url, address.shown) == (url, shown)


@given(
    st.text(st.characters(codec="utf-8"), min_size=8),
    st.text(st.characters(codec="utf-8"), min_size=8),
)
def test_what_a_url_holds_before_the_host_is_kept_apart(user: str, password: str) -> None:
    location = f"https://{quote(user, safe='')}:{quote(password, safe='')}@h/a.git"
    address = addresses.parse(location)
    assert (address.username, address.password) == (user, password)
    assert address.url == "https://h/a.git"
    assert address.host == "h"
    assert password not in repr(address)
    assert address.cache_name == addresses.parse("https://h/a.git").cache_name


def test_cache_names_are_apart_and_tell_what_they_hold() -> None:
    names = {
        addresses.parse(location).cache_name
        for location in ("https://h/a.git", "https://h/b/a.git", "https://g/a.git", "g@h:a.git")
    }
    assert len(names) == 4
    assert all(name.startswith("a-") and name.endswith(".git") for name in names)
    assert addresses.parse("https://h/..").cache_name.startswith("repository-")


@pytest.mark.parametrize(
    "location",
    ["--upload-pack=x", "https://h/a\nb", "ftp://h/a", "ext::sh -c x://", "https://[x/a"],
)
def test_what_git_cannot_use_is_refused(location: str) -> None:
    with pytest.raises(UsageError):
        addresses.parse(location)
