"""SMPP clients that nobody here wrote, each made to do the same things: bind, send, hear receipts and customers, unbind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiosmpplib
import smpp34
import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.gsm

from tests.support.appliance import wait_for
from tests.support.relay import Loop, Relay

SENDER = "BANCA"


class Door(NamedTuple):
    """Where to bind, as whom; `ca` is the authority to trust, "" for clear text."""

    host: str
    port: int
    system_id: str
    password: str
    ca: str


class Smpplib:
    """PyPI `smpplib`: Python, blocking. Long messages in parts with a user data header; TLS by a wrapped socket."""

    def __init__(self, door: Door, folder: Path) -> None:
        self._client = client = smpplib.client.Client(door.host, door.port, timeout=0.2, allow_unknown_opt_params=True)
        self._answers: list[Any] = []
        self._delivers: list[Any] = []
        client.set_message_sent_handler(lambda pdu, **_: self._answers.append(pdu))
        client.set_message_received_handler(lambda pdu, **_: self._delivers.append(pdu) and None)
        if door.ca:
            context = ssl.create_default_context(cafile=door.ca)
            client._socket = context.wrap_socket(socket.socket(), server_hostname="localhost")
        client.connect()
        client._socket.settimeout(10)
        client.bind_transceiver(system_id=door.system_id, password=door.password)
        client._socket.settimeout(0.2)

    def send(self, to: str, text: str) -> None:
        parts, coding, esm_class = smpplib.gsm.make_parts(text)
        for part in parts:
            self._client.send_message(
                source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
                source_addr=SENDER,
                dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
                destination_addr=to.removeprefix("+"),
                short_message=part,
                data_coding=coding,
                esm_class=esm_class,
                registered_delivery=True,
            )

    def _look(self) -> None:
        with contextlib.suppress(TimeoutError, socket.timeout, smpplib.exceptions.ConnectionError, ssl.SSLError):
            self._client.read_once(auto_send_enquire_link=False)
        assert all(answer.status == 0 for answer in self._answers)

    def delivered(self) -> int:
        """Receipts of delivery heard so far, whose id was in an answer."""
        self._look()
        ids = {answer.message_id for answer in self._answers}
        return sum(
            1 for d in self._delivers if d.esm_class & 4 and d.message_state == 2 and d.receipted_message_id in ids
        )

    def heard(self) -> list[str]:
        """Texts of customers."""
        self._look()
        return [d.short_message.decode("ascii") for d in self._delivers if not d.esm_class & 4]

    def close(self) -> None:
        self._client._socket.settimeout(5)
        self._client.unbind()
        self._client.disconnect()


class Smpp34:
    """PyPI `smpp34`: Rust. Long messages whole in message_payload; TLS of its own (rustls)."""

    def __init__(self, door: Door, folder: Path) -> None:
        if door.ca:
            os.environ["SSL_CERT_FILE"] = door.ca
        self._loop = Loop()
        self._ids: set[str] = set()
        self._delivers: list[Any] = []
        host = "localhost" if door.ca else door.host
        self._loop.do(self._bind(host, door))

    async def _bind(self, host: str, door: Door) -> None:
        self._client = smpp34.Client(host, door.port, door.system_id, door.password, bind_type="TRX", tls=bool(door.ca))
        self._session = await self._client.connect()
        self._hearing = asyncio.ensure_future(self._hear())

    async def _hear(self) -> None:
        while isinstance(event := await self._session.next(), smpp34.DeliverSmEvent):
            self._delivers.append(event)

    def send(self, to: str, text: str) -> None:
        body = text.encode("utf-16-be")
        tlvs = [smpp34.Tlv(smpp34.TLV_MESSAGE_PAYLOAD, body)] if len(body) > 140 else []

        async def submit() -> Any:
            return await self._session.submit_sm(
                to.removeprefix("+"),
                b"" if tlvs else body,
                source_addr=SENDER,
                source_addr_ton=5,
                dest_addr_ton=1,
                dest_addr_npi=1,
                data_coding=8,
                registered_delivery=1,
                tlvs=tlvs,
            )

        answer = self._loop.do(submit())
        assert answer.is_success and answer.message_id
        self._ids.add(answer.message_id)

    def delivered(self) -> int:
        return sum(
            1
            for d in self._delivers
            if d.esm_class & 4
            and any(t.tag == smpp34.TLV_RECEIPTED_MESSAGE_ID and t.as_string() in self._ids for t in d.tlvs)
            and b"stat:DELIVRD" in d.short_message
        )

    def heard(self) -> list[str]:
        return [d.short_message.decode("ascii") for d in self._delivers if not d.esm_class & 4]

    def close(self) -> None:
        async def leave() -> None:
            await self._session.unbind()
            self._hearing.cancel()
            await self._client.stop()

        self._loop.do(leave())
        self._loop.close()


class Aiosmpplib:
    """PyPI `aiosmpplib`: Python, asyncio. Long messages in parts with a user data header and `sar_` parameters both, which is
    how it sends them; no TLS of its own, so a tunnel."""

    def __init__(self, door: Door, folder: Path) -> None:
        self._tunnel = tunnel(door) if door.ca else None
        self._loop = Loop()
        self._answers: list[Any] = []
        self._delivers: list[Any] = []
        host, port = (door.host, door.port) if self._tunnel is None else ("127.0.0.1", self._tunnel.port)
        self._loop.do(self._start(host, port, door))
        wait_for("aiosmpplib to be bound", self._esme._bound.is_set, 10)

    async def _start(self, host: str, port: int, door: Door) -> None:
        peer = self

        class Hook(aiosmpplib.AbstractHook):
            async def sending(self, smpp_message: Any, pdu: bytes, client_id: str) -> None:
                pass

            async def received(self, smpp_message: Any, pdu: bytes, client_id: str) -> None:
                if isinstance(smpp_message, aiosmpplib.DeliverSm):
                    peer._delivers.append(smpp_message)
                elif isinstance(smpp_message, aiosmpplib.SubmitSmResp):
                    peer._answers.append(smpp_message)

            async def send_error(self, smpp_message: Any, error: Exception, client_id: str) -> None:
                peer._answers.append(error)

        self._esme = aiosmpplib.ESME(
            host, port, door.system_id, door.password, hook=Hook(), log_level="ERROR", enquire_link_interval=5.0
        )
        self._running = asyncio.ensure_future(self._esme.start())

    def send(self, to: str, text: str) -> None:
        message = aiosmpplib.SubmitSm(
            short_message=text,
            source=aiosmpplib.PhoneNumber(SENDER, ton=aiosmpplib.TON.ALPHANUMERIC, npi=aiosmpplib.NPI.UNKNOWN),
            destination=aiosmpplib.PhoneNumber(
                to.removeprefix("+"), ton=aiosmpplib.TON.INTERNATIONAL, npi=aiosmpplib.NPI.ISDN
            ),
            registered_delivery=1,
            esm_class=0x40,  # taken back by the library when one part is enough
            auto_message_payload=False,
            log_id=to,
        )
        self._loop.do(self._esme.broker.enqueue(message))

    def delivered(self) -> int:
        assert not [a for a in self._answers if isinstance(a, Exception) or a.command_status.value]
        return sum(1 for d in self._delivers if d.is_receipt() and "DELIVRD" in d.short_message)

    def heard(self) -> list[str]:
        return [d.short_message for d in self._delivers if not d.is_receipt()]

    def close(self) -> None:
        with contextlib.suppress(TimeoutError):  # when it has failed before, it does not stop either
            self._loop.do(self._esme.stop(), 10)
        self._loop.close()
        if self._tunnel is not None:
            self._tunnel.close()


def tunnel(door: Door) -> Relay:
    """Clear text on a port of the loopback, TLS to the door: what stunnel does for a system that has no TLS."""
    return Relay(door.host, door.port, back=ssl.create_default_context(cafile=door.ca))


@contextlib.contextmanager
def bound(kind: Any, door: Door, folder: Path) -> Iterator[Any]:
    """A peer that is bound, and unbound in the end whatever happened."""
    peer = kind(door, folder)
    try:
        yield peer
    finally:
        peer.close()
