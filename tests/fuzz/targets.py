"""The targets by name: each takes any octets, and raises only when something is wrong with the appliance."""

from __future__ import annotations

from collections.abc import Callable

from . import decoder, dialogue_client, dialogue_server

TARGETS: dict[str, Callable[[bytes], None]] = {
    "pdu": decoder.pdu,
    "receipt": decoder.receipt,
    "framing": decoder.framing,
    "explained": decoder.explained,
    "client": dialogue_client.client,
    "server": dialogue_server.server,
    "pieces": dialogue_client.pieces,
    "credentials": dialogue_client.credentials,
}
