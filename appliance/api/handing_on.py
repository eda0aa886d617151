"""From the verifications' commits to engine and auditor: messages at once, entries in order, each once through every crash.

A request is answered when its verification, its message and its entry are on disk together; what is here comes after. What a gateway that
died had in hand is handed on by the next one under the same key, which the engine knows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from appliance.clock import now_ms
from appliance.errors import Error
from appliance.limits import VERIFY_ACTS_AT_ONCE
from appliance.store import DatabaseError
from appliance.verify import (
    Block,
    Book,
    Handing,
    Left,
    Letter,
    Verification,
    letter_aad,
    letter_packed,
    letter_unpacked,
)

from .gateway import Gateway
from .requests import Message
from .sending import Sending
from .verifying_answers import send_key

log = logging.getLogger(__name__)

ADDRESS: Final = b"/v1/verifications"
LOOK_S: Final = 1.0  # between two looks at what was left
EACH_S: Final = 0.05  # between two calls of the auditor: many commits make one call

#: What is to be one commit: the verification as it is then, and the block that its prefix got by it.
Act = Callable[[Book, Handing], tuple[Verification, Block | None]]


class Leaving(NamedTuple):
    """A message that is in the book and about to go to the engine: taken in already, for this first time."""

    verification: bytes
    sends: int
    caller: int
    intake: Any


class HandingOn:
    """Of one gateway. `away`: the last call said that the audit log takes nothing; then no code is begun."""

    def __init__(self, gateway: Gateway, sending: Sending) -> None:
        self.gateway, self.sending = gateway, sending
        self.watch = gateway.verifications
        self.away = False
        self.each_s = EACH_S
        self._own: set[tuple[bytes, int]] = set()  # in hand in this process
        self._untold: set[bytes] = set()  # verifications of which this process committed what the auditor may not have
        self._round = asyncio.Event()  # of the call to the auditor that is next to end
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling: asyncio.Task[None] | None = None

    def check_open(self) -> None:
        """Raises Error `audit_unavailable`: a code of which the log is not told at once is not made."""
        well, why = self.gateway.peers.checks["auditor"]
        if self.away or not well:
            why = why if not well else "it did not take what was to be recorded"
            raise Error("audit_unavailable", "what happens could not be recorded, so it does not", f"{why}; try again")

    async def commit(self, leaving: Leaving, key: Any, letter: Letter, act: Act) -> tuple[Verification, Block | None]:
        """What `act` gives, once it is on disk. Where that is the message's own verification, message and entry go, and nobody waits for them."""
        verification, sends = leaving.verification, leaving.sends
        blob = key.seal(letter_packed(letter), letter_aad(verification))
        handing = Handing(verification, sends, self.gateway.index, key.key_id, blob, now_ms())
        self._own.add((verification, sends))
        kept = False  # also when the caller goes away in this moment: then `look` finds what was committed
        try:
            row, block = await self.watch.act(lambda book: act(book, handing))
            kept = row.id == verification
        finally:
            if kept:
                self._untold.add(verification)
                self._start(self._hand_on(leaving))
                self.tell()
            else:
                self._own.discard((verification, sends))
        return row, block

    def tell(self) -> None:
        """Entries are waiting."""
        if self._telling is None:
            self._telling = self._start(self._tell())

    async def told(self, verification: bytes) -> None:
        """Returns when the auditor has what this gateway committed of a verification before, or does not take it: what is recorded next comes after."""
        while verification in self._untold:
            self.tell()
            await self._round.wait()
            if self.away:
                return

    async def settle(self) -> None:
        """Returns when nothing is under way any more."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    async def keep_looking(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Hands on what was left: by this gateway's own failures, or by one that died. Never raises."""
        index, at_ms = self.gateway.index, now_ms()
        try:
            rows = await self.watch.do(lambda book: book.unhanded(index, at_ms, VERIFY_ACTS_AT_ONCE))
            rows = [row for row in rows if (row.handing.id, row.handing.sends) not in self._own]
            waits = await self.watch.do(lambda book: book.outbox.count())
        except (Error, DatabaseError) as e:  # a store that is busy or full: the next look is in a second
            log.warning("what was left of verifications cannot be read: %s", getattr(e, "code", type(e).__name__))
            return
        if waits:
            self.tell()
        for row in rows:
            self._own.add((row.handing.id, row.handing.sends))
        await asyncio.gather(*(self._again(row) for row in rows))

    # --- messages -----------------------------------------------------------------------------------------

    async def _hand_on(self, leaving: Leaving) -> None:
        verification, sends = leaving.verification, leaving.sends
        try:
            key = send_key(verification, sends)
            await self.sending.committed(leaving.caller, key, ADDRESS, verification, leaving.intake, b"{}")
            await self._done(verification, sends)
        except Error as e:  # it stays in the book, and `look` takes it up
            log.warning("a verification's message waits: %s", e.code)
        finally:
            self._own.discard((verification, sends))

    async def _again(self, row: Left) -> None:
        """One that was left: made ready anew, under the key that it had."""
        handing = row.handing
        try:
            if not row.pending:
                log.error("a verification's message had not left when its code was over")
                await self._done(handing.id, handing.sends)
                return
            key = await self.gateway.ring.by_id(handing.key_id)
            letter = letter_unpacked(key.open(handing.sealed, letter_aad(handing.id)))
            intake = await self.taken(letter, row.caller, send_key(handing.id, handing.sends))
            await self._hand_on(Leaving(handing.id, handing.sends, row.caller, intake))
        except Error as e:
            if e.code in GONE:
                log.error("a verification's message cannot leave any more: %s", e.code)
                await self._done(handing.id, handing.sends)
            else:
                log.warning("a verification's message waits: %s", e.code)
        except Exception as e:  # our own mistake must not stop the others, nor the gateway; its words may hold a number
            log.error("a verification's message waits: %s", type(e).__name__)
        finally:
            self._own.discard((handing.id, handing.sends))

    async def taken(self, letter: Letter, caller: int, key: bytes) -> Any:
        """The message, taken in and not committed. Raises the Error that it is refused with."""
        own = bool(letter.address)
        message = Message(
            letter.to, letter.text, letter.sender, "otp", validity_s=letter.life_s, callback_url=letter.address or None
        )
        intake = await self.sending.taken([message], caller, indexed=False, key=key, own=own)
        if intake.errors:
            self.gateway.refused(intake.errors[0][1])
            raise intake.errors[0][1]
        return intake

    async def _done(self, verification: bytes, sends: int) -> None:
        await self.watch.act(lambda book: book.handed(verification, sends))

    # --- entries ------------------------------------------------------------------------------------------

    async def _tell(self) -> None:
        """All entries that wait, in their order. Those that another gateway sends too are known to the auditor by their number."""
        upto = 0
        try:
            while True:
                committed = set(self._untold)  # so they are in what is read now
                source, first, entries, more = await self.watch.act(lambda book, upto=upto: _next(book, upto))  # type: ignore[misc]
                if entries:
                    await self.gateway.auditor.call("append", {"source": source, "first": first, "entries": entries})
                    self.away, upto = False, first + len(entries) - 1
                if not more:
                    self._untold -= committed
                    self._end_round()
                if not entries:
                    return
                await asyncio.sleep(self.each_s)
        except (Error, DatabaseError) as e:
            if not self.away:
                why = getattr(e, "code", type(e).__name__)
                log.error("verifications are not on the audit log: %s; no code is begun until they are", why)
            self.away = True
        finally:
            self._telling = None
            self._end_round()

    def _end_round(self) -> None:
        self._round.set()
        self._round = asyncio.Event()

    def _start(self, what: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


#: Why a message that was left is given up: no waiting mends it.
GONE: Final = frozenset(
    {
        "key_destroyed", "key_missing", "key_refused", "number_invalid", "sender_invalid", "sender_unregistered", "text_unmappable",
        "text_too_long", "content_refused", "suppressed", "quiet_hours", "no_route", "destination_blocked", "idempotency_conflict",
    }
)  # fmt: skip


def _next(book: Book, upto: int) -> tuple[str, int, list[dict[str, Any]], bool]:
    """Settles what the auditor has, and gives the source, the number and the entries that follow, and whether there are more."""
    if upto:
        book.outbox.settle(upto)
    first, entries = book.outbox.pending()
    return book.outbox.source, first, entries, book.outbox.count() > len(entries)
