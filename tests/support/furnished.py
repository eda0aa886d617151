"""A box that people have worked with for a while: texts, senders, customers' messages, codes, a bank's host that does not answer. Nobody's data."""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.clock import DAY_MS, day_of, now_ms
from appliance.consent import STOP
from appliance.consent import Book as ConsentBook
from appliance.errors import Error
from appliance.intercom import Server
from appliance.keys import DataKey, approvals
from appliance.message import DELIVERED, FAILED, NOTIFY_WEBHOOK, QUEUED, SENT, Content, new_ids
from appliance.senders import Details, SenderBook
from appliance.settings import Settings
from appliance.store import Partition, Work, link_numbers
from appliance.templates import Body, TemplateBook
from appliance.text import encode
from appliance.updates import Looked
from appliance.updates.book import APPLY, Book
from appliance.updates.hardware import WARNINGS, Fit
from appliance.verify import Book as VerifyBook

from .box import DATA_KEY, Box, index_of

NUMBER = "+393471234567"
TEXT = "Il tuo codice è 123456. Non darlo a nessuno."
REFERENCE = "loan-4711"
WROTE = "Dove è la mia carta?"
HOST = "core.bank.example:443"
SIGNER = "CN=Example Hardware firmware 2026"
KEY = DataKey(1, DATA_KEY)


class Furnished(Box):
    """With a courier that has rows to tell; `hastened` is what it was asked to tell now."""

    def __init__(self, settings: Settings, ids: list[bytes]) -> None:
        super().__init__(settings)
        self.hastened: list[str] = []
        at_ms = now_ms()
        self.untold = [
            [n, id_, DELIVERED, at_ms - 90_000, at_ms - 90_000, 3, at_ms + 40_000, HOST, 1]
            for n, id_ in enumerate(ids[:3], 1)
        ]

    async def _start(self) -> None:
        await super()._start()
        asked = {"state": self._courier_state, "deliveries": self._deliveries, "hasten": self._hasten}
        self._courier = Server(asked)
        await self._courier.start(self.settings.socket("courier"))

    async def _stop(self) -> None:
        await self._courier.stop()
        await super()._stop()

    async def _courier_state(self, payload: Any, peer: Any) -> dict[str, Any]:
        failing = {"host": HOST, "in_flight": 0, "failures": 3, "last_error": "503"}
        well = {"host": "cards.bank.example:443", "in_flight": 1, "failures": 0, "last_error": ""}
        oldest = min((row[4] for row in self.untold), default=None)
        state = {
            "pending": len(self.untold),
            "oldest_ms": oldest,
            "in_flight": 1,
            "tallies": {"told": 1204, "again": 9},
        }
        return {**state, "hosts": [failing, well]}

    async def _deliveries(self, payload: Any, peer: Any) -> dict[str, Any]:
        of, host = payload.get("of"), payload.get("host", "")
        return {"rows": [row for row in self.untold if of in (None, row[1]) and host in ("", row[7])]}

    async def _hasten(self, payload: Any, peer: Any) -> dict[str, int]:
        if payload["host"] != HOST:
            raise Error("not_found", "nothing was ever told to this host")
        self.hastened.append(payload["host"])
        told, self.untold = len(self.untold), []
        return {"messages": told}


