"""Recording an interactive act: it is on the auditor's disk, or the act must not happen. Twice: for event loops and threads."""

from __future__ import annotations

import asyncio
from typing import Any, Final, NoReturn

from appliance.clock import now_ms
from appliance.errors import Error
from appliance.intercom import BlockingClient, Client
from appliance.limits import AUDIT_CHECKPOINT_S_MAX
from appliance.settings import Settings

from .entry import entry

ENTRIES_EACH: Final = 256  # of one process in one call
_Waiting = tuple[dict[str, Any], "asyncio.Future[tuple[int, int]]"]


class Recorder:
    """`await recorder.record(...)` from an event loop. What comes while a call is under way shares the next one."""

    def __init__(self, settings: Settings) -> None:
        self._client = Client(settings.socket("auditor"))
        self._waiting: list[_Waiting] = []
        self._sending: asyncio.Task[None] | None = None

    async def record(
        self, who: str, what: str, on: str, outcome: str = "ok", **detail: str | int | bool
    ) -> tuple[int, int]:
        """Index of the entry and size of the log, once durable.

        Raises Error `audit_unavailable` when it is not durable, `invalid` or `too_large` when it may not be recorded.
        """
        made = entry(now_ms(), who, what, on, outcome, **detail)
        future: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self._waiting.append((made, future))
        if self._sending is None:
            self._sending = asyncio.ensure_future(self._send())
        try:
            return await future
        except Error as e:
            _refuse(e)

    async def _send(self) -> None:
        try:
            while self._waiting:
                now, self._waiting = self._waiting[:ENTRIES_EACH], self._waiting[ENTRIES_EACH:]
                await self._append(now)
        finally:
            self._sending = None

    async def _append(self, now: list[_Waiting]) -> None:
        try:
            reply = await self._client.call("append", _payload([made for made, _ in now]))
        except Error as e:
            if len(now) > 1 and e.code in ("invalid", "too_large"):  # one of them; the others did nothing wrong
                for each in now:
                    await self._append([each])
                return
            for _, future in now:
                if not future.done():
                    future.set_exception(e)
            return
        except BaseException:  # nobody will ever answer
            for _, future in now:
                future.cancel()
            raise
        first = reply["index"] + 1 - len(now)
        for n, (_, future) in enumerate(now):
            if not future.done():
                future.set_result((first + n, reply["size"]))

    async def checkpoint(self) -> int:
        """How many entries a signed checkpoint covers now: all that were recorded before. For before an export, or an act with keys.

        Raises Error `audit_unavailable`: the act must not happen.
        """
        try:
            return int((await self._client.call("checkpoint", {}, AUDIT_CHECKPOINT_S_MAX))["size"])
        except Error as e:
            _unsigned(e)

    def close(self) -> None:
        self._client.close()


class BlockingRecorder:
    """The same for threads and commands."""

    def __init__(self, settings: Settings) -> None:
        self._client = BlockingClient(settings.socket("auditor"))

    def record(self, who: str, what: str, on: str, outcome: str = "ok", **detail: str | int | bool) -> tuple[int, int]:
        """As `Recorder.record`."""
        payload = _payload([entry(now_ms(), who, what, on, outcome, **detail)])
        try:
            reply = self._client.call("append", payload)
        except Error as e:
            _refuse(e)
        return reply["index"], reply["size"]

    def checkpoint(self) -> int:
        """As `Recorder.checkpoint`."""
        try:
            return int(self._client.call("checkpoint", {}, AUDIT_CHECKPOINT_S_MAX)["size"])
        except Error as e:
            _unsigned(e)

    def close(self) -> None:
        self._client.close()


def _payload(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"source": "", "first": 0, "entries": entries}


def _refuse(cause: Error) -> NoReturn:
    if cause.code in ("invalid", "too_large"):
        raise cause
    raise Error(
        "audit_unavailable",
        f"the act was not recorded and so did not happen: {cause.message}",
        "see `casemate status`; nothing privileged is possible without the audit log",
        cause=cause.code,
    ) from cause


def _unsigned(cause: Error) -> NoReturn:
    raise Error(
        "audit_unavailable",
        f"no checkpoint covers what was recorded, and so the act did not happen: {cause.message}",
        "see `casemate status`; the HSM has to sign the audit log first",
        cause=cause.code,
    ) from cause
