"""Suppressions over REST: who asked not to be written to, noted and ended by a system of the bank's. On the audit log before it counts."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from appliance.clock import now_ms, rfc3339
from appliance.consent import ALL_NAME, EVERY, START, STOP, Book, Decided, number_of
from appliance.errors import Error
from appliance.keys import DataKey
from appliance.limits import PAGE_ROWS_DEFAULT, SINGLE_BODY_OCTETS_MAX
from appliance.message import id_text
from appliance.numbering import normalise

from .asgi import Answer, Request
from .gateway import Gateway
from .queries import cursor_number
from .requests import decoded_once
from .views import Time

_encode: Final = msgspec.json.Encoder().encode


class SuppressionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A customer who asked not to get the messages of a programme, `all` for every one."""

    number: Annotated[str, Meta(min_length=1, max_length=64, examples=["+393331234567"])]
    programme: Annotated[str, Meta(min_length=1, max_length=48, extra_json_schema={"default": ALL_NAME})] = ALL_NAME


class SuppressionView(msgspec.Struct):
    """One that counts. `evidence`: id of the customer's message in /v1/inbound, null without one."""

    id: str
    number: str
    programme: str
    since: Time
    source: str
    word: str
    evidence: str | None
    who: str


class SuppressionList(msgspec.Struct):
    """Oldest first; `next` is the `cursor` of the next page, null on the last."""

    suppressions: list[SuppressionView]
    next: str | None


_request: Final = msgspec.json.Decoder(SuppressionRequest)


class Consenting:
    """Endpoints as bound methods."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def list(self, request: Request) -> Answer:
        """GET /v1/suppressions"""
        after = cursor_number(request.query, 18)
        rows = await self.gateway.consent.do(lambda book: book.suppressions(after, PAGE_ROWS_DEFAULT + 1))
        key = await self._key()
        following = str(rows[PAGE_ROWS_DEFAULT - 1].n) if len(rows) > PAGE_ROWS_DEFAULT else None
        views = [_view(row, key) for row in rows[:PAGE_ROWS_DEFAULT]]
        return Answer(200, _encode(SuppressionList(views, following)))

    async def add(self, request: Request) -> Answer:
        """POST /v1/suppressions: the same again changes nothing. What is queued for the number is cancelled."""
        asked: SuppressionRequest = decoded_once(_request, await request.body(SINGLE_BODY_OCTETS_MAX))
        programme = self._programme(asked.programme)
        try:
            number = normalise(asked.number)[0]
        except Error as e:
            e.detail["field"] = "number"
            raise
        gateway, who, at_ms = self.gateway, f"api:{request.caller.name}", now_ms()
        subject = (await gateway.seals.at(at_ms)).index(number)
        key = await self._key()
        sealed = key.seal(number.encode(), b"s" + subject)
        await gateway.recorder.record(who, "consent.stopped", "consent:api", programme=asked.programme, source="api")

        def decide(book: Book) -> Decided:
            if programme not in book.suppressed_in(subject):
                book.decide([(subject, sealed)], programme, STOP, "api", at_ms, who)
            found = book.counting(subject, programme)
            assert found is not None
            return found

        decided = await gateway.consent.do(decide)
        await self._took(subject, [programme], True, who)
        return Answer(201, _encode(_view(decided, key)))

    async def end(self, request: Request) -> Answer:
        """DELETE /v1/suppressions/{id}: the number may be written to again; the decisions stay on record."""
        text = request.param
        n = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
        gateway, who, at_ms = self.gateway, f"api:{request.caller.name}", now_ms()
        found = await gateway.consent.do(lambda book: book.suppression(n))
        if found is None:
            raise Error("not_found", "there is no such suppression", "GET /v1/suppressions lists them")
        await gateway.recorder.record(
            who, "consent.started", "consent:api", programme=found.programme or ALL_NAME, source="api"
        )
        rows = [(found.subject, found.number)]
        await gateway.consent.do(lambda book: book.decide(rows, found.programme, START, "api", at_ms, who))
        await self._took(found.subject, [found.programme], False, who)
        return Answer(200, _encode(_view(found, await self._key())))

    def _programme(self, name: str) -> str:
        if name == ALL_NAME:
            return EVERY
        known = [programme.name for programme in self.gateway.settings.programmes]
        if name not in known:
            raise Error(
                "invalid",
                "there is no such programme",
                f"programmes: {ALL_NAME}, {', '.join(known)}",
                field="programme",
            )
        return name

    async def _key(self) -> DataKey:
        return DataKey(0, await self.gateway.ring.derive("suppressed number", ""))

    async def _took(self, subject: bytes, programmes: Any, out: bool, who: str) -> None:
        """Takes it over here, and tells the engine, which has messages queued."""
        await self.gateway.consent.look()
        payload = {"subject": subject, "programmes": programmes, "out": out, "who": who}
        await self.gateway.engine.call("left_alone", payload)


def _view(row: Decided, key: DataKey) -> SuppressionView:
    number = number_of(row, key)
    evidence = id_text(row.evidence) if row.evidence else None
    return SuppressionView(
        str(row.n), number, row.programme or ALL_NAME, rfc3339(row.at_ms), row.source, row.word, evidence, row.who
    )
