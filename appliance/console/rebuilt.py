"""Submits as they left, packed once more from what is kept, for the page of one message: no PDU is kept, and the page says so.

The packer is the engine's own, with the link's settings of now. While number and text are sealed, others of the same shape stand in for them, and what
would tell of these is not shown. Pure; never asks for a key.
"""

from __future__ import annotations

from typing import Final

from appliance.limits import SEGMENTS_MAX
from appliance.message import UCS2, Content, reference_of
from appliance.settings import Link
from appliance.smpp import LinkPacker, Parts, PduError, explain, pack_submit_resp, spec
from appliance.store import Found, Part
from appliance.text import Cutter, sender_octets, shape_of

SUBSCRIBER_DIGITS: Final = 8  # of the number that stands in; how many there are is not shown
CHARACTERS_MAX: Final = SEGMENTS_MAX * 160
NUMBER: Final = frozenset({"destination_addr"})
TEXT: Final = frozenset({"short_message", "message_payload"})
_STATUSES: Final = {row.name: code for code, row in spec.STATUSES.items()}


class Submits:
    """Of one message over one link. `number`, `content`: in clear, None while they are sealed.

    Raises PduError where the link of now could not carry it.
    """

    def __init__(self, link: Link, found: Found, sender: str, number: str | None, content: Content | None) -> None:
        shape = shape_of(link)
        self._link, self._found, self._sender = link, found, sender
        self._to = number or f"+{found.calling_code}{'0' * SUBSCRIBER_DIGITS}"
        self._sealed = TEXT if content is None else frozenset[str]()
        if number is None:
            self._sealed |= NUMBER
        self._packer = LinkPacker(link, Cutter(shape).cut, sender_octets, shape)
        if content is not None:
            self._parts = self._packer.prepare(content.encoding, content.payload, reference_of(found.id))
        else:
            self._parts = self._stand_in(max(found.segments, *(part.part for part in found.parts), 1))

    def _stand_in(self, wanted: int) -> Parts:
        """The shortest text that this link cuts into so many parts."""
        letter = "x".encode("utf-16-be") if self._found.encoding == UCS2 else b"x"
        low, high = 0, CHARACTERS_MAX  # too short; long enough
        best: Parts | None = None
        while high - low > 1:
            size = (low + high) // 2
            try:
                parts = self._packer.prepare(self._found.encoding, letter * size, reference_of(self._found.id))
            except PduError:  # too many parts
                high = size
                continue
            if len(parts.octets) < wanted:
                low = size
            else:
                high, best = size, parts
        if best is None or len(best.octets) != wanted:
            raise PduError(spec.ESME_RINVMSGLEN, 0, "this link cuts such a message otherwise now")
        return best

    def lines(self, part: Part) -> list[str]:
        """One submit_sm, as `explain` has it."""
        found, link = self._found, self._link
        at_ms = part.submitted_ms or found.accepted_ms
        left_s = (found.expires_ms - at_ms) // 1000
        reference = reference_of(found.id, part.part) if link.user_message_reference else 0
        frame = self._packer.pack(
            0, self._sender, self._to, self._parts, part.part, found.class_, left_s, at_ms, reference
        )
        lines = explain(frame, bool(self._sealed), link.tlv_names)
        kept = (line if _field(line) not in self._sealed else f"  {_field(line):<24} sealed" for line in lines[1:])
        return [f"{lines[0].partition(',')[0]}, sequence not kept", *kept]


def _field(line: str) -> str:
    return line.strip().partition(" ")[0]


def answer(part: Part) -> list[str]:
    """Lines of a submit_sm_resp, of whose fields the status and the id were kept; none where neither was."""
    refused = _STATUSES.get(part.error or "", spec.ESME_ROK)
    if part.operator_id is None and refused == spec.ESME_ROK:
        return []
    status = refused if part.operator_id is None else spec.ESME_ROK
    lines = explain(pack_submit_resp(0, status, part.operator_id or ""))
    return [f"{lines[0].partition(', sequence')[0]}, sequence not kept", *lines[1:]]
