"""HOT: one connection of a bank's system: a thin hand between its transport and its session, one write for each chunk heard."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from appliance.access import DoorAccount, address_of
from appliance.clock import monotonic_s
from appliance.limits import (
    DOOR_BIND_S_MAX,
    DOOR_ENQUIRE_S,
    DOOR_LINGER_S_MAX,
    DOOR_RESPONSE_S_MAX,
    DOOR_STALL_S_MAX,
    DOOR_UNSENT_OCTETS_MAX,
)
from appliance.smpp import Received, ServerSession

if TYPE_CHECKING:
    from .desk import Desk

Answer = tuple[int, int, str]  # sequence, status, message id


class Connection(asyncio.Protocol):
    """`account` is None until it is bound."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.account: DoorAccount | None = None
        self.address = "unknown"  # the other side's, whole
        self.counted = "unknown"  # the same as it is counted
        self.session = ServerSession(
            monotonic_s(), bind_s=DOOR_BIND_S_MAX, enquire_s=DOOR_ENQUIRE_S, response_s=DOOR_RESPONSE_S_MAX
        )
        self._transport: asyncio.Transport | None = None
        self._stalled_s = 0.0  # since when the other side takes nothing; 0: it takes
        self._over_s = 0.0  # since when all is said and only what is unsent keeps it; 0: it is not over
        self._held = False

    # --- the transport ------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer: Any = transport.get_extra_info("peername")
        if isinstance(peer, tuple) and peer:
            self.address = str(peer[0])
            self.counted = address_of(self.address)
        self._transport.set_write_buffer_limits(high=DOOR_UNSENT_OCTETS_MAX)
        if not self.desk.let_in(self):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.session.disconnected(monotonic_s())
        self.desk.gone(self)

    def pause_writing(self) -> None:
        """Who does not take answers is not listened to."""
        self._stalled_s = monotonic_s()
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._stalled_s = 0.0
        if self._transport is not None:
            self._transport.resume_reading()
        self.desk.ready(self)

    def data_received(self, data: bytes) -> None:
        self._act(self.session.hear(data, monotonic_s()))

    def eof_received(self) -> bool:
        return False

    # --- what was heard -----------------------------------------------------------------------------------
    def _act(self, received: Received) -> None:
        desk = self.desk
        self._held = True  # what is answered at once leaves in one write
        for status in received.refused:
            desk.numbers.refused[status] += 1
        if received.bind is not None:
            desk.bind(self, received.bind)
        if received.submissions:
            desk.submit(self, received.submissions)
        for pdu in received.requests:
            desk.ask(self, pdu)
        if received.answers or received.late:
            desk.delivered(self, received.answers, received.late)
        self._held = False
        self._after()

    def _after(self) -> None:
        self.flush()
        if self.session.over and self._transport is not None and not self._over_s:
            self._over_s = monotonic_s()
            self._transport.close()

    # --- what is said -------------------------------------------------------------------------------------
    def answer(self, answers: list[Answer]) -> None:
        """Answers submissions and requests; those of a connection that is gone are nobody's."""
        refused = self.desk.numbers.refused
        for _, status, _ in answers:
            if status:
                refused[status] += 1
        self.session.answers(answers, monotonic_s())
        if not self._held:
            self._after()

    def answer_with(self, sequence: int, fields: dict[str, int | bytes]) -> None:
        """Answers a request with more than a message id."""
        self.session.answer_with(sequence, fields, monotonic_s())
        if not self._held:
            self._after()

    def accept_bind(self, account: DoorAccount) -> None:
        self.account = account
        self.session.window = self.session.deliver_window = account.window
        self.session.accept_bind(monotonic_s())
        self.flush()

    def refuse_bind(self, status: int) -> None:
        self.desk.numbers.refused[status] += 1
        self.session.refuse_bind(status, monotonic_s())
        self._after()

    def unbind(self) -> None:
        """Goodbye, after what is owed is answered."""
        self.session.unbind(monotonic_s())
        self._after()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def flush(self) -> None:
        """Writes what the session has to say."""
        octets = self.session.take()
        if octets and self._transport is not None:
            self._transport.write(octets)

    @property
    def room(self) -> int:
        """Letters that may be handed over now."""
        if self._stalled_s or self._transport is None or self._transport.is_closing():
            return 0
        return self.session.room

    @property
    def closed(self) -> bool:
        return self._transport is None

    def tick(self, now_s: float) -> None:
        """What silence means by now."""
        if self._transport is None:
            return
        if self._stalled_s and now_s - self._stalled_s >= DOOR_STALL_S_MAX:
            self._transport.abort()
        elif self._over_s and now_s - self._over_s >= DOOR_LINGER_S_MAX:
            self._transport.abort()  # who takes nothing would keep its place for as long as it likes
        elif now_s >= self.session.next_deadline():
            self._act(self.session.tick(now_s))
