from __future__ import annotations

import pytest

from kube2git.core.report import Progress
from kube2git.render.progress import progress_line


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (Progress("pushing"), "pushing"),
        (Progress("reading", kinds_done=12, kinds_total=61), "reading 12/61 kinds"),
        (Progress("reading", 12, 61, 4200), "reading 12/61 kinds, 4,200 objects"),
        (Progress("writing", objects=7), "writing 7 objects"),
    ],
)
def test_what_is_known_is_told(progress: Progress, line: str) -> None:
    assert progress_line(progress) == line
