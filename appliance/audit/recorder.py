"""Recording an interactive act: it is on the auditor's disk, or the act must not happen. Twice: for event loops and threads."""

from __future__ import annotations

from typing import Any, NoReturn

from appliance.clock import now_ms
from appliance.errors import Error
from appliance.intercom import BlockingClient, Client
from appliance.limits import AUDIT_CHECKPOINT_S_MAX
from appliance.settings import Settings

from .entry import entry


class Recorder:
    """`await recorder.record(...)` from an event loop."""

    def __init__(self, settings: Settings) -> None:
        self._client = Client(settings.socket("auditor"))

    async def record(
        self, who: str, what: str, on: str, outcome: str = "ok", **detail: str | int | bool
    ) -> tuple[int, int]:
        """Index of the entry and size of the log, once durable.

        Raises Error `audit_unavailable` when it is not durable, `invalid` or `too_large` when it may not be recorded.
        """
        payload = _payload(who, what, on, outcome, detail)
        try:
            reply = await self._client.call("append", payload)
        except Error as e:
            _refuse(e)
        return reply["index"], reply["size"]

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
        payload = _payload(who, what, on, outcome, detail)
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


def _payload(who: str, what: str, on: str, outcome: str, detail: dict[str, str | int | bool]) -> dict[str, Any]:
    return {"source": "", "first": 0, "entries": [entry(now_ms(), who, what, on, outcome, **detail)]}


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
