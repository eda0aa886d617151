"""Long messages in parts: each part is on disk before it is answered; the whole goes to the engine as one message.

A part's id is its message's with `-NUMBER`. What never becomes whole ends with a receipt for each part that asked for one.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from appliance.access import DoorAccount
from appliance.clock import now_ms
from appliance.errors import Error
from appliance.intake import Sealing
from appliance.intercom import Peer
from appliance.limits import DOOR_PARTS_PER_ACCOUNT, DOOR_PARTS_S_MAX, DOOR_PARTS_WAITING_MAX
from appliance.message import (
    EXPIRED,
    GSM7,
    NOTIFY_ACCOUNT_SHIFT,
    NOTIFY_DOOR,
    NOTIFY_DOOR_FAILURES,
    REJECTED,
    Content,
    DoorNote,
    id_ms,
    id_octets,
    id_text,
    new_ids,
)
from appliance.numbering import normalise
from appliance.smpp import PduError, Submission

from .parts import NewPart, Parts, Waiting
from .reading import NOTIFY, TLV_NAMES, Letterhead, Row, destination, letterhead, row_of
from .statuses import status_of

if TYPE_CHECKING:
    from .connection import Connection
    from .desk import Desk

T = TypeVar("T")
log = logging.getLogger(__name__)

LOOK_S: Final = 2.0  # between two looks for what is late, and for what could not be handed over
#: Codes under which a whole message can never be sent; anything else is tried again.
NEVER: Final = frozenset(
    {
        "invalid",
        "malformed",
        "number_invalid",
        "sender_invalid",
        "sender_unregistered",
        "text_too_long",
        "text_unmappable",
        "content_refused",
        "suppressed",
    }
) | {"no_route", "expired_before_sent"}
SOURCE: Final = "door-parts"  # of events in the book that no engine knows of

_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(Submission).decode

Taken = tuple["Connection", DoorAccount, Submission, Letterhead]


class _Whole(NamedTuple):
    """A message all of whose parts are here, ready to go."""

    waiting: Waiting
    account: DoorAccount
    submissions: list[Submission]
    row: Row


def part_id(message_id: bytes, number: int) -> str:
    """What a part is called in its answer, its receipt, and when it is asked about."""
    return f"{id_text(message_id)}-{number}"


def message_of(text: str) -> bytes | None:
    """The message that an id or a part's id names; None for what is neither."""
    mark, number = text[36:37], text[37:]
    if mark and not (mark == "-" and len(number) <= 3 and number.isascii() and number.isdigit()):
        return None
    return id_octets(text[:36].lower())


