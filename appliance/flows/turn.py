"""One turn of the runner: everything that came, and every run that is due, one step each, in one commit. Time and keys are passed in.

A crash before the commit leaves all of it to be done again; after it, what is to be done outside stands in the runs' rows (`effect`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from appliance.consent import STOP, STOP_ALL, Keywords
from appliance.errors import Error
from appliance.limits import FLOW_RUNS_AT_ONCE

from . import versions
from .book import Book, Come, Row
from .definition import Definition
from .machine import advance
from .sealed import Kept, Key, opened, sealed
from .states import CODING, ENDED, ERASED, REPLIED, REPLY, SENDING, STOPPED, Heard, late
from .ways import laid

log = logging.getLogger(__name__)

AGAIN_MS: Final = 500  # a reply to what is just being handed on waits so long
_content: Final = msgspec.msgpack.Decoder(dict[str, Any]).decode


class Outcome(NamedTuple):
    """What came of something done outside. `heard` None: it is another's to say later."""

    run: bytes
    step: int
    heard: Heard | None


class Code(NamedTuple):
    """A verification of a run that is over. `token`: what to say when it was taken."""

    run: bytes
    heard: Heard
    token: bytes


class Given(NamedTuple):
    """What a turn works with. `keys`: by number; None for one that was destroyed. `index_of`: number to blind index."""

    at_ms: int
    keys: Mapping[int, Key | None]
    index_of: Callable[[str], bytes]
    outcomes: list[Outcome]
    codes: list[Code]


class Turned(NamedTuple):
    """`missing`: keys to be fetched before what needs them can be done; `again`: outcomes for the next turn; `codes`: tokens taken; `more`: go on at once."""

    missing: set[int]
    again: list[Outcome]
    codes: list[bytes]
    steps: int
    more: bool


class Definitions:
    """What runs go by, read once a version."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Definition] = {}

    def of(self, book: Book, name: str, version: int) -> Definition:
        """Raises Error `not_found`."""
        known = self._known.get((name, version))
        if known is None:
            text = versions.one(book.conn, name, version).body
            known = self._known[name, version] = msgspec.json.decode(text.encode(), type=Definition)
        return known


class Turning:
    """Turns over one book, on one thread."""

    def __init__(self, stop_words: Iterable[str] = ()) -> None:
        """`stop_words`: the programmes' own, beside the usual ones."""
        self.definitions = Definitions()
        self._keywords = Keywords("", {STOP: stop_words})

    def turn(self, book: Book, given: Given) -> Turned:
        """Raises Error `store_full` when nothing of it was written."""
        turned: Turned = book.act(lambda b: _Turn(self, b, given).whole())
        return turned

    def stops(self, text: str) -> bool:
        """Whether a customer asks to be left alone: then it is no answer, whatever the question."""
        decision = self._keywords.decide(text)
        return decision is not None and decision.action in (STOP, STOP_ALL)


