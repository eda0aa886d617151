"""Sends the log to the bank's SIEM as it grows: syslog over TLS (RFC 5425, RFC 9662). The journal is the buffer.

Syslog has no answers, so what was handed to TCP is not yet known to be with the SIEM. The cursor on disk therefore follows behind:
an entry counts as sent when the other side's TCP has acknowledged it and the connection went on for SIEM_PROVEN_S after it. Whatever
breaks, sending begins again at the cursor: nothing is ever skipped, some may come twice, and `index` tells which.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import ssl
import struct
import termios
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

from appliance.clock import monotonic_s, now_ms
from appliance.errors import Error
from appliance.limits import (
    SIEM_CONNECT_S_MAX,
    SIEM_ENTRIES,
    SIEM_PROVEN_S,
    SIEM_RETRY_S_MAX,
    SIEM_RETRY_S_MIN,
    SIEM_SETTLE_S,
    SIEM_STALL_S_MAX,
)
from appliance.settings import Settings, address

from .syslog import frame, hostname_of, message

log = logging.getLogger(__name__)

#: Why a sealed client key cannot be opened yet: the HSM opens after this process, or waits for people. The SIEM is not to blame.
_KEY_LATER: Final = frozenset({"hsm_unavailable", "peer_unavailable"})


class Source(NamedTuple):
    """What the forwarder needs of the log: its size, entries from one place to another, a durable note of the cursor, a record."""

    size: Callable[[], int]
    entries: Callable[[int, int], Awaitable[list[bytes]]]
    remember: Callable[[int], Awaitable[None]]
    record: Callable[..., Awaitable[None]]


#: Gives the name of a file that holds a private key in clear, for as long as it is read.
KeyFile = Callable[[str], AbstractContextManager[str]]


class Forwarder:
    """One connection to one SIEM. `poke` when the log grew. Nothing here ever stops the log. `clear_key` opens a key's file that is sealed."""

    def __init__(self, settings: Settings, source: Source, clear_key: KeyFile = contextlib.nullcontext) -> None:
        self._settings = settings
        self._clear_key = clear_key
        self._source = source
        self.target = str(settings["siem.target"])
        self.cursor = 0  # everything before it is with the SIEM
        self.sent = 0  # everything before it was handed to the connection
        self.connected_ms = 0
        self.lost_since_ms = 0  # since when there is no connection
        self.why = ""
        self._grown = asyncio.Event()
        self._unproven: deque[tuple[float, int]] = deque()
        self._hostname = hostname_of(settings["siem.hostname"] or os.uname().nodename)

    def poke(self) -> None:
        self._grown.set()

    def state(self) -> dict[str, Any]:
        """For `state`: `behind` counts entries that are not known to be with the SIEM, `late` is the alarm."""
        if not self.target:
            return {}
        lost_s = (now_ms() - self.lost_since_ms) / 1000 if self.lost_since_ms else 0.0
        return {
            "target": self.target,
            "format": self._settings["siem.format"],
            "connected": bool(self.connected_ms),
            "connected_ms": self.connected_ms,
            "lost_since_ms": self.lost_since_ms,
            "why": self.why,
            "sent": self.sent,
            "cursor": self.cursor,
            "behind": max(0, self._source.size() - self.sent),
            "unproven": max(0, self.sent - self.cursor),
            "late": lost_s > self._settings["siem.late_s"],
        }

    async def run(self, cursor: int) -> None:
        """Until cancelled. `cursor` as it was remembered."""
        self.cursor, self.lost_since_ms = cursor, now_ms()
        pause_s, told = SIEM_RETRY_S_MIN, False
        while True:
            self.sent = before = self.cursor
            self._unproven.clear()
            locked = False
            try:
                await self._connection()
            except (Error, OSError, ValueError, TimeoutError) as e:
                self.why = reason(e)
                locked = isinstance(e, Error) and e.code in _KEY_LATER
            except Exception:
                log.exception("siem: forwarding failed")
                self.why = "internal"
            self.sent = self.cursor
            if self.connected_ms or not self.lost_since_ms:
                self.connected_ms, self.lost_since_ms = 0, now_ms()
                told = False
            if not told:
                log.error("siem: %s: %s; the log goes on and is sent afterwards", self.target, self.why)
                told = await self._tell("siem.lost", "failed", why=self.why)
            pause_s = SIEM_RETRY_S_MIN if locked or self.cursor > before else min(SIEM_RETRY_S_MAX, pause_s * 2)
            await asyncio.sleep(pause_s)

    async def _tell(self, what: str, outcome: str, **detail: str) -> bool:
        """Onto the record, if it takes anything: this is no reason to stop."""
        with contextlib.suppress(Error):
            await self._source.record(what, "siem:target", outcome, **detail)
        return True

    async def _connection(self) -> None:
        """From the handshake to its end, which is always an exception."""
        host, port = address(self.target)
        context = await asyncio.to_thread(tls_context, self._settings, self._clear_key)  # it may ask the keys process
        async with asyncio.timeout(SIEM_CONNECT_S_MAX):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=context, server_hostname=self._settings["siem.tls_name"] or host
            )
        ended = asyncio.create_task(_ended(reader))
        try:
            # With TLS 1.3 a server refuses our certificate after the handshake: a moment for it to say so.
            await asyncio.wait({ended}, timeout=SIEM_SETTLE_S)
            if ended.done():
                ended.result()
            lost_s = (now_ms() - self.lost_since_ms) // 1000
            self.connected_ms, self.lost_since_ms, self.why = now_ms(), 0, ""
            log.warning("siem: connected to %s after %d s", self.target, lost_s)
            await self._tell("siem.connected", "ok")
            await self._sending(writer, ended)
        finally:
            ended.cancel()
            writer.transport.abort()

    async def _sending(self, writer: asyncio.StreamWriter, ended: asyncio.Task[None]) -> None:
        writer.transport.set_write_buffer_limits(high=0)
        quiet_since = monotonic_s()  # when the other side's TCP had last acknowledged everything
        while True:
            self._grown.clear()
            high = min(self._source.size(), self.sent + SIEM_ENTRIES)
            if high > self.sent:
                writer.write(b"".join(self._frames(await self._source.entries(self.sent, high))))
                async with asyncio.timeout(SIEM_STALL_S_MAX):
                    await writer.drain()
                self.sent = high
                self._unproven.append((monotonic_s(), high))
            else:
                grown = asyncio.create_task(self._grown.wait())
                await asyncio.wait({ended, grown}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                grown.cancel()
            if ended.done():
                ended.result()
            now_s = monotonic_s()
            if not _unacknowledged(writer):
                quiet_since = now_s
            elif now_s - quiet_since > SIEM_STALL_S_MAX:
                raise TimeoutError
            await self._prove(quiet_since)

    def _frames(self, entries: list[bytes]) -> list[bytes]:
        form, most = self._settings["siem.format"], self._settings["siem.octets_max"]
        return [
            frame(message(form, self._hostname, index, text, most)) for index, text in enumerate(entries, self.sent)
        ]

    async def _prove(self, quiet_since: float) -> None:
        """Moves the cursor over what was acknowledged and outlived by its connection."""
        cursor = self.cursor
        while self._unproven and self._unproven[0][0] + SIEM_PROVEN_S < quiet_since:
            cursor = self._unproven.popleft()[1]
        if cursor > self.cursor:
            await self._source.remember(cursor)
            self.cursor = cursor


async def _ended(reader: asyncio.StreamReader) -> None:
    """Returns never: a syslog server says nothing, so whatever comes is the end."""
    said = await reader.read(1)
    raise ConnectionError("closed by the SIEM" if not said else "the SIEM answered, which syslog does not")


def _unacknowledged(writer: asyncio.StreamWriter) -> bool:
    """Whether octets wait in this process, or in the kernel for the other side's acknowledgement (tcp(7), SIOCOUTQ)."""
    if writer.transport.get_write_buffer_size():
        return True
    left = fcntl.ioctl(writer.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    return bool(struct.unpack("i", left)[0])


def tls_context(settings: Settings, clear_key: KeyFile = contextlib.nullcontext) -> ssl.SSLContext:
    """TLS 1.2 or newer, the server's certificate and name checked. Raises Error `settings_invalid`, and the keys process's for a sealed key."""
    try:
        context = ssl.create_default_context(cafile=settings["siem.tls_ca"] or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings["siem.tls_certificate"]:
            with clear_key(settings["siem.tls_key"]) as key:
                context.load_cert_chain(settings["siem.tls_certificate"], key or None)
    except (OSError, ssl.SSLError) as e:
        raise Error(
            "settings_invalid",
            f"the TLS files of the SIEM cannot be used: {type(e).__name__}",
            "check siem.tls_ca, siem.tls_certificate and siem.tls_key",
        ) from None
    return context


def reason(e: BaseException) -> str:
    """Why there is no connection, in a few words that hold no address and no name of others."""
    if isinstance(e, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {e.verify_message.split(',')[0].split(' for ')[0].lower()}"
    if isinstance(e, ssl.SSLError):
        said = (e.reason or "").lower().replace("_", " ")
        return f"it refuses ours: {said}" if "alert" in said else f"TLS: {said or type(e).__name__}"
    if isinstance(e, Error):
        return e.message
    if isinstance(e, TimeoutError):
        return "it does not take what is sent, or does not answer"
    if isinstance(e, ConnectionError) and e.args and isinstance(e.args[0], str):
        return e.args[0]
    return os.strerror(e.errno).lower() if isinstance(e, OSError) and e.errno and e.errno > 0 else type(e).__name__
