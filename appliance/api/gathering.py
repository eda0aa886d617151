"""HOT: single messages that arrive in one turn of the loop are taken in and committed together; each caller hears of its own.

One request a message costs four times what a message of a batch does, nearly all of it once a request: this makes it once a turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec import UNSET

from appliance.errors import Error
from appliance.intake import Accepted, Intake
from appliance.limits import GATEWAY_ROWS_AT_ONCE

from .gateway import Gateway

#: (rows, their API keys' numbers) -> what intake made of them.
TakeIn = Callable[[list[Any], list[int]], Awaitable[Intake]]
_Waiting = tuple[int, Any, "asyncio.Future[Accepted]"]
_ROWS: Final = GATEWAY_ROWS_AT_ONCE


class Gathering:
    """`take` a row; what else was taken in this turn goes with it."""

    def __init__(self, gateway: Gateway, take_in: TakeIn) -> None:
        self.gateway = gateway
        self._take_in = take_in
        self._waiting: list[_Waiting] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, caller: int, row: Any) -> asyncio.Future[Accepted]:
        """The message, once it is durable. The future raises the Error that it was refused with."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Accepted] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._leave)
        self._waiting.append((caller, row, future))
        return future

    def _leave(self) -> None:
        waiting, self._waiting = self._waiting, []
        for at in range(0, len(waiting), _ROWS):
            task = asyncio.ensure_future(self._go(waiting[at : at + _ROWS]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _go(self, waiting: list[_Waiting]) -> None:
        gateway = self.gateway
        futures = [future for _, _, future in waiting]
        try:
            intake = await self._take_in([row for _, row, _ in waiting], [caller for caller, _, _ in waiting])
            for index, error in intake.errors:
                gateway.refused(error)
                if not futures[index].done():
                    futures[index].set_exception(error)
            if intake.accepted:
                await gateway.funnel.commit(intake.batch)
                gateway.numbers.accepted.inc(len(intake.accepted))
        except Error as e:
            for future in futures:
                if not future.done():
                    future.set_exception(Error(e.code, e.message, e.hint, **e.detail))
            return
        except Exception as e:  # a mistake of ours: every request tells and logs it as such
            for future in futures:
                if not future.done():
                    future.set_exception(e)
            return
        for said in intake.accepted:
            place, said.index = said.index, UNSET  # a caller of one message needs no number
            assert isinstance(place, int)
            if not futures[place].done():
                futures[place].set_result(said)
