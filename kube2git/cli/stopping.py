"""What Ctrl-C and SIGTERM do: a command ends at once, with a sentence that holds where it was.

Only while a replay writes, the first one lets the requests in flight finish (``Interruption``).
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn, Self

import click

from kube2git.errors import InterruptedRunError, TerminatedRunError

UNWRITTEN = "nothing was written to the cluster"


class _Terminated(BaseException):
    """SIGTERM arrived; clean-up runs as for Ctrl-C."""


def terminate(signum: int, frame: FrameType | None) -> NoReturn:
    """End the command: the handler of SIGTERM."""
    del signum, frame
    raise _Terminated


@contextlib.contextmanager
def told(sentence: str, hint: str = "") -> Iterator[None]:
    """Say this of a run that is ended in here; raise InterruptedRunError, or TerminatedRunError.

    The sentence begins small and has no dot. The innermost one is said.
    """
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        raise InterruptedRunError(f"the run was interrupted; {sentence}", hint=hint) from None
    except _Terminated:
        raise TerminatedRunError(f"the run was terminated; {sentence}", hint=hint) from None


class Interruption:
    """Turns the first Ctrl-C or SIGTERM into a question that the flow asks; the second ends all."""

    def __init__(self) -> None:
        self._signal = 0
        self._before: dict[int, Any] = {}

    def is_asked(self) -> bool:
        """Tell whether the user wants no more work to begin."""
        return bool(self._signal)

    def exit_code(self) -> int:
        """Return what the shell expects of a program that was interrupted."""
        return 128 + self._signal

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._signal:
            raise KeyboardInterrupt
        self._signal = number
        click.echo("Finishing the requests in flight; once more ends at once.", err=True)
