"""A load at full speed in which each message can be known again by its text: what was accepted, by turn, digest and id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from .load import Load
from .numbered import digest_of

#: (turn, number, text) -> a whole request.
Request = Callable[[int, str, str], bytes]


class _Id(msgspec.Struct):
    id: str = ""


_id = msgspec.json.Decoder(_Id).decode


class Marked(Load):
    """`taken`: turns that were accepted; `digests`: of every text asked; `ids`: where the answer has one."""

    def __init__(
        self,
        address: str,
        connections: int,
        in_flight_max: int,
        told: Callable[[int, bytes], tuple[int, int, int] | None],
        request: Request,
    ) -> None:
        super().__init__(address, (b"",), connections, in_flight_max, told)
        self._request_of = request
        self.taken: list[int] = []
        self.digests: dict[int, bytes] = {}
        self.ids: dict[int, str] = {}

    def request(self, turn: int) -> bytes:
        text = f"Avviso otp 0-{turn}"
        self.digests[turn] = digest_of(text)
        return self._request_of(turn, f"+39347{turn % 10**7:07}", text)

    def accepted_turn(self, turn: int, body: bytes) -> None:
        self.taken.append(turn)
        if body[:1] == b"{":
            self.ids[turn] = _id(body).id


def submitted(journal: Path) -> Counter[bytes]:
    """How often an operator took each text, by digest."""
    out: Counter[bytes] = Counter()
    with journal.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                out[bytes.fromhex(line.split("\t")[3])] += 1
    return out
