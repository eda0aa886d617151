"""HOT: one bind to an operator as a machine: octets in, events and octets out, the time passed in. No socket.

What may be heard in which state is one table, TRANSITIONS; what is not in it is refused or ignored, never fatal.
A session lives as long as its connection: after `closed` send what `take` still gives, close, and make another.
"""

from __future__ import annotations

from typing import Final

from appliance.limits import PDU_OCTETS_MAX, SEQUENCE_MAX, WINDOW_MAX

from .asking import Asked, Questions, query
from .codec import Pdu, PduError, bind_fields, decode, encode, encode_answer
from .fast import HEADER, deliver_of, pack_deliver_resps, parse_deliver
from .spec import (
    ALERT_NOTIFICATION,
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    COMMANDS,
    DATA_SM,
    DATA_SM_RESP,
    DELIVER_SM,
    ENQUIRE_LINK,
    ENQUIRE_LINK_RESP,
    ESME_RINVBNDSTS,
    ESME_RINVCMDID,
    ESME_ROK,
    ESME_RUNKNOWNERR,
    GENERIC_NACK,
    INTERFACE_VERSIONS,
    OUTBIND,
    RESPONSE,
    SUBMIT_SM_RESP,
    UNBIND,
    UNBIND_RESP,
)  # fmt: skip
from .states import BINDING, BOUND, CLOSED, CLOSES, FRESH, LEAVING, TRANSITIONS, UNBINDING, Heard, alert_of

_BINDS: Final = {"transceiver": BIND_TRANSCEIVER, "transmitter": BIND_TRANSMITTER, "receiver": BIND_RECEIVER}
_DELIVERS_IN: Final = frozenset(state for state, heard in TRANSITIONS if heard == "deliver")
_NEVER: Final = float("inf")
_ID_OCTETS_MAX: Final = 255  # of a message id; the specification says 64
_SILENT_SUBMITS_MIN: Final = 100  # fewer answered submits without a receipt say nothing


