"""HOT: delivery receipts: what a deliver_sm says about a message, read as its link's operator writes them.

Sources: SMPP 3.4 Issue 1.2 sections 5.2.12 (esm_class), 5.2.28 (message_state), 5.3.2.12 (receipted_message_id) and
Appendix B (the text form, "specific to the SMSC vendor": hence all the leniency). Nothing here is matched across links
and nothing is guessed: what an operator does otherwise, its link's settings say. Never raises for what is heard.
"""

from __future__ import annotations

from typing import Final

import msgspec

from appliance.errors import Error
from appliance.settings import Link

from .fast import Deliver
from .message_ids import MessageIds
from .receipt_forms import NOTHING, WORD_CHARACTERS_MAX, Said, body_text, read_csv, read_text, usual
from .receipt_words import CSV_WORDS, STATE_OF_OCTET, STATE_OF_STATUS, STATE_UNREADABLE, STATES, WORDS
from .spec import (
    ESM_INTERMEDIATE,
    ESM_RECEIPT,
    ESM_TYPE,
    TLV_MESSAGE_STATE,
    TLV_NETWORK_ERROR_CODE,
    TLV_RECEIPTED_MESSAGE_ID,
    TLV_USER_MESSAGE_REFERENCE,
)

_ESM_ACKNOWLEDGEMENT: Final = 0x18  # 5.2.12: written by the handset's side, not by the operator
_ID_CHARACTERS_MAX: Final = 255
_RESTS_MAX: Final = 1_024  # kinds of receipts remembered by one link; then it starts afresh
_REST_OCTETS_MAX: Final = 160

#: What a final receipt says beside its id: status of the message, word, error.
Settled = tuple[str, str, str]


class Receipt(msgspec.Struct, gc=False):
    """One receipt. `message_id` as heard, "" in a form that has none; `stat` in upper case, "" when only a number came.

    For a receipt whose message is not found by its id there is what else it says: `source` (the handset's number) and
    `dest` (our sender) as heard, `reference` (of user_message_reference, None without), the beginning of the `text`,
    and when the operator `accepted` the message, as written there.
    """

    message_id: str
    stat: str
    state: int
    error: str
    done_date: str
    text: str
    intermediate: bool
    final: bool
    source: str = ""
    dest: str = ""
    reference: int | None = None
    accepted: str = ""

    @property
    def status(self) -> str:
        """The message status this receipt asks for."""
        return STATES[self.state].status


