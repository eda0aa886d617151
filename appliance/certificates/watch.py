"""Looks at the register from time to time and tells what comes to its end: log, audit log once for each step, and who asks for the banner."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from appliance.access import Access
from appliance.errors import Error
from appliance.settings import Settings

from .alarms import Due, due, remembered, untold
from .files import certificates
from .held import keys, secrets
from .item import Item

log = logging.getLogger(__name__)

LOOK_S: Final = 600.0
#: Records one alarm: event, on, outcome, detail. Raises Error.
Record = Callable[..., None]


def register(settings: Settings, access: Access, state: dict[str, Any], each: bool = False) -> list[Item]:
    """Every certificate, key and secret. `state` is the keys process's; empty when it does not answer: then its rows are missing."""
    return [*certificates(settings), *keys(settings, state, each), *secrets(settings, access)]


class Watch:
    """`look` reads the register; `record` puts an alarm on the audit log. What was told is kept in `home/certificates`."""

    def __init__(self, settings: Settings, look: Callable[[], list[Item]], record: Record) -> None:
        self.look = look
        self.record = record
        self.found: list[Due] = []
        self._path = settings.home / "certificates" / "told.json"

    def turn(self, now_ms: int) -> list[Due]:
        """One look; those of which something new was told. What cannot be recorded is tried again at the next."""
        self.found = due(self.look(), now_ms)
        told = self._told()
        fresh = untold(self.found, told)
        done = []
        for each in fresh:
            text = f"{each.item.id} {'ended' if each.past else 'ends'} on {_day(each.item.expires_ms)}: {each.item.purpose}"
            (log.error if each.past else log.warning)("certificates: %s", text)
            try:
                self.record(
                    "register.alarm", f"item:{each.item.id}", "failed" if each.past else "ok", days_count=each.left
                )
            except Error as e:
                log.warning("certificates: not on the record yet: %s", e)
                continue
            done.append(each)
        unrecorded = {each.mark for each in fresh} - {each.mark for each in done}
        kept = {m: step for m, step in remembered(self.found).items() if m not in unrecorded}
        kept |= {m: told[m] for m in unrecorded if m in told}
        if kept != told:
            self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._path.write_text(json.dumps(kept, indent=1, sort_keys=True), encoding="utf-8")
        return done

    def run(self, clock: Callable[[], int]) -> None:
        """Looks from a thread of its own until the process ends."""

        def turns() -> None:
            pause = threading.Event()
            while True:
                try:
                    self.turn(clock())
                except (Error, OSError) as e:
                    log.warning("certificates: the register could not be read: %s", e)
                pause.wait(LOOK_S)

        threading.Thread(target=turns, name="certificates", daemon=True).start()

    def _told(self) -> dict[str, int]:
        try:
            said = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(mark): int(step) for mark, step in said.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}


def _day(at_ms: int) -> str:
    from appliance.clock import rfc3339

    return rfc3339(at_ms)[:10]
