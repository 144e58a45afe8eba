"""Registers the commands, and turns errors into sentences and exit codes. Nothing else.

Commands are imported when they are called, so that ``--help`` and completion answer at once.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from typing import Any, NoReturn

import click

from kube2git import __version__
from kube2git.cli import stopping, verbosity
from kube2git.errors import EXIT_CODES, Kube2gitError

COMMANDS: dict[str, str] = {
    "init": "Make a repository and a config file.",
    "export": "Commit the cluster's state at one revision.",
    "replay": "Make a cluster, or a part of it, what a commit says.",
    "snapshot": "Take, list, verify, restore, copy and delete snapshots of volumes.",
    "diff": "Compare two revisions, or a revision with the cluster.",
    "log": "Show the history of the cluster, or of one object.",
    "show": "Show an object as it is at a revision.",
    "explain": "Show what cleaning removes from a live object, and why.",
    "seal": "Seal Secrets anew for other recipients.",
    "check": "Check config, cluster access, rights and Git access.",
    "serve": "Run exports by schedule, as a daemon.",
    "sidecar": "Take snapshots for an exporter without rights on the storage.",
    "completion": "Print the completion script of a shell.",
    "version": "Print the version.",
}
"""Command -> its one-line help; the code is in the module of the same name."""
_UNTOLD = "what is not reported above may be done or not"
"""Of a run that was ended, wherever it was; commands that know better say so."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"kube2git.cli.{cmd_name}")
        command = module.command
        assert isinstance(command, click.Command)  # noqa: S101 - told to the type checker
        return verbosity.with_verbosity(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            meant = f" Did you mean {close[0]}?" if close else ""
            raise click.UsageError(f"There is no command {args[0]!r}.{meant}", ctx) from None


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", message="kube2git %(version)s")
def cli() -> None:
    """Kubernetes cluster state as Git history that can be replayed."""


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with a code of the table in errors.py."""
    signal.signal(signal.SIGTERM, stopping.terminate)
    name = os.path.basename(sys.argv[0])  # noqa: PTH119 - no import of pathlib for --help
    program = "kubectl kube2git" if name.startswith("kubectl-") else "kube2git"
    try:
        with stopping.told(_UNTOLD, "The same command goes on from there."):
            result: Any = cli.main(args, prog_name=program, standalone_mode=False)
        code = result if isinstance(result, int) else 0
        if code:
            _leave_reason(code)
    except click.UsageError as error:
        where = f"Try '{error.ctx.command_path} --help'." if error.ctx else ""
        code = _say(error.format_message(), where, code=2)
    except click.ClickException as error:
        code = _say(error.format_message(), code=2)
    except Kube2gitError as error:
        if verbosity.is_verbose():
            _show_trace(error)
        code = _say(str(error), error.hint, code=error.exit_code)
    except BrokenPipeError:
        # Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:  # noqa: BLE001 - whatever it is, its words may hold a Secret's
        _show_trace(error)
        code = _say(
            f"this is a bug in kube2git ({type(error).__qualname__}).",
            "Please report it with the lines above; they hold no values of your objects.",
            code=Kube2gitError.exit_code,
        )
    sys.exit(code)


def _show_trace(error: BaseException) -> None:
    for line in verbosity.trace(error):
        click.echo(line, err=True)


def _say(message: str, hint: str = "", *, code: int) -> int:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
    _leave_reason(code, message)
    return code


def _leave_reason(code: int, message: str = "") -> None:
    """Tell Kubernetes why the container ends, so that the state of a Pod or Job shows it."""
    words = f"exit code {code}, {EXIT_CODES.get(code, '')}: {message}"
    path = os.environ.get("KUBE2GIT_TERMINATION_LOG", "/dev/termination-log")
    # The kubelet has made the file; elsewhere there is none.
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(" ".join(words.split()).rstrip(":").encode()[:4096])


if __name__ == "__main__":
    main()
