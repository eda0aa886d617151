"""The tables of SMPP 3.4 Issue 1.2: commands, statuses, optional parameters and body layouts. Facts only."""

from __future__ import annotations

from typing import Final, NamedTuple

RESPONSE: Final = 0x80000000  # section 5.1.2.1: the bit that makes a command the answer to another

# --- command_id, section 5.1.2.1 --------------------------------------------------------------------------
GENERIC_NACK: Final = 0x80000000
BIND_RECEIVER: Final = 0x00000001
BIND_TRANSMITTER: Final = 0x00000002
QUERY_SM: Final = 0x00000003
SUBMIT_SM: Final = 0x00000004
DELIVER_SM: Final = 0x00000005
UNBIND: Final = 0x00000006
REPLACE_SM: Final = 0x00000007
CANCEL_SM: Final = 0x00000008
BIND_TRANSCEIVER: Final = 0x00000009
OUTBIND: Final = 0x0000000B
ENQUIRE_LINK: Final = 0x00000015
SUBMIT_MULTI: Final = 0x00000021
ALERT_NOTIFICATION: Final = 0x00000102
DATA_SM: Final = 0x00000103
BIND_RECEIVER_RESP: Final = RESPONSE | BIND_RECEIVER
BIND_TRANSMITTER_RESP: Final = RESPONSE | BIND_TRANSMITTER
QUERY_SM_RESP: Final = RESPONSE | QUERY_SM
SUBMIT_SM_RESP: Final = RESPONSE | SUBMIT_SM
DELIVER_SM_RESP: Final = RESPONSE | DELIVER_SM
UNBIND_RESP: Final = RESPONSE | UNBIND
REPLACE_SM_RESP: Final = RESPONSE | REPLACE_SM
CANCEL_SM_RESP: Final = RESPONSE | CANCEL_SM
BIND_TRANSCEIVER_RESP: Final = RESPONSE | BIND_TRANSCEIVER
ENQUIRE_LINK_RESP: Final = RESPONSE | ENQUIRE_LINK
SUBMIT_MULTI_RESP: Final = RESPONSE | SUBMIT_MULTI
DATA_SM_RESP: Final = RESPONSE | DATA_SM

COMMANDS: Final[dict[int, str]] = {
    BIND_RECEIVER: "bind_receiver",
    BIND_TRANSMITTER: "bind_transmitter",
    QUERY_SM: "query_sm",
    SUBMIT_SM: "submit_sm",
    DELIVER_SM: "deliver_sm",
    UNBIND: "unbind",
    REPLACE_SM: "replace_sm",
    CANCEL_SM: "cancel_sm",
    BIND_TRANSCEIVER: "bind_transceiver",
    OUTBIND: "outbind",
    ENQUIRE_LINK: "enquire_link",
    SUBMIT_MULTI: "submit_multi",
    ALERT_NOTIFICATION: "alert_notification",
    DATA_SM: "data_sm",
    GENERIC_NACK: "generic_nack",
    BIND_RECEIVER_RESP: "bind_receiver_resp",
    BIND_TRANSMITTER_RESP: "bind_transmitter_resp",
    QUERY_SM_RESP: "query_sm_resp",
    SUBMIT_SM_RESP: "submit_sm_resp",
    DELIVER_SM_RESP: "deliver_sm_resp",
    UNBIND_RESP: "unbind_resp",
    REPLACE_SM_RESP: "replace_sm_resp",
    CANCEL_SM_RESP: "cancel_sm_resp",
    BIND_TRANSCEIVER_RESP: "bind_transceiver_resp",
    ENQUIRE_LINK_RESP: "enquire_link_resp",
    SUBMIT_MULTI_RESP: "submit_multi_resp",
    DATA_SM_RESP: "data_sm_resp",
}

