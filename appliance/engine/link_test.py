"""A test of one operator link: a bind of its own, perhaps one message, and every PDU decoded both ways, a verdict a step.

It shares the link's settings and nothing else: the link's own binds and traffic go on. What the operator delivers here and is not
the test's is refused with ESME_RX_T_APPN, so that it comes again on another bind: nothing is swallowed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any, Final

from appliance import clock, limits
from appliance.message import TRANSACTION
from appliance.settings import Link as LinkSettings
from appliance.smpp import (
    Framer,
    FramingError,
    LinkPacker,
    Pdu,
    PduError,
    decode,
    encode,
    spec,
    status_name,
)
from appliance.text import Cutter, sender_octets, shape_of
from appliance.text import encode as encode_text

from .bind import Bind
from .hints import Judged, binding, connecting, deliver_of, judge, submitting
from .trace import Cut, Taps, told

COMMANDS: Final = {
    "transceiver": spec.BIND_TRANSCEIVER,
    "transmitter": spec.BIND_TRANSMITTER,
    "receiver": spec.BIND_RECEIVER,
}
VALIDITY_S: Final = 600
UNBIND_S: Final = 2.0


class Wire:
    """One connection of a test: asks, hears, answers what the operator asks."""

    def __init__(self, test: LinkTest, kind: str, host: str, port: int) -> None:
        self.test = test
        self.kind = kind
        self.address = f"{host}:{port}"
        self.closed = asyncio.Event()
        self._framer = Framer()
        self._waiting: dict[int, asyncio.Future[Pdu]] = {}
        self._sequence = 0
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def connect(self, tls: ssl.SSLContext | None) -> None:
        """Raises what the network and TLS raise."""
        host, _, port = self.address.rpartition(":")
        async with asyncio.timeout(self.test.patience_s):
            reader, self._writer = await asyncio.open_connection(
                host, int(port), ssl=tls, server_hostname=host if tls else None
            )
        self._task = asyncio.get_running_loop().create_task(self._read(reader))

    def next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    def say(self, octets: bytes) -> None:
        self.test.note(self.kind, self.address, "out", octets)
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(octets)

    async def ask(
        self, command: int, fields: dict[str, int | bytes] | None = None, patience_s: float = 0.0
    ) -> Pdu | None:
        """The answer to one request, None when there was none in time."""
        sequence = self.next_sequence()
        return await self.answer_to(sequence, encode(Pdu(command, 0, sequence, fields or {})), patience_s)

    async def answer_to(self, sequence: int, octets: bytes, patience_s: float = 0.0) -> Pdu | None:
        future: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        gone = asyncio.ensure_future(self.closed.wait())
        self._waiting[sequence] = future
        self.say(octets)
        try:
            wait_s = patience_s or self.test.patience_s
            await asyncio.wait((future, gone), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            return future.result() if future.done() else None
        finally:
            gone.cancel()
            del self._waiting[sequence]

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(65_536):
                for frame in self._framer.hear(data):
                    self._hear(frame)
        except FramingError:
            self.test.why = "what came is not SMPP"
        except ssl.SSLError as e:
            self.test.why = "TLS: " + str(e.reason or "ended").replace("_", " ").lower()
        except OSError as e:
            self.test.why = type(e).__name__
        finally:
            self.closed.set()

    def _hear(self, frame: bytes) -> None:
        self.test.note(self.kind, self.address, "in", frame)
        command, _, sequence = (int.from_bytes(frame[k : k + 4], "big") for k in (4, 8, 12))
        try:
            pdu = decode(frame)
        except PduError as e:
            if not command & spec.RESPONSE:
                self._answer(command, e.status, sequence)
            elif sequence in self._waiting and command in spec.COMMANDS:  # its status is read, its body is not
                self._settle(Pdu(command, int.from_bytes(frame[8:12], "big") or e.status, sequence))
            return
        if command & spec.RESPONSE:
            self._settle(pdu)
        elif command in (spec.DELIVER_SM, spec.DATA_SM):
            self._answer(command, self.test.deliver(pdu), sequence)
        elif command == spec.ENQUIRE_LINK:
            self._answer(command, 0, sequence)
        elif command == spec.UNBIND:
            self._answer(command, 0, sequence)
            self.test.why = "the operator unbound"
        else:
            self._answer(command, spec.ESME_RINVBNDSTS, sequence)

    def _settle(self, pdu: Pdu) -> None:
        future = self._waiting.get(pdu.sequence)
        if future is not None and not future.done():
            future.set_result(pdu)

    def _answer(self, command: int, status: int, sequence: int) -> None:
        response = command | spec.RESPONSE
        if sequence <= limits.SEQUENCE_MAX and command not in (spec.OUTBIND, spec.ALERT_NOTIFICATION):
            self.say(encode(Pdu(response if response in spec.BODIES else spec.GENERIC_NACK, status, sequence)))

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(Exception):
                async with asyncio.timeout(0.5):
                    await self._writer.wait_closed()


class LinkTest:
    """One test. `run` never raises for what the operator or the network does."""

    def __init__(
        self, link: LinkSettings, tls: ssl.SSLContext | None, to: str = "", text: str = "", sender: str = ""
    ) -> None:
        self.link = link
        self.tls = tls
        self.to = to
        self.patience_s = min(link.response_s, limits.LINK_TEST_ANSWER_S_MAX)
        self.why = ""  # the connection ended, of the last one that did
        self.steps: list[dict[str, Any]] = []
        self.pdus: list[dict[str, Any]] = []
        self.more_pdus = 0
        self.others = 0  # delivered here, not the test's, sent back
        self.answered: dict[int, str] = {}  # part: the operator's id
        self.receipts: dict[int, Judged] = {}
        self.strange: Judged | None = None
        self.elsewhere: set[int] = set()  # parts whose receipt came on a bind of the link itself
        self.heard = asyncio.Event()
        self._sender = sender
        self._frames = self._packed(text) if to else None
        self._cut = Cut()
        self._names = link.tlv_names
        self._began_s = clock.monotonic_s()

    def _packed(self, text: str) -> tuple[LinkPacker, Any]:
        """The message as submits. Raises Error for a text, PduError for a sender or number that do not fit."""
        encoding, payload, _ = encode_text(text)
        shape = shape_of(self.link)
        packer = LinkPacker(self.link, Cutter(shape).cut, sender_octets, shape)
        parts = packer.prepare(encoding, payload, clock.now_ms() & 0xFFFF)
        if len(parts.octets) > limits.LINK_TEST_PARTS_MAX:
            raise PduError(spec.ESME_RINVMSGLEN, 0, f"the message is more than {limits.LINK_TEST_PARTS_MAX} parts")
        packer.pack(1, self._sender, self.to, parts, 1, TRANSACTION, VALIDITY_S, clock.now_ms(), 1)
        return packer, parts

    def note(self, kind: str, address: str, way: str, octets: bytes) -> None:
        if len(self.pdus) >= limits.LINK_TEST_PDUS_MAX:
            self.more_pdus += 1
            return
        self.pdus.append(told(kind, address, way, octets, clock.now_ms(), self._names))

    def step(self, name: str, ok: bool | None, why: str = "", hint: str = "", since_s: float = 0.0) -> bool:
        took_ms = int((clock.monotonic_s() - since_s) * 1000) if since_s else 0
        self.steps.append({"name": name, "ok": ok, "why": why, "hint": hint, "took_ms": took_ms})
        return ok is True

    def deliver(self, pdu: Pdu) -> int:
        """The status that a deliver_sm or data_sm on the test's own bind is answered with."""
        if self.to:
            judged = judge(deliver_of(pdu), self.link, self.answered, self.to)
            if judged.ours:
                self._receipted(judged)
                return spec.ESME_ROK
            if judged.receipt is not None:
                self.strange = judged
        self.others += 1
        return spec.ESME_RX_T_APPN

    def _receipted(self, judged: Judged) -> None:
        final = judged.receipt is not None and judged.receipt.final
        if final or judged.part not in self.receipts:
            self.receipts[judged.part] = judged
        self.heard.set()

    def overhear(self, bind: Bind, way: str, data: bytes) -> None:
        """The ear on the link's own binds: an operator may send the test's receipt there."""
        for frame in self._cut.pdus(bind, way, data):
            if way == "in" and int.from_bytes(frame[4:8], "big") in (spec.DELIVER_SM, spec.DATA_SM) and self.answered:
                with contextlib.suppress(PduError):
                    judged = judge(deliver_of(decode(frame)), self.link, self.answered, self.to)
                    if judged.ours and judged.part not in self.receipts:
                        self.elsewhere.add(judged.part)
                        self.note(f"the link's {bind.kind}", f"{bind.host}:{bind.port}", way, frame)
                        self._receipted(judged)

    # --- the dialogue -------------------------------------------------------------------------------------

    async def run(self, taps: Taps | None = None) -> dict[str, Any]:
        """`{ok, steps: [{name, ok, why, hint, took_ms}], pdus, more_pdus, others, took_ms}`; `ok` None: not tried, or only odd."""
        kinds = ("transceiver",) if self.link.bind == "transceiver" else ("transmitter", "receiver")
        wires = [Wire(self, kind, self.link.host, self.link.port) for kind in kinds]
        more = [Wire(self, kinds[0], host, port) for host, port in self.link.more_hosts]
        if taps is not None and self.to:
            taps.add(self.overhear)
        try:
            async with asyncio.timeout(limits.LINK_TEST_S_MAX):
                await self._talk(wires)
                for wire in more:
                    if await self._connect(wire) and await self._bind(wire):
                        await self._unbind(wire)
        except TimeoutError:
            self.step(
                "end", False, f"not done in {limits.LINK_TEST_S_MAX:g} s", "the operator is slow: try again later"
            )
        finally:
            if taps is not None:
                taps.remove(self.overhear)
            for wire in (*wires, *more):
                await wire.close()
        return {
            "ok": all(step["ok"] is not False for step in self.steps),
            "steps": self.steps,
            "pdus": self.pdus,
            "more_pdus": self.more_pdus,
            "others": self.others,
            "took_ms": int((clock.monotonic_s() - self._began_s) * 1000),
        }

    async def _talk(self, wires: list[Wire]) -> None:
        for wire in wires:
            if not await self._connect(wire) or not await self._bind(wire):
                return
        since = clock.monotonic_s()
        answer = await wires[0].ask(spec.ENQUIRE_LINK)
        if answer is None:
            self.step("enquire", False, self._silence(wires[0]), "the operator must answer enquire_link", since)
            return
        self.step("enquire", True, "answered", "", since)
        if self.to and await self._submit(wires[0]):
            await self._receipt(wires)
        for wire in wires:
            await self._unbind(wire)

    def _silence(self, wire: Wire) -> str:
        if wire.closed.is_set():
            return f"the connection was closed: {self.why}" if self.why else "the connection was closed"
        return f"no answer in {self.patience_s:g} s"

    async def _connect(self, wire: Wire) -> bool:
        since = clock.monotonic_s()
        try:
            await wire.connect(self.tls)
        except (OSError, EOFError, TimeoutError) as e:
            why, hint = connecting(e, self.link, self.patience_s)
            return self.step("connect", False, f"{wire.address}: {why}", hint, since)
        return self.step("connect", True, f"{wire.address}, {'TLS' if self.tls else 'in clear'}", "", since)

    async def _bind(self, wire: Wire) -> bool:
        since = clock.monotonic_s()
        s = self.link
        version = 0x33 if s.interface_version == "3.3" else spec.INTERFACE_VERSION
        fields: dict[str, int | bytes] = {
            "system_id": s.system_id.encode("latin-1"),
            "password": s.password.encode("latin-1"),
            "system_type": s.system_type.encode("latin-1"),
            "interface_version": version,
        }
        answer = await wire.ask(COMMANDS[wire.kind], fields)
        if answer is None or answer.status or answer.command_id == spec.GENERIC_NACK:
            status = None if answer is None else answer.status or spec.ESME_RUNKNOWNERR
            why, hint = binding(status, wire.closed.is_set(), s)
            if self.why.startswith("TLS"):  # TLS 1.3 refuses a client's certificate only now
                why, hint = self.why, "the operator may want a client certificate: `tls_certificate` and `tls_key`"
            return self.step("bind", False, f"{wire.kind}: {why}", hint, since)
        return self.step("bind", True, f"{wire.kind} accepted", "", since)

    async def _submit(self, wire: Wire) -> bool:
        assert self._frames is not None
        packer, parts = self._frames
        for part in range(1, len(parts.octets) + 1):
            since = clock.monotonic_s()
            sequence = wire.next_sequence()
            octets = packer.pack(
                sequence, self._sender, self.to, parts, part, TRANSACTION, VALIDITY_S, clock.now_ms(), sequence
            )
            which = f"part {part} of {len(parts.octets)}: " if len(parts.octets) > 1 else ""
            answer = await wire.answer_to(sequence, octets)
            if answer is None:
                return self.step(
                    "submit", False, which + self._silence(wire), "the message may have left all the same", since
                )
            if answer.status or answer.command_id == spec.GENERIC_NACK:
                status = answer.status or spec.ESME_RUNKNOWNERR
                return self.step("submit", False, which + status_name(status), submitting(status), since)
            message_id = answer.fields.get("message_id", b"")
            assert isinstance(message_id, bytes)
            self.answered[part] = str(message_id, "latin-1")
            if not message_id:
                self.step(
                    "submit", None, which + "taken, without a message id", "receipts cannot be matched by id", since
                )
            else:
                self.step("submit", True, which + f"taken, id {self.answered[part][:64]!r}", "", since)
        return True

    async def _receipt(self, wires: list[Wire]) -> None:
        if self.link.registered_delivery == "none":
            self.step("receipt", None, "none asked for", "registered_delivery = none")
            return
        since = clock.monotonic_s()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.LINK_TEST_RECEIPT_S_MAX):
                while not self._all_final() and not any(wire.closed.is_set() for wire in wires):
                    self.heard.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.5):
                            await self.heard.wait()
        for part, judged in sorted(self.receipts.items()):
            assert judged.receipt is not None
            which = f"part {part}: " if len(self.answered) > 1 else ""
            word = judged.receipt.stat or judged.receipt.status
            where = ", on another bind of the link" if part in self.elsewhere else ""
            if judged.hint:
                self.step(
                    "receipt",
                    False,
                    f"{which}{word}{where}, but the link would not have matched it",
                    judged.hint,
                    since,
                )
            else:
                final = "" if judged.receipt.final else ", not final yet"
                self.step("receipt", True if judged.receipt.final else None, f"{which}{word}{final}{where}", "", since)
        if not self.receipts:
            hint = "the handset may be off; or receipts are not switched on for this account, or go to another bind"
            if self.strange is not None and self.strange.hint:
                self.step("receipt", False, "none that matches", self.strange.hint, since)
            elif self.link.registered_delivery == "failure":
                self.step("receipt", None, "none, as it should be unless it fails", "", since)
            else:
                self.step("receipt", None, f"none in {limits.LINK_TEST_RECEIPT_S_MAX:g} s", hint, since)

    def _all_final(self) -> bool:
        return all((got := self.receipts.get(part)) and got.receipt and got.receipt.final for part in self.answered)

    async def _unbind(self, wire: Wire) -> None:
        since = clock.monotonic_s()
        if wire.closed.is_set():
            self.step("unbind", False, "the operator had closed the connection", "", since)
            return
        answer = await wire.ask(spec.UNBIND, patience_s=UNBIND_S)
        self.step(
            "unbind",
            True if answer is not None else None,
            f"{wire.kind}: " + ("answered" if answer else "no answer"),
            "",
            since,
        )
