"""HOT: every submit_sm of one operator link, with all that the operator wants otherwise than others do.

What is constant is packed once; senders, and sets of options, are remembered. Section numbers are those of SMPP 3.4
Issue 1.2. How a text is cut and coded is the text room's: its `Cutter.cut` and `sender_octets` are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Final

import msgspec

from appliance.limits import SEGMENTS_MAX
from appliance.message import OTP, UCS2
from appliance.settings import Link

from .codec import PduError
from .fast import HEADER, SHORT_MESSAGE_OCTETS_MAX, source_form
from .spec import (
    ESM_UDHI,
    ESME_RINVDSTADR,
    ESME_RINVMSGLEN,
    ESME_RINVSERTYP,
    ESME_RINVSRCADR,
    SUBMIT_SM,
    TLV_MESSAGE_PAYLOAD,
    TLV_SAR_MSG_REF_NUM,
    TLV_SAR_SEGMENT_SEQNUM,
    TLV_SAR_TOTAL_SEGMENTS,
    TLV_USER_MESSAGE_REFERENCE,
    TON_ALPHANUMERIC,
    TON_INTERNATIONAL,
    TON_UNKNOWN,
)
from .validity import absolute_validity, relative_validity

#: (encoding, payload, reference) -> (encoding on this link, "" | "udh" | "sar" | "payload", parts, shift tables they need).
CutText = Callable[[int, bytes, int], tuple[int, str, list[bytes], tuple[str, ...]]]
#: (name, charset) -> octets; raises ValueError for what the charset cannot carry.
CodeSender = Callable[[str, str], bytes]

#: registered_delivery, section 5.2.17.
RECEIPTS_ASKED: Final = {"final": 0x01, "failure": 0x02, "intermediate": 0x11, "none": 0x00}

_OCTET: Final = tuple(bytes((n,)) for n in range(256))
_CACHE_ENTRIES_MAX: Final = 4_096  # senders, and sets of options, remembered by one packer; then it starts afresh
_VALIDITY_STEP_S: Final = 60  # but for one-time codes, validities are rounded up: few of them then, all remembered


class Parts(msgspec.Struct, gc=False):
    """A message prepared for one link: `octets` has one entry a submit."""

    esm_class: int
    data_coding: int
    octets: list[bytes]
    joined: bool = False  # the optional parameters of `sar` go with each part; else by a header, or not at all
    whole: bool = False  # in message_payload
    reference: int = 0
    alphabet: str = ""  # of the link it was prepared for
    shape: Hashable = None
    tables: tuple[str, ...] = ()  # national language tables that the parts say in their headers


class LinkPacker:
    """Packs the submits of one link as its settings say. Raises PduError when they do not fit SMPP.

    `as_is`: by encoding, payloads of up to so many octets leave as they are in one submit; -1: none does.
    """

    def __init__(self, link: Link, cut: CutText, code_sender: CodeSender, shape: Hashable = None) -> None:
        if len(link.service_type) > 5 or not link.service_type.isascii():
            raise PduError(ESME_RINVSERTYP, 0, "service_type is longer than 5 characters or not ASCII")
        self._link = link
        self._cut = cut
        self._code_sender = code_sender
        self._service_type = link.service_type.encode("ascii") + b"\0"
        self._dest = bytes((link.dest_ton, link.dest_npi)) + link.number_prefix.encode("ascii")
        self._dest_octets = link.address_octets - len(link.number_prefix)
        self._codings = (link.data_coding_default, link.data_coding_ucs2)
        short = link.segment_octets if not link.always_long else -1
        self.as_is = (8 * short // 7 if link.alphabet == "gsm7" and short > 0 else -1, short)
        self.shape = shape, self._codings  # links of one shape prepare a message alike
        self._relative = link.validity == "relative"
        self._timeless = link.validity == "none"
        self._referenced = link.user_message_reference
        self._tails = bool(link.tlvs or self._referenced)  # something may follow short_message
        self._heads: dict[str, tuple[bytes, bytes]] = {}  # by sender: up to the destination; vendor's parameters
        self._options: dict[tuple[int, int, int], bytes] = {}

    def prepare(self, encoding: int, payload: bytes, reference: int) -> Parts:
        """A message of `text.encode` as the submits of this link. `reference` (16 bits) joins the parts of a long one.

        Raises PduError when it would be more than SEGMENTS_MAX.
        """
        if len(payload) <= self.as_is[encoding]:
            return Parts(0, self._codings[encoding], [payload])
        encoding, how, octets, tables = self._cut(encoding, payload, reference)
        coding = self._codings[encoding]
        if not how:
            return Parts(0, coding, octets)
        if len(octets) > SEGMENTS_MAX:
            raise PduError(ESME_RINVMSGLEN, 0, "the message is too many parts on this link")
        return Parts(
            ESM_UDHI if how == "udh" else 0,
            coding,
            octets,
            how == "sar",
            how == "payload",
            reference,
            self._link.alphabet,
            self.shape,
            tables,
        )

    def adopt(self, parts: Parts, encoding: int) -> Parts | None:
        """`parts` that another link began, for this one to end: as they were cut. None when it could not carry them:
        its alphabet is another, or it may not use a national language table that they need.
        """
        if parts.shape == self.shape:
            return parts
        if parts.alphabet != self._link.alphabet or (parts.alphabet == "latin1" and encoding != UCS2):
            return None
        if not {*parts.tables, ""} <= {*self._link.shift_tables, ""}:
            return None
        return msgspec.structs.replace(parts, data_coding=self._codings[encoding])

    def pack(
        self,
        sequence: int,
        sender: str,
        to: str,
        parts: Parts,
        part: int,
        class_: int,
        left_s: int,
        now_ms: int,
        reference: int = 0,
    ) -> bytes:
        """One submit_sm (section 4.4.1): part `part` (from 1) of `parts`.

        `sender` empty: the link's default. `to` with or without its plus. `left_s`: of the message's validity, from
        `now_ms` on; exact to the second for one-time codes, else rounded up to a minute. `reference`: of
        user_message_reference, where the link sends one. Raises PduError when an address or the message does not fit.
        """
        head, tail = self._heads.get(sender) or self._head(sender)
        if not self._relative:
            left_s = 0 if self._timeless else left_s + now_ms // 1000
        if class_ != OTP:
            left_s += _VALIDITY_STEP_S - left_s % _VALIDITY_STEP_S
        options = self._options.get((parts.esm_class, parts.data_coding, left_s))
        if options is None:
            options = self._option(parts.esm_class, parts.data_coding, left_s)
        number = to[1:].encode() if to[:1] == "+" else to.encode()
        octets = parts.octets[part - 1]
        size = len(octets)
        if not 0 < len(number) <= self._dest_octets or not number.isdigit():
            raise PduError(ESME_RINVDSTADR, sequence, "the destination is no number that this link takes")
        if self._tails or parts.joined or parts.whole:
            octets, size, tail = self._unusual(parts, part, octets, tail, reference)
        if size > SHORT_MESSAGE_OCTETS_MAX:
            raise PduError(ESME_RINVMSGLEN, sequence, "short_message is longer than 254 octets")
        return b"".join(
            (
                HEADER.pack(
                    17 + len(head) + len(number) + len(options) + len(octets) + len(tail), SUBMIT_SM, 0, sequence
                ),
                head,
                number,
                options,
                _OCTET[size],
                octets,
                tail,
            )
        )

    def source(self, sender: str) -> tuple[int, int, bytes]:
        """(type of number, numbering plan, octets) that a submit of this sender has; a query_sm must have the same."""
        return self._source(sender or self._link.default_sender)

    def dest(self, to: str) -> tuple[int, int, bytes]:
        """The same of a destination."""
        return self._link.dest_ton, self._link.dest_npi, self._dest[2:] + to.removeprefix("+").encode("ascii")

    def _unusual(self, parts: Parts, part: int, octets: bytes, tail: bytes, reference: int) -> tuple[bytes, int, bytes]:
        """(short_message, its sm_length, optional parameters) of a submit that has some."""
        out = []
        if parts.whole:
            out.append(_tlv(TLV_MESSAGE_PAYLOAD, octets))
            octets = b""
        elif parts.joined:
            out += (
                _tlv(TLV_SAR_MSG_REF_NUM, (parts.reference & 0xFFFF).to_bytes(2, "big")),
                _tlv(TLV_SAR_TOTAL_SEGMENTS, _OCTET[len(parts.octets)]),
                _tlv(TLV_SAR_SEGMENT_SEQNUM, _OCTET[part]),
            )
        if self._referenced:
            out.append(_tlv(TLV_USER_MESSAGE_REFERENCE, (reference & 0xFFFF).to_bytes(2, "big")))
        return octets, len(octets), b"".join((*out, tail))

    # --- remembered -----------------------------------------------------------------------------------------
    def _head(self, sender: str) -> tuple[bytes, bytes]:
        """What comes before the destination's digits, and what comes last, for a sender."""
        name = sender or self._link.default_sender
        ton, npi, octets = self._source(name)
        if len(octets) > self._link.address_octets or b"\0" in octets:
            raise PduError(ESME_RINVSRCADR, 0, "the sender is longer than this link takes")
        head = b"%b%c%c%b\0%b" % (self._service_type, ton, npi, octets, self._dest)
        tail = b""
        for tlv in self._link.tlvs:
            if tlv.register:
                continue  # by the text: `appended` to each submit
            value = tlv.by_sender.get(name, tlv.by_sender.get("")) if tlv.by_sender else tlv.value
            if value is not None:
                tail += _tlv(tlv.tag, value)
        if len(self._heads) >= _CACHE_ENTRIES_MAX:
            self._heads.clear()
        self._heads[sender] = head, tail
        return head, tail

    def _source(self, name: str) -> tuple[int, int, bytes]:
        """(type of number, numbering plan, octets) of a sender by its form, or as the link says for every sender."""
        link = self._link
        form, npi = source_form(name)
        digits = name[1:] if name[:1] == "+" else name
        if form == TON_UNKNOWN:
            ton, octets = form, b""
        elif form == TON_INTERNATIONAL:
            ton, npi, octets = link.number_ton, link.number_npi, (link.number_prefix + digits).encode("ascii")
        elif form == TON_ALPHANUMERIC:
            ton, npi = link.alphanumeric_ton, link.alphanumeric_npi
            try:
                octets = self._code_sender(name, link.sender_charset)
            except ValueError:
                raise PduError(ESME_RINVSRCADR, 0, "the sender is not in this link's sender_charset") from None
        else:
            ton, npi, octets = link.short_code_ton, link.short_code_npi, digits.encode("ascii")
        return (
            (link.source_ton if link.source_ton >= 0 else ton),
            (link.source_npi if link.source_npi >= 0 else npi),
            octets,
        )

    def _option(self, esm_class: int, data_coding: int, at_s: int) -> bytes:
        """From the end of the destination to sm_length; `at_s` is relative, absolute or of no meaning, as the link is."""
        link = self._link
        if self._timeless:
            validity = b""
        elif self._relative:
            validity = relative_validity(at_s)
        else:
            validity = absolute_validity(at_s * 1000, link.validity_offset_minutes)
        options = b"\0%c%c%c\0%b\0%c%c%c\0" % (
            esm_class,
            link.protocol_id,
            link.priority_flag,
            validity,
            RECEIPTS_ASKED[link.registered_delivery],
            link.replace_if_present,
            data_coding,
        )
        if len(self._options) >= _CACHE_ENTRIES_MAX:
            self._options.clear()
        self._options[esm_class, data_coding, at_s] = options
        return options


def appended(frame: bytes, options: Iterable[tuple[int, bytes]]) -> bytes:
    """A submit with more optional parameters: they come last (section 4.4.1), and command_length counts them."""
    tail = b"".join(_tlv(tag, value) for tag, value in options)
    return (len(frame) + len(tail)).to_bytes(4, "big") + frame[4:] + tail


def _tlv(tag: int, value: bytes) -> bytes:
    return tag.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value