# --- command_status, section 5.1.3 ------------------------------------------------------------------------
ESME_ROK: Final = 0x00
ESME_RINVMSGLEN: Final = 0x01
ESME_RINVCMDLEN: Final = 0x02
ESME_RINVCMDID: Final = 0x03
ESME_RINVBNDSTS: Final = 0x04
ESME_RALYBND: Final = 0x05
ESME_RSYSERR: Final = 0x08
ESME_RINVSRCADR: Final = 0x0A
ESME_RINVDSTADR: Final = 0x0B
ESME_RINVMSGID: Final = 0x0C
ESME_RBINDFAIL: Final = 0x0D
ESME_RINVPASWD: Final = 0x0E
ESME_RINVSYSID: Final = 0x0F
ESME_RMSGQFUL: Final = 0x14
ESME_RINVSERTYP: Final = 0x15
ESME_RINVNUMDESTS: Final = 0x33
ESME_RINVDLNAME: Final = 0x34
ESME_RINVDESTFLAG: Final = 0x40
ESME_RSUBMITFAIL: Final = 0x45
ESME_RINVSYSTYP: Final = 0x53
ESME_RTHROTTLED: Final = 0x58
ESME_RINVSCHED: Final = 0x61
ESME_RINVEXPIRY: Final = 0x62
ESME_RX_T_APPN: Final = 0x64
ESME_RX_P_APPN: Final = 0x65
ESME_RX_R_APPN: Final = 0x66
ESME_RINVOPTPARSTREAM: Final = 0xC0
ESME_RUNKNOWNERR: Final = 0xFF

#: What a submit's status asks of the sender: done; slow the whole link down; try this one again; never again.
OK, THROTTLED, RETRY, PERMANENT = VERDICTS = ("ok", "throttled", "retry later", "permanent")


class Status(NamedTuple):
    """One row of section 5.1.3 with what it means for a submit."""

    name: str
    meaning: str
    verdict: str


STATUSES: Final[dict[int, Status]] = {
    0x00: Status("ESME_ROK", "no error", OK),
    0x01: Status("ESME_RINVMSGLEN", "message length is invalid", PERMANENT),
    0x02: Status("ESME_RINVCMDLEN", "command length is invalid", PERMANENT),
    0x03: Status("ESME_RINVCMDID", "invalid command id", PERMANENT),
    0x04: Status("ESME_RINVBNDSTS", "incorrect bind status for this command", RETRY),
    0x05: Status("ESME_RALYBND", "already bound", RETRY),
    0x06: Status("ESME_RINVPRTFLG", "invalid priority flag", PERMANENT),
    0x07: Status("ESME_RINVREGDLVFLG", "invalid registered delivery flag", PERMANENT),
    0x08: Status("ESME_RSYSERR", "system error at the operator", RETRY),
    0x0A: Status("ESME_RINVSRCADR", "invalid source address", PERMANENT),
    0x0B: Status("ESME_RINVDSTADR", "invalid destination address", PERMANENT),
    0x0C: Status("ESME_RINVMSGID", "message id is invalid", PERMANENT),
    0x0D: Status("ESME_RBINDFAIL", "bind failed", RETRY),
    0x0E: Status("ESME_RINVPASWD", "invalid password", PERMANENT),
    0x0F: Status("ESME_RINVSYSID", "invalid system id", PERMANENT),
    0x11: Status("ESME_RCANCELFAIL", "cancel failed", PERMANENT),
    0x13: Status("ESME_RREPLACEFAIL", "replace failed", PERMANENT),
    0x14: Status("ESME_RMSGQFUL", "the operator's message queue is full", THROTTLED),
    0x15: Status("ESME_RINVSERTYP", "invalid service type", PERMANENT),
    0x33: Status("ESME_RINVNUMDESTS", "invalid number of destinations", PERMANENT),
    0x34: Status("ESME_RINVDLNAME", "invalid distribution list name", PERMANENT),
    0x40: Status("ESME_RINVDESTFLAG", "invalid destination flag", PERMANENT),
    0x42: Status("ESME_RINVSUBREP", "invalid submit with replace", PERMANENT),
    0x43: Status("ESME_RINVESMCLASS", "invalid esm_class", PERMANENT),
    0x44: Status("ESME_RCNTSUBDL", "cannot submit to distribution list", PERMANENT),
    0x45: Status("ESME_RSUBMITFAIL", "submit failed", RETRY),
    0x48: Status("ESME_RINVSRCTON", "invalid type of number of the source", PERMANENT),
    0x49: Status("ESME_RINVSRCNPI", "invalid numbering plan of the source", PERMANENT),
    0x50: Status("ESME_RINVDSTTON", "invalid type of number of the destination", PERMANENT),
    0x51: Status("ESME_RINVDSTNPI", "invalid numbering plan of the destination", PERMANENT),
    0x53: Status("ESME_RINVSYSTYP", "invalid system type", PERMANENT),
    0x54: Status("ESME_RINVREPFLAG", "invalid replace_if_present flag", PERMANENT),
    0x55: Status("ESME_RINVNUMMSGS", "invalid number of messages", PERMANENT),
    0x58: Status("ESME_RTHROTTLED", "more messages than the operator allows", THROTTLED),
    0x61: Status("ESME_RINVSCHED", "invalid scheduled delivery time", PERMANENT),
    0x62: Status("ESME_RINVEXPIRY", "invalid validity period", PERMANENT),
    0x63: Status("ESME_RINVDFTMSGID", "predefined message invalid or not found", PERMANENT),
    0x64: Status("ESME_RX_T_APPN", "temporary error of the receiving application", RETRY),
    0x65: Status("ESME_RX_P_APPN", "permanent error of the receiving application", PERMANENT),
    0x66: Status("ESME_RX_R_APPN", "the receiving application rejects the message", PERMANENT),
    0x67: Status("ESME_RQUERYFAIL", "query failed", RETRY),
    0xC0: Status("ESME_RINVOPTPARSTREAM", "error in the optional part of the body", PERMANENT),
    0xC1: Status("ESME_ROPTPARNOTALLWD", "optional parameter not allowed", PERMANENT),
    0xC2: Status("ESME_RINVPARLEN", "invalid parameter length", PERMANENT),
    0xC3: Status("ESME_RMISSINGOPTPARAM", "expected optional parameter missing", PERMANENT),
    0xC4: Status("ESME_RINVOPTPARAMVAL", "invalid optional parameter value", PERMANENT),
    0xFE: Status("ESME_RDELIVERYFAILURE", "delivery failure", PERMANENT),
    0xFF: Status("ESME_RUNKNOWNERR", "unknown error", RETRY),
    # Of SMPP 5.0 section 4.7.6, sent on 3.4 binds too.
    0x100: Status("ESME_RSERTYPUNAUTH", "not authorised to use this service type", PERMANENT),
    0x101: Status("ESME_RPROHIBITED", "prohibited from using this operation", PERMANENT),
    0x102: Status("ESME_RSERTYPUNAVAIL", "the service type is unavailable for now", RETRY),
    0x103: Status("ESME_RSERTYPDENIED", "the service type is denied for this content", PERMANENT),
    0x104: Status("ESME_RINVDCS", "invalid data coding", PERMANENT),
    0x105: Status("ESME_RINVSRCADDRSUBUNIT", "invalid subunit of the source address", PERMANENT),
    0x106: Status("ESME_RINVDSTADDRSUBUNIT", "invalid subunit of the destination address", PERMANENT),
}

