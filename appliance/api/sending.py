"""The endpoints that take messages: one, a batch, and a preview that sends nothing."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from appliance.clock import day_of, now_ms, rfc3339
from appliance.consent import Wait
from appliance.errors import Error
from appliance.evidence import Facts, Ruling
from appliance.flows import channel_of
from appliance.intake import (
    CONFLICT,
    Accepted,
    Intake,
    Rejected,
    Row,
    Sealing,
    check_kept,
    least_urgent,
    quiet_hours,
    scheduled_ms,
)  # fmt: skip
from appliance.limits import (
    BODY_OCTETS_MAX,
    GATEWAY_ROWS_AT_ONCE,
    IDEMPOTENCY_KEY_CHARACTERS_MAX,
    SINGLE_BODY_OCTETS_MAX,
    VALIDITY_S_DEFAULT,
)
from appliance.message import CLASSES, ENCODINGS, IdempotentRequest
from appliance.numbering import normalise, sender_kind
from appliance.router import Step, explain
from appliance.text import Cutter, decode, encode, reference_bits_for, shape_of, split

from .asgi import Answer, Request
from .gateway import Gateway
from .gathering import Gathering
from .reading import key_left
from .requests import Preview, batch_of, message_of, preview_of
from .templating import resolved

_encode: Final = msgspec.json.Encoder().encode


class BatchAnswer(msgspec.Struct):
    """What became of each row of a batch."""

    accepted: list[Accepted]
    rejected: list[Rejected]


class Leaving(msgspec.Struct):
    """How it would leave over the first link of its route: `tables` the national language tables that each part names."""

    link: str
    encoding: str
    segments: int
    tables: list[str]


class Previewed(msgspec.Struct):
    """What a text would cost: `parts` as the handset would put them together again, `rules` what changed the text
    and which register of senders was asked,
    `route` the links in order of preference, `steps` why these, `sender` what leaves instead of the one given, `leaving` what the first
    of these links makes of the text, `held_until` the end of the quiet hours that it would wait for, `explanation` by which rule
    each desk lets it through.
    """

    encoding: str
    segments: int
    characters: int
    parts: list[str]
    route: list[str] | None
    price: None = None
    rules: list[str] = []
    steps: list[Step] = []
    sender: str | None = None
    leaving: Leaving | None = None
    held_until: str | None = None
    explanation: list[Ruling] = []


class Identified(msgspec.Struct):
    """The id within an answer."""

    id: str


_identified: Final = msgspec.json.Decoder(Identified).decode


#: Sends a message that has a `fallback`.
ByWays = Callable[[Request, Any, bytes, bytes], Awaitable[Answer]]


class Sending:
    """Endpoints as bound methods; everything they share is the gateway's."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.gathering = Gathering(gateway, self._gathered)
        self.by_ways: ByWays | None = None

    async def one(self, request: Request) -> Answer:
        """POST /v1/messages"""
        key = idempotency_key(request)
        body = await request.body(SINGLE_BODY_OCTETS_MAX)
        gateway = self.gateway
        gateway.peers.check_open()
        gateway.charge(request.caller, 1)
        gateway.funnel.check_room(1)
        try:
            row = message_of(body)
            if row.fallback is not None and self.by_ways is not None:
                answer = await self.by_ways(request, row, key, body)
                return answer._replace(headers=(_location(_identified(answer.body).id), *answer.headers))
            gateway.funnel.check_room(1, least_urgent([row]))
        except Error as e:
            gateway.refused(e)
            raise
        if not key and gateway.portability is None:  # whoever is asked for a number must not keep others waiting
            accepted = await self.gathering.take(request.caller.id, row)
            return Answer(202, _encode(accepted), headers=(_location(accepted.id),))
        intake = await self.taken([row], request.caller.id, indexed=False, key=key)
        if intake.errors:
            gateway.refused(intake.errors[0][1])
            raise intake.errors[0][1]
        answer = await self.committed(
            request.caller.id, key, b"/v1/messages", body, intake, _encode(intake.accepted[0])
        )
        said = _identified(answer.body)  # a replayed answer's id is not this intake's
        return answer._replace(headers=(_location(said.id), *answer.headers))

    async def many(self, request: Request) -> Answer:
        """POST /v1/messages/batch"""
        key = idempotency_key(request)
        body = await request.body(BODY_OCTETS_MAX)
        gateway = self.gateway
        gateway.peers.check_open()
        gateway.charge(request.caller, 0)
        rows = batch_of(body)
        gateway.funnel.check_room(len(rows), least_urgent(rows))
        gateway.charge(request.caller, len(rows))
        intake = await self.taken(rows, request.caller.id, indexed=True, key=key)
        for _, error in intake.errors:
            gateway.refused(error)
        said = _encode(BatchAnswer(intake.accepted, intake.rejected()))
        return await self.committed(request.caller.id, key, b"/v1/messages/batch", body, intake, said)

    async def preview(self, request: Request) -> Answer:
        """POST /v1/preview"""
        asked = preview_of(await request.body(SINGLE_BODY_OCTETS_MAX))
        field = "text"
        try:
            resolved(asked, self.gateway.templates.now)
            written = asked.text or ""
            text, rules = self.gateway.guard.check(written, asked.class_ == "otp")
            encoding, payload, segments = encode(text)
            field = "from"
            if asked.from_ is not None:
                sender_kind(asked.from_)
            ruled = [f"template:{self.gateway.templates.now.named(asked.template)}"] if asked.template else []
            ruled += [f"content:{rule}" for rule in rules]
            field = "to"
            explained, held, facts = None, None, None
            if asked.to is not None:
                to, calling_code = normalise(asked.to)
                await self.gateway.learn((to,))
                class_ = CLASSES.index(asked.class_ or "transaction")
                field = "from"
                check = self.gateway.senders.now.checker(self.gateway.routing.table.group, now_ms())
                country = check(to, calling_code, class_, asked.from_ or "", text) if check is not None else ""
                if country:
                    rules = (*rules, f"sender_registered_{country}")
                    number = self.gateway.senders.now.template(country, asked.from_ or "", text)
                    rules = (*rules, f"dlt_template_{number}") if number else rules
                field = "to"
                subject = (await self.gateway.seals.at(now_ms())).index(to)
                self.gateway.consent.consent.check(subject, class_, asked.from_ or "")
                held = self._held(to, calling_code, class_, asked)
                ruled += [f"quiet_hours:{name}" for name in held.rules] if held is not None else []
                states = await self._link_states()
                explained = explain(self.gateway.routing.table, to, class_, asked.from_ or "", now_ms(), states)
                facts = Facts(
                    to,
                    class_,
                    asked.from_ or "",
                    now_ms(),
                    held.until_ms if held else 0,
                    tuple(ruled),
                    tuple(explained.links),
                )
        except Error as e:
            e.detail.setdefault("field", field)
            raise
        parts = [decode(encoding, p) for p in split(encoding, payload, reference_bits_for(encoding, payload))]
        said = Previewed(ENCODINGS[encoding], segments, len(written), parts, None, rules=list(rules))
        if explained is not None:
            said.route, said.steps, said.sender = explained.links, explained.steps, explained.sender
            said.leaving = self._leaving(explained.links[:1], encoding, payload)
            said.held_until = rfc3339(held.until_ms) if held is not None else None
        facts = facts or Facts(None, CLASSES.index(asked.class_ or "transaction"), "", now_ms(), ruled=tuple(ruled))
        said.explanation = await self.gateway.evidence.explain(self.gateway.basis(), facts)
        return Answer(200, _encode(said))

    def _held(self, to: str, calling_code: int, class_: int, asked: Preview) -> Wait | None:
        """When it would leave, if it is quiet now where its recipient lives. Raises Error `quiet_hours`."""
        at_ms = now_ms()
        validity_s = asked.validity_s or VALIDITY_S_DEFAULT[class_]
        send_at_ms = 0 if asked.send_at is None else scheduled_ms(asked.send_at.timestamp(), at_ms)
        begin_ms = send_at_ms or at_ms
        if send_at_ms:
            check_kept(day_of(at_ms), begin_ms + validity_s * 1000, self.gateway.settings.kept_days)
        held = self.gateway.consent.quiet.wait(to, calling_code, class_, asked.from_ or "", begin_ms)
        if held is not None and held.until_ms >= begin_ms + validity_s * 1000:
            raise quiet_hours(held)
        return held

    def _leaving(self, names: list[str], encoding: int, payload: bytes) -> Leaving | None:
        """What the named link of the settings makes of an encoded text."""
        for link in self.gateway.settings.links:
            if link.name in names:
                cut = Cutter(shape_of(link)).cut(encoding, payload, 0)
                return Leaving(link.name, ENCODINGS[cut.encoding], len(cut.octets), [tag for tag in cut.tables if tag])
        return None

    async def _link_states(self) -> dict[str, dict[str, Any]] | None:
        """The engine's links by name; None when it does not answer: then only rules are explained."""
        try:
            return {link["name"]: link for link in (await self.gateway.engine_state())["links"]}
        except (Error, KeyError, TypeError):
            return None

    async def _gathered(self, rows: list[Any], callers: list[int]) -> Intake:
        return await self.taken(rows, callers, indexed=True)

    async def taken(
        self, rows: list[Any], caller: int | list[int], indexed: bool, key: bytes = b"", own: bool = False
    ) -> Intake:
        """Messages made ready for the engine that `key` (of idempotency) belongs to; what cannot be sent is in the intake's `errors`.

        `own`: their callback addresses are the appliance's own, which no caller may write.
        """
        gateway = self.gateway
        await gateway.learn(row.to for row in rows if not isinstance(row, Error))
        at_ms = now_ms()
        sealing = await gateway.seals.at(at_ms)
        key_mac = mac_of_key(sealing, caller, key) if key and isinstance(caller, int) else b""
        intake = Intake(
            len(rows),
            caller,
            sealing,
            at_ms,
            _allowed if own else gateway.callbacks.check,
            gateway.serves,
            indexed,
            guard=gateway.guard,
            check_consent=gateway.consent.consent.check,
            check_sender=gateway.senders.now.checker(gateway.routing.table.group, at_ms),
            check_quiet=gateway.consent.quiet.wait if gateway.consent.quiet else None,
            basis=gateway.basis(),
            shard=await gateway.owner(rows, key_mac),
            kept_days=gateway.settings.kept_days,
        )
        typed: list[Row | Error] = rows
        for first in range(0, len(typed), GATEWAY_ROWS_AT_ONCE):
            if first:
                await asyncio.sleep(0)  # a one-time code is not to wait for a thousand statements
            self._resolve(rows, first, intake.ruled)
            intake.take(typed[first : first + GATEWAY_ROWS_AT_ONCE], first)
        return intake

    def _resolve(self, rows: list[Any], first: int, ruled: dict[int, list[str]]) -> None:
        """Texts of the next rows that name a template, which is then `ruled`; in place of a row that cannot have one, its error."""
        templates = self.gateway.templates.now
        for n, row in enumerate(rows[first : first + GATEWAY_ROWS_AT_ONCE], first):
            if isinstance(row, Error):
                continue
            if row.channel is not None or row.fallback is not None:
                try:
                    self._by_channel(row)
                except Error as e:
                    rows[n] = e
                    continue
            if row.text is None or row.template is not None or row.params is not None or row.locale is not None:
                try:
                    resolved(row, templates)
                    if row.template is not None:
                        ruled[n] = [f"template:{templates.named(row.template)}"]
                except Error as e:
                    rows[n] = e

    def _by_channel(self, row: Any) -> None:
        """A message that names its channel gets that one's sender, where it has none of its own. Raises Error `invalid`."""
        if row.fallback is not None:
            hint = "POST /v1/messages takes it"
            raise Error("invalid", "a message with a fallback does not go in a batch", hint, field="fallback")
        channel = channel_of(row.channel, self.gateway.settings.channels, "channel")
        row.from_ = row.from_ or channel.sender or None

    async def committed(
        self, caller: int, key: bytes, address: bytes, body: bytes, intake: Intake, said: bytes
    ) -> Answer:
        """The answer, once the engine has made the messages durable or has found that it gave one before."""
        gateway, batch = self.gateway, intake.batch
        count = len(batch.ids)
        if not count:
            return Answer(202, said)
        if not key:
            await gateway.funnel.commit(batch)
            gateway.numbers.accepted.inc(count)
            return Answer(202, said)
        key_mac, body_mac = macs(intake.sealing, caller, key, address, body)
        sealed = intake.sealing.key.seal(said, b"a" + key_mac)
        batch.requests.append(IdempotentRequest(0, count, key_mac, body_mac, sealed))
        outcome = await gateway.funnel.commit(batch)
        if outcome is None:
            gateway.numbers.accepted.inc(count)
            return Answer(202, said)
        if outcome == CONFLICT:
            raise Error(
                "idempotency_conflict",
                "this Idempotency-Key was used before with another body",
                "use a new key for a new request",
            )
        key_id, sealed = outcome
        sealed_under = await key_left(gateway.ring, key_id)
        if sealed_under is None:
            raise Error(
                "idempotency_conflict", "what was answered under this Idempotency-Key was erased", "use a new key"
            )
        before = sealed_under.open(sealed, b"a" + key_mac)
        return Answer(202, before, headers=((b"idempotency-replayed", b"true"),))


