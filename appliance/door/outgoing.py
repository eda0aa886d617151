"""HOT: which letters of an account go out next, and what an answer means for them. Pure: pages and times are passed in.

Letters go in order. One that the bank's system cannot take now is tried again in its place, after a pause for the whole account that
doubles from a second to five minutes; after three times in its place it waits alone and those behind it go on. What
a system refuses for good is set aside for a person to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from math import inf

from appliance.limits import (
    DOOR_ATTEMPTS_IN_ORDER,
    DOOR_LETTERS_HELD,
    DOOR_LETTERS_LATER,
    DOOR_RETRY_S_MAX,
    DOOR_RETRY_S_MIN,
)
from appliance.smpp import spec, status_name, verdict

from .book import Gone, Letter

Page = Callable[[int, int, int], list[Letter]]  # account, after which number, how many at most

DONE, AGAIN, ASIDE = "done", "again", "aside"


def meaning(status: int) -> str:
    """What the command_status of a deliver_sm_resp means for its letter.

    Only what the specification calls permanent is; a number of the system's own is tried again: nothing is lost by it.
    """
    if status == spec.ESME_ROK:
        return DONE
    return ASIDE if status in spec.STATUSES and verdict(status) == spec.PERMANENT else AGAIN


class _Line:
    """The letters of one account that are in memory: at most a page ready, those under way, those that wait alone."""

    __slots__ = (
        "again_upto",
        "attempts",
        "cursor",
        "later",
        "more",
        "pause_s",
        "paused_until_s",
        "probing",
        "ready",
        "under_way",
    )

    def __init__(self) -> None:
        self.ready: list[Letter] = []  # a heap by number: n is a letter's first field
        self.later: list[tuple[float, Letter]] = []  # a heap by time
        self.under_way: dict[int, Letter] = {}
        self.attempts: dict[int, int] = {}  # of letters that failed at least once
        self.cursor = 0  # number of the last letter read from the book
        self.again_upto = 0  # up to this number some letters are in memory already
        self.more = True  # there may be letters behind it
        self.pause_s = 0.0
        self.paused_until_s = -inf
        self.probing = False  # after a pause one letter goes alone until one is taken


class Outgoing:
    """Every account's line. `done` and `aside` are what the book is still to be told; take them with `drain`."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._lines: dict[int, _Line] = {}
        self.done: list[Letter] = []
        self.aside: list[tuple[Letter, str]] = []

    def take(self, account: int, room: int, now_s: float) -> list[Letter]:
        """At most `room` letters to hand over now; each stays under way until it is settled, lost or returned."""
        line = self._lines.get(account)
        if line is None:
            line = self._lines[account] = _Line()
        if now_s < line.paused_until_s:
            return []
        if line.probing:
            room = min(room, 1 - len(line.under_way))
        out: list[Letter] = []
        while len(out) < room:
            letter = self._next(account, line, now_s)
            if letter is None:
                break
            line.under_way[letter.n] = letter
            out.append(letter)
        return out

    def _next(self, account: int, line: _Line, now_s: float) -> Letter | None:
        if line.later and line.later[0][0] <= now_s:
            return heappop(line.later)[1]
        if len(line.later) >= DOOR_LETTERS_LATER:
            return None
        while not line.ready and line.more:
            page = self._page(account, line.cursor, DOOR_LETTERS_HELD)  # in order, so a heap
            line.more = len(page) == DOOR_LETTERS_HELD
            line.ready = page if line.cursor >= line.again_upto else _without(page, line)
            if page:
                line.cursor = page[-1].n
        return heappop(line.ready) if line.ready else None

    def settled(self, letter: Letter, status: int, now_s: float) -> None:
        """The bank's system answered. What was forgotten meanwhile is nobody's any more."""
        line = self._lines.get(letter.account)
        if line is None or line.under_way.pop(letter.n, None) is None:
            return
        what = meaning(status)
        if what == AGAIN:
            self._again(line, letter, now_s)
            return
        line.attempts.pop(letter.n, None)
        line.pause_s, line.probing = 0.0, False
        if what == DONE:
            self.done.append(letter)
        else:
            self.aside.append((letter, status_name(status)))

    def unreadable(self, letter: Letter, why: str) -> None:
        """What is sealed in it cannot be opened any more, so it can never be handed over."""
        line = self._lines.get(letter.account)
        if line is not None and line.under_way.pop(letter.n, None) is not None:
            line.attempts.pop(letter.n, None)
            self.aside.append((letter, why))

    def returned(self, letters: Iterable[Letter]) -> None:
        """They did not leave after all: back to their places."""
        for letter in letters:
            line = self._lines.get(letter.account)
            if line is not None and line.under_way.pop(letter.n, None) is not None:
                heappush(line.ready, letter)

    def lost(self, letters: Iterable[Letter], now_s: float) -> None:
        """Their bind ended without an answer: back to their places. The oldest of each account counts as having failed:

        a letter that ends each bind it goes over must not hold up the others for ever. No pause: the bind was one.
        """
        back = sorted(letters)
        suspects: set[int] = set()
        for letter in back:
            line = self._lines.get(letter.account)
            if line is None or letter.n not in line.under_way:
                continue
            del line.under_way[letter.n]
            if letter.account in suspects:
                heappush(line.ready, letter)
                continue
            suspects.add(letter.account)
            self._again(line, letter, now_s, pausing=False)

    def _again(self, line: _Line, letter: Letter, now_s: float, pausing: bool = True) -> None:
        attempts = line.attempts[letter.n] = line.attempts.get(letter.n, 0) + 1
        if attempts > DOOR_ATTEMPTS_IN_ORDER:
            alone_s = DOOR_RETRY_S_MIN * 2.0 ** min(attempts - DOOR_ATTEMPTS_IN_ORDER, 20)
            heappush(line.later, (now_s + min(alone_s, DOOR_RETRY_S_MAX), letter))
            return
        heappush(line.ready, letter)
        if pausing and now_s >= line.paused_until_s:  # what was under way with it does not make the pause longer
            line.pause_s = min(max(2 * line.pause_s, DOOR_RETRY_S_MIN), DOOR_RETRY_S_MAX)
            line.paused_until_s = now_s + line.pause_s
            line.probing = True

    # --- around it ------------------------------------------------------------------------------------------

    def brought(self, accounts: Iterable[int]) -> None:
        """The book has new letters for these."""
        for account in accounts:
            if account in self._lines:
                self._lines[account].more = True

    def again(self, account: int) -> None:
        """The book has letters for this account in old places. Nothing may be left to `drain`."""
        line = self._lines.get(account)
        if line is not None:
            line.ready, line.more = [], True
            line.again_upto, line.cursor = max(line.again_upto, line.cursor), 0

    def forget(self, gone: Iterable[Gone]) -> None:
        """These letters left the book: they do not go out any more; what is on its way may arrive."""
        by_account: dict[int, set[int]] = {}
        for n, account in gone:
            by_account.setdefault(account, set()).add(n)
        for account, numbers in by_account.items():
            line = self._lines.get(account)
            if line is None:
                continue
            for n in numbers:
                line.under_way.pop(n, None)
                line.attempts.pop(n, None)
            line.ready = [letter for letter in line.ready if letter.n not in numbers]
            line.later = [waits for waits in line.later if waits[1].n not in numbers]
            heapify(line.ready)
            heapify(line.later)
        self.done = [letter for letter in self.done if letter.n not in by_account.get(letter.account, ())]
        self.aside = [kept for kept in self.aside if kept[0].n not in by_account.get(kept[0].account, ())]

    def released(self, account: int) -> None:
        """The account has no bind any more: its line is dropped from memory, as it is in the book."""
        line = self._lines.get(account)
        unwritten = {letter.account for letter in self.done} | {letter.account for letter, _ in self.aside}
        if line is not None and not line.under_way and account not in unwritten:
            del self._lines[account]

    def drain(self) -> tuple[list[Letter], list[tuple[Letter, str]]]:
        """What the book is to be told now; when it could not be told, give it back with `undrain`."""
        done, self.done = self.done, []
        aside, self.aside = self.aside, []
        return done, aside

    def undrain(self, done: list[Letter], aside: list[tuple[Letter, str]]) -> None:
        self.done[:0], self.aside[:0] = done, aside

    def wait_s(self, account: int, now_s: float) -> float | None:
        """Seconds until a letter may be taken, 0 when now, None when none is known of."""
        line = self._lines.get(account)
        if line is None:
            return 0.0
        times = [line.later[0][0]] if line.later else []
        if (line.ready or line.more) and len(line.later) < DOOR_LETTERS_LATER:
            times.append(now_s)
        return max(min(times) - now_s, line.paused_until_s - now_s, 0.0) if times else None

    def held(self) -> int:
        """Letters in memory."""
        return sum(len(line.ready) + len(line.later) + len(line.under_way) for line in self._lines.values())


def _without(page: list[Letter], line: _Line) -> list[Letter]:
    known = line.under_way.keys() | {letter.n for _, letter in line.later}
    return [letter for letter in page if letter.n not in known]