class Long:
    """Parts are written in the order they come, many in one commit, by one thread."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._thread = ThreadPoolExecutor(1, "parts")
        self._parts: Parts | None = None
        self._new: list[Taken] = []
        self._flushing = False
        self._handing: set[bytes] = set()
        self._looked_s = -LOOK_S
        self._looking = False
        self._counts: dict[int, int] = {}  # account -> its parts that wait, as of the last look, and those kept since

    async def open(self) -> None:
        """Opens the store. Raises Error `store_damaged` or `store_full`."""
        path = self.desk.settings.home / "door-parts.db"
        self._parts = await asyncio.get_running_loop().run_in_executor(self._thread, Parts, path)

    async def _do(self, do: Callable[[Parts], T]) -> T:
        assert self._parts is not None
        return await asyncio.get_running_loop().run_in_executor(self._thread, do, self._parts)

    # --- parts come ---------------------------------------------------------------------------------------
    def take(self, connection: Connection, account: DoorAccount, parts: list[tuple[Submission, Letterhead]]) -> None:
        """Every part is answered when it is on disk; at once when the account, or all, have too many that wait."""
        counts = self._counts
        mine = counts.get(account.id, 0) + len(parts)
        if mine > DOOR_PARTS_PER_ACCOUNT or sum(counts.values()) > DOOR_PARTS_WAITING_MAX:
            full = status_of(Error("overloaded", "too many parts wait for the rest of their message"))
            connection.answer([(submission.sequence, full, "") for submission, _ in parts])
            return
        counts[account.id] = mine
        self._new += [(connection, account, submission, head) for submission, head in parts]
        if not self._flushing:
            self._flushing = True
            self.desk.task(self._flush())

    async def _flush(self) -> None:
        try:
            while self._new:
                taken, self._new = self._new, []
                await self._keep(taken)
        finally:
            self._flushing = False

    async def _keep(self, taken: list[Taken]) -> None:
        at_ms = now_ms()
        try:
            sealing = await self.desk.seals.at(at_ms)
            ids = new_ids(len(taken), at_ms, await self.desk.owner(None))
            rows = [_sealed(sealing, i, a, s, h) for i, (_, a, s, h) in zip(ids, taken, strict=True)]
            kept = await self._do(lambda parts: parts.keep(rows, at_ms))
        except Exception as e:
            for connection, _, submission, _ in taken:
                connection.answer([(submission.sequence, status_of(e), "")])
            if not isinstance(e, Error):
                log.error("parts could not be kept: %s", type(e).__name__)
            return
        self.desk.numbers.parts += len(taken)
        wholes: list[bytes] = []
        for (connection, _, submission, _), row, (message_id, whole) in zip(taken, rows, kept, strict=True):
            connection.answer([(submission.sequence, 0, part_id(message_id, row.number))])
            if whole:
                wholes.append(message_id)
        self._hand_over(wholes)

    # --- the whole goes -----------------------------------------------------------------------------------
    def _hand_over(self, message_ids: list[bytes]) -> None:
        fresh = [message_id for message_id in message_ids if message_id not in self._handing]
        if fresh:
            self._handing.update(fresh)
            self.desk.task(self._send(fresh))

    async def _send(self, message_ids: list[bytes]) -> None:
        """To the engine, then off the disk, many at once. What cannot go now goes at a later look."""
        try:
            found = await self._do(lambda parts: [parts.read(message_id) for message_id in message_ids])
            groups: dict[tuple[int, int], list[_Whole]] = {}
            for waiting in found:
                whole = await self._prepared(waiting) if waiting is not None else None
                if whole is not None:
                    groups.setdefault((whole.account.id, id_ms(whole.waiting.id)), []).append(whole)
            for group in groups.values():
                await self._commit(group)
        except Error as e:
            log.warning("long messages wait: %s", e.code)
        finally:
            self._handing.difference_update(message_ids)

    async def _prepared(self, waiting: Waiting) -> _Whole | None:
        """The row of a whole message; None when it has ended, or waits."""
        try:
            submissions = await self._opened(waiting)
            account = self.desk.accounts.get(waiting.account)
            if account is None:
                await self._end(waiting, submissions, REJECTED, "the account was revoked")
                return None
            try:
                return _Whole(waiting, account, submissions, _row(waiting, account, submissions))
            except (Error, PduError) as e:
                await self._refused(waiting, submissions, e)
        except Error as e:
            log.warning("a long message waits: %s", e.code)
        return None

    async def _refused(self, waiting: Waiting, submissions: list[Submission], e: Error | PduError) -> None:
        """It ends when it can never be sent; else it waits."""
        if not isinstance(e, Error) or e.code in NEVER:
            await self._end(waiting, submissions, REJECTED, getattr(e, "code", "malformed"))

    async def _opened(self, waiting: Waiting) -> list[Submission]:
        out = []
        for _, mac, key_id, sealed in waiting.parts:
            key = await self.desk.seals.ring.by_id(key_id)
            out.append(_unpack(key.open(sealed, b"d" + mac)))
        return out

    async def _commit(self, wholes: list[_Whole]) -> None:
        """Messages of one account whose ids are of one time. Raises Error when none of them can go now."""
        at_ms = id_ms(wholes[0].waiting.id)  # its day is the messages'
        sealing = await self.desk.seals.at(at_ms)
        ids = [whole.waiting.id for whole in wholes]
        macs = [hmac.digest(sealing.requests_key, b"d" + message_id, "sha256")[:16] for message_id in ids]
        rows = [whole.row for whole in wholes]
        _, errors = await self.desk.submitting.commit(wholes[0].account, rows, at_ms, ids, macs)
        refused = dict(errors)
        for index, error in refused.items():
            await self._refused(wholes[index].waiting, wholes[index].submissions, error)
        await self._do(lambda parts: parts.drop([i for n, i in enumerate(ids) if n not in refused]))

    async def _end(self, waiting: Waiting, submissions: list[Submission], status: int, why: str) -> None:
        """A receipt for each part that asked, durable before the parts are forgotten."""
        numbers = [number for number, *_ in waiting.parts]
        note, notify = _note(waiting.id, numbers, submissions, waiting.account)
        if notify:
            key_id = waiting.parts[0][2]
            key = await self.desk.seals.ring.by_id(key_id)
            content = key.seal(_pack(Content(GSM7, b"", door=note)), b"c" + waiting.id)
            whose = self.desk.accounts.get(waiting.account)
            caller = whose.caller if whose is not None else 0
            post = self.desk.post
            event = [waiting.id, key_id, content, status, now_ms(), why, caller, notify]
            first = post.book.upto(SOURCE) + 1
            await post.events({"source": SOURCE, "first": first, "events": [event]}, Peer(0, 0, 0))
        self.desk.numbers.expired_parts += len(numbers)
        await self._do(lambda parts: parts.drop([waiting.id]))

    # --- time ---------------------------------------------------------------------------------------------
    def tick(self, now_s: float) -> None:
        if now_s - self._looked_s >= LOOK_S and not self._looking and self._parts is not None:
            self._looked_s = now_s
            self._looking = True
            self.desk.task(self._look())

    async def _look(self) -> None:
        try:
            before_ms = now_ms() - int(DOOR_PARTS_S_MAX * 1000)
            self._counts, whole, late = await self._do(lambda p: (p.counts(), p.whole(), p.late(before_ms)))
            if self.desk.closing or not self.desk.peers.checks["keys"][0]:
                return
            self._hand_over(whole)
            for message_id in late:
                await self._expire(message_id)
        except Error as e:
            log.warning("parts of long messages wait: %s", e.code)
        finally:
            self._looking = False

    async def _expire(self, message_id: bytes) -> None:
        """One that cannot be ended now does not keep the others waiting."""
        try:
            waiting = await self._do(lambda parts: parts.read(message_id))
            if waiting is not None:
                await self._end(waiting, await self._opened(waiting), EXPIRED, "parts missing")
        except (Error, ValueError, msgspec.MsgspecError) as e:
            log.warning("a long message waits: %s", e.code if isinstance(e, Error) else "its parts are damaged")

    async def of(self, number: str) -> list[Waiting]:
        """Messages to a number of which parts are here."""
        found = []
        for message_id in await self._do(lambda parts: parts.ids()):
            waiting = await self._do(partial(Parts.read, message_id=message_id))
            try:
                if waiting is not None and waiting.parts:
                    to, _ = normalise(destination((await self._opened(waiting))[0]))
                    found += [waiting] * (to == number)
            except (Error, PduError, ValueError, msgspec.MsgspecError):
                continue  # nobody reads it any more, or it is to no number
        return found

    async def forget(self, number: str) -> int:
        """Drops parts of messages to a number whose owner was erased; how many. Their sender hears nothing more of them."""
        found = await self.of(number)
        await self._do(lambda parts: parts.drop([waiting.id for waiting in found]))
        await self._do(lambda parts: parts.scrub())
        return sum(len(waiting.parts) for waiting in found)

    async def reseal(self, old: int, new: int, anew: Callable[[bytes, bytes], bytes]) -> tuple[int, int]:
        """Seals anew what is under key `old`; how many parts, and how many cannot be read."""
        found = await self._do(partial(Parts.under, key_id=old))
        rows = []
        for message_id, number, mac, sealed in found:
            try:
                rows.append((anew(sealed, b"d" + mac), new, message_id, number))
            except Error:
                continue
        await self._do(partial(Parts.reseal, rows=rows))
        await self._do(Parts.scrub)
        return len(rows), len(found) - len(rows)

    async def waits(self, message_id: bytes) -> int | None:
        """The account of a message of which parts are still here."""
        waiting = await self._do(lambda parts: parts.read(message_id))
        return None if waiting is None else waiting.account

    def close(self) -> None:
        if self._parts is not None:
            self._thread.submit(self._parts.close)
        self._thread.shutdown(wait=True)


def _sealed(sealing: Sealing, message_id: bytes, account: DoorAccount, s: Submission, head: Letterhead) -> NewPart:
    part = head.part
    assert part is not None
    secret: bytes = sealing.requests_key
    whole: Any = (account.id, part.method, part.reference, part.total, s.source, head.to, s.data_coding)
    whole_mac = hmac.digest(secret, b"w" + _pack(whole), "sha256")[:16]
    packed = _pack(replace(s, tlvs={tag: s.tlvs[tag] for tag in TLV_NAMES if tag in s.tlvs}))  # what is read again
    same = _pack((whole_mac, part.number, s.message, s.registered, s.schedule, s.validity))
    mac = hmac.digest(secret, b"p" + same, "sha256")[:16]
    sealed = sealing.key.seal(packed, b"d" + mac)
    return NewPart(message_id, whole_mac, account.id, part.total, part.number, mac, sealing.key.key_id, sealed)


def _row(waiting: Waiting, account: DoorAccount, submissions: list[Submission]) -> Row:
    """Raises PduError or Error when it can never be sent."""
    heads = [letterhead(s, account) for s in submissions]
    octets = b"".join(head.octets for head in heads)
    numbers = [number for number, *_ in waiting.parts]
    note, notify = _note(waiting.id, numbers, submissions, account.id)
    row = row_of(submissions[0], heads[0], octets, note.ids, account, waiting.first_ms)
    row.notify, row.door = notify, note
    return row


def _note(message_id: bytes, numbers: list[int], submissions: list[Submission], account: int) -> tuple[DoorNote, int]:
    """What the receipts say, and who is told: of all statuses when one part asked for all."""
    asked = [NOTIFY[s.registered & 3] for s in submissions]
    first = submissions[0]
    ids = [part_id(message_id, n) for n, notify in zip(numbers, asked, strict=True) if notify]
    notify = NOTIFY_DOOR if NOTIFY_DOOR in asked else NOTIFY_DOOR_FAILURES if NOTIFY_DOOR_FAILURES in asked else 0
    return DoorNote(
        first.source, first.dest, ids, first.service_type
    ), notify and notify | account << NOTIFY_ACCOUNT_SHIFT
