"""Who commits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from kube2git.errors import UsageError


@dataclass(frozen=True, slots=True)
class Author:
    """Author and committer of kube2git's commits."""

    name: str = "kube2git"
    email: str = "kube2git@localhost"

    def __post_init__(self) -> None:
        if not self.name.strip() or re.search(r"[<>\x00-\x1f]", self.name + self.email):
            raise UsageError(
                "The author of commits needs a name, and neither name nor address may hold"
                " < or > or control characters.",
                hint="Set the author's name and email in the settings for the repository.",
            )

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"

    def at(self, when: datetime) -> bytes:
        """Return the author line of a commit made at a time with a zone."""
        offset = when.utcoffset()
        if offset is None:
            raise ValueError("a commit's time needs a zone")
        minutes = round(offset.total_seconds() / 60)
        sign = "-" if minutes < 0 else "+"
        hours, rest = divmod(abs(minutes), 60)
        return f"{self} {int(when.timestamp())} {sign}{hours:02}{rest:02}".encode()

    def environment(self) -> dict[str, str]:
        """Return what makes git write reflogs under this name."""
        return {"GIT_COMMITTER_NAME": self.name, "GIT_COMMITTER_EMAIL": self.email}
