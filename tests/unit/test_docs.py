"""The documentation cannot fall behind: commands, exit codes and modules are held against it."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import click
import pytest

from kube2git.cli.main import COMMANDS
from kube2git.errors import EXIT_CODES, Kube2gitError

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme_and_explains_itself(name: str) -> None:
    assert f"kube2git {name}" in README
    command = importlib.import_module(f"kube2git.cli.{name}").command
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


def test_every_exit_code_is_in_the_readme() -> None:
    rows = dict(re.findall(r"^\| ([\d, ]+) \| (.+) \|$", README, re.MULTILINE))
    written = {int(code): text for codes, text in rows.items() for code in codes.split(",")}
    assert written.keys() == EXIT_CODES.keys()
    for code in EXIT_CODES:
        if code < 100:
            assert written[code].replace("`", "") == EXIT_CODES[code]


def test_every_error_leaves_with_a_code_of_the_table() -> None:
    kinds = [Kube2gitError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        assert kind.exit_code in EXIT_CODES


@pytest.mark.parametrize(
    "document", ["README.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
)
def test_links_between_documents_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / target).exists(), f"{document} links to {target}"
