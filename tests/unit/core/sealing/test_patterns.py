"""Regular expressions in Go's syntax: the same matches, or a refusal."""

from __future__ import annotations

import pytest

from kube2git.core.sealing import patterns

# What Go's regexp.MatchString answers.
MATCHES = [
    ("^(data|stringData)$", "data", True),
    ("^(data|stringData)$", "metadata", False),
    ("^data$", "data\n", False),
    ("data", "metadata", True),
    (r"^data\z", "data", True),
    (r"^data\z", "data\n", False),
    (r"\Adata", "data", True),
    ("(?i)^PASS", "password", True),
    ("(?i:PASS)word", "password", True),
    ("(?P<n>a)b", "ab", True),
    ("(?<n>a)b", "ab", True),
    ("(?:ab)+c", "ababc", True),
    ("[[&~|]", "[", True),
    ("[[&~|]", "x", False),
    ("[]a]", "]", True),
    ("[^]a]", "]", False),
    (r"[\]a-c]$", "b", True),
    (r"^[\d_]+$", "1_2", True),
    (r"^\w+$", "é", False),
    (r"^\d$", "٣", False),
    (r"a\.b", "a.b", True),
    (r"a\.b", "axb", False),
    (r"a\$", "a$", True),
    ("a{2,3}$", "aa", True),
    ("a+?b", "aab", True),
    ("a.c", "a\nc", False),
    ("(?s)a.c", "a\nc", True),
    ("", "anything", True),
]


@pytest.mark.parametrize(("pattern", "text", "found"), MATCHES)
def test_it_matches_as_in_go(pattern: str, text: str, found: bool) -> None:
    assert bool(patterns.compile(pattern).search(text)) is found


REFUSED = [
    "(", "[a", "*", "a**", r"a\1", r"(a)\1", "(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", "(?>a)",
    "a++", "a*+", "a?+", "a{2}+", "(?m)^a$", "(?#x)", "(?P=n)", r"\pL", r"\Qa.b\E", r"\C", r"\Z",
    "[[:alpha:]]", r"[\pL]", r"\x{41}", "a{,3}", "^(?i)a", "a\\", "(?P<n>a)(?P<n>b)",
    "a{99999999999999999999}",
]  # fmt: skip
"""Wrong in Go as well, or read by Python as something else."""


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_means_something_else_is_refused(pattern: str) -> None:
    with pytest.raises(patterns.UnsupportedPatternError):
        patterns.compile(pattern)
