from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.gitservers import create_remote


@pytest.fixture(autouse=True)
def hostile_settings(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A user whose settings and environment would get in the way of many a git command."""
    home = tmp_path_factory.mktemp("home")
    hooks = home / "hooks"
    hooks.mkdir()
    for name in ("pre-push", "reference-transaction", "post-checkout", "post-index-change"):
        hook = hooks / name
        # A remote that is a folder runs its own side under these settings too, and may.
        hook.write_text(
            '#!/bin/sh\ncase "$PWD" in */remote.git | */served/*) ;; *) exit 1 ;; esac\n'
        )
        hook.chmod(0o755)
    (home / ".gitconfig").write_text(
        "[commit]\n gpgSign = true\n[push]\n gpgSign = true\n followTags = true\n"
        "[tag]\n gpgSign = true\n[gpg]\n program = /bin/false\n"
        f"[core]\n hooksPath = {hooks}\n autocrlf = true\n quotePath = false\n"
        "[diff]\n noprefix = true\n renames = copies\n external = /bin/false\n"
        "[color]\n ui = always\n[fetch]\n prune = true\n[log]\n showSignature = true\n"
        "[init]\n defaultBranch = elsewhere\n templateDir = /nonexistent\n"
        "[user]\n useConfigOnly = true\n[i18n]\n logOutputEncoding = latin1\n"
    )
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    # As inside a hook of another repository.
    monkeypatch.setenv("GIT_DIR", "/nonexistent/.git")
    monkeypatch.setenv("GIT_WORK_TREE", "/nonexistent")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nonexistent/index")
    return home


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A folder with one empty repository, state.git, for a server to serve."""
    folder = tmp_path / "served"
    folder.mkdir()
    create_remote(folder)
    return folder
