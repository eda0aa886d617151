"""HOT: the operator behind all binds: takes submits, keeps what handsets see, owes receipts and pays them."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec

from appliance import clock
from appliance.smpp import Submit, format_id, format_receipt, pack_submit_resp, receipt_tlvs, spec

from .fate import Chance, Fate
from .handset import Inbox, Segment, fits, shown, unfold, written
from .options import Options
from .wheel import Wheel

if TYPE_CHECKING:
    from .session import Session

SLOT_S: Final = 0.005
OWED_MAX: Final = 1_000_000  # receipts and inbound messages kept for an account without a receiver; then the oldest go
CONNECTIONS_MAX: Final = 1_000
RETRY_S: Final = 1.0  # before a deliver_sm that was refused for now is tried again
FIRST_GAP_S: Final = 0.05  # between a receipt that comes first and its answer


class Deliver(msgspec.Struct, gc=False):
    """A deliver_sm that is owed to an account; gets its sequence number when it leaves."""

    source: str
    dest: str
    esm_class: int
    data_coding: int
    short_message: bytes
    tlvs: bytes
    sent_s: float = 0.0


class Account:
    """All binds of one system_id and what is owed to them."""

    def __init__(self, system_id: str) -> None:
        self.system_id = system_id
        self.receivers: list[Session] = []
        self.owed: deque[Deliver] = deque(maxlen=OWED_MAX)

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
        self._states: dict[str, tuple[int, float]] = {}  # message id -> final state, and when it is reached
        self._known: deque[str] = deque()  # the same ids, oldest first: a dict is slow at forgetting its oldest
        self._next_id = clock.now_ms() * 1_000  # an operator that is started again does not give an id twice
        self._wheel: Wheel[Callable[[], None] | tuple[Account, Deliver]] = Wheel(SLOT_S)
        self._turning = False
        self._minute = (-1, "")
        self._journal: IO[str] | None = open(options.journal, "a", encoding="utf-8") if options.journal else None  # noqa: SIM115

    # --- submits --------------------------------------------------------------------------------------
    def submit(self, session: Session, heard: Submit) -> tuple[bytes, bool]:
        """`(octets to answer with now, whether to drop the connection instead)`."""
        counters = self.counters
        counters["submits"] += 1
        now_s = self.now()
        fate = self.chance.fate(now_s)
        if not fate.status:
            fate.status = _refusal(heard)
        if fate.status:
            counters["throttled" if fate.status == spec.ESME_RTHROTTLED else "refused"] += 1
            return self._answer(session, fate, pack_submit_resp(heard.sequence, fate.status), now_s), False
        answer_id, receipt_id = self._ids()
        self._take(heard, answer_id, receipt_id, fate, session.account, now_s)
        if fate.dropped:
            counters["unanswered"] += 1
            return b"", True
        if not fate.answered:
            counters["unanswered"] += 1
            return b"", False
        return self._answer(session, fate, pack_submit_resp(heard.sequence, 0, answer_id), now_s), False

    def _answer(self, session: Session, fate: Fate, octets: bytes, now_s: float) -> bytes:
        wait_s = max(fate.answer_s, FIRST_GAP_S) if fate.receipt_first and not fate.status else fate.answer_s
        if wait_s <= 0:
            self.counters["answered"] += 1
            return octets
        self.later(now_s + wait_s, lambda: session.answer(octets))
        return b""

    def _take(self, heard: Submit, answer_id: str, receipt_id: str, fate: Fate, account: Account, now_s: float) -> None:
        self.counters["accepted"] += 1
        segment = Segment(
            shown(heard.dest, heard.dest_ton),
            shown(heard.source, heard.source_ton),
            heard.esm_class,
            heard.data_coding,
            heard.short_message,
            heard.tlvs,
            clock.now_ms(),
        )
        if fate.state == spec.STATE_DELIVERED:
            self.inbox.put(segment)
        receipt_s = 0.0 if fate.receipt_first else fate.receipt_s
        self._states[answer_id] = (fate.state, now_s + receipt_s)
        self._known.append(answer_id)
        if len(self._known) > self.options.keep:
            del self._states[self._known.popleft()]
        if self._journal is not None:
            part, body = unfold(segment)
            digest = hashlib.sha256(body).hexdigest()
            self._journal.write(f"{answer_id}\t{segment.to}\t{part or ''}\t{digest}\n")
        wanted = heard.registered_delivery & 3
        if wanted == 1 or (wanted == 2 and fate.state != spec.STATE_DELIVERED):
            receipt = self._receipt(heard, receipt_id, fate, segment.at_ms)
            if fate.receipt_first:
                account.owed.append(receipt)
                account.pump(now_s)
            else:
                self._put(now_s + receipt_s, (account, receipt))

    def _receipt(self, heard: Submit, receipt_id: str, fate: Fate, at_ms: int) -> Deliver:
        minute = at_ms // 60_000
        if minute != self._minute[0]:
            stamp = clock.rfc3339(at_ms)
            self._minute = (minute, stamp[2:4] + stamp[5:7] + stamp[8:10] + stamp[11:13] + stamp[14:16])
        date = self._minute[1]
        form = self.options.receipt_format
        body = b"" if form == "tlv" else format_receipt(receipt_id, fate.word, date, date, fate.error)
        tlvs = b"" if form == "text" else receipt_tlvs(receipt_id, fate.state)
        return Deliver(heard.dest, heard.source, spec.ESM_RECEIPT, 0, body, tlvs)

    def _ids(self) -> tuple[str, str]:
        """The id in the answer and in the receipt."""
        form = self.options.id_form
        if form == "uuid":
            text = self.chance.uuid()
            return text, text
        self._next_id += 1
        n = self._next_id
        in_answer = format_id(n, 10 if form == "dec" else 16)
        return in_answer, format_id(n, 16 if form == "hex" else 10)

    def state(self, message_id: str) -> int | None:
        """message_state (section 5.2.28) of a message, by the id in its answer; None when it is not known."""
        found = self._states.get(message_id)
        if found is None:
            return None
        return found[0] if self.now() >= found[1] else spec.STATE_ENROUTE

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

    def gone(self, session: Session, unanswered: list[Deliver]) -> None:
        """A connection ended: what it had not acknowledged is owed again, first of all."""
        self.sessions.discard(session)
        if session in session.account.receivers:
            session.account.receivers.remove(session)
        session.account.owed.extendleft(reversed(unanswered))
        session.account.pump(self.now())

    def again(self, account: Account, deliver: Deliver) -> None:
        """A receiver refused it for now."""
        self._put(self.now() + RETRY_S, (account, deliver))

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

    def _put(self, at_s: float, item: Callable[[], None] | tuple[Account, Deliver]) -> None:
        self._wheel.put(at_s, item)
        if not self._turning:
            self._turning = True
            self._at(self.now() + SLOT_S, self._turn)

    def _turn(self) -> None:
        now_s = self.now()
        try:
            self._do(self._wheel.due(now_s), now_s)
        finally:  # whatever goes wrong with one item, the wheel keeps turning
            next_s = self._wheel.next_s()
            self._turning = next_s is not None
            if next_s is not None:
                self._at(max(next_s, now_s + SLOT_S / 2), self._turn)

    def _do(self, items: list[Callable[[], None] | tuple[Account, Deliver]], now_s: float) -> None:
        owing: dict[int, Account] = {}
        for item in items:
            if isinstance(item, tuple):
                item[0].owed.append(item[1])
                owing[id(item[0])] = item[0]
            else:
                item()
        for account in owing.values():
            account.pump(now_s)

    def flush(self) -> None:
        """The journal is with the kernel before an answer leaves."""
        if self._journal is not None:
            self._journal.flush()

    def follow(self, options: Options) -> None:
        """Behaves otherwise from now on."""
        self.options = options
        self.chance.follow(options)

    def drop_all(self) -> int:
        """Ends every connection without a word; how many."""
        sessions = list(self.sessions)
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
        names = "submits accepted refused throttled unanswered answered receipts delivered_again inbound binds bad_pdus dropped"
        return {**{name: self.counters[name] for name in names.split()}, **now}

    def close(self) -> None:
        for session in list(self.sessions):
            session.close()
        if self._journal is not None:
            self._journal.close()


def _refusal(heard: Submit) -> int:
    """The status that a strict operator refuses a submit with, ESME_ROK when it has nothing against it."""
    if not (heard.dest.isascii() and heard.dest.removeprefix("+").isdigit()):
        return spec.ESME_RINVDSTADR
    if not heard.short_message:
        return spec.ESME_RINVMSGLEN
    if spec.TLV_MESSAGE_PAYLOAD not in heard.tlvs and not fits(heard.esm_class, heard.data_coding, heard.short_message):
        return spec.ESME_RINVMSGLEN
    return spec.ESME_ROK
