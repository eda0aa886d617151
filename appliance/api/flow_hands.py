"""What the runner of workflows has done by this gateway: messages, codes, webhooks, under keys of the run's steps.

A hand-over that is repeated after a crash is the same one: the engine, the verifications and the courier each know its key.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from appliance.errors import Error
from appliance.flows import Code, FlowWatch, Heard, Order, Runner, Send, Verify, Way, Webhook, channel_of, own_text
from appliance.intake import Caller
from appliance.message import id_octets, id_text
from appliance.settings import SMS, Settings
from appliance.verify import KeptWay, ended_of_runs, told_to_runs

from .asgi import Answer
from .gateway import Gateway
from .requests import Message
from .sending import Sending
from .verifying import Verifying
from .verifying_bodies import VerificationRequest

ADDRESS: Final = b"/v1/runs"
CODES_AT_ONCE: Final = 500
#: How a verification ended -> what its run hears.
ENDS: Final = {"approved": "approved", "failed": "failed", "cancelled": "failed", "expired": "expired"}

_encode: Final = msgspec.json.Encoder().encode


class Owner(NamedTuple):
    """Whose run it is, as an API key's number and name."""

    id: int
    name: str


class Behalf(NamedTuple):
    """In place of a request: who it is done for."""

    caller: Owner


class FlowHands:
    """`appliance.flows.Hands` over a gateway."""

    def __init__(self, gateway: Gateway, sending: Sending, verifying: Verifying, courier: Caller | None) -> None:
        self.gateway, self.sending, self.verifying, self.courier = gateway, sending, verifying, courier

    async def send(self, order: Order) -> Heard:
        answer = await self.sent(order)
        return Heard("taken", message=msgspec.json.decode(answer.body)["id"], step=order.step)

    async def sent(self, order: Order) -> Answer:
        """The engine's answer to a send state's message: the same one when it is asked again."""
        state, kept, row = order.state, order.kept, order.row
        assert isinstance(state, Send)
        self.gateway.peers.check_open()
        self.gateway.funnel.check_room(1)
        sender = self._sender(state.ways[row.machine.way])
        message = Message(
            kept.to,
            from_=sender,
            class_=state.class_,
            validity_s=state.validity_s,
            reference=kept.reference,
            callback_url=order.address,
        )
        if kept.asked is not None:  # a caller's own message, by the ways that it named
            message = msgspec.convert(kept.asked, Message)
            message.from_, message.callback_url = sender or message.from_, order.address
        elif state.texts is not None:
            message.text = own_text(order.flow, state, kept.variables, kept.locale)
        else:
            template = self.gateway.templates.now.get(str(state.template))
            if template is None:
                raise Error("not_found", "the template of this state is not in use any more", "save it again")
            message.template, message.locale = template.name, kept.locale or None
            message.params = {name: kept.variables[name] for name in template.kinds if name in kept.variables}
        intake = await self.sending.taken([message], row.caller, indexed=False, key=order.key, own=True)
        if intake.errors:
            self.gateway.refused(intake.errors[0][1])
            raise intake.errors[0][1]
        said = _encode(intake.accepted[0])
        return await self.sending.committed(row.caller, order.key, ADDRESS, b"{}", intake, said)

    async def verify(self, order: Order) -> Heard:
        state, kept, row = order.state, order.kept, order.row
        assert isinstance(state, Verify)
        taken = state.ways[row.machine.way]
        way = KeptWay(self._sender(taken) or "", order.address, "" if taken.channel == SMS else taken.channel)
        known = id_octets(row.machine.verification) if row.machine.verification else None
        if known is not None:
            again = await self.verifying.resent(_behalf(order), known, order.key, way, row.machine.why)
            return Heard("taken", id_text(again.id), step=order.step, until_ms=again.expires_ms)
        payment: dict[str, Any] = {}
        if state.payment:
            money = kept.variables["amount"]
            payment = {"payee": kept.variables["payee"], "amount": money["amount"], "currency": money["currency"]}
        asked = VerificationRequest(
            kept.to, state.purpose, kept.locale or None, length=state.length, life_s=state.life_s, **payment
        )
        if kept.asked is not None:
            asked = msgspec.convert(kept.asked, VerificationRequest)
        flow = row.id + order.step.to_bytes(4, "big")
        begun = await self.verifying.begun(_behalf(order), asked, order.key, b"{}", flow, way)
        return Heard("taken", id_text(begun.id), step=order.step, until_ms=begun.expires_ms)

    def _sender(self, way: Way) -> str | None:
        """Its own, else its channel's. Raises Error `invalid` for a channel that is not in the settings any more."""
        return way.sender or channel_of(way.channel, self.gateway.settings.channels, "channel").sender or None

    async def webhook(self, order: Order) -> None:
        state, row = order.state, order.row
        assert isinstance(state, Webhook)
        url = state.url or order.kept.callback_url
        if url is None:
            raise Error("callback_not_allowed", "neither the state nor the run says where to", "give callback_url")
        flow = row.id + order.step.to_bytes(4, "big")
        letter = {"id": letter_id(flow), "flow": flow, "caller": row.caller, "url": url, "told": order.told()}
        assert self.courier is not None, "the gateway that runs workflows has it"
        await self.courier.call("letter", letter)


class FlowCodes:
    """`appliance.flows.Codes` over the verifications' book."""

    def __init__(self, gateway: Gateway) -> None:
        self.watch = gateway.verifications

    async def ended(self) -> list[Code]:
        rows = await self.watch.do(lambda book: ended_of_runs(book, CODES_AT_ONCE))
        return [Code(flow[:16], Heard(ENDS[state], message=id_text(one)), one) for one, flow, state in rows]

    async def settle(self, tokens: list[bytes]) -> None:
        await self.watch.act(lambda book: told_to_runs(book, tokens))


def letter_id(flow: bytes) -> bytes:
    """The id of what a step tells: a UUIDv7 made of the run's, the same at every repetition."""
    step = int.from_bytes(flow[16:], "big")
    tail = int.from_bytes(flow[12:16], "big") ^ step
    return flow[:12] + tail.to_bytes(4, "big")


def _behalf(order: Order) -> Any:
    return Behalf(Owner(order.row.caller, order.row.caller_name))


def runner_of(settings: Settings, gateway: Gateway, hands: FlowHands, watch: FlowWatch) -> Runner:
    """The runner of this box's workflows; one gateway has it."""
    from appliance.clock import monotonic_s, now_ms

    async def index() -> Any:
        return (await gateway.seals.at(now_ms())).index

    words = [word for programme in settings.programmes for word in programme.keywords_stop]
    return Runner(watch, gateway.ring, hands, FlowCodes(gateway), index, now_ms, monotonic_s, words)
