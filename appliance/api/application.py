"""Every address of the REST API in one list, and the ones that tell how the gateway is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from appliance.access import ApiKey, address_of
from appliance.errors import CODES, Error
from appliance.flows import published
from appliance.intake import Refusals

from . import problems
from .asgi import TEXT, Answer, Application, Request, Route
from .consenting import Consenting
from .disputing import Disputing
from .exempting import Exempting
from .falling_back import FallingBack
from .flow_hands import FlowHands, runner_of
from .flowing import Flowing
from .gateway import Gateway
from .hearing import Hearing
from .looking_up import LookingUp
from .openapi import document
from .reading import Reading
from .registering import Registering
from .sending import Sending
from .templating import Templating
from .verifying import Verifying
from .views import Alive, Ready

_encode: Final = msgspec.json.Encoder().encode

#: The order in which readyz names what is wrong, and the code it names it by.
CHECKS: Final = {"keys": "hsm_unavailable", "engine": "engine_unavailable", "auditor": "audit_unavailable"}


def application(
    gateway: Gateway, check: Callable[[str], ApiKey | None], check_again: Callable[[str], Awaitable[ApiKey | None]]
) -> Application:
    """The ASGI application; `check` turns a token into its API key, or None, and `check_again` looks for a new one."""
    sending, reading, standing = Sending(gateway), Reading(gateway), Standing(gateway)
    templating, registering = Templating(gateway), Registering(gateway)
    verifying, exempting = Verifying(gateway, sending), Exempting(gateway)
    flowing = Flowing(gateway, verifying)
    hands = FlowHands(gateway, sending, verifying, gateway.courier)
    falling_back = FallingBack(gateway, hands)
    sending.by_ways, verifying.by_ways = falling_back.message, falling_back.verification
    if gateway.courier is not None:
        gateway.runner = runner_of(gateway.settings, gateway, hands, gateway.flows)
    hearing, consenting = Hearing(gateway), Consenting(gateway)
    routes = [
        Route("/v1/messages", {"POST": sending.one, "GET": reading.search}),
        Route("/v1/messages/batch", {"POST": sending.many}),
        Route("/v1/messages/{id}", {"GET": reading.message}),
        Route("/v1/messages/{id}/cancel", {"POST": reading.cancel}),
        Route("/v1/messages/{id}/redact", {"POST": reading.redact}),
        Route("/v1/templates", {"GET": templating.list}),
        Route("/v1/templates/{id}", {"GET": templating.one, "PUT": templating.save, "DELETE": templating.remove}),
        Route("/v1/senders", {"GET": registering.list, "POST": registering.request}),
        Route("/v1/senders/{id}", {"GET": registering.one, "PUT": registering.change}),
        Route("/v1/inbound", {"GET": hearing.list}),
        Route("/v1/inbound/{id}/redact", {"POST": hearing.redact}),
        Route("/v1/suppressions", {"GET": consenting.list, "POST": consenting.add}),
        Route("/v1/suppressions/{id}", {"DELETE": consenting.end}),
        Route("/v1/lookup/{id}", {"GET": LookingUp(gateway).number}),
        Route("/v1/verifications", {"POST": verifying.begin}),
        Route("/v1/verifications/{id}", {"GET": verifying.one}),
        Route("/v1/verifications/{id}/check", {"POST": verifying.check}),
        Route("/v1/verifications/{id}/cancel", {"POST": verifying.cancel}),
        Route("/v1/verifications/{id}/evidence", {"POST": Disputing(gateway).evidence}),
        Route("/v1/verifications/{id}/resend", {"POST": verifying.resend}),
        Route("/v1/workflow-schema.json", {"GET": standing.workflow_schema}, open_to_all=True),
        Route("/v1/workflows", {"GET": flowing.list}),
        Route("/v1/workflows/{id}", {"GET": flowing.one, "PUT": flowing.save}),
        Route("/v1/workflow-checks", {"POST": flowing.check}),
        Route("/v1/workflow-trials", {"POST": flowing.try_}),
        Route("/v1/runs", {"POST": flowing.start}),
        Route("/v1/runs/{id}", {"GET": flowing.run}),
        Route("/v1/runs/{id}/check", {"POST": flowing.check_code}),
        Route("/v1/runs/{id}/answer", {"POST": flowing.answer}),
        Route("/v1/runs/{id}/cancel", {"POST": flowing.cancel}),
        Route("/v1/exemptions", {"POST": exempting.ask}),
        Route("/v1/exemptions/reports", {"POST": exempting.report}),
        Route("/v1/exemptions/trusted", {"POST": exempting.trust}),
        Route("/v1/exemptions/forget", {"POST": exempting.forget}),
        Route("/v1/exemptions/rates/{id}", {"PUT": exempting.rate}),
        Route("/v1/preview", {"POST": sending.preview}),
        Route("/v1/links", {"GET": reading.links}),
        Route("/v1/openapi.json", {"GET": standing.openapi}, open_to_all=True),
        Route("/healthz", {"GET": standing.healthz}, open_to_all=True),
        Route("/readyz", {"GET": standing.readyz}, open_to_all=True),
        Route("/metrics", {"GET": standing.metrics}, open_to_all=True, media=TEXT),
        Route("/errors/{id}", {"GET": standing.error}, open_to_all=True),
    ]
    refusals = Refusals(gateway.recorder, "api:unknown", "apikey.refused")
    return Application(routes, check, check_again, gateway.numbers, lambda remote: refusals.note(address_of(remote)))


class Standing:
    """How the gateway is, what it counts, and what its words mean. Needs no credential and holds nothing personal."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._document = _encode(document())

    async def openapi(self, request: Request) -> Answer:
        """GET /v1/openapi.json"""
        return Answer(200, self._document)

    async def workflow_schema(self, request: Request) -> Answer:
        """GET /v1/workflow-schema.json"""
        return Answer(200, _encode(published()))

    async def healthz(self, request: Request) -> Answer:
        """GET /healthz: alive, whatever the others are."""
        return Answer(200, _encode(Alive(True)))

    async def readyz(self, request: Request) -> Answer:
        """GET /readyz: from the last look at the other processes, not from a new one."""
        checks = self.gateway.peers.checks
        said = {name: "ok" if ok else why or "not ready" for name, (ok, why) in checks.items()}
        said |= {
            f"engine-{n}": "ok" if ok else why or "not ready" for n, (ok, why) in self.gateway.peers.engines.items()
        }
        for name, code in CHECKS.items():
            if not checks[name][0]:
                raise Error(code, CODES[code], "wait for it; see `casemate status`", checks=said)
        return Answer(200, _encode(Ready(True, said)))

    async def metrics(self, request: Request) -> Answer:
        """GET /metrics: without the part of who does not answer."""
        try:
            await self.gateway.engine_state()
        except Error:
            pass
        await self.gateway.look_at_door()
        await self.gateway.look_at_auditor()
        self.gateway.numbers.pending.set(self.gateway.funnel.pending)
        return Answer(200, self.gateway.numbers.text(), TEXT)

    async def error(self, request: Request) -> Answer:
        """GET /errors/{code}: what a problem's `type` points to."""
        code = request.param
        if code not in problems.STATUS:
            raise Error("not_found", "there is no such code", "see /v1/openapi.json")
        return Answer(200, _encode({"code": code, "status": problems.STATUS[code], "meaning": CODES[code]}))
