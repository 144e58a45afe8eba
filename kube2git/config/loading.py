"""Settings out of a file, the environment and flags; all problems told at once.

A flag beats the environment (``KUBE2GIT_<SECTION>_<NAME>``), which beats the file, which beats the
default.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Mapping
from typing import Any

from kube2git.config.checks import inconsistencies
from kube2git.config.settings import Settings
from kube2git.errors import UsageError


class ConfigError(UsageError):
    """The configuration has problems; the message lists all of them."""

    def __init__(self, source: str, problems: list[str]) -> None:
        count = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(
            f"{source} has {count}:\n{lines}",
            hint="config/kube2git.yaml shows every setting with its default.",
        )


def load(
    file: Mapping[str, Any] | None = None,
    *,
    source: str = "the configuration",
    lines: Mapping[tuple[str | int, ...], int] | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Build the settings; raise ConfigError that lists every problem.

    ``file`` is the decoded file and ``lines`` its line numbers by path; ``flags`` maps dotted
    names (``git.branch``) to values, None meaning not given.
    """
    problems: list[str] = []
    values: dict[tuple[str, ...], Any] = {}

    def told(path: tuple[str, ...], what: str) -> None:
        line = (lines or {}).get(path)
        where = f"line {line}: " if line else ""
        problems.append(f"{where}{'.'.join(path)}: {what}")

    _read_file(file or {}, Settings, (), values, told)
    names = environment_names()
    for name, text in (environ or {}).items():
        path = names.get(name)
        if path is not None:
            try:
                values[path] = _from_text(text, _type_of(path))
            except ValueError as error:
                problems.append(f"{name}: {error}")
    for dotted, value in (flags or {}).items():
        if value is not None:
            values[tuple(dotted.split("."))] = value
    settings: Settings = _build(Settings, (), values)
    for path, what in inconsistencies(settings):
        told(path, what)
    if problems:
        raise ConfigError(source, problems)
    return settings


def environment_names() -> dict[str, tuple[str, ...]]:
    """Return every environment variable that sets something: name -> path of the setting."""
    return {"_".join(("KUBE2GIT", *path)).upper(): path for path, _ in every_setting()}


def as_environment(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables that set what flags set: ``git.branch`` -> value."""
    return {
        "_".join(("kube2git", *dotted.split("."))).upper(): (
            ",".join(value) if isinstance(value, list | tuple) else _as_text(value)
        )
        for dotted, value in values.items()
    }


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def every_setting() -> list[tuple[tuple[str, ...], dataclasses.Field[Any]]]:
    """Return every setting with its path, in the order of the sample file."""
    return list(_fields(Settings, ()))


def _fields(
    section: type, path: tuple[str, ...]
) -> typing.Iterator[tuple[tuple[str, ...], dataclasses.Field[Any]]]:
    for item in dataclasses.fields(section):
        kind = _hints(section)[item.name]
        if dataclasses.is_dataclass(kind):
            yield from _fields(typing.cast(type, kind), (*path, item.name))
        else:
            yield (*path, item.name), item


@functools.cache
def _hints(section: type) -> Mapping[str, Any]:
    return typing.get_type_hints(section)


def _type_of(path: tuple[str, ...]) -> Any:
    kind: Any = Settings
    for name in path:
        kind = _hints(kind)[name]
    return kind


def _read_file(
    data: Any, section: type, path: tuple[str, ...], values: dict[tuple[str, ...], Any], told: Any
) -> None:
    if not isinstance(data, Mapping):
        told(path, "this must be a section with settings below it.")
        return
    hints = _hints(section)
    for name, value in data.items():
        here = (*path, str(name))
        if name not in hints:
            known = ", ".join(hints)
            told(here, f"there is no such setting; known here are {known}.")
        elif dataclasses.is_dataclass(hints[name]):
            if value is not None:
                _read_file(value, typing.cast(type, hints[name]), here, values, told)
        elif value is not None:
            try:
                values[here] = _from_value(value, hints[name])
            except ValueError as error:
                told(here, str(error))


def _from_value(value: Any, kind: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin is tuple:
        item = typing.get_args(kind)[0]
        if not isinstance(value, list | tuple):
            raise ValueError("this must be a list.")
        return tuple(_from_value(entry, item) for entry in value)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ValueError("this must be a mapping.")
        _, item = typing.get_args(kind)
        return {str(key): _from_value(entry, item) for key, entry in value.items()}
    if kind is Any:
        return value
    if kind is bool:
        if not isinstance(value, bool):
            raise ValueError("this must be true or false.")
        return value
    if kind in (int, float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("this must be a number.")
        if kind is int and int(value) != value:
            raise ValueError("this must be a whole number.")
        return kind(value)
    if kind is str:
        if not isinstance(value, str):
            raise ValueError("this must be text; put it in quotes.")
        return value
    return _from_word(str(value), kind)


def _from_word(text: str, kind: Any) -> Any:
    try:
        return kind(text)
    except ValueError:
        words = ", ".join(str(word) for word in kind)
        raise ValueError(f"this must be one of {words}.") from None


def _from_text(text: str, kind: Any) -> Any:
    """Read an environment variable: lists are separated by commas."""
    origin = typing.get_origin(kind)
    if origin is not None and (origin is not tuple or typing.get_args(kind)[0] is not str):
        raise ValueError("this can be set in the configuration file only.")
    if origin is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError("this must be true or false.")
        return text.lower() == "true"
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise ValueError("this must be a number.") from None
    return text if kind is str else _from_word(text, kind)


def _build(section: type, path: tuple[str, ...], values: Mapping[tuple[str, ...], Any]) -> Any:
    given: dict[str, Any] = {}
    for name, kind in _hints(section).items():
        here = (*path, name)
        if dataclasses.is_dataclass(kind):
            given[name] = _build(typing.cast(type, kind), here, values)
        elif here in values:
            given[name] = values[here]
    return section(**given)
