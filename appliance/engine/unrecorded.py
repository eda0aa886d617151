"""How many audit entries of this engine wait for the auditor, and from which number on no new message is taken."""

from __future__ import annotations

import logging

from appliance.errors import Error

log = logging.getLogger(__name__)


class Unrecorded:
    """Entries in the outboxes as of the last look, by day. `bound` 0: whatever waits, messages are taken."""

    def __init__(self, bound: int = 0) -> None:
        self.bound = bound
        self.by_day: dict[int, int] = {}
        self.total = 0
        self.why = ""  # why no new message is taken

    def heard(self, day: int, count: int) -> None:
        if count:
            self.by_day[day] = count
        else:
            self.by_day.pop(day, None)
        self.total = sum(self.by_day.values())
        if self.full != bool(self.why):
            self.why = f"{self.total} entries wait for the audit log: no new messages are taken" if self.full else ""
            log.critical("%s", self.why or "the audit log takes entries again, and so new messages are taken")

    @property
    def full(self) -> bool:
        return bool(self.bound) and self.total >= self.bound

    def check(self) -> None:
        """Raises Error `audit_unavailable` when new messages would leave too much off the record."""
        if self.full:
            raise Error(
                "audit_unavailable",
                "the audit log has not taken the entries of earlier messages",
                "send again once it does; what was accepted goes on",
            )
