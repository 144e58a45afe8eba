"""What the chart renders, as files: a change of the chart shows in the review what it comes to.

UPDATE_GOLDEN=1 python -m pytest tests/unit/chart/test_golden.py     # writes them anew
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import helm
from tests.unit.chart.releases import RELEASES

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", RELEASES)
def test_each_way_to_install_renders_what_its_golden_file_shows(name: str) -> None:
    texts = helm.render_texts(RELEASES[name])
    rendered = "".join(
        f"# Source: {template}\n{text.strip()}\n" for template, text in sorted(texts.items())
    )
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(rendered)
    assert rendered == file.read_text()


def test_every_golden_file_has_an_installation() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(RELEASES)


@pytest.mark.parametrize("name", RELEASES)
def test_helm_lint_has_no_objection(name: str) -> None:
    assert helm.lint(RELEASES[name]) == []
