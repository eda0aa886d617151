"""The same load through the SMPP door: a few binds that submit as their window allows and answer what they are handed."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any, Final, NamedTuple

import uvloop

from appliance.clock import monotonic_s
from appliance.errors import Error
from appliance.smpp import ClientSession, Pdu, spec, status_name
from appliance.smpp import encode as encode_pdu
from appliance.text import encode, parts_with_udh

from .texts import messages

AT_ONCE: Final = 50  # submits in one write
IDLE_S: Final = 0.005  # between two looks while there is nothing to do
STOP_S_MAX: Final = 30.0
CALLS_KEPT: Final = 200_000
READ_OCTETS: Final = 65_536
_PRIORITIES: Final = {"otp": 3, "alert": 2, "transaction": 1, "bulk": 0}


class _Submit(NamedTuple):
    """One part, packed but for its sequence number; `ends`: segments of its message, on its last part, else 0."""

    octets: bytes
    ends: int


def submits(seed: int, count: int) -> list[_Submit]:
    """The texts of the REST load as submits, each message's parts one after another."""
    out: list[_Submit] = []
    for n, row in enumerate(messages(seed, count)):
        encoding, payload, _ = encode(row["text"])
        parts = parts_with_udh(encoding, payload, n & 0xFFFF, 16)
        fields: dict[str, int | bytes] = {
            "source_addr_ton": spec.TON_ALPHANUMERIC,
            "source_addr": b"MYBANK",
            "dest_addr_ton": spec.TON_INTERNATIONAL,
            "dest_addr_npi": spec.NPI_E164,
            "destination_addr": row["to"].removeprefix("+").encode("ascii"),
            "esm_class": spec.ESM_UDHI if len(parts) > 1 else 0,
            "priority_flag": _PRIORITIES[row["class"]],
            "registered_delivery": 1,
            "data_coding": 8 if encoding else 0,
        }
        for number, octets in enumerate(parts, 1):
            packed = encode_pdu(Pdu(spec.SUBMIT_SM, 0, 0, {**fields, "short_message": octets}))
            out.append(_Submit(packed, len(parts) if number == len(parts) else 0))
    return out


class DoorLoad:
    """Has the face of `Load`: counters that only grow, `final` set by whoever watches the engine."""

    def __init__(
        self,
        address: str,
        system_id: str,
        password: str,
        rows: list[_Submit],
        binds: int,
        in_flight_max: int,
        window: int = 100,
    ) -> None:
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._credential = (system_id, password)
        self._rows = rows
        self._turn = 0
        self._binds = binds
        self._window = window
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._main, daemon=True)
        self.in_flight_max = in_flight_max
        self.final = self.accepted = self.segments = self.rejected = 0
        self.held_s = 0.0
        self.calls: list[tuple[float, float]] = []  # (when answered, seconds it took), of messages
        self.refusals: Counter[str] = Counter()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(STOP_S_MAX)

    def alive(self) -> bool:
        return self._thread.is_alive()

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        await asyncio.gather(*(self._bind() for _ in range(self._binds)), return_exceptions=True)

    async def _bind(self) -> None:
        try:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        except OSError as e:
            raise Error("peer_unavailable", f"the door does not answer: {e.strerror}") from None
        session = ClientSession("transceiver", *self._credential, window=self._window)
        session.connected(monotonic_s())
        writer.write(session.take())
        sent: dict[int, tuple[int, float]] = {}
        hearing = asyncio.create_task(self._hear(session, reader, writer, sent))
        try:
            while not hearing.done() and not (self._stop.is_set() and not session.in_flight):
                if not self._send(session, sent):
                    await asyncio.sleep(IDLE_S)
                if octets := session.take():
                    writer.write(octets)
                    await writer.drain()
        finally:
            hearing.cancel()
            writer.close()

    def _send(self, session: ClientSession, sent: dict[int, tuple[int, float]]) -> int:
        """Submits under way now; 0 when there is nothing to send or no room."""
        count = min(session.room, AT_ONCE)
        if self._stop.is_set() or not count or self.accepted - self.final >= self.in_flight_max:
            return 0
        now, out = monotonic_s(), []
        sequences = session.reserve(count)
        for sequence in sequences:
            row = self._rows[self._turn % len(self._rows)]
            self._turn += 1
            out.append(row.octets[:12] + sequence.to_bytes(4, "big") + row.octets[16:])
            sent[sequence] = (row.ends, now)
        session.sent(sequences, b"".join(out), now)
        return count

    async def _hear(
        self,
        session: ClientSession,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        sent: dict[int, tuple[int, float]],
    ) -> None:
        while octets := await reader.read(READ_OCTETS):
            now = monotonic_s()
            heard: Any = session.hear(octets, now)
            for sequence, status, _ in heard.answers:
                ends, at = sent.pop(sequence)
                if status:
                    self.rejected += bool(ends)
                    self.refusals[status_name(status)] += 1
                elif ends:
                    self.accepted += 1
                    self.segments += ends
                    if len(self.calls) < CALLS_KEPT:
                        self.calls.append((now, now - at))
            if heard.delivers:
                session.acknowledge([(deliver.sequence, 0) for deliver in heard.delivers])
            if said := session.take():
                writer.write(said)
            if heard.closed:
                self.refusals[heard.why] += 1
                return
