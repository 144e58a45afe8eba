"""-v and -vv of every command: what is done, and each request, as lines on stderr.

No line holds a body, a header or a value. Nor do tracebacks: they name places and kinds of errors,
since the words of an unforeseen error may be anything.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator

import click

_ROOT = logging.getLogger("kube2git")
_LEVELS = (logging.INFO, logging.DEBUG)


def with_verbosity(command: click.Command) -> click.Command:
    """Give a command, and those below it, the flag -v, unless it has one."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_verbosity(below)
    elif not any(option.name == "verbose" for option in command.params):
        option = click.Option(
            ["-v", "--verbose"],
            count=True,
            is_eager=True,
            expose_value=False,
            callback=_set_up,
            help="Say what is done; -vv: and every request.",
        )
        command.params.append(option)
    return command


def is_verbose() -> bool:
    """Tell whether -v was given."""
    return _ROOT.isEnabledFor(logging.INFO)


def trace(error: BaseException) -> Iterator[str]:
    """Yield a traceback's lines, without the words of any error in it."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from trace(cause)
        yield "which led to:"
    for line in traceback.format_tb(error.__traceback__):
        yield line.rstrip("\n")
    yield type(error).__qualname__


def _set_up(ctx: click.Context, param: click.Parameter, value: int) -> None:
    del ctx, param
    if not value:
        return
    # As it is now, not as it was when the module was imported.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", "%H:%M:%S"))
    _ROOT.handlers = [handler]
    _ROOT.propagate = False
    _ROOT.setLevel(_LEVELS[min(value, len(_LEVELS)) - 1])
