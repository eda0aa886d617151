"""The simulated operator's HTTP control: how it behaves from now on, and what it counted."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from appliance.errors import Error


class Control:
    """The simulated operator's HTTP control."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname or "", parts.port or 0

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        wire = http.client.HTTPConnection(self._host, self._port, timeout=30)
        try:
            wire.request(method, path, None if body is None else json.dumps(body))
            answer = wire.getresponse()
            octets = answer.read()
            if answer.status != 200:
                raise Error("peer_unavailable", f"the simulated operator answers {answer.status}")
            return json.loads(octets)
        finally:
            wire.close()
