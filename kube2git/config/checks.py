"""What the types of the settings cannot say: limits, forms, and what needs what."""

from __future__ import annotations

import re
from typing import Any

from kube2git.config.settings import Settings, SigningForm
from kube2git.core import durations, schedules
from kube2git.core.selection import LabelSelector, LabelSelectorError

_KEEP = ("last", "hourly", "daily", "weekly", "monthly")


def inconsistencies(settings: Settings) -> list[tuple[tuple[str, ...], str]]:
    """Return what is wrong: the path of each setting, and a sentence."""
    found: list[tuple[tuple[str, ...], str]] = []
    for section, selector in (
        ("export", settings.export.selector),
        ("snapshots", settings.snapshots.selector),
    ):
        try:
            LabelSelector.parse(selector)
        except LabelSelectorError as error:
            found.append(((section, "selector"), f"{error}."))
    retention = settings.snapshots.retention
    for name, text in (("keep_within", retention.keep_within), ("ttl", retention.ttl)):
        try:
            durations.parse(text or "0s")
        except ValueError as error:
            found.append((("snapshots", "retention", name), f"{error}."))
    for storage_class, fields in settings.snapshots.classes.items():
        for unknown in sorted(fields.keys() - {"snapshotter", "snapshot_class"}):
            where = ("snapshots", "classes", storage_class, unknown)
            found.append(
                (where, "there is no such setting; known here are snapshotter and snapshot_class.")
            )
    if not 0 < settings.export.max_removal_share <= 1:
        found.append((("export", "max_removal_share"), "this must be above 0 and at most 1."))
    if not 0 <= settings.replay.prune_limit <= 1:
        found.append((("replay", "prune_limit"), "this must be between 0 and 1."))
    if settings.git.prefix.startswith("/") or ".." in settings.git.prefix.split("/"):
        found.append((("git", "prefix"), "this must be a folder inside the repository."))
    if not re.fullmatch(r"[^<>]*\S\s*<[^<>\s]+>", settings.git.author):
        found.append((("git", "author"), "this must look like Name <mail@example.com>."))
    for place, name, what in (
        (("git", "branch"), settings.git.branch, "the name of a branch"),
        (
            ("serve", "config_revision"),
            settings.serve.config_revision,
            "the name of a branch or a tag, and no commit id",
        ),
    ):
        if not re.fullmatch(r"(?!-)[^\s~^:?*\[\\]+", name) or ".." in name:
            found.append((place, f"this is not {what}."))
    if settings.git.signing is SigningForm.SSH and not settings.git.signing_key:
        found.append((("git", "signing_key"), "git.signing: ssh needs the path of a key here."))
    replay = settings.replay
    if replay.require_signature and not (replay.allowed_signers or replay.allowed_gpg_keys):
        found.append(
            (
                ("replay", "require_signature"),
                "this needs replay.allowed_signers (or allowed_gpg_keys): whose signatures count?",
            )
        )
    _, wrong = schedules.parse(settings.serve.schedules)
    found += ((("serve", "schedules", *path), what) for path, what in wrong.items())
    host, _, port = settings.serve.listen.rpartition(":")
    if not (host and port.isdecimal() and int(port) < 1 << 16):
        found.append((("serve", "listen"), "this must look like 127.0.0.1:8080."))
    for path, least in (
        (("cluster", "connections"), 1),
        (("cluster", "page_size"), 1),
        (("cluster", "request_timeout"), 1),
        (("replay", "connections"), 1),
        (("replay", "timeout"), 1),
        (("git", "timeout"), 1),
        (("git", "lock_timeout"), 0),
        (("git", "depth"), 0),
        (("serve", "jitter"), 0),
        (("serve", "retry"), 1),
        (("serve", "run_timeout"), 1),
        (("serve", "stop_timeout"), 0),
        (("serve", "lease_seconds"), 2),
        (("serve", "config_interval"), 1),
        (("snapshots", "timeout"), 1),
        (("snapshots", "freeze_timeout"), 1),
        *((("snapshots", "retention", f"keep_{each}"), 0) for each in _KEEP),
    ):
        value: Any = settings
        for name in path:
            value = getattr(value, name)
        if value < least:
            found.append((path, f"this must be at least {least}."))
    return found
