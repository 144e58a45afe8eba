"""Commits that a person makes beside kube2git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.tool import Tool

_AUTHOR = ["-c", "user.name=A Person", "-c", "user.email=person@example.com"]


def commit_file(tool: Tool, path: str, text: str | None) -> None:
    """Commit a file to the branch main; None removes it."""
    commit_files(tool, {path: text})


def commit_files(tool: Tool, files: dict[str, str | None]) -> None:
    """Commit several files at once."""
    work = tool.home / f"work-{len(list(tool.home.glob('work-*')))}"
    _git(Path(), "clone", "-q", "-b", "main", str(tool.repo), str(work))
    for path, text in files.items():
        file = work / path
        if text is None:
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    _git(work, "add", "-A")
    _git(work, *_AUTHOR, "commit", "-q", "-m", "By hand")
    _git(work, "push", "-q", "origin", "main")


def _git(where: Path, *args: str) -> None:
    subprocess.run(["git", "-C", str(where.resolve()), *args], check=True)
