"""The operator's side of one bind of a link, as octets: it says only what a test makes it say. No sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from appliance import clock
from appliance.engine.bind import Bind
from appliance.smpp import Framer, decode, pack_deliver, pack_submit_resp, parse_submit
from tests.support.engine_alone import World

SUBMIT_SM, DELIVER_SM_RESP, UNBIND, UNBIND_RESP, QUERY_SM = 0x04, 0x80000005, 0x06, 0x80000006, 0x03


class Side:
    """Stands where the transport would. Closing it is the end of the connection, as on a real one."""

    def __init__(self, bind: Bind) -> None:
        self.at = bind
        self.octets = b""
        self.framer = Framer()
        self.reading = True

    # --- the transport ----------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        self.octets += data

    def close(self) -> None:
        if self.at.transport is self:  # type: ignore[comparison-overlap]
            self.at.connection_lost(None)

    abort = close

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    # --- the operator -----------------------------------------------------------------------------------

    def connect(self, status: int = 0) -> Side:
        """A connection, and the answer to its bind."""
        self.octets, self.framer = b"", Framer()
        self.at.session = self.at._session()
        self.at.resting, self.at.bind_status = False, -1
        self.at.connection_made(self)  # type: ignore[arg-type]
        (request,) = self.heard()
        self.answer_to(request.command_id, status, request.sequence, b"SMSC\0" if not status else b"")
        return self

    def answer_to(self, command: int, status: int, sequence: int, body: bytes = b"") -> None:
        words = (16 + len(body), command | 0x80000000, status, sequence)
        self.at.data_received(b"".join(n.to_bytes(4, "big") for n in words) + body)

    def ask(self, command: int, sequence: int = 900) -> None:
        """A request without a body: unbind, enquire_link."""
        self.at.data_received(b"".join(n.to_bytes(4, "big") for n in (16, command, 0, sequence)))

    def frames(self) -> list[bytes]:
        octets, self.octets = self.octets, b""
        return list(self.framer.hear(octets))

    def heard(self) -> list[Any]:
        return [decode(frame) for frame in self.frames()]

    def submits(self) -> list[Any]:
        return [parse_submit(f) for f in self.frames() if int.from_bytes(f[4:8], "big") == SUBMIT_SM]

    def answer(self, sequence: int, operator_id: str = "", status: int = 0) -> None:
        self.at.data_received(pack_submit_resp(sequence, status, operator_id))

    def receipt(
        self, operator_id: str, stat: str = "DELIVRD", sequence: int = 77, text: str = "", tlvs: bytes = b""
    ) -> None:
        head = f"id:{operator_id} sub:001 dlvrd:001 submit date:2611221830 done date:2611221830 stat:{stat} err:0"
        whole = f"{head} text:{text}".encode()
        self.at.data_received(pack_deliver(sequence, "+393471234567", "BANK", 0x04, 0, whole, tlvs))

    def drop(self) -> None:
        if self.at.transport is not None:
            self.at.connection_lost(None)


class Hands:
    """Both clocks, in the test's hand."""

    def __init__(self, patch: Any) -> None:
        self.ms, self.s = clock.now_ms(), clock.monotonic_s()
        patch.setattr(clock, "now_ms", lambda: self.ms)
        patch.setattr(clock, "monotonic_s", lambda: self.s)

    def on(self, seconds: float) -> None:
        self.s += seconds
        self.ms += int(seconds * 1000)


def world_of(folder: Path, **link: Any) -> tuple[World, list[Side]]:
    """A world whose link is bound everywhere, and its operator's sides in the order of the link's binds."""
    world = World(folder, **link)
    return world, [Side(bind).connect() for bind in world.link.binds]


def texts(side: Side) -> list[bytes]:
    """What it was submitted since it was last asked."""
    return [s.short_message for s in side.submits()]


def recover(world: World, hands: Hands, seconds: float = 200.0) -> None:
    """So much time passes, ten ticks a second."""
    for _ in range(int(seconds * 10)):
        hands.on(0.1)
        world.link.tick(hands.s)