class _Turn:
    def __init__(self, turning: Turning, book: Book, given: Given) -> None:
        self.turning, self.book, self.given = turning, book, given
        self.missing: set[int] = set()
        self.steps = 0

    def whole(self) -> Turned:
        again: list[Outcome] = []
        codes: list[bytes] = []
        for outcome in self.given.outcomes:
            if outcome.heard is None:
                self.book.handed(outcome.run, outcome.step)
            elif not self.take(outcome.run, outcome.heard):
                again.append(outcome)
        for code in self.given.codes:
            if self.code(code):
                codes.append(code.token)
        come = self.book.come(self.given.at_ms, FLOW_RUNS_AT_ONCE)
        done = [each.n for each in come if self.one(each)]
        self.book.taken(done)
        due = self.book.due(self.given.at_ms, FLOW_RUNS_AT_ONCE)
        late_ones = [run for run in due if self.time(run)]
        full = len(come) == FLOW_RUNS_AT_ONCE or len(due) == FLOW_RUNS_AT_ONCE
        return Turned(self.missing, again, codes, self.steps, full and bool(done or late_ones))

    def one(self, come: Come) -> bool:
        """Whether it is done with."""
        if come.run is not None:
            return self.take(come.run, come.heard)
        return self.reply(come)

    def code(self, code: Code) -> bool:
        row = self.book.runs([code.run]).get(code.run)
        if row is not None and row.machine.phase == CODING and not row.machine.verification:
            return False  # that it was sent is not known yet: the outcome comes first
        return self.take(code.run, code.heard)

    def time(self, run: bytes) -> bool:
        row = self.book.runs([run]).get(run)
        heard = late(row.machine, self.given.at_ms) if row is not None else None
        if row is None or heard is None:
            return False
        return self.step(row, heard)

    def take(self, run: bytes, heard: Heard) -> bool:
        """Whether it is done with: a key that is not at hand leaves it for the next turn."""
        row = self.book.runs([run]).get(run)
        if row is None or row.machine.phase == ENDED:
            return True
        return self.step(row, heard)

    def step(self, row: Row, heard: Heard) -> bool:
        key, there = self.key(row.key_id)
        if not there:
            return False
        self.steps += 1
        try:
            if key is None:
                raise Error("key_destroyed", "the key of the run's day was destroyed")
            kept = opened(key, row.id, row.sealed)
            flow = laid(self.turning.definitions.of(self.book, row.workflow, row.version), kept.ways)
        except (Error, msgspec.MsgspecError):
            self.book.cancel(row, self.given.at_ms, ERASED, "key gone")
            return True
        at_ms = self.given.at_ms
        try:
            advanced = advance(flow, row.machine, kept.variables, heard, kept.locale, at_ms)
        except Exception as e:  # our own mistake must not hold all other runs
            log.error("workflow %s broke in state %s: %s", row.workflow, row.machine.state, type(e).__name__)
            self.book.cancel(row, at_ms, "failed", "broke")
            return True
        blob = row.sealed
        if advanced.variables is not kept.variables:
            blob = sealed(key, row.id, _with(kept, advanced.variables))
        if advanced.run is row.machine and not advanced.trace:
            return True  # nothing came of it
        self.book.put(row, advanced.run, blob, row.key_id, advanced.trace, at_ms)
        return True

    def key(self, key_id: int | None) -> tuple[Key | None, bool]:
        if key_id is None or key_id in self.given.keys:
            return self.given.keys.get(key_id or 0), True
        self.missing.add(key_id)
        return None, False

    # --- replies ------------------------------------------------------------------------------------------

    def reply(self, come: Come) -> bool:
        """A customer's message: to the run of its number that waits for one. Of two that wait nobody knows which is meant: then it
        is no answer to either, and both ask again or hand over."""
        key, there = self.key(come.key_id)
        if not there:
            return False
        if key is None or come.message is None or not come.content:
            return True
        try:
            number = key.open(bytes(come.number or b""), b"n" + come.message).decode()
            content = _content(key.open(bytes(come.content), b"h" + come.message))
        except (Error, msgspec.MsgspecError, UnicodeDecodeError):
            return True
        text = content.get("text") if not content.get("missing") else None
        runs = self.book.of_subject(self.given.index_of(number))
        waiting = [row for row in runs if row.machine.phase == REPLY and row.machine.asked_ms <= come.at_ms]
        if not waiting:
            if any(row.machine.phase == SENDING for row in runs):
                self.book.later(come.n, self.given.at_ms + AGAIN_MS)
                return False
            return True
        keys = [self.key(row.key_id) for row in waiting]
        if not all(there for _, there in keys):
            return False  # all of them at once, or none
        said = text or ""
        if self.turning.stops(said):
            heard = Heard(STOPPED)
        else:
            heard = Heard(REPLIED, said if len(waiting) == 1 else "")
        for row in waiting:
            self.step(row, heard)
        return True


def _with(kept: Kept, variables: dict[str, Any]) -> Kept:
    return msgspec.structs.replace(kept, variables=variables)
