"""kube2git check."""

from __future__ import annotations

from typing import Any

import click

from kube2git.cli import options, output


@click.command("check")
@options.output_option("table", "json")
@options.selection_options
@options.cluster_options
@options.repo_options
def command(**given: Any) -> int:
    """Check config, cluster access, rights per kind, Git access and signing. Writes nothing.

    Exit codes: 0 ready; 1 not ready.
    """
    from kube2git import wiring
    from kube2git.core.message import Change
    from kube2git.flows import checking

    settings = options.settings_from(given)
    findings = checking.check(
        lambda: wiring.repository(settings),
        lambda: wiring.cluster(settings),
        wiring.selection(settings),
        wiring.rules(settings),
        lambda: wiring.identities(settings, output.ask_passphrase),
        frozenset(wiring.sealing(settings).rules) if settings.sealing.recipients else frozenset(),
        checks_signature=bool(settings.replay.allowed_signers or settings.replay.allowed_gpg_keys),
    )
    paint = output.paint()
    found = []
    for finding in findings:
        found.append(finding)
        if given["output"] == "table":
            mark = paint("ok  ", Change.ADDED) if finding.is_ok else paint("fail", Change.REMOVED)
            output.answer([f"{mark}  {finding.subject}: {finding.message}"])
            if finding.hint:
                output.answer([f"      {finding.hint}"])
    if given["output"] == "json":
        output.answer_json(
            [
                {
                    "subject": item.subject,
                    "ok": item.is_ok,
                    "message": item.message,
                    "hint": item.hint,
                }
                for item in found
            ]
        )
    return 0 if all(finding.is_ok for finding in found) else 1
