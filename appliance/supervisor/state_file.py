"""run/state.json: what `casemate status` and the console know about the processes. Written whole, never in part.

Not trusted for any decision: somebody who can change it can only mislead a person who looks.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from appliance import atomic
from appliance.clock import now_ms


class StateFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._started_ms = now_ms()

    def write(self, processes: list[dict[str, Any]]) -> None:
        document = {
            "supervisor": os.getpid(),
            "started_ms": self._started_ms,
            "written_ms": now_ms(),
            "processes": processes,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        atomic.write(self.path, json.dumps(document, indent=1) + "\n", 0o600, durable=False)

    def read(self) -> dict[str, Any] | None:
        """What was written last, or None when nothing was or it cannot be read."""
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return document if isinstance(document, dict) else None
