"""The operators: the shipped simulated one, its sessions on the simulated network, and the truth about what reached it.

Every text carries the number of its message in each of its parts (`#000042#`), so that what a handset got is known beyond doubt.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from appliance.simulator.handset import unfold
from appliance.simulator.operator import Operator
from appliance.simulator.options import Options
from appliance.simulator.session import Session

from .loop import SimLoop
from .network import Network

MARK: Final = re.compile(rb"#(\d{6})#")
CALM: Final = {"latency_ms": "1..5", "receipt_delay_ms": "5..50"}


@dataclass
class Reached:
    """What operators took of one message: by part, (operator, when, message_state of its receipt)."""

    parts: dict[int, list[tuple[str, float, int]]] = field(default_factory=lambda: defaultdict(list))
    tried: int = 0


class Truth:
    """By a message's number."""

    def __init__(self) -> None:
        self.reached: dict[int, Reached] = defaultdict(Reached)
        self.answers: list[tuple[str, float, str]] = []  # what the box itself sent: (to, when, text)


class SimOperator(Operator):
    """Writes down what it takes."""

    def __init__(self, name: str, address: str, options: Options, loop: SimLoop, truth: Truth) -> None:
        super().__init__(options, "", loop.time, loop.call_at)
        self.plain.on = False  # each submit is looked at
        self.name = name
        self.address = address
        self.loop = loop
        self.truth = truth
        self.more = address.replace(name, f"{name}b", 1)
        self.listening: list[Any] = []

    def begin(self, network: Network) -> None:
        """As its machine: what it schedules reads that one's clock."""
        self.listen(network)
        self.loop.create_task(self.keep_looking())

    def listen(self, network: Network) -> None:
        self.listening = [network.listen(each, lambda: Session(self)) for each in (self.address, self.more)]

    def shut(self) -> None:
        """Nobody can connect until it listens again."""
        self.drop_all()
        for each in self.listening:
            each.close()

    async def keep_looking(self) -> None:
        """As the operator's process does once a second."""
        while True:
            await asyncio.sleep(1.0)
            Operator.look(self)

    def submit(self, session: Any, heard: Any, *rest: Any) -> Any:
        found = number_in(heard.short_message)
        if found is not None:
            self.truth.reached[found].tried += 1
        return super().submit(session, heard, *rest)

    def _take(self, heard: Any, answer_id: str, receipt_id: str, fate: Any, session: Any, now_s: float) -> None:
        super()._take(heard, answer_id, receipt_id, fate, session, now_s)
        segment = self._taken[answer_id].segment
        part, body = unfold(segment)
        found = number_in(body)
        if found is None:
            self.truth.answers.append((segment.to, now_s, body.decode("latin-1")))
            return
        self.truth.reached[found].parts[part.number if part else 1].append((self.name, now_s, fate.state))

    def follow(self, options: Options) -> None:
        super().follow(options)
        self.plain.on = False

    def calm(self) -> None:
        """No more trouble."""
        self.follow(Options.made({"seed": self.options.seed, "receipt_format": self.options.receipt_format, **CALM}))


def number_in(octets: bytes) -> int | None:
    """The number of a message in what is left of its text, in the GSM alphabet or UCS-2."""
    found = MARK.search(octets.replace(b"\0", b""))
    return int(found.group(1)) if found else None


def text_of(number: int, long: bool, wide: bool, alike: bool) -> str:
    """A text in whose every part the number can be read."""
    mark = f"#{number:06d}#"
    text = mark * 40 if long else f"Your statement is ready {mark}" if alike else f"{mark} your code"
    return text + " €ж" if wide else text
