"""The bank's side: gateways that hand batches in, repeat what was not answered, and remember what they were promised."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from appliance import clock, limits
from appliance.consent import ConsentWatch
from appliance.errors import Error
from appliance.intercom import Client
from appliance.message import (
    ALERT,
    BULK,
    CLASSES,
    NOTIFY_DOOR,
    NOTIFY_WEBHOOK,
    Batch,
    Content,
    IdempotentRequest,
    new_ids,
)
from appliance.text import encode

from . import checks
from .operators import text_of
from .others import index_of

if TYPE_CHECKING:
    from .world import World

_content = msgspec.msgpack.encode
#: Answers after which nothing of the batch may ever be seen.
REFUSED = frozenset({"store_full", "store_damaged", "overloaded", "invalid", "engine_unavailable"})


@dataclass
class Message:
    """One row of a batch, as the bank knows it."""

    number: int
    id: bytes
    to: str
    class_: int
    sender: str
    segments: int
    day: int
    expires_ms: int
    send_at_ms: int
    notify: int
    word: str = "unknown"  # accepted, refused, never (another attempt of its request counts)
    acts: list[str] = field(default_factory=list)
    handed_s: float = 0.0
    promised_s: float = 0.0
    refused_s: float = 0.0
    left: int = 0  # segments that its link made of it


class Bank:
    """All gateways."""

    def __init__(self, world: World, chance: Random) -> None:
        self.world = world
        self.chance = chance
        self.messages: dict[int, Message] = {}
        self.by_id: dict[bytes, Message] = {}
        self.busy = 0
        self.watch: ConsentWatch | None = None  # as a gateway has it
        self.wrote_stop: set[str] = set()
        self.written: dict[int, str] = {}  # letters of customers
        self.drained: dict[str, bool] = {}  # links as a person wants them
        self.done: Counter[str] = Counter()  # what people asked for and got
        self.customers = [f"+39347{chance.randrange(10**6, 10**7)}" for _ in range(8)][: world.plan.customers]

    async def gateway(self, n: int) -> None:
        """Hands in its batches, at odd moments, as long as there is trouble."""
        world, chance = self.world, self.chance
        client = Client(world.settings.socket("engine-0"))
        plan = world.plan
        self.busy += 1
        for _ in range(max(1, plan.batches // plan.gateways)):
            await asyncio.sleep(chance.uniform(0, 2 * plan.active_s * plan.gateways / plan.batches))
            await self._hand_in(client)
        self.busy -= 1

    def nobody_knows(self, since_s: float) -> None:
        """Power went before a sync held again: what was refused since the first failed one may be on the disk all the same."""
        for message in self.messages.values():
            if message.word == "refused" and message.refused_s >= since_s:
                message.word = "unknown"

    async def _hand_in(self, client: Client) -> None:
        world, chance = self.world, self.chance
        keyed = chance.random() < 0.5
        key = chance.randbytes(16)
        count = chance.randrange(1, self.world.plan.batch_most + 1)
        earlier: list[list[Message]] = []
        for attempt in range(40 if keyed else 1):
            batch, messages = self._batch(count, key if keyed else b"", attempt)
            earlier.append(messages)
            try:
                reply = await client.call("accept", batch)
            except Error as e:
                if e.code in REFUSED:
                    for each in messages:
                        each.word, each.refused_s = "refused", world.loop.now_s
                await asyncio.sleep(chance.uniform(0.05, 0.6))
                continue
            self._promised(reply, earlier)
            return

    def _promised(self, reply: Any, earlier: list[list[Message]]) -> None:
        world = self.world
        last = len(earlier) - 1
        which = last
        if reply["conflicts"]:
            world.violated("a repeated request was taken for another one")
            return
        if reply["replays"]:
            ((_, _, sealed),) = reply["replays"]
            which = int(sealed)
        for attempt, messages in enumerate(earlier):
            for each in messages:
                if attempt == which:
                    if each.word == "refused":
                        world.violated(f"message {each.number}: refused, and then an answer of it was repeated")
                    each.word = "accepted"
                    each.promised_s = world.loop.now_s
                elif each.word == "unknown" and -1 <= earlier[last][0].day - each.day < limits.IDEMPOTENCY_DAYS:
                    each.word = "never"  # a clock set further lets the box forget the key, as it may

    def _batch(self, count: int, key: bytes, attempt: int) -> tuple[Batch, list[Message]]:
        world, chance, plan = self.world, self.chance, self.world.plan
        now_ms = clock.now_ms()
        day = clock.day_of(now_ms)
        data_key = world.keys.of_day(day)
        ids = new_ids(count, now_ms)
        batch = Batch(day, now_ms, data_key.key_id, ids, *([] for _ in range(15)))  # type: ignore[misc]
        out: list[Message] = []
        for message_id in ids:
            number = len(self.messages) + 1
            to, class_ = chance.choice(self.customers), chance.randrange(len(CLASSES))
            sender = chance.choice(("BANK", "ALERTS"))
            if class_ == BULK and self._left_alone(to, class_, sender):
                class_ = ALERT
            encoding, payload, segments = encode(
                text_of(number, chance.random() < plan.long, chance.random() < 0.1, plan.alike)
            )
            life_ms = chance.randrange(500, 8_000) if chance.random() < plan.short_lives else 7_200_000
            at_ms = now_ms + chance.randrange(100, 9_000) if chance.random() < plan.scheduled else 0
            notify = chance.choice((0, NOTIFY_WEBHOOK, NOTIFY_WEBHOOK | NOTIFY_DOOR, NOTIFY_DOOR))
            expires_ms = (at_ms or now_ms) + life_ms
            message = Message(
                number, message_id, to, class_, sender, segments, day, expires_ms, at_ms, notify,
                handed_s=world.loop.now_s,
            )  # fmt: skip
            out.append(message)
            self.messages[number] = self.by_id[message_id] = message
            for name, value in (
                ("callers", 1),
                ("classes", class_),
                ("encodings", encoding),
                ("segments", segments),
                ("senders", sender),
                ("calling_codes", 39),
                ("number_indexes", index_of(to)),
                ("numbers", data_key.seal(to.encode(), b"n" + message_id)),
                ("contents", data_key.seal(_content(Content(encoding, payload)), b"c" + message_id)),
                ("send_at_ms", at_ms),
                ("expires_ms", expires_ms),
                ("notify", notify),
                ("to", to),
                ("payloads", payload),
            ):
                getattr(batch, name).append(value)
        if key:
            batch.requests = [IdempotentRequest(0, count, key, b"b" * 16, b"%d" % attempt)]
        return batch, out

    def _left_alone(self, to: str, class_: int, sender: str) -> bool:
        """As every face asks before it takes a message."""
        try:
            if self.watch is not None:
                self.watch.consent.check(index_of(to), class_, sender)
        except Error:
            return True
        return False

    async def customer(self) -> None:
        """Some customers write STOP while bulk messages to them wait."""
        world, chance = self.world, self.chance
        self.watch = ConsentWatch(world.settings)
        world.loop.create_task(self.watch.keep_looking())
        for number in chance.sample(self.customers, world.plan.stops):
            await asyncio.sleep(chance.uniform(0, 2 * world.plan.active_s / world.plan.stops))
            chance.choice(world.operators).inbound(number, "43210", chance.choice(("STOP", "Stop", "STOP ")))
            self.wrote_stop.add(number)

    async def letters(self) -> None:
        """Customers write to the bank, some of them at length."""
        world, chance = self.world, self.chance
        for n in range(world.plan.letters):
            await asyncio.sleep(chance.uniform(0, 2 * world.plan.active_s / world.plan.letters))
            text = f"~{n:04d}~" + " I did not make this payment." * chance.choice((1, 1, 8, 20)) + f"~{n:04d}~"
            chance.choice(world.operators).inbound(chance.choice(self.customers), "43210", text)
            self.written[n] = text

    async def drain(self, link: str, on: bool) -> None:
        """A person takes a link out of use or back; asked again until it is so, the person thinks better of it, or all has healed long ago."""
        client = Client(self.world.settings.socket("engine-0"))
        self.busy += 1
        self.drained[link] = on
        for _ in range(60):
            if self.drained[link] != on:
                break
            try:
                await client.call("drain", {"link": link, "on": on, "who": "console:sim"})
                self.done["drain"] += 1
                break
            except Error:
                await asyncio.sleep(0.5)
        self.busy -= 1

    async def person(self) -> None:
        """Cancels, redacts and decides now and then."""
        world, chance = self.world, self.chance
        client = Client(world.settings.socket("engine-0"))
        for _ in range(world.plan.acts):
            await asyncio.sleep(chance.uniform(0, 2 * world.plan.active_s / world.plan.acts))
            known = [m for m in self.messages.values() if m.word == "accepted"]
            if not known:
                continue
            message = chance.choice(known[-20:])
            word = chance.choice(("cancel", "cancel", "redact", "resend", "close"))
            payload: dict[str, Any] = {"id": message.id, "who": "console:sim"}
            if word in ("resend", "close"):
                payload["act"] = word
                held = checks.held(world)
                if held:  # as `casemate messages held` lists them
                    message = world.bank.by_id[held[0]]
                    payload["id"] = message.id
            try:
                await client.call("decide" if "act" in payload else word, payload)
                message.acts.append(word)
                self.done[word] += 1
            except Error as e:
                if e.code == "peer_unavailable":
                    message.acts.append(f"{word}?")
