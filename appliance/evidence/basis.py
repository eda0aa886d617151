"""Which versions of the rules let a batch through, as one short text beside its messages. Pure."""

from __future__ import annotations

from typing import Final

#: What is named, in order: digest of the policy of the settings; number of the last decision about consent, of the last act in
#: the register of senders; version of the routes that the face knew.
NAMES: Final = ("policy", "consent", "senders", "routes")


def basis_of(policy: str, consent: int, senders: int, routes: int) -> str:
    """`policy=3f2a... consent=17 senders=4 routes=2`: some sixty octets whenever one of them changes."""
    return f"policy={policy} consent={consent} senders={senders} routes={routes}"


def read_basis(text: str) -> dict[str, str]:
    """By name; empty for a message of before such was kept."""
    pairs = (piece.partition("=") for piece in text.split())
    return {name: value for name, _, value in pairs if name in NAMES}
