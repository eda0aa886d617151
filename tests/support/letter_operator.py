"""An operator that only delivers: customers' messages as PDUs of its own, each again on the next bind until it is acknowledged."""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from typing import Any

BIND_TRANSCEIVER, ENQUIRE_LINK, UNBIND, SUBMIT_SM, DELIVER_SM = 0x09, 0x15, 0x06, 0x04, 0x05
WINDOW = 100


def pdu(command: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    return struct.pack(">4I", 16 + len(body), command, status, sequence) + body


def deliver(source: str, dest: str, esm_class: int, coding: int, octets: bytes, tlvs: dict[int, bytes]) -> bytes:
    """The body of a deliver_sm (SMPP 3.4 section 4.6.1)."""
    addresses = b"\0\x01\x01" + source.encode() + b"\0\0\0" + dest.encode() + b"\0"
    fixed = bytes((esm_class, 0, 0)) + b"\0\0" + bytes((0, 0, coding, 0, len(octets)))
    return addresses + fixed + octets + b"".join(struct.pack(">HH", t, len(v)) + v for t, v in tlvs.items())


class LetterOperator:
    """Accepts one bind after the other. `statuses` counts the answers by command_status."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self.under_way: dict[int, bytes] = {}
        self.statuses: dict[int, int] = {}
        self.submits = 0
        self._sequence = 0
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def send(self, bodies: list[bytes]) -> None:
        with self._lock:
            self.waiting.extend(bodies)
            self._fill()

    @property
    def left(self) -> int:
        with self._lock:
            return len(self.waiting) + len(self.under_way)

    def close(self) -> None:
        self._listener.close()
        if self._connection is not None:
            self._connection.close()

    def _fill(self) -> None:
        if self._connection is None:
            return
        out = b""
        while self.waiting and len(self.under_way) < WINDOW:
            self._sequence += 1
            body = self.under_way[self._sequence] = self.waiting.popleft()
            out += pdu(DELIVER_SM, 0, self._sequence, body)
        if out:
            try:
                self._connection.sendall(out)
            except OSError:
                return  # the reader notices

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self._talk(connection)
                except (OSError, struct.error):
                    pass
            with self._lock:
                self._connection = None
                self.waiting.extendleft(reversed(self.under_way.values()))
                self.under_way.clear()

    def _talk(self, connection: socket.socket) -> None:
        stream: Any = connection.makefile("rb")
        while True:
            length, command, status, sequence = struct.unpack(">4I", stream.read(16))
            stream.read(length - 16)
            if command == BIND_TRANSCEIVER:
                connection.sendall(pdu(command | 1 << 31, 0, sequence, b"letters\0"))
                with self._lock:
                    self._connection = connection
                    self._fill()
            elif command == DELIVER_SM | 1 << 31:
                with self._lock:
                    self.statuses[status] = self.statuses.get(status, 0) + 1
                    self.under_way.pop(sequence, None)
                    self._fill()
            elif command == SUBMIT_SM:
                self.submits += 1
                connection.sendall(pdu(command | 1 << 31, 0, sequence, b"L%d\0" % self.submits))
            elif command in (ENQUIRE_LINK, UNBIND):
                connection.sendall(pdu(command | 1 << 31, 0, sequence))