def sealed_message(settings: Settings, status: int = FAILED, class_: int = 2) -> bytes:
    """A message that opens, of which the bank wants to be told; not delivered after a try of another kind. Its id."""
    at_ms = now_ms() - 60_000
    partition = Partition(settings.store, day_of(at_ms))
    link_numbers(partition, ["simulated", "backup"])
    (id_,) = new_ids(1, at_ms)
    seq = partition.last_seq + 1
    encoding, payload, segments = encode(TEXT)
    content = msgspec.msgpack.encode(Content(encoding, payload, REFERENCE))
    sealed = (KEY.seal(NUMBER.encode(), b"n" + id_), KEY.seal(content, b"c" + id_))
    work = Work()
    row = (seq, id_, 1, class_, encoding, segments, "MYBANK", 39, index_of(NUMBER), *sealed, 1, at_ms, 0)
    work.messages.append((*row, at_ms + DAY_MS, NOTIFY_WEBHOOK))
    work.progress_new.append((seq, QUEUED, at_ms))
    partition.write(work)
    partition.commit()
    key, error = seq << 8 | 1, "absent subscriber" if status == FAILED else None
    for rows in (
        {"intents": [(key, 1, at_ms + 12)]},
        {
            "answers": [(SENT, at_ms + 31, "5f0a2c", None, key)],
            "sent_progress": [(SENT, 1, at_ms + 31, at_ms + 31, None, seq)],
        },
        {"receipts": [(status, at_ms + 5_840, error, key)], "progress": [(status, 1, at_ms + 5_840, error, seq)]},
    ):
        work = Work()
        for name, values in rows.items():
            getattr(work, name).extend(values)
        partition.write(work)
        partition.commit()
    partition.close()
    return id_


def furnish(settings: Settings) -> tuple[list[bytes], bytes]:
    """Ids of messages to a number, the failed one last; id of what a customer wrote."""
    at_ms = now_ms()
    ids = [sealed_message(settings, DELIVERED), sealed_message(settings, DELIVERED), sealed_message(settings)]
    partition = Partition(settings.store, day_of(at_ms))
    heard = new_ids(3, at_ms - 30_000)
    work = Work()
    for id_ in heard:
        said = KEY.seal(msgspec.msgpack.encode({"text": WROTE}), b"h" + id_)
        work.heard.append(
            (id_, at_ms - 30_000, 1, index_of(NUMBER), KEY.seal(NUMBER.encode(), b"n" + id_), "40404", said)
        )
    partition.write(work)
    partition.commit()
    partition.close()
    templates = TemplateBook(settings)
    texts = {"en": "Your code is {code}. Never share it.", "it": "Il tuo codice è {code}. Non darlo a nessuno."}
    templates.save("login-code", Body(texts, "en"), "cli:anna", at_ms)
    paid = {"en": "Paid {amount, number, currency} to {payee}.", "de": "{amount, number, currency} an {payee} bezahlt."}
    templates.save("card-payment", Body(paid, "en"), "cli:anna", at_ms)
    senders = SenderBook(settings)
    one = senders.request("MYBANK", "IT", Details(), "console:anna", at_ms)
    senders.confirm(one.id, Details(evidence="AGCom alias 4711"), at_ms, at_ms + 200 * DAY_MS, "console:anna", at_ms)
    senders.request("MYBANK", "GB", Details(), "console:anna", at_ms)
    consent = ConsentBook(settings.home / "consent.db")
    consent.heard(index_of(NUMBER), b"sealed", ["marketing"], STOP, "stop", b"m" * 16, at_ms, "process:engine-0")
    consent.to_review(index_of("+393331000099"), b"sealed", "marketing", "stop", b"n" * 16, at_ms)
    consent.close()
    codes = VerifyBook(settings.home / "verify.db")
    for outcome, n in (("created", 8), ("sent", 9), ("approved", 6), ("denied", 3)):
        for _ in range(n):
            codes.act(lambda book, outcome=outcome: book._count("login", outcome, at_ms))  # type: ignore[misc]  # as its own acts do
    codes.close()
    return ids, heard[0]


def waiting_firmware(settings: Settings) -> int:
    """The number of a request for firmware of a disk, which another person decides."""
    made = approvals.Approval(0, APPLY, 0, "the vendor closed a hole", "console:olga", now_ms(), "", 0, approvals.ASKED)
    disk = ("d" * 40, "NVMe disk, 960 GB", "GDC7302Q", "GDC7502Q", (WARNINGS["busy"], WARNINGS["one"]))
    shown = Looked(
        "Datacenter NVMe", "Example Hardware", "GDC7502Q", (), SIGNER, "5d" * 32, "c4" * 32, 2_400_000, (Fit(*disk),)
    )
    book = Book(settings.home / "updates")
    number = book.ask(made, shown.sha256, shown.version, shown.fingerprint, "cabinet")
    book.keep_cabinet(number, shown._asdict())
    return number
