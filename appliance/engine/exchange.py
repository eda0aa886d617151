"""Receipts and customers' messages that came on a bind here and belong to another engine of the box: handed over, then acknowledged.

The operator hears nothing before an engine has committed what it delivered. Whose a receipt is, the signpost says, or all are asked;
what nobody knows yet, or whose engine is away, is parked here on disk, and asked about again ever more rarely.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from heapq import heappop, heappush
from itertools import islice
from typing import Any, Final, Protocol

from appliance import clock, limits
from appliance.errors import Error
from appliance.shards import Caller
from appliance.smpp import ClientSession

from .bind import DELIVERS_MAX, Bind
from .ledger import Ledger
from .link import Link
from .receipts import NOTHING_SAID, Signs, any_candidate, park, parked_error, receipted, unparked

ROWS: Final = 2_000  # in one call
CALLS: Final = 2  # under way to one engine
LOOK_AGAIN_S: Final = 0.05  # an id that nobody knows: its answer is on its way
ANSWER_S_MAX: Final = 2.0  # so long a receipt waits for an engine that is away; then it is parked
CALL_S_MAX: Final = 5.0
RETRY_S: Final = 0.2
ASK_S: Final = (
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
)  # between two questions about a parked receipt; then the last again

UNKNOWN, TAKEN, LIKELY = range(
    3
)  # of a receipt: nobody's; committed; there are messages to its number without a receipt
ESME_RX_T_APPN: Final = 0x64


Act = Callable[[], Any]


class Where(Protocol):
    """`appliance.shards.Signpost`, as far as it is read."""

    def get(self, link: str, operator_id: str) -> int | None: ...


class Stray:
    """A receipt that came here: where to acknowledge it, and what it says. `signs` reads the rest of it when it is needed."""

    __slots__ = ("bind", "error", "link", "operator_id", "sequence", "session", "signs", "since_s", "status")

    def __init__(
        self, bind: Bind, session: ClientSession, sequence: int, operator_id: str, status: int, error: str | None,
        signs: Callable[[], Signs], now_s: float,
    ) -> None:  # fmt: skip
        self.bind, self.session, self.sequence = bind, session, sequence
        self.link = bind.link.name
        self.operator_id, self.status, self.error = operator_id, status, error
        self.signs = signs
        self.since_s = now_s

    def answer(self, status: int) -> None:
        """To the operator, if it is still there to hear it; else it sends it again by itself."""
        if self.bind.transport is not None and self.bind.session is self.session:
            self.session.acknowledge([(self.sequence, status)])
            self.bind.flush()

    @property
    def there(self) -> bool:
        return self.bind.transport is not None and self.bind.session is self.session


class Exchange:
    """One engine's. `holders`: by link how many engines hold it; `peers`: the other engines by shard; `in_beat`: makes durable what an act decides."""

    def __init__(
        self,
        ledger: Ledger,
        links: Mapping[str, Link],
        shard: int,
        holders: Mapping[str, int],
        peers: Mapping[int, Caller],
        where: Where,
        in_beat: Callable[[Act], Awaitable[Any]],
    ) -> None:
        self.ledger = ledger
        self.links = links
        self.shard = shard
        self.holders = holders
        self.peers = peers
        self.where = where
        self.in_beat = in_beat
        self.strays: dict[int, deque[Stray]] = {peer: deque() for peer in peers}
        self.letters: dict[int, deque[tuple[Stray, list[Any]]]] = {peer: deque() for peer in peers}
        self.unknown: deque[tuple[float, Stray]] = deque()
        self.handed = self.taken = 0  # receipts handed over, receipts of others taken
        self._busy: dict[int, int] = dict.fromkeys(peers, 0)
        self._not_before: dict[int, float] = {}
        self._parked: list[tuple[float, int, str, str]] = []  # when to ask again, how often it was, link, id
        self._known: set[tuple[str, str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._recovered = False

    # --- what comes in ------------------------------------------------------------------------------------

    def shared(self, link: str) -> bool:
        """Whether others hold that link too, so that its receipts may be theirs."""
        return self.holders.get(link, 1) > 1

    def owner(self, link: str, operator_id: str) -> int | None:
        """The other engine that waits for this id, as far as one is known."""
        shard = self.where.get(link, operator_id)
        return shard if shard in self.peers else None

    def give(self, owner: int | None, stray: Stray) -> None:
        """Takes charge of a receipt until it is acknowledged. More than memory may hold comes again later."""
        if self.waiting > DELIVERS_MAX:
            stray.answer(ESME_RX_T_APPN)
        elif owner is None:
            self.unknown.append((stray.since_s + LOOK_AGAIN_S, stray))
        else:
            self.strays[owner].append(stray)

    def keeper(self, number_index: bytes) -> int:
        """Who joins and keeps a customer's messages: always the same, of the engines that can answer over any link."""
        return int.from_bytes(number_index[:4], "big") % min(self.holders.values(), default=1)

    def forward(self, keeper: int, stray: Stray, letter: list[Any]) -> None:
        if self.waiting > DELIVERS_MAX:
            stray.answer(ESME_RX_T_APPN)
        else:
            self.letters[keeper].append((stray, letter))

    @property
    def waiting(self) -> int:
        """What was heard and is not acknowledged yet."""
        return len(self.unknown) + sum(map(len, self.strays.values())) + sum(map(len, self.letters.values()))

    # --- between beats ------------------------------------------------------------------------------------

    def step(self, now_s: float) -> None:
        """Starts the calls that are due."""
        if not self._recovered:
            self._recovered = True
            self._ask_about(((link, i) for link, ids in self.ledger.parked.by_link.items() for i in ids), now_s)
        for peer in self.peers:
            while (self.strays[peer] or self.letters[peer]) and self._may_call(peer, now_s):
                if self.strays[peer]:
                    self._start(self._hand_over(peer, _some(self.strays[peer], ROWS)))
                else:
                    self._start(self._post(peer, _some(self.letters[peer], ROWS // 10)))
                self._busy[peer] += 1
        late: list[Stray] = []
        while self.unknown and self.unknown[0][0] <= now_s and len(late) < ROWS:
            late.append(self.unknown.popleft()[1])
        if late:
            self._start(self._look_again(late))
        due: list[tuple[float, int, str, str]] = []
        while self._parked and self._parked[0][0] <= now_s and len(due) < ROWS:
            due.append(heappop(self._parked))
        if due:
            self._start(self._ask_again(due))

    def _may_call(self, peer: int, now_s: float) -> bool:
        return self._busy[peer] < CALLS and now_s >= self._not_before.get(peer, 0.0)

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """What is not acknowledged is delivered again by its operator."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- receipts -----------------------------------------------------------------------------------------

    async def _hand_over(self, peer: int, strays: list[Stray]) -> None:
        rows = [[each.link, each.operator_id, each.status, each.error] for each in strays]
        try:
            said = await self.peers[peer].call("receipts", {"rows": rows, "park": False}, CALL_S_MAX)
        except Error:
            now_s = clock.monotonic_s()
            self._not_before[peer] = now_s + RETRY_S
            late = [each for each in strays if now_s - each.since_s > ANSWER_S_MAX]
            self.strays[peer].extendleft(each for each in reversed(strays) if each.there and each not in late)
            if late:
                await self._park(late, [each.signs() for each in late])
            return
        finally:
            self._busy[peer] -= 1
        for each, what in zip(strays, said["what"], strict=True):
            if what == TAKEN:
                self.handed += 1
                each.answer(0)
            else:  # the signpost was wrong
                self.unknown.append((0.0, each))

    async def _look_again(self, strays: list[Stray]) -> None:
        """An answer may have come meanwhile, here or elsewhere; what is still nobody's, all are asked about."""
        ours: list[Stray] = []
        for each in strays:
            owner = self.owner(each.link, each.operator_id)
            if owner is not None and clock.monotonic_s() - each.since_s < LOOK_AGAIN_S * 4:
                self.strays[owner].append(each)
            else:
                ours.append(each)
        if not ours:
            return
        try:
            found = await self.in_beat(lambda: self.take([_row(each) for each in ours], False))
        except Error:
            self.unknown.extend((clock.monotonic_s() + RETRY_S, each) for each in ours if each.there)
            return
        likely: dict[int, set[int]] = {n: {self.shard} for n, what in enumerate(found) if what == LIKELY}
        open_ = [n for n, what in enumerate(found) if what != TAKEN]
        for n, what in enumerate(found):
            if what == TAKEN:
                ours[n].answer(0)
        silent = await self._ask_all(ours, open_, likely)
        await self._placed(ours, open_, likely, silent)

    async def _ask_all(self, strays: list[Stray], open_: list[int], likely: dict[int, set[int]]) -> bool:
        """Asks every other engine; `open_` keeps those that none has taken. Whether one did not answer."""
        rows = [_row(strays[n]) for n in open_]
        numbers = list(open_)
        silent = False
        for peer in self.peers:
            if not numbers:
                break
            try:
                what = (await self.peers[peer].call("receipts", {"rows": rows, "park": False}, CALL_S_MAX))["what"]
            except Error:
                silent = True
                continue
            for n, each in zip(numbers, what, strict=True):
                if each == TAKEN and n in open_:
                    open_.remove(n)
                    self.handed += 1
                    strays[n].answer(0)
                elif each == LIKELY:
                    likely.setdefault(n, set()).add(peer)
        return silent

    async def _placed(self, strays: list[Stray], open_: list[int], likely: dict[int, set[int]], silent: bool) -> None:
        """Parks each where the messages are that it may be of. What two engines may mean is parked without what one could guess by."""
        here: list[Stray] = []
        signs: list[Signs] = []
        away: dict[int, list[Stray]] = {}
        for n in open_:
            where = likely.get(n, set())
            peer = next(iter(where), self.shard) if len(where) == 1 and not silent else self.shard
            if peer == self.shard:
                here.append(strays[n])
                sure = where <= {self.shard} and not silent
                signs.append(strays[n].signs() if sure else NOTHING_SAID)
            else:
                away.setdefault(peer, []).append(strays[n])
        for peer, some in away.items():
            try:
                await self.peers[peer].call(
                    "receipts", {"rows": [_row(each) for each in some], "park": True}, CALL_S_MAX
                )
            except Error:
                here += some
                signs += [NOTHING_SAID] * len(some)
                continue
            self.handed += len(some)
            for each in some:
                each.answer(0)
        await self._park(here, signs)

    async def _park(self, strays: list[Stray], signs: list[Signs]) -> None:
        def act() -> None:
            now_ms = clock.now_ms()
            for each, said in zip(strays, signs, strict=True):
                if not receipted(self.ledger, each.link, each.operator_id, each.status, each.error, now_ms):
                    park(self.ledger, each.link, each.operator_id, each.status, each.error, said, now_ms)

        try:
            if strays:
                await self.in_beat(act)
        except Error:
            self.unknown.extend((clock.monotonic_s() + RETRY_S, each) for each in strays if each.there)
            return
        for each in strays:
            each.answer(0)
        self._ask_about(((each.link, each.operator_id) for each in strays), clock.monotonic_s())

    # --- what is parked here ------------------------------------------------------------------------------

    def _ask_about(self, parked: Iterable[tuple[str, str]], now_s: float) -> None:
        for link, operator_id in parked:
            if len(self._parked) < limits.DOUBTS_MAX and self.shared(link) and (link, operator_id) not in self._known:
                self._known.add((link, operator_id))
                heappush(self._parked, (now_s + ASK_S[0], 0, link, operator_id))

    async def _ask_again(self, due: list[tuple[float, int, str, str]]) -> None:
        """A parked receipt may be of a message that another engine has sent since, or that was away."""
        ledger = self.ledger
        rows: list[tuple[int, list[Any]]] = []
        for _, times, link, operator_id in due:
            found = parked_error(ledger, link, operator_id)
            if found is None:
                self._known.discard((link, operator_id))  # it has been applied here, or forgotten
            else:
                rows.append((times, [link, operator_id, *found]))
        taken: set[int] = set()
        for peer in self.peers if rows else ():
            left = [n for n in range(len(rows)) if n not in taken]
            try:
                asked = {"rows": [rows[n][1] for n in left], "park": False}
                what = (await self.peers[peer].call("receipts", asked, CALL_S_MAX))["what"]
            except Error:
                continue
            taken.update(n for n, each in zip(left, what, strict=True) if each == TAKEN)
        if taken:
            gone = [(str(rows[n][1][0]), str(rows[n][1][1])) for n in taken]
            try:
                await self.in_beat(lambda: unparked(ledger, gone))
                self.handed += len(gone)
                self._known.difference_update(gone)
            except Error:
                taken = set()
        now_s = clock.monotonic_s()
        for n, (times, row) in enumerate(rows):
            if n not in taken:
                pause_s = ASK_S[min(times + 1, len(ASK_S) - 1)]
                heappush(self._parked, (now_s + pause_s, times + 1, row[0], row[1]))

    async def tell_all(self, op: str, payload: dict[str, Any]) -> None:
        """Has every other engine do something that may be done again. Raises Error when one of them has not."""
        for peer in self.peers.values():
            await peer.call(op, payload, CALL_S_MAX)

    # --- what others hand over ----------------------------------------------------------------------------

    def take(self, rows: list[Any], parks: bool) -> list[int]:
        """Within a beat: receipts that came elsewhere, or came here and were not known. What each is here, once it is durable."""
        ledger, now_ms = self.ledger, clock.now_ms()
        out = []
        for link, operator_id, status, error, *signs in rows:
            if receipted(ledger, link, operator_id, status, error, now_ms):
                out.append(TAKEN)
                self.taken += 1
                if link in self.links:
                    self.links[link].delivered += 1  # the operator delivers, if on another bind
            elif parks:
                park(ledger, link, operator_id, status, error, Signs(*signs), now_ms)
                out.append(TAKEN)
            else:
                number_index = signs[0] if signs else None
                out.append(LIKELY if number_index and any_candidate(ledger, link, number_index, now_ms) else UNKNOWN)
        return out

    async def _post(self, peer: int, letters: list[tuple[Stray, list[Any]]]) -> None:
        """Customers' messages to who keeps them. One that nobody can take now comes again: its operator is told so."""
        try:
            said = await self.peers[peer].call("letters", {"rows": [row for _, row in letters]}, CALL_S_MAX)
            statuses = [int(status) for status in said["statuses"]]
        except Error:
            self._not_before[peer] = clock.monotonic_s() + RETRY_S
            statuses = [ESME_RX_T_APPN] * len(letters)
        finally:
            self._busy[peer] -= 1
        for (stray, _), status in zip(letters, statuses, strict=True):
            stray.answer(status)


def _row(stray: Stray) -> list[Any]:
    return [stray.link, stray.operator_id, stray.status, stray.error, *stray.signs()]


def _some(queue: deque[Any], most: int) -> list[Any]:
    out = list(islice(queue, most))
    for _ in out:
        queue.popleft()
    return out
