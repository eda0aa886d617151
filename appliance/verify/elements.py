"""Which element of strong customer authentication a code is, by the channel it went over. Pure; a code is never more than one element.

Delegated Regulation (EU) 2018/389 articles 6 and 7; EBA Q&A 2018_4039: a code by SMS shows possession of the SIM. 2018_4315: one by e-mail shows none, unless
the mailbox can be reached from a registered device alone, which only the bank can know.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

POSSESSION, NONE_OF_THEM = "possession", "none"
SMS: Final = "sms"

#: Channel -> what its codes show without the bank's word, and who says so.
BY_ITSELF: Final[dict[str, tuple[str, str]]] = {
    SMS: (POSSESSION, "EBA Q&A 2018_4039"),
    "email": (NONE_OF_THEM, "EBA Q&A 2018_4315"),
}


def element(channel: str, told: Collection[str] = ()) -> str:
    """POSSESSION or NONE_OF_THEM. `told`: channels of which the bank says that they are bound to a device it registered. What is not known shows none."""
    if channel in told and channel in BY_ITSELF:
        return POSSESSION
    return BY_ITSELF.get(channel, (NONE_OF_THEM, ""))[0]
