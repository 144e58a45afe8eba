"""kube2git init."""

from __future__ import annotations

from pathlib import Path

import click

from kube2git.cli import output


@click.command("init")
@click.argument("where", metavar="[PATH|URL]", default="kube2git.git")
@click.option("--config", default="kube2git.yaml", show_default=True, metavar="FILE", help="")
@click.option("--branch", default="main", show_default=True, metavar="NAME", help="")
@click.option("--prefix", default="", metavar="DIR", help="Folder for this cluster.")
def command(*, where: str, config: str, branch: str, prefix: str) -> int:
    """Make a repository, a config file and a recovery key, and say what comes next.

    PATH is where a new bare repository is made; an existing repository, or a URL, is only written
    into the config file. Nothing that exists is changed.
    """
    from kube2git import wiring

    made = wiring.create_repository(where, branch)
    file = Path(config)
    lines = [
        f"Made the repository {where}." if made else f"The repository {where} is used as it is."
    ]
    if file.exists():
        lines.append(f"The config file {file} exists and was left as it is.")
    else:
        key, recipient, is_new = wiring.make_identity(output.ask_passphrase)
        file.write_bytes(wiring.new_config(where, branch, prefix, recipient))
        lines.append(f"Wrote {file}.")
        lines.append(
            f"{'Made' if is_new else 'Secrets are sealed for'} the recovery key {key}: keep a copy "
            "of it outside this machine; without it nobody opens the Secrets in the repository."
        )
    lines.append("Next: kube2git check, then kube2git export.")
    output.answer(lines)
    return 0
