"""HOT: what operators deliver: receipts to the ledger, customers' messages sealed into the store. Both are acknowledged after the commit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import msgspec

from appliance import clock
from appliance.keys import DataKey, blind_index
from appliance.message import STATUSES, new_ids
from appliance.smpp import ClientSession, Deliver, parse_receipt, receipt_id, response_id

from .bind import Bind, Delivered
from .ledger import Ledger
from .link import Link

Acknowledgement = tuple[Bind, ClientSession, list[tuple[int, int]]]  # (sequence, status) of each

ESME_RX_T_APPN: Final = 0x64  # "try again": nothing can be sealed now
STATUS_NUMBER: Final = {name: number for number, name in enumerate(STATUSES)}
ERROR_CHARACTERS_MAX: Final = 32

_encode = msgspec.msgpack.encode


class Inbound:
    """Reads deliver_sm. `keys` is (today's data key, blind index key) once both are there."""

    def __init__(self) -> None:
        self.keys: tuple[DataKey, bytes] | None = None

    @staticmethod
    @cache
    def _canonical(id_base: str) -> Callable[[str], str]:
        return lambda raw: response_id(raw, id_base)

    def canonical(self, link: Link) -> Callable[[str], str]:
        """Makes ids of responses comparable with ids of receipts, as the link's `id_base` says."""
        return self._canonical(link.settings.id_base)

    def heard(self, ledger: Ledger, link: Link, delivers: list[Delivered], now_ms: int) -> list[Acknowledgement]:
        """Takes all in; what to answer on each bind once it is durable, if it is then still in the same session."""
        answers: dict[tuple[Bind, ClientSession], list[tuple[int, int]]] = {}
        id_base = link.settings.id_base
        for bind, session, deliver in delivers:
            status = 0
            receipt = parse_receipt(deliver)
            if receipt is None:
                status = self._message(ledger, link, deliver, now_ms)
            elif receipt.final:
                link.receipted += 1
                code = STATUS_NUMBER[receipt.status]
                ledger.receipted(
                    link.name,
                    receipt_id(receipt.message_id, id_base),
                    code,
                    _error(code, receipt.stat, receipt.error),
                    now_ms,
                )
            answers.setdefault((bind, session), []).append((deliver.sequence, status))
        return [(*where, each) for where, each in answers.items()]

    def _message(self, ledger: Ledger, link: Link, deliver: Deliver, now_ms: int) -> int:
        if self.keys is None:
            return ESME_RX_T_APPN
        key, index_key = self.keys
        day = clock.day_of(now_ms)
        ledger.partition(day)
        message_id = new_ids(1, now_ms)[0]
        number = deliver.source if deliver.source.startswith("+") else "+" + deliver.source
        content: dict[str, Any] = {
            "esm_class": deliver.esm_class,
            "data_coding": deliver.data_coding,
            "short_message": deliver.short_message,
            "tlvs": {str(tag): value for tag, value in deliver.tlvs.items()},
        }
        ledger.work[day].inbound.append(
            (
                message_id,
                ledger.link_numbers[day][link.name],
                now_ms,
                key.key_id,
                blind_index(index_key, number),
                key.seal(number.encode(), b"n" + message_id),
                deliver.dest,
                key.seal(_encode(content), b"c" + message_id),
            )
        )
        return 0


def _error(status: int, stat: str, error: str) -> str | None:
    """What a receipt says about a message that was not delivered, printable and short."""
    if STATUSES[status] == "delivered":
        return None
    text = f"{stat} {error}".strip()[:ERROR_CHARACTERS_MAX]
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text) or None
