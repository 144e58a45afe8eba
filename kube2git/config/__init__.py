"""Frozen settings: what can be set, how it is read, and what must hold."""

from kube2git.config.loading import (
    ConfigError,
    as_environment,
    environment_names,
    every_setting,
    load,
)
from kube2git.config.settings import (
    Git,
    LogFormat,
    SealingSettings,
    Serve,
    Settings,
    SigningForm,
    SnapshotWait,
)

__all__ = [
    "ConfigError",
    "Git",
    "LogFormat",
    "SealingSettings",
    "Serve",
    "Settings",
    "SigningForm",
    "SnapshotWait",
    "as_environment",
    "environment_names",
    "every_setting",
    "load",
]
