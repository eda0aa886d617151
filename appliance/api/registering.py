"""Registrations of senders over REST: list, ask for one, confirm it, end it. On the audit log before it counts."""

from __future__ import annotations

from typing import Final

import msgspec

from appliance.clock import day_of, now_ms, rfc3339
from appliance.errors import Error
from appliance.limits import PAGE_ROWS_DEFAULT, SINGLE_BODY_OCTETS_MAX
from appliance.senders import Details, Registration, SenderBook, check_details, day_ms

from .asgi import Answer, Request
from .gateway import Gateway
from .queries import cursor_number
from .requests import sender_change_of, sender_request_of
from .views import SenderList, SenderView

_encode: Final = msgspec.json.Encoder().encode


class Registering:
    """Endpoints as bound methods."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def list(self, request: Request) -> Answer:
        """GET /v1/senders"""
        after = cursor_number(request.query, 9)
        found = await self.gateway.senders.do(lambda book: book.all(after, PAGE_ROWS_DEFAULT + 1))
        following = str(found[PAGE_ROWS_DEFAULT - 1].id) if len(found) > PAGE_ROWS_DEFAULT else None
        at_ms = now_ms()
        return Answer(200, _encode(SenderList([view(r, at_ms) for r in found[:PAGE_ROWS_DEFAULT]], following)))

    async def one(self, request: Request) -> Answer:
        """GET /v1/senders/{id}"""
        found = await self._found(request)
        return Answer(200, _encode(view(found, now_ms())))

    async def request(self, request: Request) -> Answer:
        """POST /v1/senders"""
        asked = sender_request_of(await request.body(SINGLE_BODY_OCTETS_MAX))
        details, who, at_ms = asked.details or Details(), f"api:{request.caller.name}", now_ms()
        senders = self.gateway.senders
        country, kind = await senders.do(lambda book: book.check_request(asked.sender, asked.country, details))
        await self.gateway.recorder.record(who, "sender.requested", "sender:new", country=country, kind=kind)
        made = await senders.do(lambda book: book.request(asked.sender, asked.country, details, who, at_ms))
        location = ((b"location", b"/v1/senders/%d" % made.id),)
        return Answer(201, _encode(view(made, at_ms)), headers=location)

    async def change(self, request: Request) -> Answer:
        """PUT /v1/senders/{id}"""
        asked = sender_change_of(await request.body(SINGLE_BODY_OCTETS_MAX))
        details, who, at_ms = asked.details or Details(), f"api:{request.caller.name}", now_ms()
        found = await self._found(request)
        on, about = f"sender:{found.id}", {"country": found.country, "kind": found.kind}
        senders, record = self.gateway.senders, self.gateway.recorder.record
        if asked.state == "expired":
            if asked.valid_from is not None or asked.expires is not None:
                raise Error("invalid", "days belong to a registration that is confirmed", "leave them out")
            check_details(details)
            await record(who, "sender.expired", on, **about)
            made = await senders.do(lambda book: book.expire(found.id, details, who, at_ms))
        else:
            from_ms = day_ms(asked.valid_from, "valid_from") if asked.valid_from else day_of(at_ms) * 86_400_000
            until_ms = day_ms(asked.expires, "expires") if asked.expires else 0
            await senders.do(lambda book: book.check_confirm(found.id, details, from_ms, until_ms))
            await record(who, "sender.confirmed", on, **about, from_ms=from_ms, until_ms=until_ms)
            made = await senders.do(lambda book: book.confirm(found.id, details, from_ms, until_ms, who, at_ms))
        await senders.look()
        return Answer(200, _encode(view(made, at_ms)))

    async def _found(self, request: Request) -> Registration:
        """Raises Error `not_found`."""
        text = request.param
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0

        def one(book: SenderBook) -> Registration | None:
            return book.one(number)

        found = await self.gateway.senders.do(one)
        if found is None:
            raise Error("not_found", "there is no such registration", "GET /v1/senders lists them")
        return found


def view(r: Registration, at_ms: int) -> SenderView:
    valid_from = rfc3339(r.valid_from_ms) if r.valid_from_ms else None
    expires = rfc3339(r.expires_ms) if r.expires_ms else None
    return SenderView(
        r.id, r.sender, r.country, r.kind, r.state_at(at_ms), rfc3339(r.requested_ms), valid_from, expires, r.details,
        rfc3339(r.changed_ms),
    )  # fmt: skip
