"""HOT: the operator behind all binds: takes submits, keeps what handsets see, owes receipts and pays them."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec

from appliance import clock
from appliance.smpp import Pdu, Submit, encode, pack_submit_resp, spec

from .alphabet import fits, written
from .fate import Chance, Fate
from .handset import Inbox, Record, Segment, shown, unfold
from .mischief import Mischief
from .options import Options
from .plain import Plain, deleted
from .receipts import Deliver, Writer
from .wheel import Wheel

if TYPE_CHECKING:
    from .session import Session

SLOT_S: Final = 0.005
OWED_MAX: Final = 1_000_000  # receipts and inbound messages kept for an account without a receiver; then the oldest go
CONNECTIONS_MAX: Final = 1_000
RETRY_S: Final = 1.0  # before a deliver_sm that was refused for now is tried again
FIRST_GAP_S: Final = 0.05  # between a receipt that comes first and its answer
_COUNTED: Final = {spec.ESME_RTHROTTLED: "throttled", spec.ESME_RMSGQFUL: "queue_full"}

#: Packs an answer: (sequence, status) or (sequence, 0, message id).
Response = Callable[..., bytes]


class Taken(msgspec.Struct, gc=False):
    """A segment that was accepted: what query_sm says of it, and what cancel_sm takes back."""

    state: int  # the final one
    due_s: float  # when it is reached
    segment: Segment
    receipts: list[Deliver]


class Account:
    """All binds of one system_id and what is owed to them."""

    def __init__(self, system_id: str) -> None:
        self.system_id = system_id
        self.bound: set[Session] = set()
        self.receivers: list[Session] = []
        self.owed: deque[Deliver | Record] = deque(maxlen=OWED_MAX)
        self.dropped_s = float("-inf")  # when the operator last dropped a connection of it

    def pump(self, now_s: float) -> None:
        """Hands what is owed to receivers with room in their window, one write each."""
        for session in self.receivers:
            if not self.owed:
                return
            room = session.room()
            if room > 0:
                count = min(room, len(self.owed))
                session.deliver([self.owed.popleft() for _ in range(count)], now_s)


class Operator:
    """One simulated operator. `now` gives monotonic seconds; `at` calls something at such a second."""

    def __init__(
        self, options: Options, password: str, now: Callable[[], float], at: Callable[[float, Any], Any]
    ) -> None:
        self.options = options
        self.password = password
        self.now = now
        self._at = at
        self.chance = Chance(options)
        self.inbox = Inbox(options.keep)
        self.counters: Counter[str] = Counter()
        self.accounts: dict[str, Account] = {}
        self.sessions: set[Session] = set()
        self._unaddressed: deque[Deliver] = deque(maxlen=10_000)
        self._taken: dict[str, Taken] = {}  # by message id
        self._known: deque[str] = deque()  # the same ids, oldest first: a dict is slow at forgetting its oldest
        # An operator that is started again does not give an id twice.
        self.writer = Writer(self.chance, clock.now_ms() * 1_000)
        self.number = self.writer.number
        self.mischief = Mischief(options, now())
        self.plain = Plain(self)
        self._wheel: Wheel[Callable[[], None] | tuple[Account, Deliver | Record] | Record] = Wheel(SLOT_S)
        self._turn_s = math.inf  # when the wheel is looked at next
        self._connections = 0
        self._journal = _opened(options.journal)
        self._attempts = _opened(options.attempts)

    # --- submits --------------------------------------------------------------------------------------
    def submit(self, session: Session, heard: Submit, response: Response = pack_submit_resp) -> tuple[bytes, bool]:
        """`(octets to answer with now, whether to drop the connection instead)`; `response` packs the answer."""
        counters = self.counters
        counters["submits"] += 1
        now_s = self.now()
        fate = self.chance.fate(now_s)
        if not fate.status:
            fate.status = _refusal(heard, self.options.alphabet) or self.mischief.storm(now_s)
        if self._attempts is not None:
            digest = hashlib.sha256(heard.short_message).hexdigest()
            self._attempts.write(f"{fate.status}\t{session.number}\t{digest}\t{now_s * 1000:.3f}\n")
        if fate.status:
            counters[_COUNTED.get(fate.status, "refused") if not fate.nacked else "nacked"] += 1
            octets = response(heard.sequence, fate.status)
            if fate.nacked:
                octets = encode(Pdu(spec.GENERIC_NACK, fate.status, heard.sequence & 0x7FFFFFFF))
            return self._answer(session, fate, octets, now_s), False
        answer_id, receipt_id = self.writer.ids(self.options.id_form)
        self._take(heard, answer_id, receipt_id, fate, session, now_s)
        if fate.dropped:
            counters["unanswered"] += 1
            return b"", True
        if not fate.answered:
            counters["unanswered"] += 1
            return b"", False
        return self._answer(session, fate, response(heard.sequence, 0, answer_id), now_s), False

    def submit_quietly(self, session: Session, heard: Submit) -> tuple[Submit, int, str]:
        """One destination of a submit_multi: `(heard, status, message id)`; each gets an id, a receipt and a fate of its own."""
        self.counters["submits"] += 1
        fate = self.chance.fate(self.now())
        fate.status = fate.status or _refusal(heard, self.options.alphabet)
        if fate.status:
            self.counters[_COUNTED.get(fate.status, "refused")] += 1
            return heard, fate.status, ""
        answer_id, receipt_id = self.writer.ids(self.options.id_form)
        self._take(heard, answer_id, receipt_id, fate, session, self.now())
        return heard, 0, answer_id

    def connection(self) -> int:
        """The number of a new connection, counted from 1."""
        self._connections += 1
        return self._connections

    def _answer(self, session: Session, fate: Fate, octets: bytes, now_s: float) -> bytes:
        wait_s = max(fate.answer_s, FIRST_GAP_S) if fate.receipt_first and not fate.status else fate.answer_s
        if self.options.answers_per_s:
            wait_s = max(wait_s, self.mischief.held_s(now_s))
        if wait_s <= 0:
            self.counters["answered"] += 1
            return octets
        self.later(now_s + wait_s, lambda: session.answer(octets))
        return b""

    def _take(self, heard: Submit, answer_id: str, receipt_id: str, fate: Fate, session: Session, now_s: float) -> None:
        self.counters["accepted"] += 1
        account = session.account
        segment = Segment(
            shown(heard.dest, heard.dest_ton),
            shown(heard.source, heard.source_ton),
            heard.esm_class,
            heard.data_coding,
            heard.short_message,
            heard.tlvs,
            clock.now_ms(),
            self.options.alphabet,
        )
        if fate.state == spec.STATE_DELIVERED:
            self.inbox.put(segment)
        receipt_s = 0.0 if fate.receipt_first else fate.receipt_s
        if self._journal is not None:
            part, body = unfold(segment)
            digest = hashlib.sha256(body).hexdigest()
            self._journal.write(f"{answer_id}\t{segment.to}\t{part or ''}\t{digest}\t{session.number}\n")
        wanted = heard.registered_delivery & 3
        receipts: list[Deliver] = []
        if wanted == 1 or (wanted == 2 and fate.state != spec.STATE_DELIVERED):
            receipts = self.writer.receipts(heard, receipt_id, fate, segment.at_ms, self.options)
            if fate.receipt_first:
                account.owed += receipts
                account.pump(now_s)
            else:
                for receipt in receipts:
                    self._put(now_s + receipt_s, (account, receipt))
        self._taken[answer_id] = Taken(fate.state, now_s + receipt_s, segment, receipts)
        self._known.append(answer_id)
        if len(self._known) > self.options.keep:
            self._taken.pop(self._known.popleft(), None)

    def state(self, message_id: str) -> int | None:
        """message_state (section 5.2.28) of a message, by the id in its answer; None when it is not known."""
        found = self._taken.get(message_id) or self.plain.found(message_id)
        if found is None:
            return None
        return found.state if self.now() >= found.due_s else spec.STATE_ENROUTE

    def cancel(self, message_id: str) -> bool:
        """Takes back what no handset shows yet; its receipt then says that it was deleted (section 4.9)."""
        found = self._taken.get(message_id) or self.plain.found(message_id)
        if found is None or self.now() >= found.due_s or found.state == spec.STATE_DELETED:
            return False
        if isinstance(found, Record):
            self.inbox.take_back(found)
            deleted(found, self.now())
            self.counters["cancelled"] += 1
            return True
        self.inbox.take_back(found.segment)
        found.state, found.due_s = spec.STATE_DELETED, self.now()
        self.counters["cancelled"] += 1
        for receipt in found.receipts:
            if receipt.esm_class != spec.ESM_INTERMEDIATE:
                self.writer.deleted(receipt, self.options)
        return True

    # --- binds ----------------------------------------------------------------------------------------
    def account(self, system_id: str) -> Account:
        return self.accounts.setdefault(system_id, Account(system_id))

    def bound(self, session: Session) -> None:
        """A receiver is there: it gets what waited."""
        account = session.account
        account.receivers.append(session)
        while self._unaddressed:
            account.owed.append(self._unaddressed.popleft())
        # After the answer to the bind, which is still to be written.
        self.later(self.now(), lambda: account.pump(self.now()))

    def may_bind(self, account: Account) -> int:
        """ESME_ROK, or what a bind is refused with that has the right name and password."""
        o = self.options
        if self.now() < account.dropped_s + o.bound_after_drop_s or 0 < o.binds_most <= len(account.bound):
            return spec.ESME_RALYBND
        return spec.ESME_RBINDFAIL if self.mischief.refuses_bind() else spec.ESME_ROK

    def gone(self, session: Session, unanswered: list[Deliver | Record]) -> None:
        """A connection ended: what it had not acknowledged is owed again, first of all."""
        self.sessions.discard(session)
        session.account.bound.discard(session)
        if session in session.account.receivers:
            session.account.receivers.remove(session)
        session.account.owed.extendleft(reversed(unanswered))
        session.account.pump(self.now())

    def again(self, account: Account, deliver: Deliver | Record) -> None:
        """A receiver refused it for now."""
        self._put(self.now() + RETRY_S, (account, deliver))

    def put_record(self, at_s: float, record: Record) -> None:
        self._put(at_s, record)

    # --- what customers write -------------------------------------------------------------------------
    def inbound(self, sender: str, to: str, text: str) -> int:
        """Queues a customer's message for the first bound receiver, or for whoever binds first; the number of its parts."""
        esm_class, coding, bodies = written(text, self.chance.reference())
        account = next((a for a in self.accounts.values() if a.receivers), None)
        queue = account.owed if account else self._unaddressed
        for body in bodies:
            queue.append(Deliver(sender, to, esm_class, coding, body, b""))
        self.counters["inbound"] += 1
        if account:
            account.pump(self.now())
        return len(bodies)

    # --- time -----------------------------------------------------------------------------------------
    def later(self, at_s: float, act: Callable[[], None]) -> None:
        self._put(at_s, act)

    def _put(self, at_s: float, item: Callable[[], None] | tuple[Account, Deliver | Record] | Record) -> None:
        self._wheel.put(at_s, item)
        if at_s < self._turn_s - SLOT_S:
            self._look(max(at_s, self.now() + SLOT_S))

    def _look(self, at_s: float) -> None:
        self._turn_s = at_s
        self._at(at_s, partial(self._turn, at_s))

    def _turn(self, at_s: float) -> None:
        if at_s != self._turn_s:
            return  # something was put that is due before it
        now_s = self.now()
        try:
            self._do(self._wheel.due(now_s), now_s)
        finally:  # whatever goes wrong with one item, the wheel keeps turning
            next_s = self._wheel.next_s()
            self._turn_s = math.inf
            if next_s is not None:
                self._look(max(next_s, now_s + SLOT_S / 2))

    def _do(self, items: list[Callable[[], None] | tuple[Account, Deliver | Record] | Record], now_s: float) -> None:
        owing: dict[int, Account] = {}
        for item in items:
            if isinstance(item, Record):
                item.account.owed.append(item)
                owing[id(item.account)] = item.account
            elif isinstance(item, tuple):
                item[0].owed.append(item[1])
                owing[id(item[0])] = item[0]
            else:
                item()
        for account in owing.values():
            account.pump(now_s)

    def look(self) -> None:
        """Once a second: what is dead or silent on each connection, and what was owed while nothing was to be delivered."""
        now_s = self.now()
        for session in sorted(self.sessions, key=lambda each: each.number):
            session.look(now_s)
        for account in self.accounts.values():
            account.pump(now_s)

    def flush(self) -> None:
        """The journal is with the kernel before an answer leaves."""
        for file in (self._journal, self._attempts):
            if file is not None:
                file.flush()

    def follow(self, options: Options) -> None:
        """Behaves otherwise from now on."""
        self.options = options
        self.chance.follow(options)
        self.mischief.follow(options)
        self.plain.follow(options)

    def drop_all(self) -> int:
        """Ends every connection without a word; how many."""
        sessions = sorted(self.sessions, key=lambda each: each.number)
        for session in sessions:
            session.drop()
        return len(sessions)

    def counts(self) -> dict[str, int]:
        now = {
            "connections": len(self.sessions),
            "receivers": sum(len(a.receivers) for a in self.accounts.values()),
            "owed": sum(len(a.owed) for a in self.accounts.values()) + len(self._unaddressed),
            "kept": len(self.inbox),
        }
        names = (
            "submits accepted refused throttled queue_full nacked unanswered answered receipts delivered_again inbound"
        )
        names += " binds binds_refused unbinds cancelled duplicates aliens garbage bad_pdus dropped"
        return {**{name: self.counters[name] for name in names.split()}, **now}

    def close(self) -> None:
        for session in list(self.sessions):
            session.close()
        for file in (self._journal, self._attempts):
            if file is not None:
                file.close()


def _opened(path: str) -> IO[str] | None:
    return open(path, "a", encoding="utf-8") if path else None


def _refusal(heard: Submit, alphabet: str) -> int:
    """The status that a strict operator refuses a submit with, ESME_ROK when it has nothing against it."""
    if not (heard.dest.isascii() and heard.dest.removeprefix("+").isdigit()):
        return spec.ESME_RINVDSTADR
    if not heard.short_message:
        return spec.ESME_RINVMSGLEN
    if spec.TLV_MESSAGE_PAYLOAD not in heard.tlvs and not fits(
        heard.esm_class, heard.data_coding, heard.short_message, alphabet
    ):
        return spec.ESME_RINVMSGLEN
    return spec.ESME_ROK
