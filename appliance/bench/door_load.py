"""The same load through the SMPP door: a few binds that submit as their window allows and answer what they are handed."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any, Final, NamedTuple, cast

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
        loop = asyncio.get_running_loop()
        binds = []
        for _ in range(self._binds):
            try:
                _, bind = await loop.create_connection(lambda: _Bind(self), self._host, self._port)
            except OSError as e:
                raise Error("peer_unavailable", f"the door does not answer: {e.strerror}") from None
            binds.append(bind)
        while any(bind.open for bind in binds) and not (self.stopping and not any(b.session.in_flight for b in binds)):
            await asyncio.sleep(IDLE_S)
            for bind in binds:
                bind.go()
        for bind in binds:
            bind.close()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    @property
    def held(self) -> bool:
        return self.accepted - self.final >= self.in_flight_max

    def session(self) -> ClientSession:
        return ClientSession("transceiver", *self._credential, window=self._window)

    def next(self) -> _Submit:
        self._turn += 1
        return self._rows[self._turn % len(self._rows)]


class _Bind(asyncio.Protocol):
    """One bind: submits as soon as answers make room, and acknowledges what it is handed, in one write a chunk."""

    def __init__(self, load: DoorLoad) -> None:
        self._load = load
        self.session = load.session()
        self._transport: asyncio.Transport | None = None
        self._sent: dict[int, tuple[int, float]] = {}

    @property
    def open(self) -> bool:
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.session.connected(monotonic_s())
        self._transport.write(self.session.take())

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        load, now = self._load, monotonic_s()
        heard: Any = self.session.hear(data, now)
        for sequence, status, _ in heard.answers:
            ends, at = self._sent.pop(sequence)
            if status:
                load.rejected += bool(ends)
                load.refusals[status_name(status)] += 1
            elif ends:
                load.accepted += 1
                load.segments += ends
                if len(load.calls) < CALLS_KEPT:
                    load.calls.append((now, now - at))
        if heard.delivers:
            self.session.acknowledge([(deliver.sequence, 0) for deliver in heard.delivers])
        if heard.closed:
            load.refusals[heard.why] += 1
        self.go()

    def go(self) -> None:
        """Submits what there is room for, and writes what is to be said."""
        if self._transport is None:
            return
        count = min(self.session.room, AT_ONCE)
        if count and not self._load.stopping and not self._load.held:
            now, out = monotonic_s(), []
            sequences = self.session.reserve(count)
            for sequence in sequences:
                row = self._load.next()
                out.append(b"%b%b%b" % (row.octets[:12], sequence.to_bytes(4, "big"), row.octets[16:]))
                self._sent[sequence] = (row.ends, now)
            self.session.sent(sequences, b"".join(out), now)
        if octets := self.session.take():
            self._transport.write(octets)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
