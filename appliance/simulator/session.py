"""HOT: one connection to the simulated operator: octets in, PDUs out, one write for each chunk heard."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from struct import Struct
from typing import Final, cast

from appliance.smpp import (
    Framer,
    FramingError,
    Pdu,
    PduError,
    decode,
    encode,
    pack_deliver,
    pack_submit_resp,
    parse_submit,
    spec,
)

from .handset import Record
from .operator import CONNECTIONS_MAX, Account, Operator
from .receipts import Deliver
from .submits import as_submit, data_response, multi_response, multi_submits

SUBMIT: Final = spec.SUBMIT_SM.to_bytes(4, "big")
DATA: Final = spec.DATA_SM.to_bytes(4, "big")
MULTI: Final = spec.SUBMIT_MULTI.to_bytes(4, "big")
DELIVER_RESP: Final = spec.DELIVER_SM_RESP.to_bytes(4, "big")
BIND_S_MAX: Final = 30.0  # a connection that does not bind is closed
ANSWER_S_MAX: Final = 30.0  # a deliver_sm without an answer is given to somebody else
ENQUIRE_ANSWER_S_MAX: Final = 10.0
LEAVE_S_MAX: Final = 5.0  # for an answer to our unbind
ESME_RCANCELFAIL: Final = 0x11
_BINDS: Final = (spec.BIND_RECEIVER, spec.BIND_TRANSMITTER, spec.BIND_TRANSCEIVER)
_SENDING: Final = (spec.BIND_TRANSMITTER, spec.BIND_TRANSCEIVER)
_NOBODY: Final = Account("")
_HEADER: Final = Struct(">IIII")
_ROK: Final = bytes(4)
_DELIVER: Final = spec.DELIVER_SM
_REFUSED_FOR_NOW: Final = frozenset({spec.ESME_RX_T_APPN, spec.ESME_RMSGQFUL, spec.ESME_RTHROTTLED, spec.ESME_RSYSERR})


class Session(asyncio.Protocol):
    """A connection, and once it is bound a bind."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self.number = operator.connection()
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._bind = 0
        self.account = _NOBODY
        self._under_way: dict[int, Deliver | Record] = {}
        self._sequence = 0
        self._submits = 0
        self._paused = False
        self._since_s = self._heard_s = operator.now()
        self._enquired_s = 0.0
        self._leaving = False
        self._answers: dict[int, Callable[[Pdu], Pdu | None]] = {
            spec.BIND_RECEIVER: self._on_bind,
            spec.BIND_TRANSMITTER: self._on_bind,
            spec.BIND_TRANSCEIVER: self._on_bind,
            spec.ENQUIRE_LINK: lambda pdu: Pdu(spec.ENQUIRE_LINK_RESP, 0, pdu.sequence),
            spec.ENQUIRE_LINK_RESP: lambda pdu: None,
            spec.UNBIND_RESP: self._on_unbind_resp,
            spec.GENERIC_NACK: self._on_nack,
            spec.UNBIND: self._on_unbind,
            spec.QUERY_SM: self._on_query,
            spec.CANCEL_SM: self._on_cancel,
            spec.REPLACE_SM: lambda pdu: Pdu(spec.REPLACE_SM_RESP, 0x13, pdu.sequence),  # ESME_RREPLACEFAIL
        }

    # --- the connection -------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if len(self._operator.sessions) >= CONNECTIONS_MAX:
            self.drop()
            return
        self._operator.sessions.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        unanswered, self._under_way = list(self._under_way.values()), {}
        self._operator.gone(self, unanswered)

    def pause_writing(self) -> None:
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()  # who does not read answers is not listened to

    def resume_writing(self) -> None:
        self._paused = False
        if self._transport is not None:
            self._transport.resume_reading()
        self.account.pump(self._operator.now())

    def drop(self) -> None:
        """Ends the connection at once, whatever is still to be written."""
        if self._transport is not None:
            self._operator.counters["dropped"] += 1
            self.account.dropped_s = self._operator.now()
            self._transport.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def answer(self, octets: bytes) -> None:
        """An answer that took its time."""
        if self._transport is not None:
            self._operator.counters["answered"] += 1
            self._transport.write(b"".join(self._mixed([octets])))

    # --- hearing --------------------------------------------------------------------------------------
    def data_received(self, data: bytes) -> None:
        operator = self._operator
        self._heard_s = operator.now()
        self._enquired_s = 0.0
        out: list[bytes] = []
        answers: list[bytes] = []
        broken = dropped = False
        try:
            frames = self._framer.hear(data)
        except FramingError:
            frames, broken = [], True
        acknowledged = False
        plain: list[bytes] | None = [] if operator.plain.on and self._bind in _SENDING else None
        for frame in frames:
            command = frame[4:8]
            if command == DELIVER_RESP:
                acknowledged = True
                self._on_deliver_resp(frame)
                continue
            if plain is not None:
                if command == SUBMIT:
                    plain.append(frame)
                    continue
                if plain:  # what came before it is heard before it
                    answers += self._on_plain(plain)
                    plain = []
            if command in (SUBMIT, DATA, MULTI):
                octets, dropped = self._on_submit(frame) if command == SUBMIT else self._on_odd_submit(frame)
                if dropped:
                    break
                if octets:
                    answers.append(octets)
            else:
                out.append(self._on_other(frame))
        if plain:
            answers += self._on_plain(plain)
        if broken:
            operator.counters["bad_pdus"] += 1
            out.append(encode(Pdu(spec.GENERIC_NACK, spec.ESME_RINVCMDLEN, 0)))
        operator.flush()
        if self._transport is None:
            return
        if dropped:
            self.drop()
            return
        if answers or out:
            self._transport.write(b"".join(self._mixed(answers) + out))
        if 0 < operator.options.unbind_after <= self._submits and self._unbinds() and not self._leaving:
            self._leave()
        if broken:
            self._transport.close()
        elif acknowledged:
            self.account.pump(self._heard_s)

    def _mixed(self, answers: list[bytes]) -> list[bytes]:
        """Answers to submits as they leave: in order, unless the operator is hostile."""
        mischief = self._operator.mischief
        if not answers or not mischief.mixes:
            return answers
        mixed, made = mischief.mixed(answers)
        self._operator.counters.update(made)
        return mixed

    def _must_send(self, frame: bytes) -> None:
        if self._bind not in _SENDING:
            raise PduError(spec.ESME_RINVBNDSTS, int.from_bytes(frame[12:16], "big"), "not bound to send")

    def _on_odd_submit(self, frame: bytes) -> tuple[bytes, bool]:
        """data_sm, and submit_multi: a submit for each destination, with one answer (section 4.5)."""
        command = int.from_bytes(frame[4:8], "big")
        try:
            self._must_send(frame)
            pdu = decode(frame)
            if command == spec.DATA_SM:
                submits = [as_submit(pdu)]
            else:
                submits = multi_submits(pdu)
        except PduError as e:
            self._operator.counters["bad_pdus"] += 1
            return encode(Pdu(command | spec.RESPONSE, e.status, e.sequence & 0x7FFFFFFF)), False
        self._submits += len(submits)
        if command == spec.DATA_SM:
            return self._operator.submit(self, submits[0], data_response)
        return multi_response(pdu.sequence, [self._operator.submit_quietly(self, each) for each in submits]), False

    def _on_submit(self, frame: bytes) -> tuple[bytes, bool]:
        try:
            self._must_send(frame)
            submit = parse_submit(frame)
        except PduError as e:
            self._operator.counters["bad_pdus"] += 1
            return pack_submit_resp(e.sequence, e.status), False
        octets, dropped = self._operator.submit(self, submit)
        self._submits += 1
        after = self._operator.options.drop_after
        return octets, dropped or (0 < after <= self._submits and not self._unbinds())

    def _on_plain(self, frames: list[bytes]) -> list[bytes]:
        return self._operator.plain.take(frames, self.account, self._heard_s, lambda frame: self._on_submit(frame)[0])

    def _unbinds(self) -> bool:
        """Whether the operator means to unbind this connection: with `drop_after` too, every other one."""
        options = self._operator.options
        return options.unbind_after > 0 and (not options.drop_after or self.number % 2 == 1)

    def _on_deliver_resp(self, frame: bytes) -> None:
        """Only the header is looked at: its message_id is unused."""
        deliver = self._under_way.pop(int.from_bytes(frame[12:16], "big"), None)
        if deliver is None:
            return
        if frame[8:12] != _ROK and int.from_bytes(frame[8:12], "big") in _REFUSED_FOR_NOW:
            self._operator.counters["delivered_again"] += 1
            self._operator.again(self.account, deliver)
        elif deliver.esm_class & spec.ESM_RECEIPT:
            self._operator.counters["receipts"] += 1

    def _on_other(self, frame: bytes) -> bytes:
        command = int.from_bytes(frame[4:8], "big")
        try:
            pdu = decode(frame)
            act = self._answers.get(command)
            if act is None:
                raise PduError(spec.ESME_RINVCMDID, pdu.sequence, "not for an operator")
            if not self._bind and command in (spec.QUERY_SM, spec.CANCEL_SM, spec.REPLACE_SM, spec.UNBIND):
                raise PduError(spec.ESME_RINVBNDSTS, pdu.sequence, "not bound")
            answer = act(pdu)
            return encode(answer) if answer is not None else b""
        except PduError as e:
            self._operator.counters["bad_pdus"] += 1
            if command & spec.RESPONSE:
                return b""  # an answer to an answer would go back and forth for ever
            response = command | spec.RESPONSE
            if command not in self._answers or response not in spec.BODIES:
                response = spec.GENERIC_NACK
            return encode(Pdu(response, e.status, e.sequence & 0x7FFFFFFF))

    # --- binding --------------------------------------------------------------------------------------
    def _on_bind(self, pdu: Pdu) -> Pdu:
        response = pdu.command_id | spec.RESPONSE
        system_id, password = cast(bytes, pdu.fields["system_id"]), cast(bytes, pdu.fields["password"])
        options = self._operator.options
        if self._bind:
            return Pdu(response, spec.ESME_RALYBND, pdu.sequence)
        if options.system_id and system_id != options.system_id.encode():
            return Pdu(response, spec.ESME_RINVSYSID, pdu.sequence)
        if self._operator.password and not hmac.compare_digest(password, self._operator.password.encode()):
            return Pdu(response, spec.ESME_RINVPASWD, pdu.sequence)
        account = self._operator.account(system_id.decode("latin-1"))
        refusal = self._operator.may_bind(account)
        if refusal:
            self._operator.counters["binds_refused"] += 1
            return Pdu(response, refusal, pdu.sequence)
        self._operator.counters["binds"] += 1
        self._bind = pdu.command_id
        self.account = account
        account.bound.add(self)
        if self._bind != spec.BIND_TRANSMITTER:
            self._operator.bound(self)
        version = {spec.TLV_SC_INTERFACE_VERSION: bytes((spec.INTERFACE_VERSION,))}
        return Pdu(response, 0, pdu.sequence, {"system_id": b"operator"}, version)

    def _leave(self) -> None:
        """The operator unbinds: submits that come until the answer are taken as ever."""
        assert self._transport is not None
        self._leaving = True
        self._operator.counters["unbinds"] += 1
        self._sequence = self._sequence % 0x7FFFFFFF + 1
        self._transport.write(encode(Pdu(spec.UNBIND, 0, self._sequence)))
        self._operator.later(self._operator.now() + LEAVE_S_MAX, self.close)

    def _on_unbind_resp(self, pdu: Pdu) -> None:
        if self._leaving:
            self._operator.later(self._operator.now(), self.close)

    def _on_cancel(self, pdu: Pdu) -> Pdu:
        message_id = cast(bytes, pdu.fields["message_id"]).decode("latin-1")
        return Pdu(spec.CANCEL_SM_RESP, 0 if self._operator.cancel(message_id) else ESME_RCANCELFAIL, pdu.sequence)

    def _on_unbind(self, pdu: Pdu) -> Pdu:
        if self in self.account.receivers:
            self.account.receivers.remove(self)
        self.account.bound.discard(self)
        self._bind = 0
        self._operator.later(self._operator.now(), self.close)  # after the answer
        return Pdu(spec.UNBIND_RESP, 0, pdu.sequence)

    def _on_nack(self, pdu: Pdu) -> None:
        self._under_way.pop(pdu.sequence, None)

    def _on_query(self, pdu: Pdu) -> Pdu:
        message_id = cast(bytes, pdu.fields["message_id"])
        state = self._operator.state(message_id.decode("latin-1"))
        if state is None:
            return Pdu(spec.QUERY_SM_RESP, spec.ESME_RINVMSGID, pdu.sequence)
        return Pdu(spec.QUERY_SM_RESP, 0, pdu.sequence, {"message_id": message_id, "message_state": state})

    # --- delivering -----------------------------------------------------------------------------------
    def room(self) -> int:
        """How many more deliver_sm may be under way."""
        if self._transport is None or self._paused or self._transport.is_closing():
            return 0
        if self._operator.mischief.silent(self._operator.now()):
            return 0
        return self._operator.options.receipt_window - len(self._under_way)

    def deliver(self, items: list[Deliver | Record], now_s: float) -> None:
        """Writes them; they are under way until they are answered."""
        assert self._transport is not None
        out = []
        for item in items:
            sequence = self._sequence = self._sequence % 0x7FFFFFFF + 1
            if isinstance(item, Record):
                item.sent_s = now_s
                self._under_way[sequence] = item
                out.append(_HEADER.pack(16 + len(item.octets), _DELIVER, 0, sequence))
                out.append(item.octets)
                continue
            try:
                octets = pack_deliver(
                    sequence,
                    item.source,
                    item.dest,
                    item.esm_class,
                    item.data_coding,
                    item.short_message,
                    item.tlvs,
                )
            except PduError:  # an address that came in by HTTP or by a submit and does not fit a deliver_sm
                self._operator.counters["bad_pdus"] += 1
                continue
            item.sent_s = now_s
            self._under_way[sequence] = item
            out.append(octets)
        self._transport.write(b"".join(out))

    def look(self, now_s: float) -> None:
        """Once a second: closes what is dead, asks the silent, gives away what is not answered."""
        if self._transport is None:
            return
        if not self._bind:
            if now_s - self._since_s > BIND_S_MAX:
                self.close()
            return
        late = []
        for sequence, item in self._under_way.items():
            if now_s - item.sent_s < ANSWER_S_MAX:
                break
            late.append(sequence)
        for sequence in late:
            self._operator.counters["delivered_again"] += 1
            self._operator.again(self.account, self._under_way.pop(sequence))
        if self._enquired_s:
            if now_s - self._enquired_s > ENQUIRE_ANSWER_S_MAX:
                self.drop()
        elif now_s - self._heard_s > self._operator.options.enquire_s:
            self._sequence = self._sequence % 0x7FFFFFFF + 1
            self._enquired_s = now_s
            self._transport.write(encode(Pdu(spec.ENQUIRE_LINK, 0, self._sequence)))
