"""HOT: delivery receipts: what a deliver_sm says about a message, and the message id in the form both sides share.

Sources: SMPP 3.4 Issue 1.2 sections 5.2.12 (esm_class), 5.2.28 (message_state), 5.3.2.12 (receipted_message_id) and
Appendix B (the text form, "specific to the SMSC vendor": hence all the leniency below). Nothing here is matched across
links and nothing is guessed: each link declares the base of its ids.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from .fast import Deliver, pack_tlvs
from .spec import (
    ESM_INTERMEDIATE,
    ESM_TYPE,
    STATE_ACCEPTED,
    STATE_DELETED,
    STATE_DELIVERED,
    STATE_ENROUTE,
    STATE_EXPIRED,
    STATE_REJECTED,
    STATE_UNDELIVERABLE,
    STATE_UNKNOWN,
    TLV_MESSAGE_STATE,
    TLV_NETWORK_ERROR_CODE,
    TLV_RECEIPTED_MESSAGE_ID,
)

#: Our states are the specification's message_state and two more.
STATE_UNREADABLE: Final = 0  # a word or number nobody knows
STATE_FAILED: Final = 9


class State(NamedTuple):
    """What a state means for a message; `status` is a name of `message.STATUSES`: "sent" while nothing is settled."""

    word: str
    status: str
    final: bool
    reason: str


STATES: Final[dict[int, State]] = {
    STATE_UNREADABLE: State(
        "", "sent", False, "an unknown word settles nothing; the raw word is kept for a person to read"
    ),
    STATE_ENROUTE: State("ENROUTE", "sent", False, "on its way or waiting for the handset"),
    STATE_DELIVERED: State("DELIVRD", "delivered", True, "the handset has it"),
    STATE_EXPIRED: State("EXPIRED", "expired", True, "its validity ended at the operator"),
    STATE_DELETED: State(
        "DELETED", "failed", True, "removed at the operator; we never ask for that, so it is a failure, not our cancel"
    ),
    STATE_UNDELIVERABLE: State("UNDELIV", "undelivered", True, "the operator tried and gave up"),
    STATE_ACCEPTED: State(
        "ACCEPTD", "sent", False, "by the letter read by customer care, in the field a hop's 'got it': not a delivery"
    ),
    STATE_UNKNOWN: State(
        "UNKNOWN", "failed", True, "the operator lost track of it and will say no more (5.2.28: invalid state)"
    ),
    STATE_REJECTED: State("REJECTD", "rejected", True, "refused after it was accepted"),
    STATE_FAILED: State("FAILED", "failed", True, "not in the specification, but sent by operators"),
}

#: Every word heard in the field; the specification's eight are those of Appendix B.
WORDS: Final[dict[str, int]] = {
    **{state.word: number for number, state in STATES.items() if state.word},
    "DELIVERED": STATE_DELIVERED,
    "UNDELIVERABLE": STATE_UNDELIVERABLE,
    "UNDELIVERED": STATE_UNDELIVERABLE,
    "UNDELIVRD": STATE_UNDELIVERABLE,
    "EXPIRD": STATE_EXPIRED,
    "REJECTED": STATE_REJECTED,
    "ACCEPTED": STATE_ACCEPTED,
    "ACKED": STATE_ACCEPTED,
    "BUFFRED": STATE_ENROUTE,
    "BUFFERD": STATE_ENROUTE,
    "BUFFERED": STATE_ENROUTE,
    "SCHEDULED": STATE_ENROUTE,
    "SKIPPED": STATE_FAILED,
}
_STATE_BY_OCTET: Final = {n: n for n in range(STATE_ENROUTE, STATE_REJECTED + 1)} | {
    9: STATE_FAILED
}  # 9: SKIPPED of SMPP 5.0
_ESM_ACKNOWLEDGEMENT: Final = 0x18  # 5.2.12: written by the handset's side, not by the operator
_WORD_CHARACTERS_MAX: Final = 16
_ID_CHARACTERS_MAX: Final = 255


class Receipt(msgspec.Struct, gc=False):
    """One receipt. `stat` is the word in upper case ("" when only the number came), `done_date` the operator's text."""

    message_id: str
    stat: str
    state: int
    error: str
    done_date: str
    text: str
    intermediate: bool
    final: bool

    @property
    def status(self) -> str:
        """The message status this receipt asks for."""
        return STATES[self.state].status


def parse_receipt(deliver: Deliver, lenient: bool = False) -> Receipt | None:
    """The receipt in a deliver_sm, None when esm_class does not call it one or there is no message id in it.

    `lenient` also reads messages with no message type in esm_class when they hold a known word: only for links known
    to need it, because a customer can then write a receipt on a handset.
    Optional parameters win over the text (Appendix B is a convention).
    """
    esm_class = deliver.esm_class
    if not esm_class & ESM_TYPE:
        if not lenient:
            return None
    elif esm_class & _ESM_ACKNOWLEDGEMENT:
        return None
    intermediate = esm_class & ESM_INTERMEDIATE != 0
    message_id, stat, error, done_date, text = _read(deliver)
    state = WORDS.get(stat, STATE_UNREADABLE)
    tlvs = deliver.tlvs
    if tlvs:
        value = tlvs.get(TLV_RECEIPTED_MESSAGE_ID)
        if value:
            message_id = str(value.partition(b"\0")[0], "latin-1").strip() or message_id
        value = tlvs.get(TLV_MESSAGE_STATE)
        if value and value[0] in _STATE_BY_OCTET:
            state = _STATE_BY_OCTET[value[0]]
        if not error:
            value = tlvs.get(TLV_NETWORK_ERROR_CODE)
            if value is not None and len(value) == 3:  # 5.3.2.31: network type, then the code
                error = str(value[1] << 8 | value[2])
    if not message_id or len(message_id) > _ID_CHARACTERS_MAX:
        return None
    if not esm_class & ESM_TYPE and state == STATE_UNREADABLE:
        return None
    return Receipt(
        message_id, stat, state, error, done_date, text, intermediate, not intermediate and STATES[state].final
    )


