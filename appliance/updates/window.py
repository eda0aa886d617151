"""The hours in which the box may restart by itself. Pure."""

from __future__ import annotations

import re
from typing import Final

from appliance.errors import Error

_FORM: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")
DAY_MINUTES: Final = 1440


def window(text: str) -> tuple[int, int] | None:
    """Minutes of the day, from and to; None for "" (only when asked). Raises Error `settings_invalid`."""
    if not text:
        return None
    found = _FORM.fullmatch(text)
    if found is None:
        raise Error(
            "settings_invalid", f"firmware.window: {text!r} is no window", 'write it like "22:00-04:00", in UTC'
        )
    a, b, c, d = map(int, found.groups())
    return a * 60 + b, c * 60 + d


def open_at(text: str, at_ms: int) -> bool:
    """Whether a restart may be now. A window may go over midnight; one that begins where it ends is the whole day."""
    hours = window(text)
    if hours is None:
        return False
    begin, end = hours
    minute = at_ms // 60_000 % DAY_MINUTES
    return (minute - begin) % DAY_MINUTES < ((end - begin) % DAY_MINUTES or DAY_MINUTES)
