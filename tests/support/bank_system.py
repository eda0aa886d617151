"""One of the bank's own systems at the SMPP door: a bind over a real socket that submits, and answers what is delivered as told."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from appliance.smpp import Deliver, Framer, Pdu, decode, encode, parse_deliver, spec
from appliance.smpp.spec import DELIVER_SM, RESPONSE, SUBMIT_SM
from appliance.text import GSM7
from appliance.text import encode as encode_text
from tests.support.appliance import Appliance, wait_for

KINDS = {"receiver": 0x01, "transmitter": 0x02, "transceiver": 0x09}
UNBIND, ENQUIRE_LINK = 0x06, 0x15
NEVER = -1  # instead of a status: no answer at all


class BankSystem:
    """`with BankSystem(box) as system:` is bound. `answer` says what command_status each deliver_sm gets."""

    def __init__(
        self,
        box: Appliance,
        system_id: str | None = None,
        password: str | None = None,
        kind: str = "transceiver",
        answer: Callable[[Deliver], int] = lambda deliver: 0,
    ) -> None:
        host, _, port = box.env["CASEMATE_DOOR"].rpartition(":")
        self.address = (host, int(port))
        self.system_id = system_id or box.env["CASEMATE_DOOR_SYSTEM_ID"]
        self.password = password or box.env["CASEMATE_DOOR_PASSWORD"]
        self.kind = kind
        self.answer = answer
        self.delivered: list[Deliver] = []  # as they came, also those that were refused
        self._answers: dict[int, Pdu] = {}
        self._sequence = 0
        self._socket: socket.socket | None = None
        self._writing = threading.Lock()
        self.over = threading.Event()

    def __enter__(self) -> BankSystem:
        status = self.bind()
        assert status == 0, hex(status)
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    # --- the bind -------------------------------------------------------------------------------------------
    def bind(self) -> int:
        """The status of the answer; -1 when the connection ended instead."""
        self._socket = socket.create_connection(self.address, 10)
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.over.clear()
        threading.Thread(target=self._listen, args=(self._socket,), daemon=True).start()
        fields: dict[str, Any] = {"system_id": self.system_id.encode(), "password": self.password.encode()}
        return self._status(self.ask(KINDS[self.kind], {**fields, "interface_version": 0x34}))

    def drop(self) -> None:
        """The connection is cut without a word."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

    def unbind(self) -> int:
        return self._status(self.ask(UNBIND, {}))

    @staticmethod
    def _status(answer: Pdu | None) -> int:
        return -1 if answer is None else answer.status

    # --- asking ---------------------------------------------------------------------------------------------
    def say(self, command: int, fields: dict[str, Any], tlvs: dict[int, bytes] | None = None) -> int:
        """Sends a request; its sequence."""
        with self._writing:
            self._sequence += 1
            assert self._socket is not None
            self._socket.sendall(encode(Pdu(command, 0, self._sequence, fields, tlvs or {})))
            return self._sequence

    def heard(self, sequence: int, seconds: float = 15.0) -> Pdu | None:
        """The answer to a request, None when the connection ended before."""
        wait_for("an answer", lambda: sequence in self._answers or self.over.is_set(), seconds, 0.005)
        return self._answers.pop(sequence, None)

    def ask(self, command: int, fields: dict[str, Any], tlvs: dict[int, bytes] | None = None) -> Pdu | None:
        return self.heard(self.say(command, fields, tlvs))

    def submit(self, to: str, text: str = "Hello", **fields: Any) -> str:
        """Submits one message that wants a receipt; the id it was given."""
        (message_id,) = self.submit_all([to], text, **fields)
        return message_id

    def submit_all(self, numbers: Iterable[str], text: str = "Hello", **fields: Any) -> list[str]:
        """The same for many, all under way at the same time."""
        sequences = [self.say(SUBMIT_SM, {**_submission(to, text), **fields}) for to in numbers]
        answers = [self.heard(sequence) for sequence in sequences]
        assert all(answer is not None and answer.status == 0 for answer in answers), [self._status(a) for a in answers]
        return [bytes(a.fields["message_id"]).decode() for a in answers if a is not None]  # type: ignore[arg-type]

    # --- hearing --------------------------------------------------------------------------------------------
    def _listen(self, connection: socket.socket) -> None:
        framer = Framer()
        try:
            while octets := connection.recv(65_536):
                for frame in framer.hear(octets):
                    self._hear(frame)
        except OSError:
            pass
        self.over.set()

    def _hear(self, frame: bytes) -> None:
        command, sequence = int.from_bytes(frame[4:8], "big"), int.from_bytes(frame[12:16], "big")
        if command & RESPONSE:
            self._answers[sequence] = decode(frame)
            return
        status = 0
        if command == DELIVER_SM:
            deliver = parse_deliver(frame)
            status = self.answer(deliver)
            self.delivered.append(deliver)
        if status != NEVER and command in (DELIVER_SM, ENQUIRE_LINK, UNBIND):
            body = b"\0" if command == DELIVER_SM and not status else b""
            words = (16 + len(body), command | RESPONSE, status, sequence)
            with self._writing, contextlib.suppress(OSError):
                assert self._socket is not None
                self._socket.sendall(b"".join(n.to_bytes(4, "big") for n in words) + body)

    def receipts(self) -> list[tuple[str, int]]:
        """(message id, message_state) of each receipt, in the order they came."""
        return [(id_of(d), d.tlvs[spec.TLV_MESSAGE_STATE][0]) for d in list(self.delivered) if is_receipt(d)]

    def messages(self) -> list[tuple[str, str, bytes]]:
        """(from, to, text) of each customer's message."""
        return [(d.source, d.dest, d.short_message) for d in list(self.delivered) if not is_receipt(d)]


def is_receipt(deliver: Deliver) -> bool:
    return deliver.esm_class & 0x04 != 0


def id_of(deliver: Deliver) -> str:
    return deliver.tlvs[spec.TLV_RECEIPTED_MESSAGE_ID].rstrip(b"\0").decode()


def _submission(to: str, text: str) -> dict[str, Any]:
    encoding, payload, _ = encode_text(text)
    return {
        "source_addr_ton": 5,
        "source_addr": b"BANK",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": to.removeprefix("+").encode(),
        "registered_delivery": 1,
        "data_coding": 0 if encoding == GSM7 else 8,
        "short_message": payload,
    }
