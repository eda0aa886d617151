"""India's ids in a submit: entity and template as the register of senders has them, in the optional parameters that a link says.

A template is one of its header's texts, so that it is known by what is sent: one comparison a message on links that ask for it, nothing on others.
"""

from __future__ import annotations

from typing import Final

from appliance.senders import DltIds
from appliance.settings import Link as LinkSettings
from appliance.smpp import appended
from appliance.text import decode

from .waiting import Waiting

INDIA: Final = "+91"


def asks(link: LinkSettings) -> bool:
    """Whether a link has parameters that the register fills."""
    return any(tlv.register for tlv in link.tlvs)


class Stamp:
    """Of one link, with the register of one moment."""

    def __init__(self, link: LinkSettings, ids: DltIds) -> None:
        self._asked = [
            (tlv.register, tlv.tag, b"\0" if tlv.kind == "cstring" else b"") for tlv in link.tlvs if tlv.register
        ]
        self._default = link.default_sender
        self._ids = ids

    def on(self, frame: bytes, sender: str, waiting: Waiting) -> bytes:
        """A submit with the ids of its text; as it was where the number is not India's, or nothing is known."""
        if not waiting.to.startswith(INDIA):
            return frame
        found = self._ids.of(sender or self._default, decode(waiting.encoding, waiting.payload))
        options = [(tag, found[name].encode("ascii") + end) for name, tag, end in self._asked if name in found]
        return appended(frame, options) if options else frame
