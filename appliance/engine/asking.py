"""HOT: asks operators with query_sm what became of messages whose receipt never came. A few a second, never twice soon, never hot.

SMPP asks by the operator's id, so it settles what was answered: `sent` segments whose validity is over. A segment whose
answer was lost has no id to ask by (see `resolving.py`).
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from appliance import limits
from appliance.message import FINAL, INDETERMINATE, SENT, STATUSES
from appliance.smpp import NO_ANSWER, STATES, Queried, status_name
from appliance.store import DatabaseError, doubts

from .awaited import drop_oldest
from .ledger import Ledger
from .link import Link
from .receipts import settle
from .tending import end_waits
from .undecided import settled

EACH_S: Final = 0.25  # between two steps; in each, ASK_EACH questions a link and one page
ASK_EACH: Final = 1
PAGE_MESSAGES: Final = 2_000  # looked through at a time: well under a millisecond when none is overdue
ROUND_S: Final = 60.0  # between two looks through all days
PENDING_MAX: Final = 1_000
ASKS_MAX: Final = 5  # of one segment; then a person may ask the operator
AGAIN_S: Final = 900.0  # after an answer that settles nothing, or none; doubles

_NUMBER: Final = {name: number for number, name in enumerate(STATUSES)}


class Overdue(NamedTuple):
    """A segment that an operator took and said no more of."""

    day: int
    key: int
    link: str
    operator_id: str  # as the operator wrote it
    canonical: str
    sender: str
    segments: int
    notify: int


class Asker:
    """Looks through the days, asks, and takes in what is answered. Every step is followed by a beat."""

    def __init__(self, ledger: Ledger, links: dict[str, Link]) -> None:
        self.ledger = ledger
        self.links = links
        self.asked = self.resolved = 0
        self._pending: deque[Overdue] = deque()
        self._under_way: dict[tuple[str, str], Overdue] = {}
        self._times: dict[tuple[int, int], tuple[int, float]] = {}  # by segment: how often asked, not before
        self._at: tuple[int, int] = (0, 0)  # day and seq up to which this round has looked
        self._step_s = self._round_s = 0.0

    def step(self, now_s: float, now_ms: int) -> None:
        """Never raises for what operators say."""
        able = [link for link in self.links.values() if link.settings.query_sm]
        for link in able:
            if link.queried:
                queried, link.queried = link.queried, []
                for operator_id, answer in queried:
                    self._answer(link.name, operator_id, answer, now_s, now_ms)
        if not able or now_s - self._step_s < EACH_S:
            return
        self._step_s = now_s
        if len(self._times) > limits.DOUBTS_MAX:
            drop_oldest(self._times, limits.DOUBTS_MAX // 20)
        if not self._pending:
            self._look(frozenset(link.name for link in able), now_s, now_ms)
        self._ask(now_s)

    def _ask(self, now_s: float) -> None:
        room = dict.fromkeys(self.links, ASK_EACH)
        later: list[Overdue] = []
        while self._pending and any(room.values()):
            one = self._pending.popleft()
            if not room[one.link]:
                later.append(one)
                continue
            room[one.link] -= 1
            if self.links[one.link].query(one.operator_id, one.sender, now_s):
                self.asked += 1
                self._under_way[one.link, one.operator_id] = one
                times, _ = self._times.get((one.day, one.key), (0, 0.0))
                self._times[one.day, one.key] = (times + 1, now_s + AGAIN_S * 2**times)
        self._pending.extendleft(reversed(later))

    def _look(self, able: frozenset[str], now_s: float, now_ms: int) -> None:
        """One page of one day."""
        ledger = self.ledger
        day, seq = self._at
        if not day:
            if now_s < self._round_s:
                return
            self._round_s = now_s + ROUND_S
        days = sorted(d for d in ledger.partitions if d >= day)
        if not days:
            self._at = (0, 0)
            return
        if days[0] != day:
            day, seq = days[0], 0
        end_waits(ledger, now_ms)
        if day in ledger.work and ledger.work[day].unfolded_messages:
            ledger.partitions[day].write_unfolded(ledger.work[day])
        partition = ledger.partitions[day]
        names = {number: name for name, number in ledger.link_numbers[day].items()}
        try:
            rows = doubts.overdue(partition, seq, seq + PAGE_MESSAGES, now_ms - limits.QUERY_AFTER_S * 1_000)
        except DatabaseError:
            ledger.quarantine(day, now_ms)
            return
        for key, number, raw, canonical, sender, segments, notify in rows:
            name = names.get(number, "")
            times, not_before_s = self._times.get((day, key), (0, 0.0))
            if name in able and times < ASKS_MAX and now_s >= not_before_s and len(self._pending) < PENDING_MAX:
                self._pending.append(Overdue(day, key, name, raw, canonical, sender, segments, notify))
        self._at = (day, seq + PAGE_MESSAGES) if seq + PAGE_MESSAGES < partition.last_seq else (day + 1, 0)

    def _answer(self, link: str, operator_id: str, answer: Queried, now_s: float, now_ms: int) -> None:
        one = self._under_way.pop((link, operator_id), None)
        if one is None or one.day not in self.ledger.partitions:
            return
        where = (one.day, one.key)
        if answer.status == NO_ANSWER:
            return  # it is asked again, later
        if answer.status:
            self._times[where] = (ASKS_MAX, 0.0)  # the operator knows nothing of it
            self.ledger.work[one.day].events.append(
                (one.key >> 8, now_ms, SENT, f"link {link} was asked and answered {status_name(answer.status)}")
            )
            return
        state = STATES[answer.state]
        status = _NUMBER[state.status]
        if status not in FINAL:
            return
        self._times.pop(where, None)
        self._settle(one, status, f"{state.word} {answer.error or ''}".strip(), now_ms)

    def _settle(self, one: Overdue, status: int, word: str, now_ms: int) -> None:
        ledger = self.ledger
        partition = ledger.partitions[one.day]
        now = {part: state for part, state, *_ in partition.parts(one.key >> 8)}.get(one.key & 255)
        if now not in (SENT, INDETERMINATE) or (one.day, one.key >> 8) in ledger.decided_now:
            return  # a receipt was faster
        if ledger.ends_now((one.link, one.canonical)):
            return  # so was one whose row is still to be written
        ledger.outstanding.pop((one.link, one.canonical), None)
        ledger.just_ended.add((one.link, one.canonical))
        settled(ledger, one.day, one.key, one.segments, status, doubts.ASKED, now_ms)
        error = None if STATUSES[status] == "delivered" else word
        settle(ledger, one.link, (one.day, one.key, one.segments, one.notify, None), status, error, now_ms)
        self.resolved += 1
