"""Whether the audit store takes entries, since when it does not, and the alarm of it. No clock: times are passed in."""

from __future__ import annotations

import logging
from typing import NamedTuple

from appliance.errors import Error

log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """A store that cannot be written: a full or lost disk, which mends, or a damaged file, which waits for a person."""

    error: Error
    since_ms: int

    @property
    def damaged(self) -> bool:
        return self.error.code == "store_damaged"


class Failing:
    """`now`: the failure that lasts, None when the store is well."""

    def __init__(self) -> None:
        self.now: Failure | None = None

    def failed(self, error: Error, at_ms: int) -> None:
        """A commit failed. Said once, and again when it turns out to be damage."""
        first = self.now is None
        damage = self.now is not None and error.code == "store_damaged" and not self.now.damaged
        if first or damage:
            self.now = Failure(error, at_ms if self.now is None else self.now.since_ms)
            log.critical("audit: NOTHING IS RECORDED, privileged acts are refused: %s", error)

    def mended(self, at_ms: int) -> None:
        """A commit went well after it."""
        if self.now is not None:
            log.critical("audit: entries are recorded again after %d s", (at_ms - self.now.since_ms) // 1000)
        self.now = None


def told(error: Error | None) -> str:
    return "" if error is None else f"{error.code}: {error.message}"
