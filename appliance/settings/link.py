"""Every setting of an operator link: what operators disagree on, one row each. A link's profile changes the defaults.

Sources: SMPP 3.4 Issue 1.2; the traps are those of `appliance/smpp/README.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .rows import Setting

LINK_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("name", "str", None, "name of the link: letters, digits, dash"),
    Setting("profile", "str", "", "a ready profile by name, or a file; what it says are this link's defaults"),
    # --- where ----------------------------------------------------------------------------------------------
    Setting("host", "str", None, "operator's host name or address"),
    Setting("port", "int", 2775, "operator's port", 1, 65_535),
    Setting(
        "more_hosts", "strs", [], "more addresses of the operator, HOST:PORT; each gets as many binds as the first"
    ),
    Setting("binds", "int", 1, "binds to each address at a time (of each kind with bind = pair)", 1, 32),
    Setting("system_id", "str", "", "user name for the bind"),
    Setting("password_file", "path", "", "file that holds the bind's password; up to 64 octets are sent as they are"),
    Setting("system_type", "str", "", "system_type of the bind"),
    Setting("interface_version", ("3.4", "3.3"), "3.4", "interface_version of the bind"),
    Setting("bind", ("transceiver", "pair"), "transceiver", "one bind for both ways, or a transmitter and a receiver"),
    Setting("tls", "bool", False, "TLS to the operator"),
    Setting("tls_ca", "path", "", "PEM authorities the operator's certificate is checked against; empty: the system's"),
    Setting("tls_certificate", "path", "", "PEM client certificate for the operator"),
    Setting("tls_key", "path", "", "PEM key of the client certificate"),
    # --- how fast -------------------------------------------------------------------------------------------
    Setting("window", "int", 100, "submits under way without an answer, of each bind", 1, 10_000),
    Setting("pace", "float", 0.0, "segments a second of the whole link; 0: no limit", 0, 1_000_000),
    Setting("pace_otp", "float", 0.0, "the same for one-time codes alone; 0: no limit of their own", 0, 1_000_000),
    Setting("pace_alert", "float", 0.0, "the same for alerts", 0, 1_000_000),
    Setting("pace_transaction", "float", 0.0, "the same for transactions", 0, 1_000_000),
    Setting("pace_bulk", "float", 0.0, "the same for bulk", 0, 1_000_000),
    Setting("pace_sender", "float", 0.0, "segments a second of each sender; 0: no limit", 0, 1_000_000),
    Setting("pace_senders", "numbers", {}, 'segments a second of senders named here: { MYBANK = 50, "43210" = 1 }'),
    Setting(
        "throttle_policy",
        ("pause", "delay", "stop"),
        "pause",
        "after ESME_RTHROTTLED or ESME_RMSGQFUL: pause the link and keep the order; delay that message alone; stop the link"
        " for throttle_pause_s whatever else is answered",
    ),
    Setting(
        "throttle_pause_s",
        "float",
        1.0,
        "first pause after a throttled answer, never under a second; doubles while they go on",
        0.05,
        600,
    ),
    Setting("throttle_pause_s_max", "float", 60.0, "longest such pause", 0.05, 3_600),
    Setting(
        "throttle_slow", "float", 0.5, "share of its rate that a throttled link keeps; it recovers by itself", 0.05, 1
    ),
    Setting(
        "throttle_recover_s", "float", 30.0, "seconds from half the rate back to the whole, in even steps", 1, 3_600
    ),
    # --- alive or not ---------------------------------------------------------------------------------------
    Setting("enquire_s", "float", 30.0, "enquire_link after so long without traffic", 1, 3_600),
    Setting("response_s", "float", 10.0, "an answer that takes longer ends the bind", 0.5, 600),
    Setting(
        "receipts_s",
        "float",
        600.0,
        "binds that answer submits but deliver nothing for so long are half dead and bound anew; 0: never",
        0,
        86_400,
    ),
    Setting("reconnect_s_min", "float", 0.5, "first pause before binding again", 0.05, 600),
    Setting("reconnect_s_max", "float", 60.0, "longest pause before binding again", 0.1, 3_600),
    Setting(
        "already_bound_s", "float", 30.0, "pause after ESME_RALYBND: the operator still holds a dead bind", 0.1, 3_600
    ),
    # --- ids and receipts -----------------------------------------------------------------------------------
    Setting(
        "id_base",
        ("as_is", "hex_dec", "dec_hex", "hex", "dec"),
        "as_is",
        "base of message ids in the response and in the receipt: as_is compares text; hex_dec means hex in the response, decimal in the receipt",
    ),
    Setting("id_case", ("exact", "ignore"), "exact", "whether upper and lower case of a text id differ"),
    Setting("id_zeros", ("exact", "ignore"), "exact", "whether leading zeros of a text id count"),
    Setting(
        "id_pattern", "str", "", "regular expression whose first group is the id, where either side wraps it in text"
    ),
    Setting(
        "receipt_format",
        ("auto", "text", "tlv", "csv"),
        "auto",
        "where receipts say it: auto takes optional parameters first, then the text; csv: STATUS,STATUS TS,ACCEPTED TS,ERR,DEST,ORIG",
    ),
    Setting(
        "receipt_untyped",
        "bool",
        False,
        "also read receipts whose esm_class does not say so; a customer could then write one",
    ),
    Setting("receipt_words", "words", {}, 'words beyond the table: { FAILED = "failed", HELD = "sent" }'),
    Setting("registered_delivery", ("final", "failure", "intermediate", "none"), "final", "receipts asked for"),
    Setting(
        "query_sm", "bool", False, "the operator answers query_sm: it is asked for messages that are indeterminate"
    ),
    Setting(
        "user_message_reference",
        "bool",
        False,
        "send that optional parameter (0x0204); operators that give it back in receipts resolve more",
    ),
    # --- text -----------------------------------------------------------------------------------------------
    Setting(
        "alphabet", ("gsm7", "gsm7_packed", "latin1"), "gsm7", "what octets of the operator's default alphabet mean"
    ),
    Setting(
        "shift_tables",
        "strs",
        [],
        "national language tables that the operator and its handsets know, for long texts in fewer parts: bn es gu hi kn ml or pa pt ta te tr ur",
    ),
    Setting("data_coding_default", "int", 0, "data_coding of texts in the default alphabet", 0, 255),
    Setting("data_coding_ucs2", "int", 8, "data_coding of texts in UCS-2", 0, 255),
    Setting(
        "long_message",
        ("udh", "sar", "payload"),
        "udh",
        "long messages: user data header, sar_ parameters, or whole in message_payload",
    ),
    Setting("reference_bits", ("8", "16"), "16", "size of the reference number of long messages in a user data header"),
    Setting(
        "segment_octets", "int", 140, "octets of one short message; 139 for operators that need one spare", 20, 140
    ),
    Setting("always_long", "bool", False, "send short messages as long ones of one part"),
    # --- addresses and fields -------------------------------------------------------------------------------
    Setting("default_sender", "str", "", "sender when the message names none"),
    Setting("source_ton", "int", -1, "type of number of every sender; -1: by its form, see below", -1, 7),
    Setting("source_npi", "int", -1, "numbering plan of every sender; -1: by its form, see below", -1, 18),
    Setting("alphanumeric_ton", "int", 5, "type of number of an alphanumeric sender", 0, 7),
    Setting("alphanumeric_npi", "int", 0, "numbering plan of an alphanumeric sender", 0, 18),
    Setting("short_code_ton", "int", 3, "type of number of a short code", 0, 7),
    Setting("short_code_npi", "int", 0, "numbering plan of a short code", 0, 18),
    Setting("number_ton", "int", 1, "type of number of a sender that is a whole number", 0, 7),
    Setting("number_npi", "int", 1, "numbering plan of a sender that is a whole number", 0, 18),
    Setting("dest_ton", "int", 1, "type of number of destinations", 0, 7),
    Setting("dest_npi", "int", 1, "numbering plan of destinations", 0, 18),
    Setting("number_prefix", ("", "+", "00"), "", "what stands before a whole number's digits, sender or destination"),
    Setting("address_octets", "int", 20, "longest address that the operator takes", 3, 64),
    Setting("sender_charset", ("ascii", "gsm7", "latin1"), "ascii", "octets of alphanumeric senders"),
    Setting("validity", ("relative", "absolute", "none"), "relative", "form of validity_period"),
    Setting("validity_offset_minutes", "int", 0, "offset from UTC in absolute validity, in steps of 15", -720, 840),
    Setting("service_type", "str", "", "service_type of every submit, 5 characters at most"),
    Setting("protocol_id", "int", 0, "protocol_id of every submit", 0, 255),
    Setting("priority_flag", "int", 0, "priority_flag of every submit", 0, 3),
    Setting("replace_if_present", "bool", False, "replace_if_present_flag of every submit"),
    Setting(
        "tlvs",
        "tlvs",
        [],
        "the operator's own optional parameters: { name, tag, kind, value, by_sender or register }; without known by name, not sent",
    ),
)

REGISTERED: Final = ("entity_id", "template_id")
TLV_KINDS: Final = ("string", "cstring", "octets", "int8", "int16", "int32")


class Tlv(NamedTuple):
    """An optional parameter of one operator. The same tag means other things to others, so it is known by link and name.

    `value`, or by sender (`""` for any other); packed octets, already checked. `register`: one of REGISTERED instead, which the register of
    senders has for India.
    """

    name: str
    tag: int
    kind: str
    value: bytes
    by_sender: dict[str, bytes]
    register: str = ""


@dataclass(frozen=True)
class Link:
    """One operator link as LINK_SETTINGS describes it; `password` was read from its file."""

    name: str
    profile: str
    host: str
    port: int
    more_hosts: tuple[tuple[str, int], ...]
    password: str = field(repr=False)
    binds: int
    system_id: str
    system_type: str
    interface_version: str
    bind: str
    tls: bool
    tls_ca: str
    tls_certificate: str
    tls_key: str
    window: int
    pace: float
    pace_otp: float
    pace_alert: float
    pace_transaction: float
    pace_bulk: float
    pace_sender: float
    pace_senders: dict[str, float]
    throttle_policy: str
    throttle_pause_s: float
    throttle_pause_s_max: float
    throttle_slow: float
    throttle_recover_s: float
    enquire_s: float
    response_s: float
    receipts_s: float
    reconnect_s_min: float
    reconnect_s_max: float
    already_bound_s: float
    id_base: str
    id_case: str
    id_zeros: str
    id_pattern: str
    receipt_format: str
    receipt_untyped: bool
    receipt_words: dict[str, str]
    registered_delivery: str
    query_sm: bool
    user_message_reference: bool
    alphabet: str
    shift_tables: tuple[str, ...]
    data_coding_default: int
    data_coding_ucs2: int
    long_message: str
    reference_bits: int
    segment_octets: int
    always_long: bool
    default_sender: str
    source_ton: int
    source_npi: int
    alphanumeric_ton: int
    alphanumeric_npi: int
    short_code_ton: int
    short_code_npi: int
    number_ton: int
    number_npi: int
    dest_ton: int
    dest_npi: int
    number_prefix: str
    address_octets: int
    sender_charset: str
    validity: str
    validity_offset_minutes: int
    service_type: str
    protocol_id: int
    priority_flag: int
    replace_if_present: bool
    tlvs: tuple[Tlv, ...]
    #: Tag and name of the operator's own optional parameters, those that are only heard among them.
    tlv_names: dict[int, str]
    #: What is odd about these settings, each with a hint; `casemate link check` tells them.
    doubts: tuple[tuple[str, str], ...]

    def addresses(self) -> tuple[tuple[str, int], ...]:
        """(host, port) of each of the operator's addresses, the first first."""
        return ((self.host, self.port), *self.more_hosts)
