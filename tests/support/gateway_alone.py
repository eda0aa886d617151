"""A real gateway on a real port with stand-ins for keys, engine and auditor: `python -m tests.support.gateway_alone HOME LISTEN`.

Prints one line of JSON with the API key as soon as the port is bound; SIGTERM stops it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import uvloop

from appliance.access import Access
from appliance.api.gateway import Gateway
from appliance.api.process import ApiKeyWatch, bound, run
from appliance.settings import parse
from tests.support.fake_engine import FakeAuditor, FakeEngine, FakeReader, FakeRing, fake_blind_indexer


async def main(home: Path, listen: str, certificate: str = "", key: str = "", gateways: str = "1") -> None:
    api = {
        "listen": listen,
        "tls_certificate": certificate,
        "tls_key": key,
        "gateways": int(gateways),
        "saves_templates": True,
    }
    link = [{"name": "op", "host": "127.0.0.1"}]
    settings = parse({"api": api, "webhook": {"hosts": ["bank.example"]}, "link": link}, home, "test")
    _, token = Access(settings).create_api_key(f"story {os.getpid()}", rate_per_s=0)
    engine, auditor = FakeEngine(), FakeAuditor()
    gateway = Gateway(settings, 0, FakeRing(), engine, auditor, auditor, fake_blind_indexer)
    for pool in gateway._readers:
        gateway._readers[pool] = FakeReader(engine)  # type: ignore[assignment]
    listening = bound(settings)
    print(json.dumps({"token": token, "port": listening.getsockname()[1]}), flush=True)
    try:
        await run(gateway, ApiKeyWatch(settings), listening, 0)
    finally:
        gateway.close()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), *sys.argv[2:]))