#: A bind refused with one of these needs a person; any other (ESME_RALYBND above all) only needs patience.
BIND_NEEDS_A_PERSON: Final = frozenset({ESME_RINVPASWD, ESME_RINVSYSID, ESME_RINVSYSTYP})


def status_name(status: int) -> str:
    """`ESME_RTHROTTLED` for 0x58; `0x00000411` for a number the specification reserves or leaves to the operator."""
    row = STATUSES.get(status)
    return row.name if row else f"0x{status:08X}"


def verdict(status: int) -> str:
    """One of VERDICTS for the status of a submit_sm_resp.

    Operators' own numbers (0x400 to 0x4FF) and reserved ones are permanent: trying again what an operator
    refused for a reason of its own only earns a block.
    """
    row = STATUSES.get(status)
    return row.verdict if row else PERMANENT


# --- optional parameters, section 5.3.2 -------------------------------------------------------------------
TLV_SC_INTERFACE_VERSION: Final = 0x0210
TLV_QOS_TIME_TO_LIVE: Final = 0x0017
TLV_RECEIPTED_MESSAGE_ID: Final = 0x001E
TLV_USER_MESSAGE_REFERENCE: Final = 0x0204
TLV_SAR_MSG_REF_NUM: Final = 0x020C
TLV_SAR_TOTAL_SEGMENTS: Final = 0x020E
TLV_SAR_SEGMENT_SEQNUM: Final = 0x020F
TLV_MS_AVAILABILITY_STATUS: Final = 0x0422
TLV_NETWORK_ERROR_CODE: Final = 0x0423
TLV_MESSAGE_PAYLOAD: Final = 0x0424
TLV_MESSAGE_STATE: Final = 0x0427

