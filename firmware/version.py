"""Versions of a release: one to four numbers with dots, compared as numbers. `0.10.0` is newer than `0.9.9`, `1.2` equals `1.2.0`."""

from __future__ import annotations

import re
from typing import Final

_FORM: Final = re.compile(r"(?:0|[1-9][0-9]{0,5})(?:\.(?:0|[1-9][0-9]{0,5})){0,3}", re.ASCII)
PARTS: Final = 4

Version = tuple[int, int, int, int]


def version(text: str) -> Version:
    """The four numbers. Raises ValueError for anything else, leading zeros and suffixes included."""
    if not _FORM.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no version like 1.4.2")
    numbers = [int(part) for part in text.split(".")]
    a, b, c, d = numbers + [0] * (PARTS - len(numbers))
    return a, b, c, d


def is_version(text: str) -> bool:
    return bool(_FORM.fullmatch(text))
