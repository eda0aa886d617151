"""Every receipt of the corpus through the whole engine: also before its response, after a restart and on another bind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.engine.matching import number_of
from appliance.smpp import ReceiptReader, parse_deliver, receipt_ms
from tests.support.engine_alone import World, batch
from tests.support.links import link_of
from tests.support.operator_side import Hands, Side
from tests.support.receipts import Row, corpus

ROWS = [row for row in corpus() if row.expect["receipt"]]
WAYS = ("before the response", "after a restart and on another bind")


class Life:
    """One message to the number of a receipt, from its sender, on a link that reads such receipts."""

    def __init__(self, folder: Path, row: Row, hands: Hands) -> None:
        self.folder, self.row, self.hands = folder, row, hands
        receipt = ReceiptReader(link_of(**row.link)).read(parse_deliver(row.pdu))
        assert receipt is not None
        accepted = receipt_ms(receipt.accepted) if not receipt.message_id else None
        if accepted is not None:  # matched by time: the day is the receipt's
            hands.ms = accepted + 20_000
        self.make()
        self.b = batch("message", to=number_of(receipt.source) if receipt.source else "+393471234567")
        self.b.senders = [receipt.dest or "BANK"]
        self.bind()
        self.world.accept(self.b)
        (self.submit,) = [submit for side in self.sides for submit in side.submits()]

    def make(self) -> None:
        self.world = World(self.folder, binds=2, **self.row.link)
        self.sides = [Side(bind) for bind in self.world.link.binds]

    def bind(self) -> None:
        for side in self.sides:
            side.connect()

    def answer(self) -> None:
        self.taken_on = next(n for n, side in enumerate(self.sides) if side.at.in_flight)
        self.sides[self.taken_on].answer(self.submit.sequence, self.row.response_id)
        self.steps()

    def restart(self) -> None:
        self.world.crash()
        self.make()
        self.world.start()
        self.bind()

    def receipt(self, side: int = 0) -> None:
        self.sides[side].at.data_received(self.row.pdu)
        self.steps()

    def steps(self) -> None:
        for _ in range(3):
            self.world.step()
            self.hands.on(2.0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_receipt_finds_its_message(row: Row, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life(tmp_path, row, Hands(monkeypatch))
    if way == WAYS[0]:
        life.receipt()
        life.answer()
    else:
        life.answer()
        life.restart()
        life.receipt(1 - life.taken_on)
    expect: dict[str, Any] = row.expect
    timed = bool(expect.get("accepted"))
    found = expect["final"] and (expect["match"] or timed)
    assert life.world.status(life.b.ids[0]) == (expect["status"] if found else "sent")
    assert not (found and len(life.world.ledger.parked))
