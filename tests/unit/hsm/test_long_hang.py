"""An HSM that hangs for half an hour: no caller waits longer than a call may take, nothing piles up, and it serves again by itself.

The whole pool, with workers of Python and time that passes from one timer to the next.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hsm import HsmError, Place, Pool
from hsm.bounds import KEEPALIVE_S, RESTART_S_MAX, TRIAL_S
from hsm.life import Life
from hsm.seat import Lost
from tests.sim.loop import SimLoop

CALL_S_MAX, OPEN_S_MAX = 5.0, 20.0
HANG_S = 30 * 60.0


class Hsm:
    """What all workers talk to: hangs between two times of the loop."""

    def __init__(self) -> None:
        self.hangs = (0.0, 0.0)
        self.starts = 0

    async def answer(self) -> None:
        begin, end = self.hangs
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(end - now if begin <= now < end else 0.001)


class Worker:
    """A seat whose worker is no process. What has hung is ended by its deadline, as a process is by SIGKILL."""

    def __init__(self, number: int, hsm: Hsm) -> None:
        self.number, self.hsm, self.pid = number, hsm, 0
        self.life, self.calls, self.losses = Life(), 0, 0
        self._gone = asyncio.Event()

    async def start(self, environment: dict[str, str]) -> None:
        self.hsm.starts += 1
        self.pid, self._gone = self.hsm.starts, asyncio.Event()

    async def ask(self, op: str, given: dict[str, Any], deadline_s: float) -> Any:
        try:
            async with asyncio.timeout(deadline_s):
                await self.hsm.answer()
        except TimeoutError:
            raise Lost(f"no answer within {deadline_s:g} s", late=True) from None
        if op == "open":
            return {"initialised": False, "made": [], "model": "m", "serial": "s", "public_key": bytes(32)}
        return b"mac"

    async def died(self) -> None:
        await self._gone.wait()

    async def end(self, politely: bool = False) -> None:
        self.pid = 0
        self._gone.set()


class Box:
    """A pool over such workers, and somebody who asks it every two seconds for as long as it takes."""

    def __init__(self, folder: Path) -> None:
        self.told: list[str] = []
        self.hsm = Hsm()
        self.pool = Pool(
            Place(folder, "/module.so", "casemate", str(folder / "pin"), CALL_S_MAX, "", OPEN_S_MAX),
            lambda: True,
            lambda opened: None,
            lambda what, detail: self.told.append(what),
        )
        self.pool.seats = [Worker(n, self.hsm) for n in range(2)]  # type: ignore[misc]
        self.answers: list[tuple[float, float, str]] = []  # when asked, how long it took, what came

    async def asks(self, until_s: float) -> None:
        loop = asyncio.get_running_loop()
        while (begun := loop.time()) < until_s:
            try:
                said = (await self.pool.mac(b"m")).decode()
            except HsmError as e:
                said = e.code
            self.answers.append((begun, loop.time() - begun, said))
            await asyncio.sleep(2.0)


@pytest.fixture
def loop() -> Any:
    made = SimLoop(Random(1))
    yield made
    made.close()


def test_half_an_hour_without_an_answer(loop: SimLoop, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("1234")
    most_tasks, box = 0, Box(tmp_path)

    async def whole() -> None:
        nonlocal most_tasks
        box.pool.start()
        while box.pool.why is not None:
            await asyncio.sleep(0.1)
        begin = loop.time() + 60.0
        box.hsm.hangs = (begin, begin + HANG_S)
        asking = [asyncio.create_task(box.asks(begin + HANG_S + 120.0)) for _ in range(2)]
        while not all(task.done() for task in asking):
            most_tasks = max(most_tasks, len(asyncio.all_tasks()))
            await asyncio.sleep(5.0)
        await asyncio.gather(*asking)
        await box.pool.stop()

    loop.run_until_complete(whole())
    begin, end = box.hsm.hangs
    assert {said for _, _, said in box.answers} == {"mac", "hsm_unavailable"}
    assert max(took for _, took, _ in box.answers) <= 2 * CALL_S_MAX + 0.1, "nobody waits for the hang to end"
    noticed = begin + CALL_S_MAX + KEEPALIVE_S + 1.0
    assert all(took < 0.1 for at, took, _ in box.answers if noticed < at < end), "known to be away: refused at once"
    assert {said for at, _, said in box.answers if at < begin - CALL_S_MAX} == {"mac"}
    back = end + RESTART_S_MAX + TRIAL_S + KEEPALIVE_S
    assert {said for at, _, said in box.answers if at > back} == {"mac"}, "by itself, within seconds"
    assert box.told.count("hsm.lost") == box.told.count("hsm.back") == 1, "once on the record, not once a try"
    assert most_tasks < 20 and not box.pool._waiting, "nothing piles up"
    assert box.hsm.starts <= 2 + 2 * (HANG_S / OPEN_S_MAX + 4), "one try after the other"
