"""Where a running command stands, in a few words."""

from __future__ import annotations

from kube2git.core.report import Progress


def progress_line(progress: Progress) -> str:
    """Return for example ``reading 12/61 kinds, 4,200 objects``."""
    text = progress.phase
    if progress.kinds_total:
        text += f" {progress.kinds_done}/{progress.kinds_total} kinds"
    if progress.objects:
        text += f"{',' if progress.kinds_total else ''} {progress.objects:,} objects"
    return text
