"""kube2git seal."""

from __future__ import annotations

from typing import Any

import click

from kube2git.cli import options, output

OLD_KEYS = (
    "note: Earlier commits still open with the old keys. If one of those got into wrong hands, "
    "change the values in the cluster, too."
)


@click.group("seal")
def command() -> None:
    """Care for the sealed files in the repository."""


@command.command("rotate")
@click.option("--push/--no-push", default=None, help="Push to the remote. [push]")
@options.output_option("table", "json")
@options.repo_options
def rotate(*, push: bool | None, **given: Any) -> int:
    """Seal everything anew, with new data keys, for the recipients of today.

    Needs a private key that opens the files now. Use it after a recipient joined or left.
    """
    from kube2git import wiring
    from kube2git.core.report import INCOMPLETE, Progress
    from kube2git.flows import rotating

    settings = options.settings_from(given)
    report: rotating.RotateReport | None = None
    with output.StatusLine() as status:
        for event in rotating.rotate(
            wiring.repository(settings),
            wiring.sealing(settings, makes_key=True),
            wiring.identities(settings, output.ask_passphrase),
            clock=wiring.now,
            push=settings.git.push if push is None else push,
        ):
            if isinstance(event, Progress):
                status.say(f"{event.phase} {event.objects:,} files", event.phase)
            else:
                report = event
    assert report is not None  # noqa: S101 - a flow yields its report or raises
    if given["output"] == "json":
        left = [{"object": item.subject, "reason": item.reason} for item in report.left]
        output.answer_json({"commit": report.commit or None, "sealed": report.sealed, "left": left})
    elif report.commit:
        output.answer([f"Committed {report.commit[:10]}: {report.sealed} sealed anew."])
    else:
        output.answer(["There is nothing to seal anew."])
    output.tell(f"warning: {item.subject} stays as it is. {item.reason}" for item in report.left)
    if report.sealed:
        output.tell([OLD_KEYS])
    return INCOMPLETE if report.left else 0