def _read(deliver: Deliver) -> tuple[str, str, str, str, str]:
    """(id, stat, err, done date, text) of the text form, each "" when absent."""
    body = deliver.short_message
    if deliver.data_coding & 0xFC == 0x08 and body[:1] == b"\0":  # a receipt in UCS-2
        whole = str(body, "utf-16-be", "replace")
    else:
        whole = str(body, "latin-1")
    # The message's own words stand in the text at the end: nothing in there may pass for a part of the receipt.
    at = whole.lower().find("text:")
    head, text = (whole[:at], whole[at + 5 :]) if at >= 0 else (whole, "")
    message_id = _after(head, "id:")
    stat = _after(head, "stat:")
    if not message_id or not stat or "  " in head or not head.isprintable():
        head = _plain(head)
        message_id, stat = _after(head, "id:"), _after(head, "stat:")
    return message_id, stat[:_WORD_CHARACTERS_MAX].upper(), _after(head, "err:"), _after(head, "done date:"), text


def _after(head: str, key: str) -> str:
    """The characters after `key` to the next blank; `key` is at the start or after a blank, so `mid:` is not `id:`."""
    at = head.find(key)
    while at > 0 and head[at - 1] != " ":
        at = head.find(key, at + 1)
    if at < 0:
        return ""
    begin = at + len(key)
    end = head.find(" ", begin)
    return head[begin:] if end < 0 else head[begin:end]


def _plain(head: str) -> str:
    """The same with control characters as blanks, keys in lower case, no blank after a colon; for the odd receipt."""
    words = "".join(c if c.isprintable() else " " for c in head).replace("_date:", " date:").split()
    out: list[str] = []
    for word in words:
        key, colon, value = word.partition(":")
        if out and out[-1].endswith(":") and not colon:
            out[-1] += word
        else:
            out.append(key.lower() + colon + value)
    return " ".join(out)


# --- message ids ------------------------------------------------------------------------------------------
#: For each `id_base` of a link: the base of the id in the response, and in the receipt; 0 is "text, compared exactly".
ID_BASES: Final[dict[str, tuple[int, int]]] = {
    "as_is": (0, 0),
    "hex_dec": (16, 10),
    "dec_hex": (10, 16),
    "hex": (16, 16),
    "dec": (10, 10),
}


def response_id(raw: str, id_base: str) -> str:
    """The id of a submit_sm_resp in its canonical form: decimal digits without leading zeros, or the text itself."""
    return _canonical(raw, ID_BASES[id_base][0])


def receipt_id(raw: str, id_base: str) -> str:
    """The message id of a receipt in the same form, so that the two sides compare equal."""
    return _canonical(raw, ID_BASES[id_base][1])


def _canonical(raw: str, radix: int) -> str:
    """What is no number in the declared base stays text; in base 16 in lower case, as UUIDs come in both."""
    if not radix:
        return raw
    # `int` would also take signs, blanks, underscores and the digits of every script.
    if raw.isalnum() and raw.isascii():
        try:
            return str(int(raw, radix))
        except ValueError:
            pass
    return raw.lower() if radix == 16 else raw


# --- the operator's side, for the simulator ---------------------------------------------------------------
def format_id(number: int, radix: int = 10) -> str:
    """A message id as an operator writes it: decimal, or upper-case hexadecimal when `radix` is 16."""
    return f"{number:X}" if radix == 16 else str(number)


def format_receipt(
    message_id: str,
    stat: str = "DELIVRD",
    submit_date: str = "",
    done_date: str = "",
    error: str = "000",
    text: str = "",
) -> bytes:
    """The text form of Appendix B; dates are `YYMMDDhhmm`, `text` is cut to 20 characters as there."""
    delivered = "001" if stat == "DELIVRD" else "000"
    line = (
        f"id:{message_id} sub:001 dlvrd:{delivered} submit date:{submit_date} done date:{done_date}"
        f" stat:{stat} err:{error} text:{text[:20]}"
    )
    return line.encode("latin-1", "replace")


def receipt_tlvs(message_id: str, state: int, network_error: int | None = None) -> bytes:
    """A receipt's optional parameters, packed: receipted_message_id, message_state, network_error_code (GSM)."""
    tlvs = {TLV_RECEIPTED_MESSAGE_ID: message_id.encode("latin-1") + b"\0", TLV_MESSAGE_STATE: bytes((state,))}
    if network_error is not None:
        tlvs[TLV_NETWORK_ERROR_CODE] = b"\3" + network_error.to_bytes(2, "big")
    return pack_tlvs(tlvs)