TLVS: Final[dict[int, str]] = {
    0x0005: "dest_addr_subunit",
    0x0006: "dest_network_type",
    0x0007: "dest_bearer_type",
    0x0008: "dest_telematics_id",
    0x000D: "source_addr_subunit",
    0x000E: "source_network_type",
    0x000F: "source_bearer_type",
    0x0010: "source_telematics_id",
    0x0017: "qos_time_to_live",
    0x0019: "payload_type",
    0x001D: "additional_status_info_text",
    0x001E: "receipted_message_id",
    0x0030: "ms_msg_wait_facilities",
    0x0201: "privacy_indicator",
    0x0202: "source_subaddress",
    0x0203: "dest_subaddress",
    0x0204: "user_message_reference",
    0x0205: "user_response_code",
    0x020A: "source_port",
    0x020B: "destination_port",
    0x020C: "sar_msg_ref_num",
    0x020D: "language_indicator",
    0x020E: "sar_total_segments",
    0x020F: "sar_segment_seqnum",
    0x0210: "sc_interface_version",
    0x0302: "callback_num_pres_ind",
    0x0303: "callback_num_atag",
    0x0304: "number_of_messages",
    0x0381: "callback_num",
    0x0420: "dpf_result",
    0x0421: "set_dpf",
    0x0422: "ms_availability_status",
    0x0423: "network_error_code",
    0x0424: "message_payload",
    0x0425: "delivery_failure_reason",
    0x0426: "more_messages_to_send",
    0x0427: "message_state",
    0x0501: "ussd_service_op",
    0x1201: "display_time",
    0x1203: "sms_signal",
    0x1204: "ms_validity",
    0x130C: "alert_on_message_delivery",
    0x1380: "its_reply_type",
    0x1383: "its_session_info",
}

# --- body layouts, section 4 ------------------------------------------------------------------------------
TEXT: Final = "text"  # C-octet string: `octets` at most, its NUL included
NUMBER: Final = "number"  # one octet
SHORT_MESSAGE: Final = "short message"  # sm_length, then so many octets
DESTINATIONS: Final = "destinations"  # number_of_dests, then so many dest_address, kept as packed octets
FAILURES: Final = "failures"  # no_unsuccess, then so many unsuccess_sme, kept as packed octets


class Field(NamedTuple):
    """One mandatory parameter: `octets` may be sent, `heard` is taken from others, `status` answers a breach."""

    name: str
    kind: str = NUMBER
    octets: int = 1
    heard: int = 1
    status: int = ESME_RINVCMDLEN


def _text(name: str, octets: int, status: int = ESME_RINVCMDLEN, heard: int = 0) -> Field:
    return Field(name, TEXT, octets, heard or octets, status)


_SERVICE_TYPE = _text("service_type", 6, ESME_RINVSERTYP)
_SYSTEM_ID = _text("system_id", 16, ESME_RINVSYSID, 64)
# The specification ends a password at 8 octets; operators hand out longer ones, so these are sent as they are.
_PASSWORD = _text("password", 65, ESME_RINVPASWD)
_MESSAGE_ID = _text("message_id", 65, ESME_RINVMSGID, 256)  # some operators write whole sentences here
_SCHEDULE = _text("schedule_delivery_time", 17, ESME_RINVSCHED)
_VALIDITY = _text("validity_period", 17, ESME_RINVEXPIRY)
_SHORT_MESSAGE = Field("short_message", SHORT_MESSAGE, 254, 255, ESME_RINVMSGLEN)


def _address(name: str, prefix: str, octets: int = 21) -> tuple[Field, ...]:
    status = ESME_RINVDSTADR if prefix == "dest_addr" else ESME_RINVSRCADR
    return (Field(f"{prefix}_ton"), Field(f"{prefix}_npi"), _text(name, octets, status, 65))


_SOURCE = _address("source_addr", "source_addr")
_DESTINATION = _address("destination_addr", "dest_addr")
_MESSAGE = (
    Field("esm_class"),
    Field("protocol_id"),
    Field("priority_flag"),
    _SCHEDULE,
    _VALIDITY,
    Field("registered_delivery"),
    Field("replace_if_present_flag"),
    Field("data_coding"),
    Field("sm_default_msg_id"),
    _SHORT_MESSAGE,
)
_BIND = (
    _SYSTEM_ID,
    _PASSWORD,
    _text("system_type", 13, ESME_RINVSYSTYP),
    Field("interface_version"),
    Field("addr_ton"),
    Field("addr_npi"),
    _text("address_range", 41),
)
_SINGLE = (_SERVICE_TYPE, *_SOURCE, *_DESTINATION, *_MESSAGE)

