"""The daemon's log on stderr: lines for people, or JSON for programs, with run and commit."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from kube2git.config import LogFormat

_NAME = "kube2git.serve"


class Log:
    """Writes sentences with facts beside them; facts without a value are left out."""

    def __init__(self, form: LogFormat) -> None:
        self._log = logging.getLogger(_NAME)
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Json() if form is LogFormat.JSON else _Text())
        self._log.handlers = [handler]
        self._log.setLevel(logging.INFO)
        self._log.propagate = False

    def info(self, message: str, **facts: Any) -> None:
        """Say that something happened as it should."""
        self._write(logging.INFO, message, facts)

    def warning(self, message: str, **facts: Any) -> None:
        """Say that something needs a look."""
        self._write(logging.WARNING, message, facts)

    def error(self, message: str, **facts: Any) -> None:
        """Say that something failed."""
        self._write(logging.ERROR, message, facts)

    def _write(self, level: int, message: str, facts: dict[str, Any]) -> None:
        told = {key: value for key, value in facts.items() if value not in (None, "")}
        self._log.log(level, "%s", message, extra={"facts": told})


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = getattr(record, "facts", {})
    return found


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_facts(record),
        }
        return json.dumps(line, ensure_ascii=False, default=str)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = "".join(f" {key}={value}" for key, value in _facts(record).items())
        words = " ".join(record.getMessage().split())
        return f"{_time(record)} {record.levelname.lower():7} {words}{facts}"
