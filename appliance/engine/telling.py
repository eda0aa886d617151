"""HOT: what a beat says once it is durable: submits and acknowledgements to operators, answers to whoever asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from appliance.errors import Error
from appliance.message import QUEUED
from appliance.store import DatabaseError

from .inbound import Acknowledgement
from .ledger import Ledger
from .packing import Staged
from .unfolding import odd
from .waiting import Waiting


def submit(ledger: Ledger, frames: list[Staged], now_s: float) -> list[tuple[Waiting, int]]:
    """Writes submits whose intentions are durable, one-time codes first on each bind; those whose bind went meanwhile."""
    back: list[tuple[Waiting, int]] = []
    for staged in frames:
        kept = staged.parts
        if not kept:
            continue
        if staged.bind.submit(staged.session, staged.frames, staged.sequences, kept, now_s):
            ledger.segments["submitted"] += len(kept)
        else:
            # The bind went while the intention was being written: nothing left, so nothing is indeterminate.
            # As to the disk its segments were submitted, the next beat says otherwise before anything leaves again.
            for waiting, part in kept:
                odd(ledger, waiting)
                ledger.work[waiting.day].requeued.append((QUEUED, None, waiting.seq << 8 | part))
            back += kept
    return back


def acknowledge(those: list[Acknowledgement]) -> None:
    """Answers what was delivered; on the connection that it came on only."""
    for bind, session, answers in those:
        if bind.transport is not None and bind.session is session:
            bind.session.acknowledge(answers)
            bind.flush()


def tried(act: Callable[[], Any]) -> Any:
    """What an act gave, or the Error to answer with."""
    try:
        return act()
    except Error as e:
        return e
    except DatabaseError:
        return Error("store_damaged", "the message store cannot be read", "see the engine's log")


def settle(future: asyncio.Future[Any], result: Any) -> None:
    """Answers whoever asked; with an exception when that is the result."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
