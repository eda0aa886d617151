"""HOT: one bind of a bank's system as a machine, the server's side: octets in, requests and octets out, the time passed in. No socket.

What may be heard in which state is one table, SERVER_TRANSITIONS. Nothing that a peer sends raises: a PDU that cannot be
taken is answered with the status of the field that is wrong, a stream that makes no sense ends the session.
A session lives as long as its connection: after `closed` send what `take` still gives, then close.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from appliance.limits import SEQUENCE_MAX

from . import spec
from .codec import Framer, FramingError, Pdu, PduError, decode, encode, encode_answer
from .fast import HEADER, pack_submit_resp
from .server_states import (
    BINDING,
    BOUND,
    CLOSED,
    LEAVING,
    OPEN,
    SERVER_CLOSES,
    SERVER_TRANSITIONS,
    UNBINDING,
    BindAsked,
    Received,
)  # fmt: skip
from .spec import BIND_RECEIVER, ESME_ROK, RESPONSE, SUBMIT_SM
from .submission import parse_submission, submission_of

_KINDS: Final = {BIND_RECEIVER: "receiver", spec.BIND_TRANSMITTER: "transmitter", spec.BIND_TRANSCEIVER: "transceiver"}
_SENDS: Final = frozenset({SUBMIT_SM, spec.DATA_SM, spec.SUBMIT_MULTI, spec.QUERY_SM, spec.CANCEL_SM, spec.REPLACE_SM})
_CREDENTIAL: Final = ("system_id", "password", "system_type")
_NEVER: Final = float("inf")


class ServerSession:
    """The SMSC's side of one bind. Times are monotonic seconds.

    `window`: requests that may wait for their answer, more are answered ESME_RTHROTTLED; `deliver_window`: our deliver_sm
    under way; `bind_s`: patience for a bind and for the check of its credential; `enquire_s`: enquire_link after so long
    without a PDU heard; `response_s`: patience for every answer, and for the last ones before an unbind.
    """

    def __init__(
        self,
        now: float,
        system_id: str = "casemate",
        window: int = 100,
        deliver_window: int = 10,
        bind_s: float = 10.0,
        enquire_s: float = 60.0,
        response_s: float = 30.0,
    ) -> None:
        self.state = OPEN
        self.kind = ""  # of the bind asked for or standing
        self.window = window
        self.deliver_window = deliver_window
        self._system_id = system_id.encode("latin-1", "replace")
        self._bind_s = bind_s
        self._enquire_s = enquire_s
        self._response_s = response_s
        self._framer = Framer()
        self._out: list[bytes] = []
        self._bind = (0, 0)  # command and sequence of the bind that waits
        self._unanswered: dict[int, int] = {}  # sequence: command
        self._delivers: dict[int, float] = {}  # sequence: when sent; the oldest first
        self._next = 1
        self._own = 0  # sequence of our enquire_link or unbind under way; 0: none
        self._own_s = 0.0
        self._farewell = 0  # sequence of the other side's unbind
        self._since_s = now  # of the state
        self._heard_s = now

    # --- what the door does -------------------------------------------------------------------------------
    def take(self) -> bytes:
        """The octets to send now; they are forgotten here."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    @property
    def over(self) -> bool:
        """Nothing more is heard or said: send what `take` still gives, then close."""
        return self.state == CLOSED

    @property
    def unanswered(self) -> int:
        """Requests that wait for `answer`."""
        return len(self._unanswered)

    @property
    def delivering(self) -> int:
        """Our deliver_sm under way."""
        return len(self._delivers)

    @property
    def room(self) -> int:
        """How many deliver_sm may be sent now; 0 unless bound to receive."""
        if self.state != BOUND or self._bind[0] == spec.BIND_TRANSMITTER:
            return 0
        return max(0, self.deliver_window - len(self._delivers))

    def accept_bind(self, now: float) -> None:
        """Answers the bind that waits: from now on it stands."""
        if self.state != BINDING:
            return
        command, sequence = self._bind
        self._go("bind accepted", now)
        self._heard_s = now
        version = {spec.TLV_SC_INTERFACE_VERSION: bytes((spec.INTERFACE_VERSION,))}
        answer = encode(Pdu(command | RESPONSE, ESME_ROK, 0, {"system_id": self._system_id}, version))
        self._out.append(answer[:12] + sequence.to_bytes(4, "big") + answer[16:])

    def refuse_bind(self, status: int, now: float) -> Received:
        """Answers the bind that waits with an error; the session is over."""
        received = _nothing()
        if self.state == BINDING:
            command, sequence = self._bind
            self._out.append(encode_answer(command | RESPONSE, status, sequence))
            self._close(received, "bind refused", "bind_refused", now)
        return received

    def answer(self, sequence: int, status: int, message_id: str, now: float) -> Received:
        """Answers a submit_sm, data_sm or cancel_sm and the like that waits; other fields by `answer_with`."""
        return self.answers(((sequence, status, message_id),), now)

    def answers(self, answers: Iterable[tuple[int, int, str]], now: float) -> Received:
        """The same for many: (sequence, status, message id) each."""
        waits, say = self._unanswered.pop, self._out.append
        for sequence, status, message_id in answers:
            command = waits(sequence, 0)
            if command == SUBMIT_SM:
                say(pack_submit_resp(sequence, status, message_id))
            elif command:
                fields: dict[str, int | bytes] = {}
                if not status and command in (spec.DATA_SM, spec.SUBMIT_MULTI, spec.QUERY_SM):
                    fields["message_id"] = message_id.encode("latin-1", "replace")
                say(encode_answer(command | RESPONSE, status, sequence, fields))
        return self._settle(now)

    def answer_with(self, sequence: int, fields: dict[str, int | bytes], now: float) -> Received:
        """Answers a request that waits with ESME_ROK and these fields of its response."""
        command = self._unanswered.pop(sequence, 0)
        if command:
            self._out.append(encode_answer(command | RESPONSE, ESME_ROK, sequence, fields))
        return self._settle(now)

    def reserve(self, count: int) -> list[int]:
        """`count` sequence numbers for deliver_sm, at most `room`."""
        assert count <= self.room, (count, self.room)
        return [self._sequence() for _ in range(count)]

    def sent(self, sequences: list[int], octets: bytes, now: float) -> None:
        """The deliver_sm with these sequences, packed one after another in `octets`, leave now."""
        assert self.state == BOUND
        self._delivers.update(dict.fromkeys(sequences, now))
        self._out.append(octets)

    def unbind(self, now: float) -> Received:
        """Says goodbye: no request is taken any more, those that wait are answered first. Without a bind it closes."""
        received = _nothing()
        if self.state in (OPEN, BINDING):
            self._close(received, "we close", "closed", now)
        elif self.state == BOUND:
            self._go("we unbind", now)
            self._own = 0
            return self._settle(now)
        return received

    def disconnected(self, now: float) -> list[int]:
        """The connection is gone. Sequences of deliver_sm without an answer, in the order sent: their fate is unknown."""
        self._go("disconnected", now)
        lost = list(self._delivers)
        self._delivers.clear()
        self._unanswered.clear()
        self._out.clear()
        return lost

    # --- time ---------------------------------------------------------------------------------------------
    def next_deadline(self) -> float:
        """When `tick` next has something to do; infinity when it has not."""
        if self.state == CLOSED:
            return _NEVER
        if self.state in (OPEN, BINDING):
            return self._since_s + self._bind_s
        if self.state != BOUND:
            return self._since_s + self._response_s
        due = self._own_s + self._response_s if self._own else self._heard_s + self._enquire_s
        if self._delivers:
            due = min(due, next(iter(self._delivers.values())) + self._response_s)
        return due

    def tick(self, now: float) -> Received:
        """What silence means by now."""
        received = _nothing()
        late = now - self._since_s
        if self.state in (OPEN, BINDING):
            if late >= self._bind_s:
                if self.state == BINDING:
                    self._out.append(encode_answer(self._bind[0] | RESPONSE, spec.ESME_RSYSERR, self._bind[1]))
                self._close(received, "bind time-out", "bind_timeout", now)
        elif self.state == UNBINDING:
            if late >= self._response_s:
                self._close(received, "unbind time-out", "unbound", now)
        elif self.state == LEAVING:
            if late >= self._response_s:
                self._leave(received, "settling time-out", now)
        elif self.state == BOUND:
            self._tick_bound(received, now)
        return received

    def _tick_bound(self, received: Received, now: float) -> None:
        while self._delivers:
            sequence, sent_s = next(iter(self._delivers.items()))
            if now - sent_s < self._response_s:
                break
            del self._delivers[sequence]
            received.late.append(sequence)
        if self._own and now - self._own_s >= self._response_s:
            if self._heard_s <= self._own_s:
                self._close(received, "enquire time-out", "enquire_timeout", now)
                return
            self._own = 0  # no answer, but something was heard since: alive
        if not self._own and now - self._heard_s >= self._enquire_s:
            self._own, self._own_s = self._sequence(), now
            self._out.append(encode(Pdu(spec.ENQUIRE_LINK, 0, self._own)))

    # --- hearing ------------------------------------------------------------------------------------------
    def hear(self, data: bytes, now: float) -> Received:
        """Everything `data` completes. Never raises for what a peer sends."""
        received = _nothing()
        if self.state == CLOSED:
            return received
        try:
            frames = self._framer.hear(data)
        except FramingError:
            self._out.append(encode(Pdu(spec.GENERIC_NACK, spec.ESME_RINVCMDLEN, 0)))
            self._close(received, "nonsense", "framing", now)
            return received
        if frames:
            self._heard_s = now
        bound = self.state == BOUND and self._bind[0] != BIND_RECEIVER
        for frame in frames:
            _, command, status, sequence = HEADER.unpack_from(frame)
            if command == SUBMIT_SM and bound:
                self._hear_submit(received, frame, sequence)
            else:
                self._hear(received, frame, command, status, sequence, now)
                bound = self.state == BOUND and self._bind[0] != BIND_RECEIVER
                if self.state == CLOSED:
                    break
        return received

    def _hear_submit(self, received: Received, frame: bytes, sequence: int) -> None:
        if len(self._unanswered) >= self.window or sequence in self._unanswered:
            status = spec.ESME_RTHROTTLED if sequence not in self._unanswered else spec.ESME_RSYSERR
            self._refuse(received, SUBMIT_SM, status, sequence)
            return
        try:
            submission = parse_submission(frame)
        except PduError as e:
            self._refuse(received, SUBMIT_SM, e.status, sequence)
            return
        self._unanswered[sequence] = SUBMIT_SM
        received.submissions.append(submission)

    def _hear(self, received: Received, frame: bytes, command: int, status: int, sequence: int, now: float) -> None:
        """One PDU that does not come by the thousand."""
        if command in (spec.DELIVER_SM_RESP, spec.DATA_SM_RESP, spec.GENERIC_NACK):
            self._hear_answer(received, command, status, sequence)
        elif command & RESPONSE:
            self._hear_response(received, command, sequence, now)
        elif command == spec.ENQUIRE_LINK:
            self._say(spec.ENQUIRE_LINK_RESP, ESME_ROK, sequence)
        elif command in _KINDS:
            self._hear_bind(received, frame, command, sequence, now)
        elif command == spec.UNBIND:
            self._hear_unbind(received, sequence, now)
        elif command in _SENDS:
            self._hear_request(received, frame, command, sequence)
        else:
            self._refuse(received, command, spec.ESME_RINVCMDID, sequence)

    def _hear_bind(self, received: Received, frame: bytes, command: int, sequence: int, now: float) -> None:
        if self.state != OPEN:
            self._refuse(received, command, spec.ESME_RALYBND, sequence)
            return
        try:
            fields = decode(frame).fields
        except PduError as e:
            self._go("bind", now)
            self._bind = (command, sequence)
            received.refused.append(e.status)
            self._say(command | RESPONSE, e.status, sequence)
            self._close(received, "bind refused", "bind_refused", now)
            return
        self._go("bind", now)
        self._bind, self.kind = (command, sequence), _KINDS[command]
        name, password, type_ = (str(fields[n], "latin-1") for n in _CREDENTIAL)  # type: ignore[arg-type]
        received.bind = BindAsked(self.kind, name, password, type_)

    def _hear_request(self, received: Received, frame: bytes, command: int, sequence: int) -> None:
        """Section 2.3: a receiver sends nothing, and nobody before a bind. While we say goodbye it is to come back later."""
        if self.state in (UNBINDING, LEAVING):
            self._refuse(received, command, spec.ESME_RSYSERR, sequence)
        elif self.state != BOUND or self._bind[0] == BIND_RECEIVER:
            self._refuse(received, command, spec.ESME_RINVBNDSTS, sequence)
        elif len(self._unanswered) >= self.window:
            self._refuse(received, command, spec.ESME_RTHROTTLED, sequence)
        elif sequence in self._unanswered:
            self._refuse(received, command, spec.ESME_RSYSERR, sequence)
        else:
            try:
                pdu = decode(frame)
                if command == spec.DATA_SM:
                    received.submissions.append(submission_of(pdu))
                else:
                    received.requests.append(pdu)
                self._unanswered[sequence] = command
            except PduError as e:
                self._refuse(received, command, e.status, sequence)

    def _hear_answer(self, received: Received, command: int, status: int, sequence: int) -> None:
        if self._delivers.pop(sequence, None) is None:
            received.strangers += 1
            if command == spec.GENERIC_NACK and sequence == self._own:
                self._own = 0  # who refuses an enquire_link has heard it
            return
        if command == spec.GENERIC_NACK:
            status = status or spec.ESME_RUNKNOWNERR
        received.answers.append((sequence, status))

    def _hear_response(self, received: Received, command: int, sequence: int, now: float) -> None:
        if not self._own or sequence != self._own:
            received.strangers += 1
        elif self.state == UNBINDING and command == spec.UNBIND_RESP:
            self._close(received, "unbind answered", "unbound", now)
        elif command == spec.ENQUIRE_LINK_RESP:
            self._own = 0

    def _hear_unbind(self, received: Received, sequence: int, now: float) -> None:
        """The answer waits until every request has its own: after it nothing is owed."""
        if self.state in (OPEN, BINDING):
            self._say(spec.UNBIND_RESP, ESME_ROK, sequence)
            self._close(received, "unbind", "unbound_by_client", now)
        elif self.state in (BOUND, UNBINDING):
            self._go("unbind", now)
            self._farewell = sequence
            if not self._unanswered:
                self._leave(received, "settled", now)

    # --- saying -------------------------------------------------------------------------------------------
    def _settle(self, now: float) -> Received:
        received = _nothing()
        if not self._unanswered:
            if self.state == LEAVING:
                self._leave(received, "settled", now)
            elif self.state == UNBINDING and not self._own:
                self._own, self._own_s = self._sequence(), now
                self._out.append(encode(Pdu(spec.UNBIND, 0, self._own)))
        return received

    def _leave(self, received: Received, why: str, now: float) -> None:
        self._say(spec.UNBIND_RESP, ESME_ROK, self._farewell)
        self._close(received, why, "unbound_by_client", now)

    def _sequence(self) -> int:
        while True:
            sequence = self._next
            self._next = sequence % SEQUENCE_MAX + 1
            if sequence not in self._delivers and sequence != self._own:
                return sequence

    def _say(self, command: int, status: int, sequence: int) -> None:
        self._out.append(encode_answer(command, status, sequence))

    def _refuse(self, received: Received, command: int, status: int, sequence: int) -> None:
        received.refused.append(status)
        known = command in spec.COMMANDS and (command | RESPONSE) in spec.COMMANDS and status != spec.ESME_RINVCMDID
        self._say(command | RESPONSE if known else spec.GENERIC_NACK, status, sequence)

    def _go(self, heard: str, now: float) -> None:
        self.state = SERVER_TRANSITIONS[self.state, heard]
        self._since_s = now

    def _close(self, received: Received, heard: str, code: str, now: float) -> None:
        assert code in SERVER_CLOSES
        self._go(heard, now)
        received.closed = code


def _nothing() -> Received:
    return Received(None, [], [], [], [], [])
