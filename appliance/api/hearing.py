"""What customers wrote, over REST: whole messages in the order in which they became so, a page at a time."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from appliance.access import Access, ApiKey, DoorAccounts
from appliance.clock import rfc3339
from appliance.errors import Error
from appliance.limits import PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX
from appliance.message import id_octets, id_text
from appliance.store import Heard

from .asgi import Answer, Request
from .gateway import Gateway
from .queries import fields_of
from .reading import key_left, unreadable
from .views import Redacted, Time

_encode: Final = msgspec.json.Encoder().encode
_content: Final = msgspec.msgpack.Decoder(dict[str, Any]).decode
SKIP_ROWS: Final = 2_000  # of others' messages looked over for one page


class InboundView(msgspec.Struct):
    """A customer's message. `text` is null for what is no text; `complete` false: parts named in `missing` never came.

    `redacted`: its content was erased; then `text` is null and `parts` 0, and `from` null once its day's key is destroyed.
    `code`: why `from` and `text` are null although nobody erased them: what is sealed does not open.
    """

    id: str
    from_: str | None = msgspec.field(name="from")
    to: str
    text: str | None
    at: Time
    complete: bool
    parts: int
    missing: list[int]
    redacted: bool
    code: str | None


class InboundPage(msgspec.Struct):
    """Oldest first. `next`: the `cursor` of the next page, null on the last; `latest`: the cursor to go on from later."""

    messages: list[InboundView]
    next: str | None
    latest: str | None


class Hearing:
    """Endpoints as bound methods."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._access = Access(gateway.settings)
        self._accounts: DoorAccounts | None = None

    async def list(self, request: Request) -> Answer:
        """GET /v1/inbound"""
        limit, cursor = _query(request.query)
        caller = request.caller
        rows, following, latest = await self.gateway.search(
            lambda reader: reader.heard(limit, cursor, self._sees(caller), SKIP_ROWS)
        )
        return Answer(200, _encode(InboundPage([await self._view(row) for row in rows], following, latest)))

    async def redact(self, request: Request) -> Answer:
        """POST /v1/inbound/{id}/redact"""
        message_id = id_octets(request.param.lower())
        row = await self.gateway.look_up(lambda reader: reader.heard_one(message_id)) if message_id else None
        if row is None or not await self.gateway.look_up(lambda _: self._sees(request.caller)(row.recipient)):
            raise Error(
                "not_found", "there is no such message, or it is not yours", "an id is what GET /v1/inbound gave"
            )
        parts: list[Any] = []
        if row.content:
            key = await key_left(self.gateway.ring, row.key_id)
            parts = _content(key.open(row.content, b"h" + row.id)).get("at", []) if key is not None else []
        asked = {"id": row.id, "who": f"api:{request.caller.name}", "day": row.place[0], "parts": parts}
        await self.gateway.engine.call("redact_inbound", asked)
        return Answer(200, _encode(Redacted(id_text(row.id), True)))

    def _sees(self, caller: ApiKey) -> Any:
        """In the search's thread: which recipients' messages an API key sees: its own door account's, and those of no account."""
        if self._accounts is None or not self._accounts.fresh():
            self._accounts = self._access.door_accounts()
        accounts = self._accounts

        def sees(recipient: str) -> bool:
            account = accounts.for_inbound(recipient)
            return account is None or account.caller == caller.id

        return sees

    async def _view(self, row: Heard) -> InboundView:
        erased: dict[str, Any] = {"text": None, "parts": 0, "missing": []}
        number, code = None, None
        try:
            key = await key_left(self.gateway.ring, row.key_id)
            if key is None:
                return InboundView(
                    id_text(row.id), None, row.recipient, None, rfc3339(row.at_ms), True, 0, [], True, None
                )
            number = key.open(row.number, b"n" + row.id).decode() if row.number else None
            content = _content(key.open(row.content, b"h" + row.id)) if row.content else erased
        except (Error, msgspec.MsgspecError, UnicodeDecodeError) as e:
            content, code = erased, unreadable(e)
        missing = content["missing"]
        return InboundView(
            id_text(row.id),
            number,
            row.recipient,
            content["text"],
            rfc3339(row.at_ms),
            not missing,
            content["parts"],
            missing,
            not row.content,
            code,
        )


def _query(query: bytes) -> tuple[int, str | None]:
    """Raises Error `invalid`."""
    given = fields_of(query, "limit", "cursor")
    text = given.get("limit", str(PAGE_ROWS_DEFAULT))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= PAGE_ROWS_MAX):
        raise Error("invalid", f"`limit` must be 1 to {PAGE_ROWS_MAX}", "", field="limit")
    return int(text), given.get("cursor")
