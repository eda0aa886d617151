"""An operator whose every PDU is read and written by `smpp.pdu3`, the codec of the Jasmin gateway: takes a bind, answers submits, sends
receipts and one customer's message. `python -m tests.support.pdu3_operator PORT`; says what it hears, a line each.
"""

from __future__ import annotations

import io
import socket
import struct
import sys
from typing import Any

from smpp.pdu.operations import (
    BindTransceiver,
    BindTransceiverResp,
    DeliverSM,
    DeliverSMResp,
    EnquireLink,
    EnquireLinkResp,
    SubmitSM,
    SubmitSMResp,
    Unbind,
    UnbindResp,
)
from smpp.pdu.pdu_encoding import DataCodingEncoder, PDUEncoder
from smpp.pdu.pdu_types import AddrNpi, AddrTon, CommandStatus, EsmClass, EsmClassMode, EsmClassType

CODEC: Any = PDUEncoder()
RECEIPT = "id:{} sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:DELIVRD err:000 text:"


def say(*words: object) -> None:
    print(*words, flush=True)


class Wire:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.sequence = 0
        self.submits = 0

    def read(self) -> Any:
        head = self._exactly(4)
        return CODEC.decode(io.BytesIO(head + self._exactly(struct.unpack(">I", head)[0] - 4)))

    def _exactly(self, count: int) -> bytes:
        out = b""
        while len(out) < count:
            piece = self.connection.recv(count - len(out))
            if not piece:
                raise ConnectionError
            out += piece
        return out

    def write(self, pdu: Any) -> None:
        self.connection.sendall(CODEC.encode(pdu))

    def deliver(self, source: bytes, dest: bytes, text: str, kind: Any) -> None:
        self.sequence += 1
        self.write(
            DeliverSM(
                self.sequence,
                source_addr_ton=AddrTon.INTERNATIONAL,
                source_addr_npi=AddrNpi.ISDN,
                source_addr=source,
                destination_addr=dest,
                esm_class=EsmClass(EsmClassMode.DEFAULT, kind),
                short_message=text.encode(),
            )
        )

    def serve(self) -> None:
        while True:
            pdu = self.read()
            if isinstance(pdu, BindTransceiver):
                say("BIND", pdu.params["system_id"].decode())
                self.write(BindTransceiverResp(pdu.seqNum, system_id=b"pdu3"))
            elif isinstance(pdu, EnquireLink):
                self.write(EnquireLinkResp(pdu.seqNum))
            elif isinstance(pdu, Unbind):
                self.write(UnbindResp(pdu.seqNum))
                say("UNBIND")
                return
            elif isinstance(pdu, SubmitSM):
                self.submitted(pdu)
            elif isinstance(pdu, DeliverSMResp):
                say("RECEIPT", 0 if pdu.status == CommandStatus.ESME_ROK else 1)

    def submitted(self, pdu: Any) -> None:
        self.submits += 1
        given = pdu.params
        body: bytes = given["short_message"]
        long = any("UDHI" in str(each) for each in given["esm_class"].gsmFeatures)
        coding = DataCodingEncoder().encode(given["data_coding"])[0]
        dest, source = given["destination_addr"], given["source_addr"]
        say("SUBMIT", dest.decode(), source.decode(), 64 if long else 0, coding, body.hex())
        number = f"J{self.submits:08}"
        self.write(SubmitSMResp(pdu.seqNum, message_id=number.encode()))
        self.deliver(dest, source, RECEIPT.format(number), EsmClassType.SMSC_DELIVERY_RECEIPT)
        if self.submits == 1:
            self.deliver(dest, b"43210", "STOP grazie", EsmClassType.DEFAULT)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    say("LISTENS")
    while True:
        connection, _ = listener.accept()
        with connection:
            try:
                Wire(connection).serve()
            except ConnectionError:
                continue


if __name__ == "__main__":
    main()
