"""Text that YAML readers disagree about, or lose: every value and key of a manifest may be such."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import strategies as st

# fmt: off
WORDS = (
    "", "y", "Y", "n", "N", "yes", "Yes", "no", "NO", "on", "Off", "true", "TRUE", "tRue", "False",
    "null", "Null", "nUll", "~", "=", "<<", "1e3", "1E3", "0x1F", "0X1f", "0o17", "0O17", "0b11",
    "012", "08", "1_000", "12:30:45", "190:20", "2001-01-01", "2001-01-01T00:00:00Z", ".inf",
    "-.INF", ".nan", "NaN", "inf", "Infinity", ".5", "5.", "+1", "-1", "-0", "1e400", "1.2.3",
    "18446744073709551616", ".", "..", "...", "... a", "---", "--- a", "-", "--", "- ", "- a", "-a",
    "%", "%YAML 1.1", "? ", "?", "?a", ": ", ":", "::", "a:", ":a", "a:b", "a::b", "a: b", " #",
    "#", "# a", "a #b", "a#b", "&a", "*a", "!a", "! a", "!!str a", "|", "|-", ">", "'", "''",
    "it's", '"', '""', "\\", "\\n", "\\u0041", "@a", "`a", "{", "}", "[", "]", "{}", "[]", "{a: b}",
    ",", "a,b", "ENC[AES256_GCM,data:x,type:str]", "500m", "128Mi", "1Ei", "1E", "1k", "1M", "5ms",
    "1h", "10d", "0m", "1h30m", "v1", "system:node", "a/b", "/", "//", "_", "__a", "a=b",
    "--flag=x", "a\tb", "\t", "\ta", "a\t", " ", "   ", " a", "a ", "\n", "\n\n", "\na", "a\n",
    "a\n\n", "a\n\n\n", "a\nb", "a\n b", "a\n  \nb", "a\n\t\nb", "a\n\tb", "a \nb", "a\n ",
    "a\n\n\nb\n\n", " a\nb", "\ta\nb", "a\r\nb\r\n", "\r", "a\rb", "---\na", "a\n---\nb\n",
    "a\n...\n", "# x\ny\n", "a: b\nc: d\n", "key: |\n  x\n", "- a\n- b", "a\n#b\n", "true\n", "1\n",
    "~\n", "{}\n", "\x00", "\x01", "\x07", "\x0b", "\x0c", "\x1b[31m", "\x7f", "\x80", "\x85",
    "a\x85b", "\x9f", "\xa0", "\xa0a\nb", "\u2028", "a\u2029b\nc", "\u3000a\nb", "a\n\u3000\nb",
    "\ufeff", "a\ufeff", "\ufffd", "\ufffe", "\uffff", "é\nü", "😀", "😀\n", "\U0001fffe",
    "\U0010ffff", "a\n\x00b",
)
# fmt: on
LONG = (
    "x" * 128,
    "x" * 129,
    "x" * 1023,
    "x " * 700,
    "é" * 1030,
    "x\n" * 700,
    "'" * 600,
    "a: " * 400,
)

# fmt: off
_PIECES = (
    "a", "b", "0", "1", " ", "  ", "-", ":", "?", "#", "'", '"', "\\", "\n", "\n\n", "\n ", "\t",
    ",", "[", "]", "{", "}", "&", "*", "!", "|", ">", "%", "@", "`", "~", "=", ".", "<", "_", "e",
    "+", "\r", "\r\n", "x", "\x00", "\x7f", "\x85", "\u2028", "\ufeff", "\xe9", "😀", "---", "...",
)
# fmt: on


def texts(count: int, seed: int) -> Iterator[str]:
    """Yield the words above, and random texts of what is special to YAML until there are enough."""
    yield from WORDS
    yield from LONG
    chance = random.Random(seed)
    for _ in range(count - len(WORDS) - len(LONG)):
        yield "".join(chance.choices(_PIECES, k=chance.randint(1, 9)))


any_text = st.one_of(
    st.sampled_from(WORDS),
    st.lists(st.sampled_from(_PIECES), max_size=12).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
"""All of Unicode, surrogates excepted: they are not characters, and JSON from a server has none."""

any_number = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
any_json = st.recursive(
    st.one_of(st.none(), st.booleans(), any_number, any_text),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(any_text, inner, max_size=4)
    ),
    max_leaves=8,
)
any_mapping = st.dictionaries(any_text, any_json, max_size=4)
