"""The scenario `codes`: verifications begun at an even pace, checks as fast as they go, denials of every kind by turns, with many open ones on disk."""

from __future__ import annotations

import asyncio
import json
import random
import re
import statistics
import threading
import urllib.request
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil
import uvloop

from appliance.clock import monotonic_s, now_ms
from appliance.message import id_text, new_ids
from appliance.verify import NONE, Book, Verification, code_mac

from .box import Box
from .exchange import Exchange, post
from .figures import percentile
from .outcome import Figure, Outcome
from .spending import Processes
from .started import folder, own

CONNECTIONS: Final = 64
OPEN_AT_ONCE: Final = 5_000
LIFE_S_MIN: Final = 60
OF_ONE_BEGUN: Final = ("gateway", "auditor", "engine")
NOBODY_ELSES: Final = 9_999_999  # a number that gets one code in a run
PAYMENT: Final = {"payee": "Rossi S.r.l.", "amount": "10.00", "currency": "EUR"}
WRONG: Final = "000"  # no code has three digits: always another than the right one
#: Why a check is denied -> what it changes of the right payment; the others are said by which verification is tried.
OTHER: Final = {
    "another code": {},
    "another amount": {"amount": "10.01"},
    "another payee": {"payee": "Bianchi S.r.l."},
    "another currency": {"currency": "USD"},
}
KINDS: Final = (*OTHER, "used", "too many tries", "cancelled", "expired", "unknown")


class Line:
    """Connections to the API that are asked one request each."""

    def __init__(self, box: Box) -> None:
        parts = urlsplit(box.api)
        self.host, self.port, self.key = parts.hostname or "", parts.port or 80, box.key
        self.free: asyncio.LifoQueue[Exchange] = asyncio.LifoQueue()

    async def open(self, count: int) -> None:
        for _ in range(count):
            _, exchange = await asyncio.get_running_loop().create_connection(Exchange, self.host, self.port)
            self.free.put_nowait(exchange)

    async def ask(self, path: str, body: Any) -> tuple[int, bytes, float]:
        """Status, body, and seconds from the moment it was due, waiting for a free connection counted."""
        loop, due_s = asyncio.get_running_loop(), monotonic_s()
        exchange = await self.free.get()
        if not exchange.open:  # the last answer may have been the end of it
            _, exchange = await loop.create_connection(Exchange, self.host, self.port)
        answered: asyncio.Future[tuple[int, bytes]] = loop.create_future()
        exchange.ask(
            post(self.host, path, self.key, json.dumps(body).encode()), lambda s, b: answered.set_result((s, b))
        )
        status, octets = await answered
        took_s = monotonic_s() - due_s
        self.free.put_nowait(exchange)
        return status, octets, took_s

    def close(self) -> None:
        while not self.free.empty():
            self.free.get_nowait().close()


