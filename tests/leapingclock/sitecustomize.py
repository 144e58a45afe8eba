"""A machine's clock that leaps, for one process and those that it starts.

Python imports this by itself where the folder is on PYTHONPATH. The file that LEAP_FILE names holds
the seconds by which the clock is wrong; ``time.monotonic`` goes on as ever, as on a real machine.
"""

from __future__ import annotations

import datetime
import os
import time
from pathlib import Path
from typing import Any

_FILE = Path(os.environ["LEAP_FILE"])
_True = datetime.datetime
_true_time = time.time


class _Kind(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _True)


class _Leaping(_True, metaclass=_Kind):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return _True.now(tz) + datetime.timedelta(seconds=_wrong())


def _wrong() -> float:
    return float(_FILE.read_text())


def _leaping_time() -> float:
    return _true_time() + _wrong()


datetime.datetime = _Leaping  # type: ignore[misc]
time.time = _leaping_time
