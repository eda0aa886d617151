"""Asks witnesses on the network to cosign the log: C2SP tlog-witness, `add-checkpoint` over HTTPS. Outbound only.

What a witness refuses because the log does not continue what it cosigned before is evidence and goes on the record; what is
only a matter of the network is said, and tried again. Nothing here ever stops the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from appliance.clock import now_ms
from appliance.errors import Error
from appliance.limits import COSIGNED_OCTETS_MAX, WITNESS_CALL_S_MAX, WITNESS_RETRY_S_MAX, WITNESS_RETRY_S_MIN
from appliance.settings import Settings, witness_address

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

SIZE: Final = "text/x.tlog.size"
#: Status -> what it means (tlog-witness, add-checkpoint). 409 and 422 are told apart by what the witness knows.
MEANS: Final[dict[int, str]] = {
    400: "it cannot read the request",
    403: "it does not know the key of this log",
    404: "it does not know this log: its operator has to add it",
    422: "the log does not continue what it cosigned before",
}


class Cosigning(NamedTuple):
    """What the cosigner needs of the log."""

    request: Callable[[int | None], Awaitable[tuple[int, str, str]]]  # from a size: size, body, checkpoint
    take: Callable[[str], Awaitable[int]]  # a cosigned checkpoint: its size; raises Error
    record: Callable[..., Awaitable[None]]


class Unfit(Exception):
    """A witness that would not cosign. `against`: because of what the log is, not of the network."""

    def __init__(self, why: str, against: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.against = against


class Witness:
    """One submission prefix, asked again and again."""

    def __init__(self, url: str, settings: Settings, asked: Cosigning) -> None:
        self.host, _ = witness_address(url)
        self._url = f"{url.removesuffix('/')}/add-checkpoint"
        self._settings = settings
        self._asked = asked
        self.size = 0
        self.at_ms = 0
        self.why = ""
        self._told = ""

    def state(self) -> dict[str, Any]:
        return {"host": self.host, "size": self.size, "at_ms": self.at_ms, "why": self.why}

    async def run(self) -> None:
        """Until cancelled."""
        pause_s = WITNESS_RETRY_S_MIN
        while True:
            try:
                await self.ask()
                pause_s = WITNESS_RETRY_S_MIN
                await asyncio.sleep(self._settings["audit.witness_s"])
            except Unfit as e:
                await self._failed(e)
            except Error as e:  # of our own: no checkpoint, a full disk
                await self._failed(Unfit(f"{e.code}: {e.message}"))
            except Exception:
                log.exception("witness: asking failed")
                await self._failed(Unfit("internal"))
            if self.why:
                await asyncio.sleep(pause_s)
                pause_s = min(WITNESS_RETRY_S_MAX, 2 * pause_s)

    async def ask(self) -> None:
        """One cosignature over everything there is now. Raises Unfit, Error."""
        import httpx  # here, because it is large and most processes ask no witness

        known: int | None = self.size or None
        context = tls_context(self._settings)
        async with httpx.AsyncClient(verify=context, timeout=WITNESS_CALL_S_MAX, trust_env=False) as client:
            for _ in range(2):
                size, body, note = await self._asked.request(known)
                status, kind, text = await _posted(client, self._url, body.encode())
                if status == httpx.codes.OK:
                    self.size = await self._taken(note, text)
                    self.at_ms, self.why, self._told = now_ms(), "", ""
                    return
                if status != httpx.codes.CONFLICT:
                    raise Unfit(MEANS.get(status, f"it answered {status}"), against=status == 422)
                if kind != SIZE or not re.fullmatch("0|[1-9][0-9]{0,17}", text.strip(), re.ASCII):
                    raise Unfit("it says that it knows another size, and not which")
                known = int(text)
                if known > size:
                    raise Unfit(
                        f"it cosigned {known} entries, and this log has {size}: entries are gone, or its key is used elsewhere",
                        against=True,
                    )
        raise Unfit("it knows another size each time: somebody else submits this log")

    async def _taken(self, note: str, lines: str) -> int:
        try:
            return await self._asked.take(note + lines)
        except Error as e:
            raise Unfit(f"its answer is refused: {e.message}") from None

    async def _failed(self, why: Unfit) -> None:
        """Said once each; what speaks against the log is recorded."""
        self.why = why.why
        if why.why == self._told:
            return
        self._told = why.why
        (log.critical if why.against else log.error)("witness: %s: %s", self.host, why.why)
        if why.against:
            with contextlib.suppress(Error):
                await self._asked.record("audit.cosigned", f"witness:{self.host}", "refused", size_count=self.size)


def cosigners_of(settings: Settings, asked: Cosigning) -> list[Witness]:
    return [Witness(url, settings, asked) for url in settings["audit.witness_urls"]]


async def _posted(client: httpx.AsyncClient, url: str, body: bytes) -> tuple[int, str, str]:
    """Status, kind and text of the answer. Raises Unfit in words that hold no address."""
    import httpx

    try:
        async with asyncio.timeout(WITNESS_CALL_S_MAX), client.stream("POST", url, content=body) as answer:
            text = b""
            async for part in answer.aiter_bytes():
                text += part
                if len(text) > COSIGNED_OCTETS_MAX:
                    raise Unfit("its answer is too long")
            kind = answer.headers.get("content-type", "").partition(";")[0].strip()
            return answer.status_code, kind, text.decode("utf-8", "replace")
    except (httpx.TransportError, TimeoutError) as e:
        cause: BaseException | None = e
        while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
            cause = cause.__cause__ or cause.__context__
        if cause is not None:
            raise Unfit("its certificate is refused") from None
        raise Unfit(
            "it does not answer" if isinstance(e, TimeoutError) else f"no connection: {type(e).__name__}"
        ) from None


def tls_context(settings: Settings) -> ssl.SSLContext:
    """TLS 1.2 or newer, the server's certificate and name checked. Raises Error `settings_invalid`."""
    try:
        context = ssl.create_default_context(cafile=settings["audit.witness_ca"] or None)
    except (OSError, ssl.SSLError) as e:
        raise Error(
            "settings_invalid", f"`audit.witness_ca` cannot be used: {type(e).__name__}", "PEM certificates"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
