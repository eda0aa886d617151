"""Asks a process whether it is well: `ping` over its Unix socket, or GET over HTTP. Never waits longer than PROBE_S_MAX."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any

from appliance.errors import Error
from appliance.intercom import Client
from appliance.limits import PROBE_S_MAX
from appliance.settings import address

from .plan import Child

REASON_CHARACTERS_MAX = 500  # a problem's text and, after it, which check failed
BODY_OCTETS_MAX = 4096  # of an answer, for its reason


class Probe:
    """Well (True), alive but not able to work (False), or no answer (None), with the reason."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self._client = Client(child.socket) if child.socket is not None else None

    async def ask(self) -> tuple[bool | None, str]:
        if self._client is not None:
            return await self._ping(self._client)
        if self.child.http:
            try:
                async with asyncio.timeout(PROBE_S_MAX):
                    return await self._get(self.child.ready)
            except (OSError, TimeoutError, ValueError, IndexError, asyncio.IncompleteReadError):
                return None, "does not answer"
        return True, ""

    async def _ping(self, client: Client) -> tuple[bool | None, str]:
        try:
            answer: Any = await client.call("ping", timeout_s=PROBE_S_MAX)
            return bool(answer["ready"]), str(answer.get("why", ""))
        except Error as e:
            if e.code == "peer_unavailable":
                return None, "does not answer"
            return False, str(e)
        except (KeyError, TypeError, AttributeError):
            return False, "answers, but not to `ping`"

    async def _get(self, path: str) -> tuple[bool | None, str]:
        host, port = address(self.child.http)
        context = None
        if self.child.tls:  # our own child on our own address: its certificate is for others
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if host in ("0.0.0.0", "::"):
            host = "127.0.0.1" if host == "0.0.0.0" else "::1"
        reader, writer = await asyncio.open_connection(host, port, ssl=context)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.child.http}\r\nConnection: close\r\n\r\n".encode())
            status = (await reader.readline()).split()[1]
            rest = await reader.read(BODY_OCTETS_MAX)
        finally:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()
        if status == b"200":
            return True, ""
        body = rest.partition(b"\r\n\r\n")[2].decode(errors="replace").strip()
        return False, f"{path} says {status.decode()}: {' '.join(body.split())[:REASON_CHARACTERS_MAX]}"

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
