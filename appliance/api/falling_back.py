"""Messages and codes by several channels in an order that the caller says: each a run of a shipped workflow, which waits for receipts and time.

The first way is taken while the caller waits, under the key of the run's first step; after his answer the runner goes on, through every crash.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final, TypeVar

import msgspec

from appliance.clock import now_ms
from appliance.errors import Error
from appliance.flows import (
    FINAL,
    STARTED,
    Definition,
    Heard,
    Kept,
    Order,
    Row,
    Send,
    Verify,
    Version,
    active,
    advance,
    begun,
    laid,
    sealed,
    ways_of,
)
from appliance.message import id_octets, new_ids
from appliance.numbering import normalise
from appliance.settings import SMS

from .asgi import Answer, Request
from .flow_hands import FlowHands
from .gateway import Gateway
from .requests import Message
from .sending import macs
from .verifying import Begun
from .verifying_bodies import VerificationRequest

#: The workflows behind `fallback` and `channels`.
OF_MESSAGES, OF_CODES = "message-fallback", "code-fallback"

T = TypeVar("T")
_plain: Final = msgspec.to_builtins


class FallingBack:
    """What the endpoints hand over that names several channels."""

    def __init__(self, gateway: Gateway, hands: FlowHands) -> None:
        self.gateway, self.hands = gateway, hands
        self.watch = gateway.flows
        self.channels = gateway.settings.channels

    async def message(self, request: Request, row: Message, given: bytes, body: bytes) -> Answer:
        """The first way's answer, once the others are on disk too. Raises what the first way is refused with."""
        if row.send_at is not None:
            raise Error("invalid", "a message for later goes one way", "leave `fallback` out", field="fallback")
        ways = ways_of([row.channel or SMS, *(row.fallback or ())], self.channels, "fallback")
        if row.callback_url is not None:
            self.gateway.callbacks.check(row.callback_url)
        own = _plain(row) | {"channel": None, "fallback": None, "callback_url": None}
        told = {"callback": "yes"} if row.callback_url is not None else {}
        kept = Kept(row.to, row.locale or "", told, row.reference, row.callback_url, ways, own)
        order, before = await self._begun(request, OF_MESSAGES, kept, given, body)
        answer = await self._first(order, before, self.hands.sent(order))
        message = str(msgspec.json.decode(answer.body)["id"])
        await self._go_on(order, Heard("taken", message=message, step=order.step))
        return answer

    async def verification(self, request: Request, asked: VerificationRequest, given: bytes, body: bytes) -> Begun:
        """The same of a code; further ways are resends, and the newest code counts."""
        ways = ways_of(asked.channels or [SMS], self.channels, "channels")
        kept = Kept(asked.to, asked.locale or "", {}, None, None, ways, _plain(asked) | {"channels": None})
        order, before = await self._begun(request, OF_CODES, kept, given, body)
        heard = await self._first(order, before, self.hands.verify(order))
        await self._go_on(order, heard)
        verification = id_octets(heard.text)
        assert verification is not None
        return Begun(verification, heard.until_ms, before)

    async def _begun(
        self, request: Request, workflow: str, kept: Kept, given: bytes, body: bytes
    ) -> tuple[Order, bool]:
        """What is to be done first, by the run that is now on disk; whether its request came before."""
        caller, at_ms = request.caller, now_ms()
        version, flow = await self._in_use(workflow)
        try:
            kept.to = normalise(kept.to)[0]
        except Error as e:
            e.detail.setdefault("field", "to")
            self.gateway.refused(e)
            raise
        sealing = await self.gateway.seals.at(at_ms)
        request_mac, body_mac = macs(sealing, caller.id, given, workflow.encode(), body) if given else (None, None)
        (run,) = new_ids(1, at_ms)
        flow = laid(flow, kept.ways)
        waiting = begun(flow, at_ms)
        first = advance(flow, waiting, kept.variables, Heard(STARTED), kept.locale, at_ms)
        row = Row(
            run, workflow, version.version, caller.id, caller.name, sealing.index(kept.to), sealing.key.key_id,
            sealed(sealing.key, run, kept), waiting, at_ms, at_ms, body_mac,
        )  # fmt: skip
        found = await self.watch.act(lambda book: book.begin_by_hand(row, request_mac, first.run, first.trace))
        state = flow.states[flow.start]
        assert isinstance(state, Send | Verify)
        return Order(row._replace(id=found.id, machine=first.run), flow, kept, state), found.id != run

    async def _first(self, order: Order, before: bool, doing: Awaitable[T]) -> T:
        """What came of the first way. What no waiting mends ends the run, and the same request may come again."""
        try:
            return await doing
        except Error as e:
            repeats = order.row.request_body is not None  # then the same step is done again by who repeats it
            if not before and (e.code in FINAL or not repeats):
                at_ms, code = now_ms(), e.code
                await self.watch.act(lambda book: book.withdraw(book.one(order.row.id), at_ms, code))
            raise

    async def _go_on(self, order: Order, heard: Heard) -> None:
        """The run hears that its first way was taken, once, and waits for what becomes of it."""
        source, at_ms = b"t" + order.row.id + order.step.to_bytes(4, "big"), now_ms()
        await self.watch.act(lambda book: book.bring(source, order.row.id, heard, at_ms))
        if self.gateway.runner is not None:
            self.gateway.runner.wake.set()

    async def _in_use(self, name: str) -> tuple[Version, Definition]:
        found = await self.watch.do(lambda book: active(book.conn, name))
        flow = msgspec.json.decode(found.body.encode(), type=Definition) if found is not None else None
        wanted = Send if name == OF_MESSAGES else Verify
        if found is None or flow is None or not isinstance(flow.states[flow.start], wanted):
            hint = "two people activate a version that begins as the shipped one does"
            raise Error("workflow_state", f"the workflow {name} is not in use, so there is one way only", hint)
        return found, flow
