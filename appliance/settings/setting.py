"""What one setting is: a row of a table."""

from __future__ import annotations

from typing import Any, NamedTuple


class Setting(NamedTuple):
    """One row. `kind` is one of str, int, float, bool, path, strs (list of str), or a tuple of the allowed words."""

    name: str
    kind: str | tuple[str, ...]
    default: Any
    help: str
    least: float | None = None
    most: float | None = None
