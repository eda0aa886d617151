"""How an installation is going, for whoever looks on from another process: a file that is replaced whole at each per cent."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from appliance import atomic

NAME: Final = "progress.json"


class Progress:
    """Passes on what it is told, and notes it. A note that cannot be written is left out: writing the release goes on."""

    def __init__(self, folder: Path, told: Callable[[str, int, int], None]) -> None:
        self.folder, self.told = folder, told
        self._noted = ("", -1)

    def __call__(self, what: str, octets: int, whole: int) -> None:
        self.told(what, octets, whole)
        mark = (what, octets * 100 // whole if whole else 100)
        if mark != self._noted:
            self._noted = mark
            self._write({"step": what, "percent": mark[1]})

    def ended(self, version: str, code: str = "") -> None:
        """Written, or refused with a code."""
        self._write({"step": "", "version": version, "refused": code})

    def _write(self, what: dict[str, Any]) -> None:
        with suppress(OSError):
            atomic.write(self.folder / NAME, json.dumps(what), durable=False)


def progress(folder: Path) -> dict[str, Any]:
    """The last note; empty for none."""
    try:
        found = json.loads((folder / NAME).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
