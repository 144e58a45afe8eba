from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube2git.adapters.gitrepo import Author
from kube2git.adapters.gitrepo.objects import Stored, object_id, read_commit, split_commit, trailers
from kube2git.errors import UsageError

LINE = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("subject", {}),
        ("Key: value", {}),
        ("s\n\nKey: value", {"Key": "value"}),
        ("s\n\nbody\n\nA: 1\nB-c: x: y\n", {"A": "1", "B-c": "x: y"}),
        ("s\n\nA: 1\nno trailer", {}),
        ("s\n\nA: 1\n\nlast paragraph", {}),
        ("s\n\nA: 1\n more\n\tand more\nA: 2", {"A": "1 more and more\n2"}),
        ("s\n\nA:\nB:1", {"A": "", "B": "1"}),
        ("s\n\n indented: 1", {}),
        ("", {}),
    ],
)
def test_trailers(message: str, expected: dict[str, str]) -> None:
    assert trailers(message) == expected


@given(st.dictionaries(st.from_regex(r"[A-Za-z][A-Za-z0-9-]*", fullmatch=True), LINE, min_size=1))
def test_trailers_that_were_written_are_read(wanted: dict[str, str]) -> None:
    block = "\n".join(f"{key}: {value}" for key, value in wanted.items())
    assert trailers(f"subject\n\nbody: yes\nno\n\n{block}\n") == wanted


@given(
    st.datetimes(datetime(1970, 1, 3), datetime(2400, 1, 1)).map(
        lambda t: t.replace(microsecond=0)
    ),
    st.integers(-15 * 60, 15 * 60),
    LINE,
)
def test_people_and_times_survive(local: datetime, minutes: int, name: str) -> None:
    when = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    author = Author(name.translate({60: "", 62: ""}) or "x", "x@example.com")
    line = author.at(when)
    data = b"tree 0\nauthor %s\ncommitter %s\n\nhello\n" % (line, line)
    commit = read_commit(Stored("id", "commit", data))
    assert commit.author == str(author)
    assert (commit.time, commit.time.utcoffset()) == (when, when.utcoffset())
    assert commit.message == "hello"
    assert split_commit(data).committed == int(when.timestamp())


def test_a_commit_by_others_in_their_encoding() -> None:
    data = (
        b"tree 1\nparent 2\nparent 3\nauthor J\xe9r <j> 1 +0000\ncommitter K <k> 5 -0130\n"
        b"encoding latin1\ngpgsig -----BEGIN\n encoding utf-8\n -----END\n\nd\xe9j\xe0\n\nvu\n\n"
    )
    commit = read_commit(Stored("id", "commit", data))
    assert commit.parents == ("2", "3")
    assert commit.author == "Jér <j>"
    assert commit.message == "déjà\n\nvu"
    assert commit.time == datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)


def test_a_damaged_author_is_survived() -> None:
    commit = read_commit(Stored("id", "commit", b"tree 1\nauthor nobody\ncommitter x\n\nm"))
    assert commit.author == "nobody"
    assert commit.message == "m"


@pytest.mark.parametrize("name", ["", "  ", "a<b", "a\nb"])
def test_names_that_would_break_a_commit_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        Author(name, "a@b")


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        Author().at(datetime(2024, 1, 1))


def test_ids_are_gits() -> None:
    assert object_id("blob", b"hello\n", "sha1") == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert object_id("tree", b"", "sha1") == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    assert object_id("tree", b"", "sha256") == (
        "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
    )