BODIES: Final[dict[int, tuple[Field, ...]]] = {
    BIND_RECEIVER: _BIND,  # 4.1.3
    BIND_TRANSMITTER: _BIND,  # 4.1.1
    BIND_TRANSCEIVER: _BIND,  # 4.1.5
    BIND_RECEIVER_RESP: (_SYSTEM_ID,),  # 4.1.4
    BIND_TRANSMITTER_RESP: (_SYSTEM_ID,),  # 4.1.2
    BIND_TRANSCEIVER_RESP: (_SYSTEM_ID,),  # 4.1.6
    OUTBIND: (_SYSTEM_ID, _PASSWORD),  # 4.1.7
    UNBIND: (),  # 4.2.1
    UNBIND_RESP: (),  # 4.2.2
    GENERIC_NACK: (),  # 4.3.1
    SUBMIT_SM: _SINGLE,  # 4.4.1
    SUBMIT_SM_RESP: (_MESSAGE_ID,),  # 4.4.2
    SUBMIT_MULTI: (  # 4.5.1
        _SERVICE_TYPE,
        *_SOURCE,
        Field("dest_addresses", DESTINATIONS, 254, 255, ESME_RINVNUMDESTS),
        *_MESSAGE,
    ),
    SUBMIT_MULTI_RESP: (_MESSAGE_ID, Field("unsuccess_smes", FAILURES, 255, 255, ESME_RINVNUMDESTS)),  # 4.5.2
    DELIVER_SM: _SINGLE,  # 4.6.1
    DELIVER_SM_RESP: (_MESSAGE_ID,),  # 4.6.2: unused, NUL
    DATA_SM: (  # 4.7.1
        _SERVICE_TYPE,
        *_address("source_addr", "source_addr", 65),
        *_address("destination_addr", "dest_addr", 65),
        Field("esm_class"),
        Field("registered_delivery"),
        Field("data_coding"),
    ),
    DATA_SM_RESP: (_MESSAGE_ID,),  # 4.7.2
    QUERY_SM: (_MESSAGE_ID, *_SOURCE),  # 4.8.1
    QUERY_SM_RESP: (  # 4.8.2
        _MESSAGE_ID,
        _text("final_date", 17),
        Field("message_state"),
        Field("error_code"),
    ),
    CANCEL_SM: (_SERVICE_TYPE, _MESSAGE_ID, *_SOURCE, *_DESTINATION),  # 4.9.1
    CANCEL_SM_RESP: (),  # 4.9.2
    REPLACE_SM: (  # 4.10.1
        _MESSAGE_ID,
        *_SOURCE,
        _SCHEDULE,
        _VALIDITY,
        Field("registered_delivery"),
        Field("sm_default_msg_id"),
        _SHORT_MESSAGE,
    ),
    REPLACE_SM_RESP: (),  # 4.10.2
    ENQUIRE_LINK: (),  # 4.11.1
    ENQUIRE_LINK_RESP: (),  # 4.11.2
    ALERT_NOTIFICATION: (  # 4.12.1
        *_address("source_addr", "source_addr", 65),
        *_address("esme_addr", "esme_addr", 65),
    ),
}

# --- esm_class of a deliver_sm, section 5.2.12 ------------------------------------------------------------
ESM_TYPE: Final = 0x3C
ESM_RECEIPT: Final = 0x04
ESM_INTERMEDIATE: Final = 0x20
ESM_UDHI: Final = 0x40

# --- type of number and numbering plan, sections 5.2.5 and 5.2.6 ------------------------------------------
TON_UNKNOWN, TON_INTERNATIONAL, TON_NATIONAL, TON_NETWORK, TON_SUBSCRIBER, TON_ALPHANUMERIC, TON_ABBREVIATED = range(7)
NPI_UNKNOWN: Final = 0
NPI_E164: Final = 1

INTERFACE_VERSION: Final = 0x34  # section 5.2.4
INTERFACE_VERSIONS: Final = {"3.4": INTERFACE_VERSION, "3.3": 0x33}  # by a link's setting

# --- message_state, section 5.2.28 ------------------------------------------------------------------------
STATE_ENROUTE: Final = 1
STATE_DELIVERED: Final = 2
STATE_EXPIRED: Final = 3
STATE_DELETED: Final = 4
STATE_UNDELIVERABLE: Final = 5
STATE_ACCEPTED: Final = 6
STATE_UNKNOWN: Final = 7
STATE_REJECTED: Final = 8

assert set(BODIES) == set(COMMANDS)
assert all(f.octets <= f.heard for body in BODIES.values() for f in body)
