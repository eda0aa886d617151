"""HOT: what operators deliver: receipts to the ledger, customers' messages sealed into the store. Both are acknowledged after the commit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from appliance import clock
from appliance.keys import DataKey, blind_index
from appliance.message import DELIVERED, STATUSES, new_ids
from appliance.smpp import ClientSession, Deliver, Receipt, receipt_ms

from .bind import Bind, Delivered
from .exchange import Exchange, Stray
from .ledger import Ledger
from .link import Link
from .matching import beginning, number_of, sender_of
from .receipts import Signs, park, receipted

Letter = tuple[str, str, int, int, bytes, dict[str, Any]]
Acknowledgement = tuple[Bind, ClientSession, list[tuple[int, int]]]  # (sequence, status) of each

ESME_RX_T_APPN: Final = 0x64  # "try again": nothing can be sealed now
STATUS_NUMBER: Final = {name: number for number, name in enumerate(STATUSES)}
ERROR_CHARACTERS_MAX: Final = 32

_encode = msgspec.msgpack.encode


class Inbound:
    """Reads deliver_sm. `keys` is (today's data key, blind index key) once both are there."""

    def __init__(self, shard: int = 0) -> None:
        self.shard = shard
        self.exchange: Exchange | None = None  # with the other engines of a box of several
        self.keys: tuple[DataKey, bytes] | None = None
        self.took = True  # something new is in the store, or may be

    def canonical(self, link: Link) -> Callable[[str], str]:
        """Makes ids of responses comparable with ids of receipts, as the link's settings say."""
        return link.reader.response_id

    def heard(self, ledger: Ledger, link: Link, delivers: list[Delivered], now_ms: int) -> list[Acknowledgement]:
        """Takes all in; what to answer on each bind once it is durable, if it is then still in the same session."""
        answers: dict[tuple[Bind, ClientSession], list[tuple[int, int]]] = {}
        reader, name = link.reader, link.name
        settled, receipt_id = reader.settled, reader.receipt_id
        exchange = self.exchange if self.exchange is not None and self.exchange.shared(link.name) else None
        for bind, session, deliver in delivers:
            status = 0
            quick = settled(deliver) if exchange is None else None  # else it may be another engine's
            if quick is not None:
                raw_id, (word, stat, said) = quick
                code = STATUS_NUMBER[word]
                error = None if code == DELIVERED else _error(code, stat, said)
                if receipted(ledger, name, receipt_id(raw_id), code, error, now_ms):
                    link.receipted += 1
                    if code != DELIVERED:
                        ledger.health.of(name).undeliverable += 1
                    answers.setdefault((bind, session), []).append((deliver.sequence, 0))
                    continue
            receipt = reader.read(deliver)
            if receipt is None:
                if exchange is not None and self._others(exchange, bind, session, deliver):
                    continue
                status = self.message(ledger, link.name, letter_of(deliver), now_ms)
            elif receipt.final:
                link.receipted += 1
                code = STATUS_NUMBER[receipt.status]
                if code != DELIVERED:
                    ledger.health.of(link.name).undeliverable += 1
                error = _error(code, receipt.stat, receipt.error)
                if exchange is not None:
                    if not self._ours(exchange, ledger, bind, session, deliver.sequence, receipt, code, error, now_ms):
                        continue
                elif receipt.message_id:
                    operator_id = reader.receipt_id(receipt.message_id)
                    if not receipted(ledger, link.name, operator_id, code, error, now_ms):
                        park(ledger, link.name, operator_id, code, error, self._signs(link, receipt), now_ms)
                else:
                    signs = self._signs(link, receipt)
                    operator_id = _nameless(signs, code)
                    if not receipted(ledger, link.name, operator_id, code, error, now_ms):
                        park(ledger, link.name, operator_id, code, error, signs, now_ms)
            answers.setdefault((bind, session), []).append((deliver.sequence, status))
        return [(*where, each) for where, each in answers.items()]

    def heard_ahead(
        self, ledger: Ledger, link: Link, delivers: list[Delivered], now_ms: int
    ) -> tuple[list[Acknowledgement], list[Delivered]]:
        """The same for what needs no look at the store: final receipts of segments in memory. Also what is left, in order."""
        if self.exchange is not None:
            return [], delivers  # it may be another engine's
        answers: dict[tuple[Bind, ClientSession], list[tuple[int, int]]] = {}
        left: list[Delivered] = []
        settled, receipt_id, name = link.reader.settled, link.reader.receipt_id, link.name
        awaited = ledger.outstanding
        for each in delivers:
            bind, session, deliver = each
            quick = settled(deliver)
            operator_id = receipt_id(quick[0]) if quick is not None else ""
            if quick is None or not ((name, operator_id) in awaited or ledger.ends_now((name, operator_id))):
                left.append(each)
                continue
            word, stat, said = quick[1]
            code = STATUS_NUMBER[word]
            error = None if code == DELIVERED else _error(code, stat, said)
            receipted(ledger, name, operator_id, code, error, now_ms)
            link.receipted += 1
            if code != DELIVERED:
                ledger.health.of(name).undeliverable += 1
            answers.setdefault((bind, session), []).append((deliver.sequence, 0))
        return [(*where, each) for where, each in answers.items()], left

    def _ours(
        self, exchange: Exchange, ledger: Ledger, bind: Bind, session: ClientSession, sequence: int, receipt: Receipt,
        code: int, error: str | None, now_ms: int,
    ) -> bool:  # fmt: skip
        """Applies a receipt of a message of this engine. False: it is another's, or nobody knows; the exchange acknowledges it."""
        link = bind.link
        owner = None
        if receipt.message_id:
            operator_id = link.reader.receipt_id(receipt.message_id)
            owner = exchange.owner(link.name, operator_id)
            if owner is None and receipted(ledger, link.name, operator_id, code, error, now_ms):
                return True
        else:
            operator_id = _nameless(self._signs(link, receipt), code)
        signs = partial(self._signs, link, receipt)
        exchange.give(owner, Stray(bind, session, sequence, operator_id, code, error, signs, clock.monotonic_s()))
        return False

    def _others(self, exchange: Exchange, bind: Bind, session: ClientSession, deliver: Deliver) -> bool:
        """Hands a customer's message to the engine that keeps what this customer writes; False when that is this one."""
        if self.keys is None:
            return False  # it is refused for now
        keeper = exchange.keeper(blind_index(self.keys[1], number_of(deliver.source)))
        if keeper not in exchange.peers:
            return False
        stray = Stray(bind, session, deliver.sequence, "", 0, None, Signs, clock.monotonic_s())
        exchange.forward(keeper, stray, [bind.link.name, *letter_of(deliver)])
        return True

    def _signs(self, link: Link, receipt: Receipt) -> Signs:
        """What a receipt whose message is not found by its id says of it."""
        if self.keys is None:
            return Signs(reference=receipt.reference)
        index_key = self.keys[1]
        text = beginning(receipt.text)
        accepted_ms = None
        if not receipt.message_id or (not text and receipt.reference is None):  # else it says more
            at_ms = receipt_ms(receipt.accepted)
            if at_ms is not None:  # the operator's clock is that of its absolute validities
                accepted_ms = at_ms - link.settings.validity_offset_minutes * 60_000
            elif not receipt.message_id:
                accepted_ms = 0  # it fits nothing
        return Signs(
            blind_index(index_key, number_of(receipt.source)),
            sender_of(receipt.dest),
            receipt.reference,
            len(text),
            blind_index(index_key, "text:" + text) if text else None,
            accepted_ms,
        )

    def message(self, ledger: Ledger, link: str, letter: Letter, now_ms: int) -> int:
        """Seals and keeps what a customer wrote; the status that answers it."""
        if self.keys is None:
            return ESME_RX_T_APPN
        key, index_key = self.keys
        self.took = True
        day = clock.day_of(now_ms)
        ledger.partition(day)
        message_id = new_ids(1, now_ms, self.shard)[0]
        source, dest, esm_class, data_coding, short_message, tlvs = letter
        number = source if source.startswith("+") else "+" + source
        content: dict[str, Any] = {
            "esm_class": esm_class,
            "data_coding": data_coding,
            "short_message": short_message,
            "tlvs": tlvs,
        }
        ledger.work[day].inbound.append(
            (
                message_id,
                ledger.link_numbers[day][link],
                now_ms,
                key.key_id,
                blind_index(index_key, number),
                key.seal(number.encode(), b"n" + message_id),
                dest,
                key.seal(_encode(content), b"c" + message_id),
            )
        )
        return 0


def letter_of(deliver: Deliver) -> Letter:
    """What is kept of a customer's message: source, destination, esm_class, data_coding, text, optional parameters."""
    tlvs = {str(tag): value for tag, value in deliver.tlvs.items()}
    return (deliver.source, deliver.dest, deliver.esm_class, deliver.data_coding, deliver.short_message, tlvs)


def _nameless(signs: Signs, status: int) -> str:
    """Stands for the id of a receipt that has none, so that one delivered twice is parked once."""
    index = signs.number_index.hex() if signs.number_index is not None else ""
    return f"?{index}:{signs.sender}:{signs.accepted_ms}:{status}"


def _error(status: int, stat: str, error: str) -> str | None:
    """What a receipt says about a message that was not delivered, printable and short."""
    if STATUSES[status] == "delivered":
        return None
    text = f"{stat} {error}".strip()[:ERROR_CHARACTERS_MAX]
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text) or None
