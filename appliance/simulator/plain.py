"""HOT: submits as nearly all of them are, to an operator that does nothing special, many at a time: a few microseconds each.

Says and keeps the same as the way through `Operator.submit` (a test compares the two). What is odd about an option, here
once, or about a submit, each time, goes that way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from appliance import clock
from appliance.limits import SHORT_CODE_DIGITS_MAX
from appliance.smpp import format_receipt, pack_deliver, receipt_tlvs, spec

from .handset import Record
from .options import Options

if TYPE_CHECKING:
    from .operator import Account, Operator

SEGMENT_OCTETS: Final = 140  # what always goes into one segment
ADDRESS_OCTETS_MAX: Final = 20
SOURCES_MAX: Final = 4_096  # senders remembered; then afresh
_DIGITS: Final = 16  # of a message id here: microseconds since 1970, until the year 2286
_MARK: Final = "#" * _DIGITS
_RESP: Final = (17 + _DIGITS).to_bytes(4, "big") + spec.SUBMIT_SM_RESP.to_bytes(4, "big") + bytes(4)
#: What these options must be: nothing that happens by chance but the time to a receipt, nothing written down, usual forms.
_USUAL: Final = {
    "id_form": "dec", "receipt_format": "both", "receipt_words": "plain", "receipt_typed": "yes", "alphabet": "gsm",
    "journal": "", "attempts": "", "storm_s": 0.0, "answers_per_s": 0, "drop_after": 0, "unbind_after": 0,
    "intermediate_rate": 0.0, "receipt_twice_rate": 0.0,
}  # fmt: skip


class Plain:
    """`on`: whether this operator is one. `recent`: what query_sm and cancel_sm find."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self.recent: deque[Record] = deque(maxlen=operator.options.keep)
        self._minute = -1
        self._sources: dict[bytes, bytes] = {}  # by a submit's source: its receipt from there up to the id
        self._date = ""
        self._tail = self._end = b""  # of a receipt: between its two ids, after the second
        self.follow(operator.options)

    def follow(self, options: Options) -> None:
        usual = all(getattr(options, name) == value for name, value in _USUAL.items())
        self.on = usual and self._operator.chance.plain and not self._operator.mischief.mixes
        self._sources.clear()

    def take(self, frames: list[bytes], account: Account, now_s: float, odd: Callable[[bytes], bytes]) -> list[bytes]:
        """The answers to submits, in order; `odd` answers what is not plain."""
        operator = self._operator
        wait, put, number_of = operator.chance.receipt_s, operator.put_record, operator.number
        keep, remember, sources = operator.inbox.put, self.recent.append, self._sources
        at_ms = clock.now_ms()
        if at_ms // 60_000 != self._minute or len(sources) > SOURCES_MAX:
            self._turn(at_ms)
        tail, ending = self._tail, self._end
        out: list[bytes] = []
        taken = 0
        for frame in frames:
            find = frame.find
            source = find(0, 16) + 1
            dest = find(0, source + 2) + 1
            after = find(0, dest + 2)
            # A missing NUL makes `find` -1 and the order break; so does an address with one inside its types.
            if not 16 < source < dest - 2 or after < dest + 3 or after + 10 > len(frame):
                out.append(odd(frame))
                continue
            end = find(0, after + 4)
            end = find(0, end + 1) if end > 0 else -1
            digits = frame[dest + 2 : after]
            if (
                end < 0
                or end + 6 > len(frame)
                or end + 6 + frame[end + 5] != len(frame)
                or not 0 < frame[end + 5] <= SEGMENT_OCTETS
                or not SHORT_CODE_DIGITS_MAX < len(digits) <= ADDRESS_OCTETS_MAX
                or not digits.isdigit()
                or end > after + 36
            ):
                out.append(odd(frame))
                continue
            from_ = frame[source : dest - 1]
            back = sources.get(from_)
            if back is None and not (back := self._source(from_)):
                out.append(odd(frame))
                continue
            number = number_of()
            message_id = b"%d" % number
            octets = b""
            due_s = now_s + wait()
            if frame[end + 1] & 3 == 1:
                octets = b"".join((b"\0\1\1", digits, b"\0", back, message_id, tail, message_id, ending))
            record = Record(frame, number, at_ms, due_s, account, octets)
            keep(record)
            remember(record)
            if octets:
                put(due_s, record)
            out.append(b"%b%b%b\0" % (_RESP, frame[12:16], message_id))
            taken += 1
        counters = operator.counters
        counters["submits"] += taken
        counters["accepted"] += taken
        counters["answered"] += taken
        return out

    def found(self, message_id: str) -> Record | None:
        if not (message_id.isascii() and message_id.isdigit()):
            return None
        number = int(message_id)
        return next((record for record in reversed(self.recent) if record.number == number), None)

    def _turn(self, at_ms: int) -> None:
        """Another minute: receipts have other dates."""
        self._minute = at_ms // 60_000
        self._sources.clear()
        self._date = self._operator.writer.date(at_ms)
        text = format_receipt(_MARK, "DELIVRD", self._date, self._date, "000")
        self._tail = (
            text.partition(_MARK.encode())[2] + receipt_tlvs(_MARK, spec.STATE_DELIVERED).partition(_MARK.encode())[0]
        )
        self._end = receipt_tlvs(_MARK, spec.STATE_DELIVERED).partition(_MARK.encode())[2]

    def _source(self, block: bytes) -> bytes:
        """What a receipt to this sender has from its destination up to the id; empty for an address that fits no deliver_sm."""
        address = block[2:]
        if len(address) > ADDRESS_OCTETS_MAX or not address.isascii():
            return b""
        text = format_receipt(_MARK, "DELIVRD", self._date, self._date, "000")
        whole = pack_deliver(1, "0" * 15, str(address, "latin-1"), spec.ESM_RECEIPT, 0, text)
        # After header, service_type, types and number of the source with its NUL.
        back = self._sources[block] = whole[16 + 1 + 2 + 15 + 1 :].partition(_MARK.encode())[0]
        return back


def deleted(record: Record, now_s: float) -> None:
    """Makes a receipt that is still to come say that its message was cancelled."""
    record.state, record.due_s = spec.STATE_DELETED, now_s
    tag = spec.TLV_MESSAGE_STATE.to_bytes(2, "big") + b"\0\1"
    octets = record.octets.replace(b"stat:DELIVRD", b"stat:DELETED")
    record.octets = octets.replace(tag + bytes((spec.STATE_DELIVERED,)), tag + bytes((spec.STATE_DELETED,)))
