"""Lists trees and compares them. Paths are text; bytes that are no UTF-8 travel as surrogates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kube2git.adapters.gitrepo.plumbing import Git

Entry = tuple[str, str]
"""Mode and blob id."""

FILE = "100644"
_SUBMODULE = "160000"


class Change(NamedTuple):
    """One path in two trees; None where it does not exist."""

    old: Entry | None
    new: Entry | None


def files_of(git: Git, tree: str) -> dict[str, str]:
    """Return path -> blob id of every file of a tree or commit; submodules are no files."""
    output = git.must("ls-tree", "-r", "-z", "--full-tree", tree)
    files: dict[str, str] = {}
    # "<mode> <type> <id>\t<path>"
    for line in output.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        head, _, path = line.partition("\t")
        if not head.startswith(_SUBMODULE):
            files[path] = head.rpartition(" ")[2]
    return files


def compare(git: Git, old: str, new: str) -> dict[str, Change]:
    """Return what differs between two trees or commits, by path; submodules too."""
    output = git.must("diff-tree", "-r", "-z", "--raw", "--no-renames", old, new)
    words = output.decode("utf-8", "surrogateescape").split("\0")[:-1]
    changes: dict[str, Change] = {}
    # ":<old mode> <new mode> <old id> <new id> <status>", then the path.
    for head, path in zip(words[::2], words[1::2], strict=True):
        old_mode, new_mode, old_id, new_id, _ = head[1:].split(" ")
        changes[path] = Change(_entry(old_mode, old_id), _entry(new_mode, new_id))
    return changes


def _entry(mode: str, id: str) -> Entry | None:
    return None if mode == "000000" else (mode, id)


def file_id(entry: Entry | None) -> str | None:
    """Return the blob id of a file; None for nothing and for a submodule."""
    return entry[1] if entry and entry[0] != _SUBMODULE else None


def index_lines(entries: Mapping[str, Entry | None], id_length: int) -> bytes:
    """Return the input of ``git update-index -z --index-info`` that sets these entries."""
    lines = []
    for path, entry in entries.items():
        mode, id = entry or ("0", "0" * id_length)
        lines.append(f"{mode} {id}\t{path}\0")
    return "".join(lines).encode("utf-8", "surrogateescape")