def _allowed(_: str) -> None:
    """Every address."""


def _location(message_id: str) -> tuple[bytes, bytes]:
    return b"location", f"/v1/messages/{message_id}".encode()


def idempotency_key(request: Request) -> bytes:
    """The header's value, empty without one. Raises Error `invalid`."""
    key = request.headers.get(b"idempotency-key")
    if key is None:
        return b""
    if not 0 < len(key) <= IDEMPOTENCY_KEY_CHARACTERS_MAX or any(not 33 <= c <= 126 for c in key):
        raise Error(
            "invalid",
            "the Idempotency-Key is not 1 to 255 visible ASCII characters",
            "a random UUID is a good one",
            field="Idempotency-Key",
        )
    return key


def macs(sealing: Sealing, caller: int, key: bytes, address: bytes, body: bytes) -> tuple[bytes, bytes]:
    """MACs of the idempotency key, which belongs to its caller, and of the request, which is its address and body."""
    body_mac = hmac.digest(sealing.requests_key, b"b" + address + b"\0" + body, "sha256")[:16]
    return mac_of_key(sealing, caller, key), body_mac


def mac_of_key(sealing: Sealing, caller: int, key: bytes) -> bytes:
    return hmac.digest(sealing.requests_key, b"k" + caller.to_bytes(8, "big") + key, "sha256")[:16]
