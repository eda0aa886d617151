"""One number looked up: what the numbering plans and the operators' registers on this box say. On the audit log, without the number."""

from __future__ import annotations

from typing import Final

import msgspec

from appliance.numbering import described, normalise
from appliance.router import Told

from .asgi import Answer, Request
from .gateway import Gateway

_encode: Final = msgspec.json.Encoder().encode


class LookupView(msgspec.Struct):
    """`valid`: the number's range is known to be in use. `operator`: a name of the routes' operators, by ENUM, else by the
    ported numbers, else by the number plan; `rule` says which. `code`: what ENUM or the national database calls whom it moved to.

    `ported`: null where neither is there.
    """

    number: str
    country: str | None
    calling_code: int
    valid: bool
    type: str | None
    operator: str | None
    ported: bool | None
    code: str | None
    rule: str


class LookingUp:
    """Its endpoint as a bound method."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def number(self, request: Request) -> Answer:
        """GET /v1/lookup/{number}: counts as a message of the API key's rate."""
        gateway = self.gateway
        gateway.charge(request.caller, 1)
        number, calling_code = normalise(request.param)
        await gateway.recorder.record(f"api:{request.caller.name}", "number.looked_up", "numbers:plan")
        await gateway.learn((number,))
        said = described(number, calling_code)
        numbers = gateway.routing.table.numbers
        told = Told("", None, "", "no operators are known") if numbers is None else numbers.told(number)
        view = LookupView(
            number, said.country or None, calling_code, said.valid, said.type or None,
            told.operator or None, told.ported, told.code or None, told.rule,
        )  # fmt: skip
        return Answer(200, _encode(view))
