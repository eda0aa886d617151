"""The PDUs of one link as a person sees them: masked before they are kept, a bounded ring, off by itself.

Nothing is looked at while nobody traces. What goes over the wire is heard through `Link.tap`, chunk by chunk.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from appliance import limits
from appliance.smpp import ClientSession, Framer, FramingError, ReceiptReader, explain

from .bind import Bind
from .link import Link

log = logging.getLogger(__name__)

#: A line of `explain` that shows the id of a message, and where its first line says the sequence.
_ID: Final = re.compile(r'\s+(?:message_id|receipted_message_id|id)\s+"([^"]*)"')
_SEQUENCE: Final = re.compile(r", sequence (\d+)")

Ear = Callable[[Bind, str, bytes], None]


class Taps:
    """Everybody who looks at one link's octets; one that fails is dropped, the link never notices."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._ears: list[Ear] = []

    def add(self, ear: Ear) -> None:
        self._ears.append(ear)
        self._link.tap = self._hear

    def remove(self, ear: Ear) -> None:
        if ear in self._ears:
            self._ears.remove(ear)
        if not self._ears:
            self._link.tap = None

    def _hear(self, bind: Bind, way: str, data: bytes) -> None:
        for ear in tuple(self._ears):
            try:
                ear(bind, way, data)
            except Exception:
                log.exception("link %s: a look at its PDUs failed and has ended", self._link.name)
                self.remove(ear)


class Cut:
    """Chunks of both ways of every bind as whole PDUs, also when looking begins in the middle of one."""

    def __init__(self) -> None:
        self._framers: dict[Bind, tuple[ClientSession, Framer | None]] = {}

    def pdus(self, bind: Bind, way: str, data: bytes) -> list[bytes]:
        """The PDUs that `data` completes. What the operator sends and is no SMPP any more gives nothing."""
        if way == "out":
            return Framer().hear(data)  # always whole
        session, framer = self._framers.get(bind, (None, None))
        if session is not bind.session:
            framer = Framer()
            self._framers[bind] = (bind.session, framer)
            data = bytes(bind.session._rest) + data  # the beginning of a PDU that came before anybody looked
        if framer is None:
            return []
        try:
            return framer.hear(data)
        except FramingError:
            self._framers[bind] = (bind.session, None)
            return []


class Trace:
    """What was traced of one link. `hear` is the ear; times are given."""

    def __init__(self, names: dict[int, str], clock_ms: Callable[[], int], until_ms: int) -> None:
        self.until_ms = until_ms
        self.ended = False
        self.last = 0  # number of the newest PDU
        self.skipped = 0  # more a second than are taken
        self._names = names
        self._clock_ms = clock_ms
        self._cut = Cut()
        self._kept: deque[dict[str, Any]] = deque()
        self._characters = 0
        self._second = self._in_second = 0

    def hear(self, bind: Bind, way: str, data: bytes) -> None:
        now_ms = self._clock_ms()
        if now_ms >= self.until_ms:
            return
        if now_ms // 1000 != self._second:
            self._second, self._in_second = now_ms // 1000, 0
        for frame in self._cut.pdus(bind, way, data):
            if self._in_second >= limits.TRACE_PDUS_PER_S:
                self.skipped += 1
                continue
            self._in_second += 1
            self._keep(told(bind.kind, f"{bind.host}:{bind.port}", way, frame, now_ms, self._names))

    def _keep(self, row: dict[str, Any]) -> None:
        self.last += 1
        row["number"] = self.last
        self._kept.append(row)
        self._characters += _size(row)
        while len(self._kept) > limits.TRACE_PDUS_MAX or self._characters > limits.TRACE_CHARACTERS_MAX:
            self._characters -= _size(self._kept.popleft())

    def of(self, ids: set[str], reader: ReceiptReader) -> list[dict[str, Any]]:
        """The PDUs of messages that the operator knows by these ids: answers, the submits they answer, receipts; in order."""
        rows = list(self._kept)
        answers = [row for row in rows if row["name"] == "submit_sm_resp" and _ids(row, reader.response_id) & ids]
        answered = {(row["bind"], _sequence(row)): row["number"] for row in answers}
        # A sequence comes again only after a new bind: of several the last before the answer is meant.
        submits: dict[tuple[str, str], dict[str, Any]] = {}
        for row in rows:
            where = row["bind"], _sequence(row)
            if row["way"] == "out" and where in answered and row["number"] < answered[where]:
                submits[where] = row
        receipts = [
            row for row in rows if row["name"] in ("deliver_sm", "data_sm") and _ids(row, reader.receipt_id) & ids
        ]
        found = [*submits.values(), *answers, *receipts]
        named = {
            row["number"]: _ids(row, reader.receipt_id if row in receipts else reader.response_id) & ids
            for row in found
        }
        for where, row in submits.items():
            named[row["number"]] = named[answered[where]]
        return [
            row | {"ids": sorted(named[row["number"]])} for row in sorted(found, key=lambda row: int(row["number"]))
        ]

    def read(self, after: int, limit: int) -> dict[str, Any]:
        """PDUs with a number above `after`, the newest `limit` of them, in order."""
        rows = [row for row in self._kept if row["number"] > after][-limit:]
        return {"until_ms": self.until_ms, "last": self.last, "skipped": self.skipped, "pdus": rows}


def told(kind: str, address: str, way: str, frame: bytes, at_ms: int, names: dict[int, str]) -> dict[str, Any]:
    """One PDU as it is shown: `name` of its command, `lines` masked."""
    lines = explain(frame, True, names)
    name = lines[0].partition(",")[0].partition(" ")[0]
    return {"at_ms": at_ms, "way": way, "bind": f"{kind} {address}", "name": name, "octets": len(frame), "lines": lines}


def _ids(row: dict[str, Any], canonical: Callable[[str], str]) -> set[str]:
    """The message ids that the lines of a PDU show, in the form that both sides share."""
    return {canonical(found[1]) for line in row["lines"] if (found := _ID.match(line)) is not None}


def _sequence(row: dict[str, Any]) -> str:
    found = _SEQUENCE.search(row["lines"][0])
    return found[1] if found is not None else ""


def _size(row: dict[str, Any]) -> int:
    return sum(len(line) for line in row["lines"])
