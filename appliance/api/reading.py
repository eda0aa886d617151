"""The endpoints that show and change what was sent before: one message, a search, cancel, redact, and the links."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

import msgspec

from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.evidence import Facts
from appliance.intake import Ring
from appliance.limits import PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, SEARCH_S_MAX
from appliance.message import CLASSES, STATUSES, Content, id_octets, id_text
from appliance.numbering import normalise
from appliance.store import Found

from .asgi import Answer, Request
from .gateway import Gateway
from .views import Cancelled, Links, LinkView, Page, Redacted, brief, whole

_encode: Final = msgspec.json.Encoder().encode
_content: Final = msgspec.msgpack.Decoder(Content).decode

PARAMETERS: Final = ("status", "class", "link", "from_time", "to_time", "number", "limit", "cursor")
_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_LINK: Final = re.compile(r"[A-Za-z0-9-]{1,32}")


class Reading:
    """Endpoints as bound methods. A caller sees its own messages only; another's does not exist for it."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def message(self, request: Request) -> Answer:
        """GET /v1/messages/{id}"""
        found = await self._own(request)
        to, content, code = await self._opened(found)
        facts = Facts(
            to, found.class_, found.sender, found.accepted_ms, found.send_at_ms,
            tuple(content.ruled or ()) if content is not None else None, (found.link,) if found.link else (),
        )  # fmt: skip
        explanation = await self.gateway.evidence.explain(found.basis, facts)
        view = whole(found, to, content, code, explanation)
        return Answer(200, _encode(view))

    async def search(self, request: Request) -> Answer:
        """GET /v1/messages"""
        asked = query_of(request.query)
        number_index = None
        if "number" in asked:
            number_index = (await self.gateway.seals.at(now_ms())).index(asked.pop("number"))
        caller = request.caller
        rows, cursor = await self.gateway.search(
            lambda reader: reader.search(
                number_index=number_index, callers=[caller.id], patience_s=SEARCH_S_MAX, **asked
            )
        )
        if number_index is not None:
            await self.gateway.recorder.record(
                f"api:{caller.name}", "message.searched_by_number", "store:messages", "ok", found=len(rows)
            )
        views = [brief(found, *(await self._opened(found))) for found in rows]
        return Answer(200, _encode(Page(views, cursor)))

    async def cancel(self, request: Request) -> Answer:
        """POST /v1/messages/{id}/cancel"""
        found = await self._own(request)
        reply = await self.gateway.engine.call("cancel", {"id": found.id, "who": f"api:{request.caller.name}"})
        return Answer(200, _encode(Cancelled(id_text(found.id), str(reply["status"]))))

    async def redact(self, request: Request) -> Answer:
        """POST /v1/messages/{id}/redact"""
        found = await self._own(request)
        await self.gateway.engine.call("redact", {"id": found.id, "who": f"api:{request.caller.name}"})
        return Answer(200, _encode(Redacted(id_text(found.id), True)))

    async def links(self, request: Request) -> Answer:
        """GET /v1/links"""
        state = await self.gateway.engine_state()
        return Answer(200, _encode(Links([_link(row) for row in state["links"]])))

    async def _own(self, request: Request) -> Found:
        message_id = id_octets(request.param.lower())  # RFC 9562 section 4: upper case is read as well
        found = None
        if message_id is not None:
            wanted = message_id
            found = await self.gateway.look_up(lambda reader: reader.message(wanted))
        if found is None or found.caller != request.caller.id:
            raise Error(
                "not_found", "there is no such message, or it is not yours", "an id is what POST /v1/messages gave"
            )
        return found

    async def _opened(self, found: Found) -> tuple[str | None, Content | None, str | None]:
        """Number and content; the code of why they do not open where nobody erased them: one such row hides no other."""
        if not found.number and found.content is None:
            return None, None, None
        try:
            key = await key_left(self.gateway.ring, found.key_id)
            if key is None:
                return None, None, None
            to = key.open(found.number, b"n" + found.id).decode() if found.number else None
            content = _content(key.open(found.content, b"c" + found.id)) if found.content is not None else None
        except (Error, msgspec.MsgspecError, UnicodeDecodeError) as e:
            return None, None, unreadable(e)
        return to, content, None


async def key_left(ring: Ring, key_id: int) -> Any:
    """The key that something was sealed under; None when it was destroyed, and what it sealed shows as erased."""
    try:
        return await ring.by_id(key_id)
    except Error as e:
        if e.code != "key_destroyed":
            raise
        return None


def unreadable(e: Exception) -> str:
    """The code of a row that does not open. Raises what is no fault of the row."""
    if not isinstance(e, Error):
        return "key_refused"  # it opened, and was not what is sealed in such a place
    if e.code not in ("key_refused", "key_missing"):
        raise e
    return e.code


def query_of(query: bytes) -> dict[str, Any]:
    """Keyword arguments for Reader.search, and `number` as E.164. Raises Error `invalid` or `number_invalid`."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=32,
        )
    except ValueError:
        raise Error("invalid", "the query is not name=value&name=value in UTF-8", "see /v1/openapi.json") from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in PARAMETERS:
            raise Error("invalid", "the query has an unknown parameter", f"it may have {', '.join(PARAMETERS)}")
        if name in given:
            raise Error("invalid", f"`{name}` is given twice", "give it once", field=name)
        given[name] = value
    out: dict[str, Any] = {"limit": PAGE_ROWS_DEFAULT}
    for name, value in given.items():
        if name == "status":
            out["status"] = _one_of(name, value, STATUSES)
        elif name == "class":
            out["class_"] = _one_of(name, value, CLASSES)
        elif name in ("from_time", "to_time"):
            out["from_ms" if name == "from_time" else "to_ms"] = _time(name, value)
        elif name == "limit":
            out["limit"] = _limit(value)
        elif name == "number":
            out["number"] = _number(value)
        elif name == "link":
            if not _LINK.fullmatch(value):
                raise Error("invalid", "`link` is not a link's name", "see /v1/links", field=name)
            out["link"] = value
        else:
            out["cursor"] = value
    return out


def _one_of(name: str, value: str, words: tuple[str, ...]) -> int:
    if value not in words:
        raise Error("invalid", f"`{name}` must be one of {', '.join(words)}", "", field=name)
    return words.index(value)


def _time(name: str, value: str) -> int:
    try:
        # An offset's plus that was not percent-encoded arrives as a space.
        return int(msgspec.convert(value.replace(" ", "+"), _Time).timestamp() * 1000)
    except (msgspec.ValidationError, ValueError, OverflowError):
        raise Error(
            "invalid", f"`{name}` is not a time", "RFC 3339 with an offset, as 2026-11-22T18:30:00Z", field=name
        ) from None


def _limit(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 6 and 1 <= int(value) <= PAGE_ROWS_MAX):
        raise Error("invalid", f"`limit` must be 1 to {PAGE_ROWS_MAX}", "", field="limit")
    return int(value)


def _number(value: str) -> str:
    try:
        return normalise("+" + value[1:] if value[:1] == " " else value)[0]
    except Error as e:
        e.detail["field"] = "number"
        raise


def _link(row: dict[str, Any]) -> LinkView:
    up_ms = row.get("up_since_ms")
    counts = {
        n: int(row.get(n) or 0)
        for n in ("window", "in_flight", "queued", "submitted", "answered", "receipted", "errors", "throttled")
    }
    return LinkView(
        name=row["name"],
        state=str(row["state"]),
        pace=float(row.get("pace") or 0),
        up_since=rfc3339(up_ms) if up_ms else None,
        last_error=row.get("last_error") or None,
        **counts,
    )
