"""The part of values.schema.json that says what may stand below ``config``: made of its settings.

python -m tests.unit.chart.schema       # after a setting was added, writes it anew
"""

from __future__ import annotations

import enum
import json
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from kube2git.config import Settings
from tests.helm import CHART

FILE = CHART / "values.schema.json"


def of_settings(section: type = Settings) -> dict[str, Any]:
    """Return the schema of a section of the configuration, and of all below it."""
    hints = typing.get_type_hints(section)
    properties = {}
    for item in fields(section):
        kind = hints[item.name]
        properties[item.name] = _of_value(kind)
        if "help" in item.metadata:
            properties[item.name] |= {"description": item.metadata["help"]}
    return {"type": ["object", "null"], "additionalProperties": False, "properties": properties}


def _of_value(kind: Any) -> dict[str, Any]:
    if isinstance(kind, type) and is_dataclass(kind):
        return of_settings(kind)
    plain = {str: "string", bool: "boolean", int: "integer", float: "number"}
    origin = typing.get_origin(kind)
    if origin is tuple:
        return {"type": "array", "items": _of_value(typing.get_args(kind)[0])}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _of_value(typing.get_args(kind)[1])}
    if kind in plain:
        return {"type": plain[kind]}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [item.value for item in kind]}
    return {}


def main() -> None:
    """Write the part of the settings anew."""
    schema = json.loads(FILE.read_text())
    schema["properties"]["config"] = of_settings()
    FILE.write_text(json.dumps(schema, indent=2) + "\n")


if __name__ == "__main__":
    main()
