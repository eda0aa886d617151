"""Whether the settings of one link fit each other: combinations that cannot work, and those that hardly anybody means.

Each row alone was checked before. Sources: SMPP 3.4 Issue 1.2 by section; 3GPP TS 23.040 for lengths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from .link import Link, Tlv

#: What a receipt's word can mean for a message; names of `message.STATUSES`.
RECEIPT_STATUSES: Final = ("sent", "delivered", "undelivered", "failed", "expired", "rejected")

#: Languages with a table in 3GPP TS 23.038 annex A.
SHIFT_TABLES: Final = ("bn", "es", "gu", "hi", "kn", "ml", "or", "pa", "pt", "ta", "te", "tr", "ur")

PASSWORD_OCTETS_MAX: Final = 64  # the specification says 8; operators hand out longer ones
SYSTEM_ID_OCTETS_MAX: Final = 15  # section 5.2.1
SYSTEM_TYPE_OCTETS_MAX: Final = 12  # section 5.2.3
SERVICE_TYPE_OCTETS_MAX: Final = 5  # section 5.2.11
PATTERN_CHARACTERS_MAX: Final = 200
WORD_CHARACTERS_MAX: Final = 16
TAG_VENDOR_MIN: Final = 0x1400  # section 5.3.1: below are the standard's; 0x1400 to 0x3FFF are operators' own
TAG_VENDOR_MAX: Final = 0x3FFF


class Fault(NamedTuple):
    """One combination. `fatal` ones are refused, the others are told by `casemate link check`."""

    message: str
    hint: str = ""
    fatal: bool = True


def faults(link: Link, written: list[Tlv]) -> list[Fault]:
    """Every fault of a link; `written` are its optional parameters in order, those without a value among them."""
    found = [*_identity(link), *_pace(link), *_receipts(link), *_text(link), *_fields(link), *_version(link)]
    return [*found, *_tlvs(written)]


def _octets(text: str) -> int:
    """Octets in Latin-1, a great many when it has no such form."""
    try:
        return len(text.encode("latin-1"))
    except UnicodeEncodeError:
        return 1 << 20


def _identity(link: Link) -> Iterator[Fault]:
    if not link.host or any(c.isspace() for c in link.host):
        yield Fault("`host` is empty or has a blank in it")
    if len(set(link.addresses())) != len(link.addresses()):
        yield Fault("the same address is named twice in `host` and `more_hosts`", "for more binds to one use `binds`")
    if any(not port for _, port in link.more_hosts):
        yield Fault("`more_hosts` names port 0")
    if _octets(link.system_id) > SYSTEM_ID_OCTETS_MAX:
        yield Fault(f"`system_id` is longer than {SYSTEM_ID_OCTETS_MAX} characters or not Latin-1")
    if _octets(link.system_type) > SYSTEM_TYPE_OCTETS_MAX:
        yield Fault(f"`system_type` is longer than {SYSTEM_TYPE_OCTETS_MAX} characters or not Latin-1")
    if _octets(link.password) > PASSWORD_OCTETS_MAX:
        yield Fault(
            f"the password in `password_file` is longer than {PASSWORD_OCTETS_MAX} octets or not Latin-1",
            "is it the right file? ask the operator for another password",
        )
    given = [name for name in ("tls_ca", "tls_certificate", "tls_key") if getattr(link, name)]
    if given and not link.tls:
        yield Fault(f"`{given[0]}` is set but `tls` is not: the link would be in clear", "set tls = true")
    if link.tls_key and not link.tls_certificate:
        yield Fault("`tls_key` is set without `tls_certificate`")


def _pace(link: Link) -> Iterator[Fault]:
    if link.throttle_pause_s > link.throttle_pause_s_max:
        yield Fault("`throttle_pause_s` is longer than `throttle_pause_s_max`")
    if link.reconnect_s_min > link.reconnect_s_max:
        yield Fault("`reconnect_s_min` is longer than `reconnect_s_max`")
    if link.pace:
        of_class = {f"pace_{name}": getattr(link, f"pace_{name}") for name in ("otp", "alert", "transaction", "bulk")}
        fast = {
            **of_class,
            "pace_sender": link.pace_sender,
            **{f"pace_senders {s}": p for s, p in link.pace_senders.items()},
        }
        for name, pace in fast.items():
            if pace > link.pace:
                yield Fault(f"`{name}` is above `pace`: it is never reached", fatal=False)
        full = link.window * link.binds * len(link.addresses())
        if full > max(1.0, link.pace * link.response_s):
            yield Fault(
                f"`window` = {link.window} of all binds takes {full / link.pace:g} s at `pace`, longer than `response_s`: an operator that is slow"
                " for a while has it full, answers too late, and each bind ends with messages in doubt",
                "a window of two or three times the pace; or a longer response_s",
                False,
            )
    if any(not sender for sender in link.pace_senders):
        yield Fault("`pace_senders` names an empty sender", "`pace_sender` is for every sender that is not named")


def _receipts(link: Link) -> Iterator[Fault]:
    if link.registered_delivery == "none":
        yield Fault("registered_delivery = none: a message is never known to be delivered", fatal=False)
    if link.id_pattern:
        yield from _pattern(link.id_pattern)
    for word, status in link.receipt_words.items():
        if not 0 < len(word) <= WORD_CHARACTERS_MAX or not word.isascii() or any(c.isspace() for c in word):
            yield Fault(f"`receipt_words` {word!r} is not one word of at most {WORD_CHARACTERS_MAX} characters")
        if status not in RECEIPT_STATUSES:
            yield Fault(f"`receipt_words` {word} = {status!r} is no status", f"one of {', '.join(RECEIPT_STATUSES)}")
    if link.receipt_untyped:
        yield Fault("receipt_untyped: a customer's message written like a receipt is taken for one", fatal=False)
    if link.receipt_format == "csv" and link.id_base != "as_is":
        yield Fault("receipt_format = csv has no message id, so `id_base` has nothing to compare", fatal=False)


def _pattern(pattern: str) -> Iterator[Fault]:
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        yield Fault(f"`id_pattern` is longer than {PATTERN_CHARACTERS_MAX} characters")
        return
    try:
        groups = re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError) as e:
        yield Fault(f"`id_pattern` is no regular expression: {e}")
        return
    if not groups:
        yield Fault("`id_pattern` has no group", "put the id in brackets: id=([0-9a-f]+)")


def _text(link: Link) -> Iterator[Fault]:
    if link.data_coding_ucs2 == link.data_coding_default:
        yield Fault(
            "`data_coding_ucs2` is the same as `data_coding_default`: the operator could not tell them apart",
            "8 is UCS-2, 0 the default alphabet, 3 Latin-1 (section 5.2.19)",
        )
    if link.alphabet == "latin1" and link.data_coding_default == 8:
        yield Fault("alphabet = latin1 with data_coding_default = 8, which is UCS-2")
    if link.alphabet == "gsm7" and link.data_coding_default == 3:
        yield Fault(
            "data_coding_default = 3 is Latin-1", "set alphabet = latin1, or another data_coding_default", False
        )
    if link.long_message == "sar" and link.reference_bits == 8:
        yield Fault("`reference_bits` = 8 is of user data headers; sar_msg_ref_num always has 16 (section 5.3.2.22)")
    if link.long_message == "payload" and link.always_long:
        yield Fault("`always_long` needs parts: long_message = payload has none", "use udh or sar")
    if strange := [tag for tag in link.shift_tables if tag not in SHIFT_TABLES]:
        yield Fault(f"`shift_tables` names {strange[0]!r}, which has none", f"tags are {', '.join(SHIFT_TABLES)}")
    if len(set(link.shift_tables)) < len(link.shift_tables):
        yield Fault("`shift_tables` names a language twice")
    if link.shift_tables and (link.alphabet == "latin1" or link.long_message != "udh"):
        yield Fault(
            "`shift_tables` needs alphabet = gsm7 or gsm7_packed and long_message = udh",
            "each part names its tables in its user data header (3GPP TS 23.040 section 9.2.3.24.15)",
        )


def _fields(link: Link) -> Iterator[Fault]:
    if len(link.service_type) > SERVICE_TYPE_OCTETS_MAX or not link.service_type.isascii():
        yield Fault(f"`service_type` is longer than {SERVICE_TYPE_OCTETS_MAX} characters or not ASCII (section 5.2.11)")
    if link.validity_offset_minutes % 15:
        yield Fault("`validity_offset_minutes` is not a multiple of 15 (section 7.1.1: quarter hours)")
    if link.validity_offset_minutes and link.validity != "absolute":
        yield Fault(f"`validity_offset_minutes` has no meaning with validity = {link.validity}", fatal=False)
    if len(link.default_sender) > link.address_octets:
        yield Fault("`default_sender` is longer than `address_octets`")
    if link.sender_charset == "ascii" and not link.default_sender.isascii():
        yield Fault("`default_sender` is not ASCII", "choose another `sender_charset` if the operator reads it")
    if link.number_prefix == "00" and 1 in (link.dest_ton, link.number_ton):
        yield Fault("number_prefix = 00 with an international type of number (1) says it twice", fatal=False)
    if link.replace_if_present:
        yield Fault(
            "replace_if_present: a message that still waits for a handset is replaced by the next one to it (section 5.2.18)",
            "two one-time codes to one customer: only the second arrives",
            False,
        )


def _version(link: Link) -> Iterator[Fault]:
    if link.interface_version != "3.3":
        return
    if link.bind == "transceiver":
        yield Fault(
            "interface_version = 3.3 has no transceiver; some operators take it all the same", "bind = pair", False
        )
    for name, used in (
        ("long_message", link.long_message in ("sar", "payload")),
        ("user_message_reference", link.user_message_reference),
        ("tlvs", bool(link.tlvs)),
    ):
        if used:
            yield Fault(
                f"`{name}` needs optional parameters, which interface_version = 3.3 has not (section 3.4)",
                "set interface_version = 3.4, or long_message = udh",
            )


def _tlvs(written: list[Tlv]) -> Iterator[Fault]:
    for name, tag, *_ in written:
        if tag < TAG_VENDOR_MIN:
            yield Fault(
                f"tlvs: {name}: tag 0x{tag:04X} is one of the standard's",
                "an operator's own are 0x1400 to 0x3FFF (section 5.3.1); the link's other settings send the standard's",
            )
        elif tag > TAG_VENDOR_MAX:
            yield Fault(f"tlvs: {name}: tag 0x{tag:04X} is reserved (section 5.3.1)", fatal=False)
    names, tags = [each.name for each in written], [f"0x{each.tag:04X}" for each in written]
    for what, given in (("name", names), ("tag", tags)):
        for twice in sorted({each for each in given if given.count(each) > 1}):
            yield Fault(f"tlvs: {what} {twice} is there twice")
    for each in written:
        if not each.value and not each.by_sender and not each.register:
            yield Fault(f"tlvs: {each.name} has no value: it is known by name in traces and never sent", fatal=False)
