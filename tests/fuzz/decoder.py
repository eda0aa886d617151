"""The decoder, the fast parsers, receipts and framing against each other: they raise PduError or they agree."""

from __future__ import annotations

from appliance.smpp import (
    Deliver,
    Framer,
    FramingError,
    Pdu,
    PduError,
    decode,
    destinations,
    encode,
    failures,
    parse_deliver,
    parse_submission,
    parse_submit,
    parse_submit_resp,
    spec,
)
from appliance.smpp.explain import explain

from .reading import COMMANDS, Tape
from .reading_receipts import look_at

_SENT_OCTETS_MAX = 70_000
EXPLAINED_LINES_MAX = 200


def pdu(octets: bytes) -> None:
    """One PDU with any body, whole and framed by its true length; the first octet chooses the command."""
    tape = Tape(octets)
    n = tape.octet()
    command = COMMANDS[n % len(COMMANDS)]
    status = tape.octet()
    body = tape.rest()
    frame = b"".join(k.to_bytes(4, "big") for k in (16 + len(body), command, status, 7)) + body
    whole = _decoded(frame)
    _decoded(body)
    if whole is not None:
        _survives(whole)
    if command in (spec.DELIVER_SM, spec.SUBMIT_SM):
        _fast(frame, command, whole)
    elif command == spec.SUBMIT_SM_RESP:
        try:
            assert parse_submit_resp(frame)[0] == 7
        except PduError:
            assert whole is None


def _decoded(frame: bytes) -> Pdu | None:
    try:
        return decode(frame)
    except PduError as e:
        assert 0 <= e.status <= 0xFFFFFFFF and e.message
        return None


def _survives(heard: Pdu) -> None:
    """What is understood can be said again, or is refused because a field is longer than the specification lets us send."""
    try:
        again = encode(heard)
    except PduError:
        return
    assert len(again) <= _SENT_OCTETS_MAX
    assert not heard.fields or decode(again) == heard, "decode(encode(pdu)) is another PDU"
    for name, read in (("dest_address", destinations), ("unsuccess_sme", failures)):
        for field, value in heard.fields.items():
            if field.startswith(name) and isinstance(value, bytes):
                read(value)


def _fast(frame: bytes, command: int, whole: Pdu | None) -> None:
    """The fast parser understands what the decoder understands, and says the same."""
    parse = parse_deliver if command == spec.DELIVER_SM else parse_submit
    try:
        heard = parse(frame)
    except PduError:
        assert whole is None, "only the decoder understands it"
        return
    if whole is not None:
        said = (heard.source, heard.dest, heard.esm_class, heard.data_coding, heard.source_ton, heard.dest_ton)
        fields = whole.fields
        assert said == (
            str(fields["source_addr"], "latin-1"),  # type: ignore[arg-type]
            str(fields["destination_addr"], "latin-1"),  # type: ignore[arg-type]
            fields["esm_class"],
            fields["data_coding"],
            fields["source_addr_ton"],
            fields["dest_addr_ton"],
        )
        assert heard.tlvs == whole.tlvs
        assert heard.short_message == (fields["short_message"] or whole.tlvs.get(spec.TLV_MESSAGE_PAYLOAD, b""))
    if isinstance(heard, Deliver):
        look_at(heard, len(frame))
    else:
        _submission(frame, whole)


def _submission(frame: bytes, whole: Pdu | None) -> None:
    """What the door reads of a submit_sm is what the decoder reads."""
    try:
        heard = parse_submission(frame)
    except PduError:
        return
    if whole is not None:
        fields = whole.fields
        assert (heard.schedule, heard.validity) == (fields["schedule_delivery_time"], fields["validity_period"])
        assert (heard.esm_class, heard.data_coding) == (fields["esm_class"], fields["data_coding"])
        assert heard.registered == fields["registered_delivery"] and heard.tlvs == whole.tlvs
        assert heard.dest[2] == str(fields["destination_addr"], "latin-1")  # type: ignore[arg-type]


#: What a masked explanation must not hold, as text or in hexadecimal: numbers and the text. A name of a sender may show.
SECRETS = (b"+4915112345678", b"393471234567", b"codice 918273")


def explained(octets: bytes) -> None:
    """Any octets are explained without raising and in bounds; of a message nothing shows but its shape."""
    tape = Tape(octets)
    kind = tape.octet()
    body = tape.rest()
    if kind & 1:
        command = COMMANDS[(kind >> 1) % len(COMMANDS)]
        body = b"".join(k.to_bytes(4, "big") for k in (16 + len(body), command, 0, 7)) + body
    elif kind & 2:
        esm_class, coding = body[0:1] or b"\0", body[1:2] or b"\0"
        name, number, text = SECRETS
        body = (
            b"\0\5\0"
            + name
            + b"\0\1\1"
            + number
            + b"\0"
            + esm_class
            + b"\0\0\0\0\1\0"
            + coding
            + b"\0"
            + bytes((len(text),))
            + text
            + body[2:]
        )
        command = spec.SUBMIT_SM if kind & 4 else spec.DELIVER_SM
        body = b"".join(k.to_bytes(4, "big") for k in (16 + len(body), command, 0, 7)) + body
    for mask in (True, False):
        lines = explain(body, mask)
        assert len(lines) <= EXPLAINED_LINES_MAX and all(isinstance(line, str) and len(line) < 2_000 for line in lines)
        if mask and kind & 3 == 2:
            whole = "\n".join(lines).lower()
            for secret in SECRETS:
                assert str(secret, "latin-1").lower() not in whole and secret.hex() not in whole, "it shows"


def receipt(octets: bytes) -> None:
    """A deliver_sm whose text and receipt parameters are any octets: a Receipt in its bounds, or None."""
    tape = Tape(octets)
    esm_class, coding, which = tape.octet(), tape.octet(), tape.octet()
    state, message_id = tape.octet(), tape.piece()
    tlvs: dict[int, bytes] = {}
    if state:
        tlvs[spec.TLV_MESSAGE_STATE] = bytes((state,))
    if message_id:
        tlvs[spec.TLV_RECEIPTED_MESSAGE_ID] = message_id
    body = tape.rest()
    if esm_class & 0x80:
        tlvs[spec.TLV_MESSAGE_PAYLOAD] = body
    if esm_class & 0x40:
        tlvs[spec.TLV_NETWORK_ERROR_CODE] = body[:3]
    look_at(Deliver(1, "393471234567", "Banca", esm_class & 0x3F, coding, body, tlvs, 1, 5), which)


def framing(octets: bytes) -> None:
    """A stream cut anywhere gives the same frames as the whole stream, and keeps no more than one PDU."""
    tape = Tape(octets)
    step = tape.octet() + 1
    stream = tape.rest()
    whole = _frames([stream])
    cut = _frames([stream[at : at + step] for at in range(0, len(stream), step)])
    assert whole[1] == cut[1]
    if not whole[1]:
        assert whole[0] == cut[0]


def _frames(chunks: list[bytes]) -> tuple[list[bytes], bool]:
    framer, out = Framer(), []
    for chunk in chunks:
        try:
            out += framer.hear(chunk)
        except FramingError:
            return out, True
    return out, False
