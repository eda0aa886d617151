"""The two clients, over httpx: `Casemate` waits, `AsyncCasemate` is for an event loop."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, Self

import httpx

from .asked import Asked, CasemateError, answered, sendable, wait_s
from .calls import AsyncCalls, Calls


class Casemate(Calls):
    """`url`: where the API is; `key`: its API key; `verify`: a CA bundle, or an `ssl.SSLContext` with a client certificate for mTLS.

    A call that was refused for a moment (429, 503) or found no connection is sent again, up to three times, with the same
    Idempotency-Key. For use by several threads.
    """

    def __init__(self, url: str, key: str, *, verify: Any = True, timeout_s: float = 15.0) -> None:
        self._key = key
        self._http = httpx.Client(base_url=url, verify=verify, timeout=timeout_s)

    def _ask(self, asked: Asked) -> Any:
        request, tries = sendable(asked, self._key), 0
        while True:
            tries += 1
            try:
                answer = self._http.request(
                    request.method,
                    request.address,
                    params=request.query,
                    headers=request.headers,
                    content=request.content,
                )
                status, retry_after = answer.status_code, answer.headers.get("retry-after")
            except httpx.TransportError as e:
                answer, status, retry_after, why = None, 0, None, e
            pause_s = wait_s(asked, tries, status, retry_after)
            if pause_s is not None:
                time.sleep(pause_s)
                continue
            if answer is None:
                raise CasemateError(0, {"detail": f"no answer: {type(why).__name__}"}) from why
            return answered(status, answer.content)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncCasemate(AsyncCalls):
    """The same for one event loop."""

    def __init__(self, url: str, key: str, *, verify: Any = True, timeout_s: float = 15.0) -> None:
        self._key = key
        self._http = httpx.AsyncClient(base_url=url, verify=verify, timeout=timeout_s)

    async def _ask(self, asked: Asked) -> Any:
        request, tries = sendable(asked, self._key), 0
        while True:
            tries += 1
            try:
                answer = await self._http.request(
                    request.method,
                    request.address,
                    params=request.query,
                    headers=request.headers,
                    content=request.content,
                )
                status, retry_after = answer.status_code, answer.headers.get("retry-after")
            except httpx.TransportError as e:
                answer, status, retry_after, why = None, 0, None, e
            pause_s = wait_s(asked, tries, status, retry_after)
            if pause_s is not None:
                await asyncio.sleep(pause_s)
                continue
            if answer is None:
                raise CasemateError(0, {"detail": f"no answer: {type(why).__name__}"}) from why
            return answered(status, answer.content)

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
