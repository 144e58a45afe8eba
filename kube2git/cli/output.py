"""Where words go: answers to stdout, everything else to stderr, progress to a terminal only."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click

from kube2git.cli import stopping
from kube2git.errors import Kube2gitError
from kube2git.render import style

if TYPE_CHECKING:
    from kube2git.core.report import Progress

Report = TypeVar("Report")


def paint() -> style.Paint:
    """Return colours for stdout: only on a terminal, and not against NO_COLOR."""
    wants = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return style.coloured if wants and os.environ.get("TERM") != "dumb" else style.plain


def answer(lines: Iterable[str]) -> None:
    """Print lines to stdout."""
    for line in lines:
        answer_text(f"{line}\n")


def answer_text(text: str) -> None:
    """Print text to stdout as it is."""
    try:
        click.echo(text, nl=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        # Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Kube2gitError(f"The answer could not be written: {error.strerror}.") from None


def answer_json(data: Any) -> None:
    """Print one JSON document to stdout."""
    from kube2git.core import wire

    answer_text(f"{wire.readable(data)}\n")


def tell(lines: Iterable[str]) -> None:
    """Print lines to stderr."""
    for line in lines:
        click.echo(line, err=True)


def ask_passphrase(path: Path) -> str | None:
    """Ask for the passphrase of a key file without showing it; None when nobody is there."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    words = f"Passphrase of {path}"
    answer: str = click.prompt(words, hide_input=True, err=True, default="", show_default=False)
    return answer


_log = logging.getLogger(__name__)


class StatusLine:
    """One line on stderr that is rewritten while work goes on; silent off a terminal.

    With -v every phase is a line in the log instead.
    """

    def __init__(self) -> None:
        is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self.shows = is_terminal and not _log.isEnabledFor(logging.INFO)
        self._phase = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the line away, so that an answer can be printed."""
        if self.shows:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def say(self, text: str, phase: str) -> None:
        """Show where things stand; ``phase`` is what stays the same for a while."""
        if phase != self._phase:
            self._phase = phase
            _log.info("%s", phase)
        if self.shows:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()


def follow(events: Iterable[Progress | Report], *, untouched: str = "", until: str = "") -> Report:
    """Show where a flow stands while it goes on; return its report, which comes last.

    ``untouched`` is what holds of a run that is ended before the phase ``until``.
    """
    from kube2git.core.report import Progress
    from kube2git.render.progress import progress_line

    report: Report | None = None
    with contextlib.ExitStack() as holding, StatusLine() as status:
        if untouched:
            holding.enter_context(stopping.told(untouched))
        for event in events:
            if isinstance(event, Progress):
                if event.phase == until:
                    holding.close()
                status.say(progress_line(event), event.phase)
            else:
                report = event
    assert report is not None  # noqa: S101 - a flow yields its report or raises
    return report
