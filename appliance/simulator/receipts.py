"""HOT: message ids and receipts in every form that operators write them in. Given times and chance, reads no clock."""

from __future__ import annotations

from typing import Final

import msgspec

from appliance import clock
from appliance.smpp import Submit, format_id, format_receipt, pack_tlvs, receipt_tlvs, spec

from .fate import Chance, Fate
from .options import Options

#: What operators write instead of the specification's words; each means the same to whoever writes it.
_ODD_WORDS: Final = {
    "DELIVRD": ("DELIVERED", "Delivrd", "DELIVRD"),
    "UNDELIV": ("UNDELIVERABLE", "FAILED", "UNDELIVRD"),
    "EXPIRED": ("EXPIRD", "EXPIRED"),
    "REJECTD": ("REJECTED",),
    "ENROUTE": ("BUFFRED", "BUFFERD", "ACKED"),
    "DELETED": ("DELETED",),
}
#: A CSV receipt's first field for each word.
_CSV_WORDS: Final = {"DELIVRD": "DELIVERED", "UNDELIV": "UNDELIVERABLE", "EXPIRED": "EXPIRED", "REJECTD": "REJECTED"}
#: Forms of the text: without what a standard receipt has, or with more; `{...}` as in `_written`.
_TEXTS: Final = {
    "short": "id:{id} submit date:{date} done date:{date} stat:{word} err:{error} text:{text}",
    "sloppy": "id:{id} sub:001 dlvrd:001 submit date:20{date}00 done date:20{date}00 stat:{word} err:0{error} Text:\x01{text}",
}


class Deliver(msgspec.Struct, gc=False):
    """A deliver_sm that is owed to an account; gets its sequence number when it leaves."""

    source: str
    dest: str
    esm_class: int
    data_coding: int
    short_message: bytes
    tlvs: bytes
    sent_s: float = 0.0


class Writer:
    """Writes ids and receipts as the options say."""

    def __init__(self, chance: Chance, first_id: int) -> None:
        self._chance = chance
        self._next_id = first_id
        self._minute = (-1, "")

    def number(self) -> int:
        """The next id as a number."""
        self._next_id += 1
        return self._next_id

    def ids(self, form: str) -> tuple[str, str]:
        """The id in the answer and in the receipt."""
        if form == "uuid":
            text = self._chance.uuid()
            return text, text
        self._next_id += 1
        n = self._next_id
        if form == "hex":
            return format_id(n, 16), format_id(n, 16)
        if form == "hex-response-dec-receipt":
            return format_id(n, 16), format_id(n)
        if form == "dec-response-hex-receipt":
            return format_id(n), format_id(n, 16)
        if form == "zeros-receipt":
            return str(n), f"{n:020}"
        if form == "zeros-response":
            return f"{n:020}", str(n)
        if form == "case":
            return f"{n:x}ab", f"{n:X}AB"
        if form == "wrapped":
            return f"OP-{n}-1", f"smsc/{n}"
        if form == "text":
            return f"SAR-{n}-2-1", f"SAR-{n}-2-1"
        return str(n), str(n)

    def receipts(self, heard: Submit, receipt_id: str, fate: Fate, at_ms: int, options: Options) -> list[Deliver]:
        """What is told of one segment, in order: a word on the way when it is drawn, then the end, at times twice."""
        out = []
        if options.intermediate_rate and self._chance.draw() < options.intermediate_rate:
            out.append(self.receipt(heard, receipt_id, spec.STATE_ENROUTE, "ENROUTE", "000", at_ms, options))
            out[0].esm_class = spec.ESM_INTERMEDIATE
        out.append(self.receipt(heard, receipt_id, fate.state, fate.word, fate.error, at_ms, options))
        if options.receipt_twice_rate and self._chance.draw() < options.receipt_twice_rate:
            out.append(out[-1])
        return out

    def receipt(
        self, heard: Submit, receipt_id: str, state: int, word: str, error: str, at_ms: int, options: Options
    ) -> Deliver:
        """One receipt for the sender of `heard`."""
        form = options.receipt_format
        written = self._chance.choice(_ODD_WORDS[word]) if options.receipt_words == "odd" else word
        body = self._written(form, heard, receipt_id, written, word, error, self.date(at_ms))
        tlvs = receipt_tlvs(receipt_id, state) if form in ("tlv", "both") else b""
        reference = heard.tlvs.get(spec.TLV_USER_MESSAGE_REFERENCE) if heard.tlvs else None
        if reference is not None and options.receipt_reference == "yes":
            tlvs += pack_tlvs({spec.TLV_USER_MESSAGE_REFERENCE: reference})
        coding = 0
        if form == "ucs2":
            body, coding = body.decode("latin-1").encode("utf-16-be"), 8
        if form == "payload":
            body, tlvs = b"", tlvs + pack_tlvs({spec.TLV_MESSAGE_PAYLOAD: body})
        esm_class = 0 if options.receipt_typed == "no" else spec.ESM_RECEIPT
        return Deliver(heard.dest, heard.source, esm_class, coding, body[:254], tlvs)

    def deleted(self, receipt: Deliver, options: Options) -> None:
        """Makes a receipt that is still to come say that its message was cancelled."""
        for octets in (b"DELIVRD", b"UNDELIV", b"EXPIRED", b"REJECTD"):
            receipt.short_message = receipt.short_message.replace(b"stat:" + octets, b"stat:DELETED")
            receipt.tlvs = receipt.tlvs.replace(b"stat:" + octets, b"stat:DELETED")
        if options.receipt_format in ("tlv", "both"):
            state = spec.TLV_MESSAGE_STATE.to_bytes(2, "big") + b"\0\1"
            at = receipt.tlvs.find(state)
            if at >= 0:
                receipt.tlvs = receipt.tlvs[: at + 4] + bytes((spec.STATE_DELETED,)) + receipt.tlvs[at + 5 :]

    def _written(
        self, form: str, heard: Submit, receipt_id: str, word: str, plain: str, error: str, date: str
    ) -> bytes:
        if form == "tlv":
            return b""
        if form == "csv":
            first = _CSV_WORDS.get(plain, plain)
            line = f"{first},20{date}00,20{date}00,{int(error)},{heard.dest},{heard.source}"
            return line.encode("latin-1", "replace")
        if form in _TEXTS:
            text = str(heard.short_message[:20], "latin-1")
            line = _TEXTS[form].format(id=receipt_id, date=date, word=word, error=error, text=text)
            return line.encode("latin-1", "replace")
        if form == "ucs2":  # what fits into 254 octets
            line = f"id:{receipt_id} submit date:{date} done date:{date} stat:{word} err:{error}"
            return line.encode("latin-1", "replace")[:127]
        return format_receipt(receipt_id, word, date, date, error)

    def date(self, at_ms: int) -> str:
        """`YYMMDDhhmm` (Appendix B)."""
        minute = at_ms // 60_000
        if minute != self._minute[0]:
            stamp = clock.rfc3339(at_ms)
            self._minute = (minute, stamp[2:4] + stamp[5:7] + stamp[8:10] + stamp[11:13] + stamp[14:16])
        return self._minute[1]
