"""What an operator says of a number before a code goes there: asked through the courier, judged here, and put on the audit log with the verification."""

from __future__ import annotations

import logging
from typing import Any, Final

from appliance.errors import Error
from appliance.intake import Caller
from appliance.settings import Camara, NumberCheck, Settings
from appliance.verify import UNKNOWN, Told, check_of

from .numbers import Numbers

log = logging.getLogger(__name__)

CALL_S: Final = 0.5  # beyond the operator's own time: to the courier and back
WORDS: Final = frozenset({"sim", "tenure", "why", "asked_of"})


class NumberChecking:
    """Of one gateway. Without rows [[number_check]] nothing is asked and nothing costs anything."""

    def __init__(self, settings: Settings, courier: Caller | None, numbers: Numbers) -> None:
        self.checks: tuple[NumberCheck, ...] = settings.number_checks
        self.camaras: tuple[Camara, ...] = settings.camaras
        self.courier = courier
        self.numbers = numbers

    def of(self, purpose: str) -> NumberCheck | None:
        """What is asked before codes of a purpose; None: nothing."""
        return check_of(self.checks, purpose) if self.checks else None

    async def told(self, check: NumberCheck, number: str, correlator: str) -> Told:
        """What the operator says. Never raises: a courier that does not answer is an operator that does not."""
        asked = {
            "number": number,
            "swap_hours": check.swap_hours,
            "tenure_days": check.tenure_days,
            "correlator": correlator,
        }
        row = next((c for c in self.camaras if number.startswith(c.prefix, 1)), None)
        wait_s = (row.timeout_ms / 1000 if row is not None else 0.0) + CALL_S
        found: Any = None
        if self.courier is not None:
            try:
                found = await self.courier.call("number_check", asked, timeout_s=wait_s)
            except Error as e:
                log.warning("a number's operator could not be asked: %s", e.code)
        if not isinstance(found, dict) or set(found) != WORDS or not all(isinstance(v, str) for v in found.values()):
            sim, tenure = (UNKNOWN if wanted else "" for wanted in (check.swap_hours, check.tenure_days))
            found = {"sim": sim, "tenure": tenure, "why": "not_asked", "asked_of": ""}
        told = Told(**found)
        for question, word in (("sim", told.sim), ("tenure", told.tenure)):
            if word:
                self.numbers.number_checked(question, word)
        return told