class ClientSession:
    """The ESME's side of one bind. Times are monotonic seconds.

    `enquire_s`: enquire_link after so long without a PDU heard; `response_s`: patience for every answer;
    `receipts_s`: a transceiver that hears no deliver_sm for so long while submits are answered is half dead (0: never).
    Raises PduError when a credential is longer than the specification's field; a password may have 64 octets.
    """

    def __init__(
        self,
        kind: str,
        system_id: str,
        password: str,
        system_type: str = "",
        window: int = 100,
        enquire_s: float = 30.0,
        response_s: float = 10.0,
        receipts_s: float = 0.0,
        first_sequence: int = 1,
        interface_version: str = "3.4",
    ) -> None:
        assert 1 <= window <= WINDOW_MAX and 1 <= first_sequence <= SEQUENCE_MAX
        self.kind = kind
        self.window = window
        self.state = FRESH
        self.strangers = 0  # of the whole session
        self._command = _BINDS[kind]
        self._bind = bind_fields(system_id, password, system_type, INTERFACE_VERSIONS[interface_version])
        encode(Pdu(self._command, 0, 1, self._bind))  # to refuse now what the operator would
        self._enquire_s = enquire_s
        self._response_s = response_s
        self._receipts_s = receipts_s if kind == "transceiver" else 0.0
        self._next = first_sequence
        self._wrapped = False
        self._in_flight: dict[int, float] = {}  # sequence: when sent; the oldest first
        self._questions = Questions(response_s)
        self._data: set[int] = set()  # sequences heard in data_sm, answered with data_sm_resp
        self._out: list[bytes] = []
        self._rest = bytearray()
        self._need = 4
        self._own, self._own_s = 0, 0.0  # our bind, enquire_link or unbind under way: sequence (0: none), when sent
        self._farewell, self._farewell_s = 0, 0.0  # the operator's unbind: sequence, when it came
        self._heard_s = self._delivered_s = 0.0
        self._undelivered = 0  # submits answered since the last deliver_sm

    # --- what the link does -------------------------------------------------------------------------------
    def connected(self, now: float) -> None:
        """The connection stands: the bind is ready to be taken."""
        self._go("connected")
        self._ask(self._command, now, self._bind)
        self._heard_s = self._delivered_s = now

    def take(self) -> bytes:
        """The octets to send now; they are forgotten here."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    @property
    def bound(self) -> bool:
        return self.state == BOUND

    @property
    def in_flight(self) -> int:
        """Submits sent and not answered."""
        return len(self._in_flight)

    @property
    def room(self) -> int:
        """Submits that may be sent now; 0 unless bound, and always 0 on a receiver."""
        if self.state != BOUND or self._command == BIND_RECEIVER:
            return 0
        return max(0, self.window - len(self._in_flight))

    def reserve(self, count: int) -> list[int]:
        """`count` sequence numbers for submits, at most `room`. They are in flight only after `sent`."""
        assert count <= self.room, (count, self.room)
        first = self._next
        if not self._wrapped and first + count <= SEQUENCE_MAX:
            self._next = first + count
            return list(range(first, first + count))
        return [self._sequence() for _ in range(count)]

    def sent(self, sequences: list[int], octets: bytes, now: float) -> None:
        """The submits with these sequences, packed one after another in `octets`, leave now."""
        assert self.state == BOUND
        self._in_flight.update(dict.fromkeys(sequences, now))
        self._out.append(octets)

    def query(self, message_id: str, source: Asked, now: float) -> int:
        """Asks what became of a message, by the id as the operator wrote it; the answer comes in `Heard.queried`."""
        return self.ask(query(message_id, source), now)

    def ask(self, pdu: Pdu, now: float) -> int:
        """The sequence of a question of `asking`; only when bound, not on a receiver. Raises PduError: it does not fit."""
        assert self.state == BOUND and self._command != BIND_RECEIVER
        pdu.sequence = self._sequence()
        self._out.append(self._questions.ask(pdu, now))
        return pdu.sequence

    def acknowledge(self, answers: list[tuple[int, int]]) -> None:
        """Answers delivers: (sequence, status), once they are durable; with ESME_RX_T_APPN when they cannot be."""
        if self.state not in _DELIVERS_IN:
            return
        for sequence, status in answers if self._data else ():
            if sequence in self._data:
                self._answer(DATA_SM_RESP, status, sequence, {"message_id": b""})
        self._out.append(pack_deliver_resps([each for each in answers if each[0] not in self._data]))
        self._data.difference_update([sequence for sequence, _ in answers])

    def unbind(self, now: float) -> None:
        """Says goodbye, if bound: nothing more is submitted, what is heard until the answer still counts."""
        if self.state == BOUND:
            self._go("we unbind")
            self._ask(UNBIND, now)

    def disconnected(self, now: float) -> list[int]:
        """The connection is gone. The submits without an answer, in the order sent: their fate is unknown."""
        self._go("disconnected")
        lost = list(self._in_flight)
        self._in_flight.clear()
        self._questions.clear()
        self._data.clear()
        self._out.clear()
        self._rest.clear()
        return lost

    # --- time ---------------------------------------------------------------------------------------------
    def next_deadline(self, now: float) -> float:
        """When `tick` next has something to do; infinity when it has not."""
        if self.state in (FRESH, CLOSED):
            return _NEVER
        due = self._own_s + self._response_s if self._own else _NEVER
        due = min(
            due, self._questions.next_s(), self._farewell_s + self._response_s if self.state == LEAVING else _NEVER
        )
        if self._in_flight and self.state != UNBINDING:
            due = min(due, next(iter(self._in_flight.values())) + self._response_s)
        if self.state == BOUND:
            if not self._own:
                due = min(due, self._heard_s + self._enquire_s)
            due = min(due, self._silent_s())
        return due

    def tick(self, now: float) -> Heard:
        """What silence means by now."""
        heard = Heard([], [], [])
        if self.state in (FRESH, CLOSED):
            return heard
        self._questions.late(now, heard.queried, heard.cancelled)
        own_late = self._own != 0 and now - self._own_s >= self._response_s
        answer_late = bool(self._in_flight) and now - next(iter(self._in_flight.values())) >= self._response_s
        if self.state == BINDING:
            if own_late:
                self._close(heard, "bind time-out", "bind_timeout")
        elif self.state == UNBINDING:
            if own_late:
                self._close(heard, "unbind time-out", "unbound")
        elif self.state == LEAVING:
            if answer_late or now - self._farewell_s >= self._response_s:
                self._leave(heard, "response time-out")
        elif answer_late:
            self._close(heard, "response time-out", "response_timeout")
        elif own_late and self._heard_s <= self._own_s:
            self._close(heard, "enquire time-out", "enquire_timeout")
        elif own_late:
            self._own = 0  # no answer, but the operator has spoken since: alive
        elif now >= self._silent_s():
            self._close(heard, "receipts silent", "receipts_silent")
        if self.state == BOUND and not self._own and now - self._heard_s >= self._enquire_s:
            self._ask(ENQUIRE_LINK, now)
        return heard

    def _silent_s(self) -> float:
        """When hearing no deliver_sm means half dead."""
        counts = self._receipts_s and self._undelivered >= _SILENT_SUBMITS_MIN
        return self._delivered_s + self._receipts_s if counts else _NEVER

    # --- hearing ------------------------------------------------------------------------------------------
    def hear(self, data: bytes, now: float) -> Heard:
        """Everything `data` completes. Never raises for what a peer sends."""
        heard = Heard([], [], [])
        if self.state in (FRESH, CLOSED):
            return heard
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return heard
            data = bytes(self._rest)
            self._rest.clear()
        answers = heard.answers
        take = self._in_flight.pop
        unpack = HEADER.unpack_from
        find = data.find
        at, size = 0, len(data)
        self._need = 16
        while size - at >= 16:
            length, command, status, sequence = unpack(data, at)
            end = at + length
            if end > size or length < 16 or length > PDU_OCTETS_MAX:
                if length < 16 or length > PDU_OCTETS_MAX:
                    self._close(heard, "nonsense", "framing")
                self._need = length
                break
            if command == SUBMIT_SM_RESP:
                if take(sequence, None) is None:
                    heard.strangers += 1
                else:
                    stop = find(0, at + 16, end)
                    if stop < 0:
                        stop = end
                    if stop - at > 16 + _ID_OCTETS_MAX:
                        stop = at + 16 + _ID_OCTETS_MAX
                    answers.append((sequence, status, str(data[at + 16 : stop], "latin-1")))
            elif command == DELIVER_SM:
                self._hear_deliver(heard, data[at:end], command, sequence)
            else:
                self._hear(heard, data[at:end], command, status, sequence, now)
                if heard.closed:
                    break
            at = end
        self._settle(heard, at, now)
        if at < size and not heard.closed:
            self._rest += data[at:]
        return heard

    def _settle(self, heard: Heard, octets: int, now: float) -> None:
        """What is said once for a whole chunk."""
        if octets:
            self._heard_s = now
        self.strangers += heard.strangers
        self._undelivered += len(heard.answers)
        if heard.delivers:
            self._undelivered = 0
        if not self._undelivered or heard.delivers:
            self._delivered_s = now
        if self.state == LEAVING and not self._in_flight:
            self._leave(heard, "settled")

    def _hear(self, heard: Heard, frame: bytes, command: int, status: int, sequence: int, now: float) -> None:
        """One PDU that does not come by the million."""
        if command == DATA_SM:
            self._hear_deliver(heard, frame, command, sequence)
        elif command == GENERIC_NACK or command & RESPONSE:
            if not self._questions.heard(frame, command, status, sequence, heard.queried, heard.cancelled):
                self._hear_response(heard, command, status, sequence)
        elif command == ENQUIRE_LINK:
            self._answer(ENQUIRE_LINK_RESP, ESME_ROK, sequence)
        elif command == UNBIND:
            self._hear_unbind(heard, sequence, now)
        elif command == ALERT_NOTIFICATION:
            self._hear_alert(heard, frame)
        elif command != OUTBIND:  # we are bound or about to be: nothing to do, and it has no response
            self._refuse(heard, command, ESME_RINVBNDSTS if command in COMMANDS else ESME_RINVCMDID, sequence)

    def _hear_deliver(self, heard: Heard, frame: bytes, command: int, sequence: int) -> None:
        if self.state not in _DELIVERS_IN or self._command == BIND_TRANSMITTER:
            self._refuse(heard, command, ESME_RINVBNDSTS, sequence)
            return
        try:
            if command == DELIVER_SM:
                heard.delivers.append(parse_deliver(frame))
            else:
                heard.delivers.append(deliver_of(decode(frame)))
                self._data.add(sequence)
        except PduError as e:
            self._refuse(heard, command, e.status, sequence)

    def _hear_response(self, heard: Heard, command: int, status: int, sequence: int) -> None:
        """Matched by its sequence alone (section 3.2); a generic_nack is the answer to whatever it names."""
        if self._own and sequence == self._own:
            asked = self._command if self.state == BINDING else UNBIND if self.state == UNBINDING else ENQUIRE_LINK
            if command == GENERIC_NACK or command == asked | RESPONSE:
                self._own = 0
                if self.state == UNBINDING:
                    self._close(heard, "unbind answered", "unbound")
                elif self.state == BINDING:
                    if command == GENERIC_NACK:
                        status = status or ESME_RUNKNOWNERR
                    self._hear_bind_answer(heard, status)
                return
        elif command == GENERIC_NACK and self._in_flight.pop(sequence, None) is not None:
            heard.answers.append((sequence, status or ESME_RUNKNOWNERR, ""))
            return
        heard.strangers += 1

    def _hear_bind_answer(self, heard: Heard, status: int) -> None:
        heard.bind_status = status
        if status == ESME_ROK:
            self._go("bind accepted")
            heard.bound = True
        else:
            self._close(heard, "bind refused", "bind_refused")

    def _hear_unbind(self, heard: Heard, sequence: int, now: float) -> None:
        """The answer waits until our submits are answered: after it the operator owes us nothing."""
        if self.state == BOUND:
            self._go("unbind")
            self._farewell, self._farewell_s = sequence, now
        elif self.state != LEAVING:
            self._answer(UNBIND_RESP, ESME_ROK, sequence)
            self._close(heard, "unbind", "unbound" if self.state == UNBINDING else "unbound_by_operator")

    def _leave(self, heard: Heard, why: str) -> None:
        self._answer(UNBIND_RESP, ESME_ROK, self._farewell)
        self._close(heard, why, "unbound_by_operator")

    def _hear_alert(self, heard: Heard, frame: bytes) -> None:
        try:
            pdu = decode(frame)
        except PduError:
            heard.refused += 1  # section 4.12: there is no response to refuse with
            return
        if (self.state, "alert") in TRANSITIONS:
            heard.alerts.append(alert_of(pdu))

    # --- saying -------------------------------------------------------------------------------------------
    def _sequence(self) -> int:
        """The next number of section 5.1.4, 1 to 0x7FFFFFFF and round, none that is still in flight."""
        while True:
            sequence = self._next
            self._next = sequence + 1
            if self._next > SEQUENCE_MAX:
                self._next = 1
                self._wrapped = True
            if sequence not in self._in_flight and sequence != self._own and sequence not in self._questions:
                return sequence

    def _ask(self, command: int, now: float, fields: dict[str, int | bytes] | None = None) -> None:
        self._own, self._own_s = 0, now
        self._own = self._sequence()
        self._out.append(encode(Pdu(command, 0, self._own, fields or {})))

    def _answer(self, command: int, status: int, sequence: int, fields: dict[str, int | bytes] | None = None) -> None:
        self._out.append(encode_answer(command, status, sequence, fields))

    def _refuse(self, heard: Heard, command: int, status: int, sequence: int) -> None:
        heard.refused += 1
        nameless = status == ESME_RINVCMDID or (command | RESPONSE) not in COMMANDS
        self._answer(GENERIC_NACK if nameless else command | RESPONSE, status, sequence)

    def _go(self, heard: str) -> None:
        self.state = TRANSITIONS[self.state, heard]

    def _close(self, heard: Heard, why: str, code: str) -> None:
        assert code in CLOSES
        self._go(why)
        heard.closed = code
