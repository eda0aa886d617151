"""The HTTP control of a simulated operator: what handsets show, messages from customers, counters, behaviour. For tests and demos."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from appliance import clock
from appliance.errors import Error
from appliance.limits import SINGLE_BODY_OCTETS_MAX, TEXT_CHARACTERS_MAX

from .operator import Operator

RECEIVED_DEFAULT: Final = 1_000
_INBOUND: Final = {"from": 20, "to": 20, "text": TEXT_CHARACTERS_MAX}  # characters at most


def application(operator: Operator) -> Starlette:
    """The routes; every answer is JSON, errors `{code, message, hint}`."""

    async def received(request: Request) -> Response:
        # A plus in an address is a blank to most readers of query strings: both mean the number.
        to = request.query_params.get("to")
        if to is not None:
            to = to.strip().removeprefix("+")
        messages = await asyncio.to_thread(operator.inbox.messages, to, _limit(request, operator.options.keep))
        return JSONResponse(
            [{"to": m.to, "from": m.sender, "text": m.text, "at": clock.rfc3339(m.at_ms)} for m in messages]
        )

    async def forget(request: Request) -> Response:
        operator.inbox.clear()
        return Response(status_code=204)

    async def inbound(request: Request) -> Response:
        given = await _object(request)
        for name, most in _INBOUND.items():
            if not isinstance(given.get(name), str) or not 0 < len(given[name]) <= most:
                raise Error("invalid", f"{name} must be a text of 1 to {most} characters")
        for name in ("from", "to"):
            if not given[name].isascii() or not given[name].isprintable():
                raise Error("invalid", f"{name} must be printable ASCII")
        if given.keys() - _INBOUND.keys():
            raise Error("invalid", "only from, to and text are known")
        return JSONResponse({"parts": operator.inbound(given["from"], given["to"], given["text"])}, 202)

    async def counters(request: Request) -> Response:
        return JSONResponse(operator.counts())

    async def behaviour(request: Request) -> Response:
        if request.method == "POST":
            operator.follow(operator.options.changed(await _object(request)))
        return JSONResponse(operator.options.live())

    async def drop(request: Request) -> Response:
        return JSONResponse({"dropped": operator.drop_all()})

    return Starlette(
        routes=[
            Route("/received", received, methods=["GET"]),
            Route("/received", forget, methods=["DELETE"]),
            Route("/inbound", inbound, methods=["POST"]),
            Route("/counters", counters, methods=["GET"]),
            Route("/behaviour", behaviour, methods=["GET", "POST"]),
            Route("/drop", drop, methods=["POST"]),
        ],
        exception_handlers={Error: _refused, HTTPException: _http_error, Exception: _broken},
    )


def _limit(request: Request, most: int) -> int:
    text = request.query_params.get("limit", str(RECEIVED_DEFAULT))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise Error("invalid", "limit must be a number above 0")
    return min(int(text), most)


async def _object(request: Request) -> dict[str, Any]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > SINGLE_BODY_OCTETS_MAX:
            raise Error("too_large", f"a request has at most {SINGLE_BODY_OCTETS_MAX} octets")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise Error("malformed", "the body is not JSON") from None
    if not isinstance(given, dict):
        raise Error("malformed", "the body is not a JSON object")
    return given


_STATUSES: Final = {"too_large": 413, "malformed": 400}


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Error)
    body = {"code": error.code, "message": error.message, "hint": error.hint}
    return JSONResponse(body, _STATUSES.get(error.code, 422))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid")
    return JSONResponse({"code": code, "message": error.detail, "hint": ""}, error.status_code, error.headers)


async def _broken(request: Request, error: Exception) -> Response:
    return JSONResponse({"code": "internal", "message": "a mistake of the simulator's own", "hint": ""}, 500)
