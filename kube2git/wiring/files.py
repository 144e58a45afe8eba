"""The user's files and folders: the configuration, keys, what is cached."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kube2git.config import ConfigError, Settings, load
from kube2git.errors import UsageError

CONFIG_NAME = "kube2git.yaml"


def load_settings(
    file: str | None, environ: Mapping[str, str], flags: Mapping[str, Any]
) -> Settings:
    """Read the config file, the environment and the flags into settings.

    The file is the one given, ``KUBE2GIT_CONFIG``, ``./kube2git.yaml``, or the one in the user's
    config folder; a file that was asked for must exist.
    """
    path = config_file(file, environ)
    text = config_text(path) if path else None
    return settings_of(text, str(path), environ, flags)


def config_text(path: Path) -> bytes:
    """Return a config file's content; raise UsageError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the configuration file {path} cannot be read: {error.strerror}",
            hint="`kube2git init` makes one.",
        ) from None


def settings_of(
    text: bytes | None, source: str, environ: Mapping[str, str], flags: Mapping[str, Any]
) -> Settings:
    """Return the settings: flags over environment over a file's text; raise ConfigError."""
    if text is None:
        return load(None, source="the environment", environ=environ, flags=flags)
    from kube2git.core import yamlio

    try:
        located = yamlio.decode_config(text, source=source)
    except yamlio.YamlError as error:
        raise ConfigError(source, [error.without_source()]) from None
    return load(located.body, source=source, lines=located.lines, environ=environ, flags=flags)


def config_file(given: str | None, environ: Mapping[str, str]) -> Path | None:
    """Return the path of the config file to read; None when there is none."""
    asked = given or environ.get("KUBE2GIT_CONFIG")
    if asked:
        return Path(asked).expanduser()
    for path in (Path(CONFIG_NAME), config_home(environ) / CONFIG_NAME):
        if path.is_file():
            return path
    return None


def config_home(environ: Mapping[str, str]) -> Path:
    """Return the user's folder for configuration and keys."""
    return Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kube2git"


def identity_file(environ: Mapping[str, str]) -> Path:
    """Return where the private key is kept unless the configuration says otherwise."""
    return config_home(environ) / "age.key"


def path_from(text: str) -> Path | None:
    return Path(text).expanduser() if text else None


def cache_home(environ: Mapping[str, str]) -> Path:
    """Return the user's folder for what can be made again."""
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kube2git"


def new_config(where: str, branch: str, prefix: str, recipient: str) -> bytes:
    """Return a config file for a repository: the absolute path, so that it works anywhere."""
    from kube2git.core import yamlio

    path = Path(where).expanduser()
    data: dict[str, Any] = {"repo": str(path.resolve()) if path.exists() else where}
    git = {key: text for key, text in (("branch", branch), ("prefix", prefix)) if text}
    if git:
        data["git"] = git
    data["sealing"] = {"recipients": [recipient]}
    return yamlio.encode(data)
