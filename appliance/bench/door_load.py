"""The same load through the SMPP door: a few binds that submit as their window allows and answer what they are handed."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final, NamedTuple, cast

from appliance.clock import monotonic_s
from appliance.errors import Error
from appliance.smpp import ClientSession, Pdu, spec, status_name
from appliance.smpp import encode as encode_pdu
from appliance.text import encode, parts_with_udh

from .texts import messages
from .thread import LoopThread

AT_ONCE: Final = 50  # submits in one write
IDLE_S: Final = 0.005  # between two looks while there is nothing to do
CALLS_KEPT: Final = 200_000
HEADER_OCTETS: Final = 16  # section 3.2
FIRST_SEQUENCE: Final = 1_000  # those before are the session's own
_SUBMIT_RESP: Final = spec.SUBMIT_SM_RESP.to_bytes(4, "big")
_DELIVER: Final = spec.DELIVER_SM.to_bytes(4, "big")
_ROK: Final = bytes(4)
_DELIVER_RESP: Final = (17).to_bytes(4, "big") + spec.DELIVER_SM_RESP.to_bytes(4, "big") + _ROK
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


class DoorLoad(LoopThread):
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
        super().__init__()
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._credential = (system_id, password)
        self._rows = rows
        self._turn = 0
        self._binds = binds
        self.window = window
        self.in_flight_max = in_flight_max
        self.final = self.accepted = self.segments = self.rejected = 0
        self.held_s = 0.0
        self.calls: list[tuple[float, float]] = []  # (when answered, seconds it took), of messages
        self.refusals: Counter[str] = Counter()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        binds = []
        for _ in range(self._binds):
            try:
                _, bind = await loop.create_connection(lambda: _Bind(self), self._host, self._port)
            except OSError as e:
                raise Error("peer_unavailable", f"the door does not answer: {e.strerror}") from None
            binds.append(bind)
        while any(bind.open for bind in binds) and not (self.stopping and not any(b.in_flight for b in binds)):
            await asyncio.sleep(IDLE_S)
            for bind in binds:
                bind.go([])
        for bind in binds:
            bind.close()

    @property
    def held(self) -> bool:
        return self.accepted - self.final >= self.in_flight_max

    def session(self) -> ClientSession:
        return ClientSession("transceiver", *self._credential, window=self.window)

    def next(self) -> _Submit:
        self._turn += 1
        return self._rows[self._turn % len(self._rows)]


class _Bind(asyncio.Protocol):
    """One bind: submits as soon as answers make room, and acknowledges what it is handed, in one write a chunk.

    What comes by the thousand is told apart by its header alone: the bank's own systems are not what is measured. The rest is a session's.
    """

    def __init__(self, load: DoorLoad) -> None:
        self._load = load
        self._session = load.session()
        self._transport: asyncio.Transport | None = None
        self._sent: dict[bytes, tuple[int, float]] = {}  # by the octets of the sequence number
        self._sequence = FIRST_SEQUENCE
        self._rest = b""

    @property
    def open(self) -> bool:
        return self._transport is not None

    @property
    def in_flight(self) -> int:
        return len(self._sent)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._session.connected(monotonic_s())
        self._transport.write(self._session.take())

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        now = monotonic_s()
        data = self._rest + data if self._rest else data
        out: list[bytes] = []
        at, size = 0, len(data)
        while size - at >= HEADER_OCTETS and at + (length := int.from_bytes(data[at : at + 4], "big")) <= size:
            command = data[at + 4 : at + 8]
            if command == _SUBMIT_RESP:
                self._answered(data[at + 12 : at + 16], data[at + 8 : at + 12], now)
            elif command == _DELIVER:
                out.append(b"%b%b\0" % (_DELIVER_RESP, data[at + 12 : at + 16]))
            else:
                heard = self._session.hear(data[at : at + length], now)
                if heard.closed:
                    self._load.refusals[heard.why] += 1
                out.append(self._session.take())
            at += max(length, HEADER_OCTETS)
        self._rest = data[at:]
        self.go(out)

    def _answered(self, sequence: bytes, status: bytes, now: float) -> None:
        load = self._load
        ends, at = self._sent.pop(sequence)
        if status != _ROK:
            load.rejected += bool(ends)
            load.refusals[status_name(int.from_bytes(status, "big"))] += 1
        elif ends:
            load.accepted += 1
            load.segments += ends
            if len(load.calls) < CALLS_KEPT:
                load.calls.append((now, now - at))

    def go(self, out: list[bytes]) -> None:
        """Submits what there is room for, and writes what is to be said."""
        if self._transport is None:
            return
        load = self._load
        room = load.window - len(self._sent)
        if room > 0 and self._session.bound and not load.stopping and not load.held:
            now = monotonic_s()
            for _ in range(min(room, AT_ONCE)):
                row = load.next()
                self._sequence += 1
                sequence = self._sequence.to_bytes(4, "big")
                out.append(b"%b%b%b" % (row.octets[:12], sequence, row.octets[16:]))
                self._sent[sequence] = (row.ends, now)
        if out:
            self._transport.write(b"".join(out))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
