"""A bank's system at the SMPP door, as plain as can be: one socket, one request at a time unless told otherwise."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from appliance.smpp import Framer, Pdu, decode, encode, spec


class CoreSystem:
    """`with CoreSystem("127.0.0.1:2776") as core:`; `core.bind(...)`, then `core.ask(...)` or `core.say(...)` and `core.until(...)`.

    Every deliver_sm is kept in `delivers` and answered with what `answer(pdu)` says (None: not at all).
    """

    def __init__(self, where: str, tls: ssl.SSLContext | None = None, seconds: float = 20.0) -> None:
        host, _, port = where.rpartition(":")
        self.seconds = seconds
        self.socket: socket.socket = socket.create_connection((host, int(port)), seconds)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=host)
        self.framer = Framer()
        self.delivers: list[Pdu] = []
        self.answers: dict[int, Pdu] = {}
        self.answer: Callable[[Pdu], int | None] = lambda pdu: 0
        self.closed = False
        self._sequence = 0

    def __enter__(self) -> CoreSystem:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.close()

    # --- saying -------------------------------------------------------------------------------------------
    def say(self, command: int, tlvs: dict[int, bytes] | None = None, **fields: int | bytes) -> int:
        """Sends one request; its sequence number."""
        self._sequence += 1
        self.socket.sendall(encode(Pdu(command, 0, self._sequence, dict(fields), tlvs or {})))
        return self._sequence

    def ask(self, command: int, tlvs: dict[int, bytes] | None = None, **fields: int | bytes) -> Pdu:
        """Sends one request and waits for its answer."""
        sequence = self.say(command, tlvs, **fields)
        self.until(lambda: sequence in self.answers)
        return self.answers[sequence]

    def bind(self, system_id: str, password: str, command: int = spec.BIND_TRANSCEIVER) -> int:
        """The status of the answer."""
        return self.ask(
            command, system_id=system_id.encode(), password=password.encode(), interface_version=0x34
        ).status

    def submit(self, to: str, text: bytes, command: int = spec.SUBMIT_SM, **more: Any) -> Pdu:
        """The answer to one submit."""
        return self.ask(command, more.pop("tlvs", None), **(message(to, text, command) | more))

    # --- hearing ------------------------------------------------------------------------------------------
    def until(self, done: Callable[[], Any], seconds: float | None = None) -> None:
        """Hears until `done`; fails when that takes too long or the connection ends before."""
        end_s = time.monotonic() + (seconds or self.seconds)
        while not done():
            assert not self.closed, "the door closed the connection"
            assert time.monotonic() < end_s, "the door did not say it in time"
            self.hear()

    def hear(self, seconds: float = 0.2) -> None:
        """What comes within `seconds`."""
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(1 << 16)
        except (TimeoutError, ssl.SSLWantReadError):
            return
        except OSError:
            data = b""
        self.closed = not data
        for frame in self.framer.hear(data):
            self._heard(decode(frame))

    def _heard(self, pdu: Pdu) -> None:
        if pdu.command_id & spec.RESPONSE:
            self.answers[pdu.sequence] = pdu
        elif pdu.command_id == spec.DELIVER_SM:
            self.delivers.append(pdu)
            status = self.answer(pdu)
            if status is not None:
                self.socket.sendall(encode(Pdu(spec.DELIVER_SM_RESP, status, pdu.sequence)))
        elif pdu.command_id in (spec.ENQUIRE_LINK, spec.UNBIND):
            self.socket.sendall(encode(Pdu(pdu.command_id | spec.RESPONSE, 0, pdu.sequence)))

    @property
    def receipts(self) -> dict[str, int]:
        """Message id -> message_state, of the receipts so far."""
        return {m: p.tlvs[spec.TLV_MESSAGE_STATE][0] for p in self.delivers if (m := receipted(p))}


def message(to: str, text: bytes, command: int = spec.SUBMIT_SM) -> dict[str, int | bytes]:
    """The fields of a plain submit that wants a receipt."""
    fields: dict[str, int | bytes] = {
        "source_addr_ton": 5,
        "source_addr": b"BANCA",
        "registered_delivery": 1,
        "short_message": text,
    }
    if command == spec.SUBMIT_MULTI:
        return fields
    if command == spec.DATA_SM:
        del fields["short_message"]
    return fields | {"dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": to.encode()}


def receipted(deliver: Pdu) -> str:
    """The message id that a receipt is about; empty when it is none."""
    return str(deliver.tlvs.get(spec.TLV_RECEIPTED_MESSAGE_ID, b"").rstrip(b"\0"), "ascii")


def id_of(pdu: Pdu) -> str:
    """The message id of an answer that is ESME_ROK."""
    assert pdu.status == 0, spec.status_name(pdu.status)
    raw = pdu.fields["message_id"]
    assert isinstance(raw, bytes)
    return raw.decode("ascii")