class Run:
    """One run's verifications and figures."""

    def __init__(self, box: Box, rate: float, seconds: float, tries: int) -> None:
        self.box, self.rate, self.seconds, self.tries = box, rate, seconds, tries
        self.line = Line(box)
        self.made: list[str] = []
        self.begun_s: list[float] = []
        self.faults: list[str] = []

    async def whole(self) -> list[Figure]:
        await self.line.open(CONNECTIONS)
        began_s = monotonic_s()
        expired = await self._make(20, life_s=LIFE_S_MIN)
        processes = Processes()
        before = processes.spent().cpu_s
        await self._pace()
        spent = processes.spent().cpu_s
        checks = await self._checks()
        await asyncio.sleep(max(0.0, began_s + LIFE_S_MIN + 1 - monotonic_s()))
        denials = await self._denials(expired)
        self.line.close()
        return [
            Figure("begun, request to 201, p50", round(percentile(self.begun_s, 0.5) * 1000, 2), "ms", "less"),
            Figure("begun, request to 201, p99", round(percentile(self.begun_s, 0.99) * 1000, 2), "ms", "less"),
            Figure("begun", round(len(self.begun_s) / self.seconds), "a second"),
            *(
                Figure(f"processor time of {name}, one begun", round(used_s / len(self.begun_s) * 1e6), "us", "less")
                for name, used_s in ((name, spent[name] - before.get(name, 0.0)) for name in OF_ONE_BEGUN)
            ),
            Figure("checks", round(checks), "a second"),
            *denials,
        ]

    # --- begun, checked -----------------------------------------------------------------------------------

    async def _make(self, count: int, life_s: int = 600, first: int = 0) -> list[str]:
        """Verifications for a payment, one after the other, each of a number of its own."""
        out = []
        for n in range(first, first + count):
            body = {"to": f"+39333{n:07}", "purpose": "payment", "life_s": life_s, **PAYMENT}
            status, octets, _ = await self.line.ask("/v1/verifications", body)
            if status != 201:
                self.faults.append(f"a verification was answered with {status}")
                break
            out.append(str(json.loads(octets)["id"]))
        return out

    async def _pace(self) -> None:
        """`rate` a second, each when it is due; half of them for a payment."""

        async def one(turn: int) -> None:
            body: dict[str, Any] = {"to": f"+39347{turn:07}", "purpose": "login"}
            if turn % 2:
                body |= {"purpose": "payment", **PAYMENT}
            status, octets, took_s = await self.line.ask("/v1/verifications", body)
            if status == 201:
                self.begun_s.append(took_s)
                if turn % 2:
                    self.made.append(json.loads(octets)["id"])
            else:
                self.faults.append(f"a verification was answered with {status}")

        began_s, tasks = monotonic_s(), []
        for turn in range(int(self.rate * self.seconds)):
            await asyncio.sleep(max(0.0, began_s + turn / self.rate - monotonic_s()))
            tasks.append(asyncio.ensure_future(one(turn)))
        await asyncio.gather(*tasks)

    async def _checks(self) -> float:
        """Checks a second over all connections; each verification at most four times, so that none has failed yet."""
        until_s, began_s, done = monotonic_s() + self.seconds, monotonic_s(), 0
        targets = iter([id_ for _ in range(2) for id_ in self.made] * 50)

        async def one() -> None:
            nonlocal done
            while monotonic_s() < until_s:
                status, _, _ = await self.line.ask(
                    f"/v1/verifications/{next(targets)}/check", {"code": WRONG, **PAYMENT}
                )
                if status != 200:
                    self.faults.append(f"a check was answered with {status}")
                    return
                done += 1

        await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
        return done / (monotonic_s() - began_s)

    # --- denials ------------------------------------------------------------------------------------------

    async def _denials(self, expired: list[str]) -> list[Figure]:
        """Each kind of denial as often, one request at a time, in an order by chance: medians, and how far they lie apart."""
        each = self.tries // len(KINDS)
        fresh = await self._make(len(OTHER) * (each // 4 + 1))
        used, spent, cancelled = await self._used(), (await self._make(1))[0], (await self._make(1))[0]
        for _ in range(6):
            await self.line.ask(f"/v1/verifications/{spent}/check", {"code": WRONG, **PAYMENT})
        await self.line.ask(f"/v1/verifications/{cancelled}/cancel", {})
        unknown = id_text(new_ids(1, now_ms())[0])
        fixed = {
            "used": used,
            "too many tries": spent,
            "cancelled": cancelled,
            "expired": expired[0],
            "unknown": unknown,
        }
        left = {kind: [id_ for id_ in fresh[n :: len(OTHER)] for _ in range(4)] for n, kind in enumerate(OTHER)}
        turns = [kind for kind in KINDS for _ in range(each)]
        random.Random(1).shuffle(turns)  # an order, no secret
        took: dict[str, list[float]] = {kind: [] for kind in KINDS}
        bodies: set[tuple[int, bytes]] = set()
        for kind in turns:
            target = fixed[kind] if kind in fixed else left[kind].pop()
            check = {"code": WRONG, **PAYMENT, **OTHER.get(kind, {})}
            status, octets, took_s = await self.line.ask(f"/v1/verifications/{target}/check", check)
            bodies.add((status, octets))
            took[kind].append(took_s)
        if len(bodies) != 1:
            self.faults.append(f"denials are answered in {len(bodies)} ways")
        medians = {kind: statistics.median(values) * 1e6 for kind, values in took.items()}
        apart = max(medians.values()) - min(medians.values())
        # What halves of one kind, told apart by nothing, lie apart: the noise of this run.
        noise = max(
            abs(statistics.median(v[0::2]) - statistics.median(v[1::2])) * 1e6 for v in took.values() if len(v) > 1
        )
        spread = statistics.median(statistics.pstdev(values) for values in took.values()) * 1e6
        return [
            Figure("denials tried", sum(map(len, took.values())), "checks", ""),
            *(Figure(f"denied: {kind}, median", round(value), "us", "less") for kind, value in medians.items()),
            Figure("medians of denials lie apart", round(apart), "us", "less"),
            Figure("halves of one kind lie apart", round(noise), "us", ""),
            Figure("one check varies by (standard deviation)", round(spread), "us", ""),
        ]

    async def _used(self) -> str:
        """A verification that was approved."""
        (made,) = await self._make(1, first=NOBODY_ELSES)
        code = await asyncio.to_thread(code_at_handset, self.box.operator, f"+39333{NOBODY_ELSES}")
        status, octets, _ = await self.line.ask(f"/v1/verifications/{made}/check", {"code": code, **PAYMENT})
        if status != 200 or json.loads(octets)["status"] != "approved":
            self.faults.append("a right code was not approved")
        return made


def code_at_handset(operator: str, number: str) -> str:
    """The newest code that a number got, once it is there; empty when none comes."""
    pause = threading.Event()
    for _ in range(300):
        with urllib.request.urlopen(f"{operator}/received?to={number[1:]}", timeout=5) as answer:  # our own
            texts = [row["text"] for row in json.load(answer)]
        if texts:
            newest = max(texts, key=texts.index)
            found = re.search(r"\b\d{6}\b", newest)
            return found[0] if found else ""
        pause.wait(0.1)
    return ""


def open_ones(path: Path, count: int) -> None:
    """Puts `count` pending verifications into the book, as if other API keys had begun them."""
    book, at_ms = Book(path), now_ms()
    mac, columns = code_mac(bytes(32), bytes(16), bytes(16), "login", NONE, ""), ", ".join(Verification._fields)
    marks = ", ".join("?" * len(Verification._fields))
    draw = random.Random(2)  # subjects of nobody
    for begun in range(0, count, OPEN_AT_ONCE):
        rows = [
            Verification(
                id_, 0, "login", "pending", draw.randbytes(16), mac, b"", 1, bytes(64), at_ms, at_ms + 3_600_000, 1, 0, 0,
                None, None, prefix="+39347",
            )
            for id_ in new_ids(min(OPEN_AT_ONCE, count - begun), at_ms)
        ]  # fmt: skip
        book.conn.execute("BEGIN")
        book.conn.executemany(f"INSERT INTO verification ({columns}) VALUES ({marks})", rows)  # noqa: S608
        book.conn.execute("COMMIT")
    book.close()


def codes(seconds: float, rate: float, tries: int, opened: int) -> Outcome:
    """A box of its own with `opened` pending verifications."""
    with folder() as where, own(where) as box:
        if opened:
            open_ones(where / "verify.db", opened)
        run = Run(box, rate, seconds, tries)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            done = runner.run(run.whole())
        rss = _rss(where)
        octets = sum(file.stat().st_size for file in where.glob("verify.db*"))
    figures = [
        *done,
        Figure("memory of gateways", rss, "MiB", "less"),
        Figure("verify.db", round(octets / 2**20), "MiB", "less"),
    ]
    title = f"{rate:.0f} verifications a second, {opened:,} open ones on disk"
    settings = {"rate": rate, "seconds": seconds, "tries": tries, "open": opened}
    return Outcome("codes", title, 2 * seconds, figures, settings=settings, faults=sorted(set(run.faults)))


def _rss(where: Path) -> int:
    """MiB of all gateways of the box in this folder."""
    state = json.loads((where / "run" / "state.json").read_text(encoding="utf-8"))
    pids = [p["pid"] for p in state["processes"] if str(p["name"]).startswith("gateway") and p.get("pid")]
    return round(sum(psutil.Process(pid).memory_info().rss for pid in pids) / 2**20)