class ReceiptReader:
    """Reads the receipts of one link. Raises Error `settings_invalid` for an `id_pattern` or word that cannot be."""

    def __init__(self, link: Link) -> None:
        ids = MessageIds(link.id_base, link.id_case, link.id_zeros, link.id_pattern)
        self.response_id = ids.response  # raw -> canonical
        self.receipt_id = ids.receipt
        self._form = link.receipt_format
        self._untyped = link.receipt_untyped
        self._free_id = bool(link.id_pattern)
        self._usual = self._form in ("auto", "text") and not self._free_id
        self._seen: dict[bytes, dict[bytes, Settled | None]] = {}  # by the octet of message_state, then by text
        self._words = dict(WORDS)
        if self._form == "csv":
            self._words |= CSV_WORDS
        for word, status in link.receipt_words.items():
            if status not in STATE_OF_STATUS or not 0 < len(word) <= WORD_CHARACTERS_MAX:
                raise Error(
                    "settings_invalid",
                    f"link {link.name}: receipt_words: {word} = {status}",
                    f"a word of up to {WORD_CHARACTERS_MAX} characters and one of {', '.join(STATE_OF_STATUS)}",
                )
            self._words[word.upper()] = STATE_OF_STATUS[status]

    def read(self, deliver: Deliver) -> Receipt | None:
        """The receipt in a deliver_sm; None when it is none, or none that says of which message it is.

        None unless esm_class calls it one: any customer could write one on a handset. On a link with `receipt_untyped`
        also what has no type but holds a known word. `auto`: optional parameters win over the text (Appendix B is a
        convention); the id may come from one and the state from the other.
        """
        esm_class = deliver.esm_class
        if not esm_class & ESM_TYPE:
            if not self._untyped:
                return None
        elif esm_class & _ESM_ACKNOWLEDGEMENT:
            return None
        said = self._said(deliver)
        if said is None:
            return None
        message_id, stat, error, accepted, done, text, source, dest = said
        state = self._words.get(stat, STATE_UNREADABLE)
        reference = None
        tlvs = deliver.tlvs
        if tlvs:
            value = tlvs.get(TLV_USER_MESSAGE_REFERENCE)
            if value is not None and len(value) == 2:
                reference = int.from_bytes(value, "big")
            if self._form != "text":
                message_id, state, error = self._parameters(tlvs, message_id, state, error)
        if (not message_id and not source) or len(message_id) > _ID_CHARACTERS_MAX:
            return None
        if not esm_class & ESM_TYPE and state == STATE_UNREADABLE:
            return None
        intermediate = esm_class & ESM_INTERMEDIATE != 0
        return Receipt(
            message_id,
            stat,
            state,
            error,
            done,
            text,
            intermediate,
            not intermediate and STATES[state].final,
            source or deliver.source,
            dest or deliver.dest,
            reference,
            accepted,
        )

    def settled(self, deliver: Deliver) -> tuple[str, Settled] | None:
        """What `read` says of a final receipt in the usual form: (id, the rest); None: read it.

        Between its id and its text a receipt says the same as all others of its minute and fate: that is read once. Optional
        parameters are usual when they name the same id, a state, and at most a reference, which only counts for an unknown id.
        """
        if deliver.esm_class != ESM_RECEIPT or not self._usual:
            return None
        body, tlvs, state = deliver.short_message, deliver.tlvs, b""
        blank = body.find(b" ")
        at = body.find(b" text:", blank)
        if at < 0 or not 3 < blank <= 3 + _ID_CHARACTERS_MAX or body[:3] != b"id:":
            return None
        named = body[3:blank]
        if tlvs:
            state = tlvs.get(TLV_MESSAGE_STATE, b"")
            least = 2 + (TLV_USER_MESSAGE_REFERENCE in tlvs)
            if len(tlvs) != least or len(state) != 1 or tlvs.get(TLV_RECEIPTED_MESSAGE_ID) != named + b"\0":
                return None
        rest = body[blank:at]
        try:
            said = self._seen[state][rest]
        except KeyError:
            said = self._learn(rest, state)
        message_id = str(named, "latin-1")
        if said is None or ":" in message_id or not message_id.isprintable():
            return None
        return message_id, said

    def _learn(self, rest: bytes, octet: bytes) -> Settled | None:
        """`octet`: of message_state, empty without one."""
        text = str(rest, "latin-1")
        said = usual(f"id:x{text} ", "") if "ext:" not in text and len(rest) <= _REST_OCTETS_MAX else None
        out = None
        if said is not None:
            number = self._words.get(said[1], STATE_UNREADABLE)
            if octet and self._form != "text":
                number = STATE_OF_OCTET.get(octet[0], number)
            state = STATES[number]
            if state.final:
                out = state.status, said[1], said[2]
        if sum(map(len, self._seen.values())) >= _RESTS_MAX:
            self._seen.clear()
        self._seen.setdefault(octet, {})[rest] = out
        return out

    def _said(self, deliver: Deliver) -> Said | None:
        """What the body says in the link's form; None when it is not that form."""
        if self._form == "tlv":
            return NOTHING
        whole = body_text(deliver)
        return read_csv(whole) if self._form == "csv" else read_text(whole, self._free_id)

    @staticmethod
    def _parameters(tlvs: dict[int, bytes], message_id: str, state: int, error: str) -> tuple[str, int, str]:
        """(id, state, error) with what optional parameters say of them."""
        value = tlvs.get(TLV_RECEIPTED_MESSAGE_ID)
        if value:
            message_id = str(value.partition(b"\0")[0], "latin-1").strip() or message_id
        value = tlvs.get(TLV_MESSAGE_STATE)
        if value:
            state = STATE_OF_OCTET.get(value[0], state)
        if not error:
            value = tlvs.get(TLV_NETWORK_ERROR_CODE)
            if value is not None and len(value) == 3:  # 5.3.2.31: network type, then the code
                error = str(value[1] << 8 | value[2])
        return message_id, state, error
