"""What an event loop leaves in the book of evidence: its policy at the start, and every few seconds what its rules refused."""

from __future__ import annotations

import logging
from typing import Final

from appliance.clock import monotonic_s, now_ms
from appliance.errors import Error
from appliance.settings import Settings
from appliance.store import DatabaseError, StoreWatch

from .basis import read_basis
from .book import EvidenceBook, Refusals
from .explaining import Facts, Ruling, explained
from .policy import Policy

WRITE_S: Final = 5.0  # a process that dies forgets so much of its counts
RULE_CHARACTERS_MAX: Final = 64
log = logging.getLogger(__name__)


class EvidenceWatch(StoreWatch[EvidenceBook]):
    """`policy` is what the process works by; `refused` counts, `look` writes it down in a thread."""

    def __init__(self, settings: Settings, process: str) -> None:
        super().__init__("the evidence", lambda: EvidenceBook(settings))
        self.process = process
        self.policy = Policy.of(settings)
        self._known: dict[str, Policy] = {self.policy.digest: self.policy}
        self._counts = Refusals()
        self._began = False
        self._written_s = 0.0

    def refused(self, error: Error) -> None:
        """One message more that was refused; the rule or the country is within the error, never what it was about."""
        rule = str(error.detail.get("rule") or error.detail.get("country") or "")[:RULE_CHARACTERS_MAX]
        self._counts[error.code, rule] += 1

    async def look(self) -> None:
        """Writes down what there is."""
        if not self._began or (self._counts and monotonic_s() - self._written_s >= WRITE_S):
            counts, self._counts = self._counts, Refusals()
            self._written_s = monotonic_s()
            try:
                await self.do(lambda book: self._write(book, counts))
            except (DatabaseError, Error) as e:
                log.warning("the evidence cannot be written: %s", type(e).__name__)
                self._counts.update(counts)

    def _write(self, book: EvidenceBook, counts: Refusals) -> None:
        if not self._began:
            book.began(self.policy, self.process, now_ms())
            self._began = True
        if counts:
            book.refused(counts, self.process, now_ms())

    async def explain(self, basis: str, facts: Facts) -> list[Ruling]:
        """What let a message through, also under a policy of former settings."""
        digest = read_basis(basis).get("policy", "")
        if digest and digest not in self._known:
            found = await self.do(lambda book: book.policy(digest))
            if found is not None:
                self._known[digest] = found
        return explained(self._known.get(digest), basis, facts)

    def close(self) -> None:
        if self._began and self._counts:
            self._thread.submit(self._with_book, lambda book: self._write(book, self._counts))
        super().close()
