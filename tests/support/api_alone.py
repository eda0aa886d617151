"""The REST API's application with stand-ins for the other processes, asked in process: no socket, no server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, NamedTuple

from appliance.access import ApiKey
from appliance.api.application import application
from appliance.api.gateway import Gateway
from appliance.api.handing_on import HandingOn
from appliance.settings import parse
from tests.support.fake_engine import FakeAuditor, FakeEngine, FakeReader, FakeRing, fake_blind_indexer

KEYS = {
    "cm_1_anna": ApiKey(1, "anna", 0, 0),
    "cm_2_bruno": ApiKey(2, "bruno", 0, 0),
    "cm_3_slow": ApiKey(3, "slow", 2, 0),
}
SETTINGS = {
    "webhook": {"hosts": ["bank.example"], "allow_loopback": True},
    "link": [{"name": "one", "host": "127.0.0.1"}, {"name": "two", "host": "127.0.0.1"}],
    "route": [{"prefix": "39", "links": ["one", "two"]}, {"prefix": "", "links": ["two"]}],
}


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def _no_new_key(_: str) -> None:
    """No key is made while these tests run."""


class Alone:
    """A gateway and what surrounds it. `post` and `get` run the event loop until the answer is there."""

    def __init__(self, home: Path = Path("/nonexistent"), courier: Any = None, **settings: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.engine, self.auditor, self.ring = FakeEngine(), FakeAuditor(), FakeRing()
        self.gateway = Gateway(
            parse(SETTINGS | settings, home, "test"),
            0,
            self.ring,
            self.engine,
            self.auditor,
            self.auditor,
            fake_blind_indexer,
        )
        for pool in self.gateway._readers:
            self.gateway._readers[pool] = FakeReader(self.engine)  # type: ignore[assignment]
        self.gateway.courier = courier
        self.app = application(self.gateway, KEYS.get, _no_new_key)
        assert isinstance(self.gateway.handing, HandingOn)
        self.gateway.handing.each_s = 0.0  # no test waits
        self.loop.run_until_complete(self.gateway.peers.look())

    async def request(
        self,
        method: str,
        address: str,
        body: bytes | list[bytes] = b"",
        headers: dict[str, str] | None = None,
        token: str = "cm_1_anna",
    ) -> Reply:
        path, _, query = address.partition("?")
        given = {"authorization": f"Bearer {token}", "content-type": "application/json"} | (headers or {})
        pieces = [body] if isinstance(body, bytes) else list(body)
        scope = {
            "type": "http", "method": method, "path": path, "query_string": query.encode(),
            "headers": [(k.encode(), v.encode("latin-1")) for k, v in given.items() if v is not None],
        }  # fmt: skip
        said: list[Any] = []

        async def receive() -> dict[str, Any]:
            piece = pieces.pop(0) if pieces else b""
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def send(event: Any) -> None:
            said.append(event)

        await self.app(scope, receive, send)
        start, end = said
        reply = Reply(start["status"], {k.decode(): v.decode("latin-1") for k, v in start["headers"]}, end["body"])
        assert all(isinstance(k, bytes) and isinstance(v, bytes) for k, v in start["headers"])
        return reply

    def ask(
        self,
        method: str,
        address: str,
        body: Any = b"",
        headers: dict[str, str] | None = None,
        token: str = "cm_1_anna",
    ) -> Reply:
        octets = (
            body
            if isinstance(body, bytes | list)
            and not (body and isinstance(body, list) and not isinstance(body[0], bytes))
            else json.dumps(body).encode()
        )
        reply = self.loop.run_until_complete(self.request(method, address, octets, headers, token))
        self.hand_on()
        return reply

    def hand_on(self) -> None:
        """What goes on after an answer."""
        if self.gateway.handing is not None:
            self.loop.run_until_complete(self.gateway.handing.settle())

    def post(
        self, address: str, body: Any = b"", headers: dict[str, str] | None = None, token: str = "cm_1_anna"
    ) -> Reply:
        return self.ask("POST", address, body, headers, token)

    def get(self, address: str, headers: dict[str, str] | None = None, token: str = "cm_1_anna") -> Reply:
        return self.ask("GET", address, b"", headers, token)

    def close(self) -> None:
        late = [t for t in asyncio.all_tasks(self.loop) if "ActingWatch" in str(t.get_coro())]  # noted after an answer
        if late:
            self.loop.run_until_complete(asyncio.wait(late, timeout=10))
        self.gateway.close()
        self.loop.close()
