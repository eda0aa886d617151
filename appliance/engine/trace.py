"""The PDUs of one link as a person sees them: masked before they are kept, a bounded ring, off by itself.

Nothing is looked at while nobody traces. What goes over the wire is heard through `Link.tap`, chunk by chunk.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from appliance import limits
from appliance.smpp import ClientSession, Framer, FramingError, explain

from .bind import Bind
from .link import Link

log = logging.getLogger(__name__)

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

    def read(self, after: int, limit: int) -> dict[str, Any]:
        """PDUs with a number above `after`, the newest `limit` of them, in order."""
        rows = [row for row in self._kept if row["number"] > after][-limit:]
        return {"until_ms": self.until_ms, "last": self.last, "skipped": self.skipped, "pdus": rows}


def told(kind: str, address: str, way: str, frame: bytes, at_ms: int, names: dict[int, str]) -> dict[str, Any]:
    """One PDU as it is shown: `name` of its command, `lines` masked."""
    lines = explain(frame, True, names)
    name = lines[0].partition(",")[0].partition(" ")[0]
    return {"at_ms": at_ms, "way": way, "bind": f"{kind} {address}", "name": name, "octets": len(frame), "lines": lines}


def _size(row: dict[str, Any]) -> int:
    return sum(len(line) for line in row["lines"])
