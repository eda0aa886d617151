"""What customers wrote, over REST: whole messages in the order in which they became so, a page at a time."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from appliance.access import Access, ApiKey, DoorAccounts
from appliance.clock import rfc3339
from appliance.errors import Error
from appliance.limits import PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX
from appliance.message import id_text
from appliance.store import Heard

from .asgi import Answer, Request
from .gateway import Gateway
from .queries import fields_of
from .reading import key_left
from .views import Time

_encode: Final = msgspec.json.Encoder().encode
_content: Final = msgspec.msgpack.Decoder(dict[str, Any]).decode
SKIP_ROWS: Final = 2_000  # of others' messages looked over for one page


class InboundView(msgspec.Struct):
    """A customer's message. `text` is null for what is no text, `from` as well once its content was erased; `complete` false: parts named in `missing` never came."""

    id: str
    from_: str | None = msgspec.field(name="from")
    to: str
    text: str | None
    at: Time
    complete: bool
    parts: int
    missing: list[int]


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
        key = await key_left(self.gateway.ring, row.key_id)
        if key is None:
            return InboundView(id_text(row.id), None, row.recipient, None, rfc3339(row.at_ms), True, 0, [])
        number = key.open(row.number, b"n" + row.id).decode()
        content = _content(key.open(row.content, b"h" + row.id))
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
        )


def _query(query: bytes) -> tuple[int, str | None]:
    """Raises Error `invalid`."""
    given = fields_of(query, "limit", "cursor")
    text = given.get("limit", str(PAGE_ROWS_DEFAULT))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= PAGE_ROWS_MAX):
        raise Error("invalid", f"`limit` must be 1 to {PAGE_ROWS_MAX}", "", field="limit")
    return int(text), given.get("cursor")
