"""The HSM measured as the keys process uses it: pool or pair, over embedded tokens in a folder that is thrown away."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from appliance.errors import Error
from hsm import HsmError, Pair, Place, Pool

OPEN_S_MAX: Final = 60.0
_KEY: Final = bytes(range(32))


def unwrapped_rate(folder: Path, seconds: float, callers: int, two: bool) -> dict[str, Any]:
    """Rows of `what`, `per_s`, `p50_us`, `p99_us`; how many answers were `wrong`. Raises Error."""
    try:
        return asyncio.run(_measured(folder, seconds, callers, two))
    except HsmError as e:
        raise Error(e.code, e.message, e.hint) from None


async def _measured(folder: Path, seconds: float, callers: int, two: bool) -> dict[str, Any]:
    known: list[bytes] = []

    def admit(opened: dict[str, Any]) -> None:
        known.append(opened["public_key"])

    def told(what: str, detail: dict[str, Any]) -> None:
        pass

    places = (Place(folder / "first"), Place(folder / "second"))
    hsm: Pool | Pair = Pool(places[0], lambda: False, admit, told)
    if two:
        hsm = Pair(places, lambda: bool(known), admit, told)
    rows: list[dict[str, Any]] = []
    wrong = 0
    hsm.start()
    try:
        await _until(lambda: hsm.why is None and all(row["in_step"] for row in hsm.hsms()))
        await _until(lambda: all(w["state"] == "idle" for row in hsm.hsms() for w in row["workers"]))
        mechanism, wrapped = await hsm.wrap(_KEY, b"bench")

        async def unwrap() -> bool:
            return await hsm.unwrap(mechanism, wrapped, b"bench") == _KEY

        async def mac() -> bool:
            return len(await hsm.mac(b"bench")) == 32

        async def wrap() -> bool:
            return len((await hsm.wrap(_KEY, b"bench"))[1]) > len(_KEY)

        for what, act in (("unwrap", unwrap), ("mac", mac), ("wrap", wrap)):
            row, bad = await _rate(what, act, seconds, callers)
            rows.append(row)
            wrong += bad
        if isinstance(hsm, Pair):
            (folder / "first" / "tokens").rename(folder / "first" / "away")
            await _until(lambda: any(row["serves"] and row["hsm"] == "second" for row in hsm.hsms()))
            row, bad = await _rate("unwrap, the second alone", unwrap, seconds, callers)
            rows.append(row)
            wrong += bad
    finally:
        await hsm.stop()
    return {"callers": callers, "seconds": seconds, "rows": rows, "wrong": wrong}


async def _rate(
    what: str, act: Callable[[], Awaitable[bool]], seconds: float, callers: int
) -> tuple[dict[str, Any], int]:
    loop = asyncio.get_running_loop()
    took: list[float] = []
    wrong = 0
    begun = loop.time()

    async def one() -> None:
        nonlocal wrong
        while (at := loop.time()) < begun + seconds:
            wrong += not await act()
            took.append(loop.time() - at)

    await asyncio.gather(*(one() for _ in range(callers)))
    cuts = statistics.quantiles(took, n=100)
    per_s = round(len(took) / (loop.time() - begun))
    return {"what": what, "per_s": per_s, "p50_us": round(cuts[49] * 1e6), "p99_us": round(cuts[98] * 1e6)}, wrong


async def _until(true: Callable[[], bool]) -> None:
    try:
        async with asyncio.timeout(OPEN_S_MAX):
            while not true():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise Error("hsm_unavailable", "the embedded tokens did not open in time", "is the machine busy?") from None
