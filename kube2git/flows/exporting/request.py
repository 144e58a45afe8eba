"""What a user asks of an export."""

from __future__ import annotations

from dataclasses import dataclass, field

from kube2git.core.selection import Selection


@dataclass(frozen=True)
class ExportRequest:
    """What to export, and what the user allows."""

    selection: Selection = field(default_factory=Selection)
    message: str = ""
    schedule: str = "manual"
    dry_run: bool = False
    push: bool = True
    adopt: bool = False
    """Write a prefix although it holds another cluster."""
    allow_mass_removal: bool = False
    max_removal_share: float = 0.5
    """Of the objects in the repository, between 0 and 1."""
