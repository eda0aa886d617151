"""Bugs put in on purpose, to see that the checks see them. Each is one thing that the engine or its disk promises and then does not do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from appliance.engine.beat import Beat
from appliance.engine.bind import Bind
from appliance.engine.outward import Outward
from appliance.engine.pace import Pace
from appliance.store import Partition

from .world import World


@contextmanager
def _instead(owner: Any, name: str, what: Any) -> Iterator[None]:
    before = owner.__dict__[name]
    setattr(owner, name, what)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def lying_disk() -> Iterator[None]:
    """A disk whose syncs do nothing."""
    made = World.__init__

    def init(self: World, *given: Any, **named: Any) -> None:
        made(self, *given, **named)
        self.disk.lies = True

    with _instead(World, "__init__", init):
        yield


@contextmanager
def told_too_soon() -> Iterator[None]:
    """A gateway is answered before its batch is on disk."""
    durable = Beat.__dict__["_make_durable"]

    async def make_durable(self: Beat, now_ms: int, replies: list[Any]) -> None:
        for future, reply, _ in replies:
            if not future.done():
                future.set_result(reply)
        await durable(self, now_ms, replies)

    with _instead(Beat, "_make_durable", make_durable):
        yield


@contextmanager
def forgotten_intentions() -> Iterator[None]:
    """A restart does not look for segments that were under way."""
    with _instead(Partition, "interrupted", lambda self, floor: []):
        yield


@contextmanager
def wide_window() -> Iterator[None]:
    """A bind always has room."""
    with _instead(Bind, "room", property(lambda self: 500 if self.submits and self.bound else 0)):
        yield


@contextmanager
def no_pace() -> Iterator[None]:
    """A pace lets everything go."""
    with _instead(Pace, "allowed", lambda self, now_s: 1 << 30):
        yield


@contextmanager
def never_settled() -> Iterator[None]:
    """The outboxes never forget what was taken."""
    with _instead(Outward, "settle", lambda self: None), _instead(Outward, "committed", lambda self, days: None):
        yield


@contextmanager
def receipts_acknowledged_first() -> Iterator[None]:
    """Receipts are acknowledged before the commit."""
    delivers = Beat.__dict__["_delivers"]

    def early(self: Beat, now_ms: int) -> list[Any]:
        out = delivers(self, now_ms)
        for bind, session, answers in out:
            if bind.transport is not None and bind.session is session:
                bind.session.acknowledge(answers)
                bind.flush()
        return []

    with _instead(Beat, "_delivers", early):
        yield


SABOTAGE: Final[dict[str, Callable[[], Any]]] = {
    each.__name__: each
    for each in (
        lying_disk,
        told_too_soon,
        forgotten_intentions,
        wide_window,
        no_pace,
        never_settled,
        receipts_acknowledged_first,
    )
}
