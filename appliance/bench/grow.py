"""The scenario `grow`: does a box with many days of messages on disk work as fast as an empty one, and how fast does it find a number.

One day is lived through the box; its file then stands for the days before it. What is in such a day is real, sealed and indexed; that
its messages have another day's ids is nothing that throughput or a search by number depends on.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any, Final
from urllib.parse import quote, urlsplit

from appliance.clock import day_of, monotonic_s, now_ms
from appliance.errors import Error
from appliance.settings import parse
from appliance.store import partition_path

from .box import Box
from .figures import percentile
from .load import Load
from .outcome import Figure, Outcome, Series
from .spending import cpu_s, pss_mib
from .started import folder, own
from .steady import DISTINCT_MESSAGES, SEED
from .texts import bodies, messages
from .timing import FILL_S_MAX
from .watch import Watch
from .widening import over, widened

SETTLE_S: Final = 1.0
SEARCHES: Final = 100
PER_CALL: Final = 500
BUILT: Final = "grow.json"  # in the folder: which days are whole there


def built(home: Path, days: int, per_day: int, times: int = 1) -> int:
    """Lives one day through a box in `home`, for as many days as are asked for; octets on disk. What is there already is used again.

    `times`: of the messages of a day one in so many is lived, the others are copies of these (`widening`).
    """
    store = parse({}, home, "bench").store
    said = home / BUILT
    wanted = {"days": days, "per_day": per_day}
    if not (said.exists() and json.loads(said.read_text(encoding="utf-8")) == wanted):
        if any(store.glob("*.db*")):
            raise Error("invalid", f"{home} holds other days", "name an empty folder with --home, or the same days")
        home.mkdir(parents=True, exist_ok=True)
        _one_day(home, per_day // times)
        if times > 1:
            widened(_lived(store)[1], times)
        _spread(home, days)
        said.write_text(json.dumps(wanted), encoding="utf-8")
    return sum(file.stat().st_size for file in store.iterdir() if file.is_file())


def grow(days: int, per_day: int, seconds: float, windows: int, home: Path | None = None, times: int = 1) -> Outcome:
    """`days` partitions of `per_day` messages beside an empty box, loaded in turns. `home`: where they are built, and stay."""
    with contextlib.ExitStack() as stack:
        empty = stack.enter_context(folder())
        full = home if home is not None else stack.enter_context(folder())
        octets = built(full, days, per_day, times)
        boxes = {"empty": stack.enter_context(own(empty)), "full": stack.enter_context(own(full))}
        turns: list[tuple[str, float, float, float]] = []
        began = monotonic_s()
        for _ in range(windows):
            for name in ("empty", "full"):
                rate, cpu = _window(boxes[name], seconds)
                turns.append((name, monotonic_s() - began, rate, cpu))
        turns.append(("empty", monotonic_s() - began, *_window(boxes["empty"], seconds)))
        searches = _searched(boxes["full"], per_day // times)
        memory = pss_mib(int(boxes["full"].engine.call("ping", {})["pid"]))
    ratios = [
        rate / fmean((turns[n - 1][2], turns[n + 1][2])) for n, (name, _, rate, _) in enumerate(turns) if name == "full"
    ]
    costs = {name: statistics.median(cpu for of, _, _, cpu in turns if of == name) for name in boxes}
    points: dict[str, Series] = {
        f"{name}, full lives/s": [(round(at, 1), round(rate)) for of, at, rate, _ in turns if of == name]
        for name in boxes
    }
    return Outcome(
        "grow",
        f"{days} days of {per_day:,} messages beside an empty box, loaded in turns of {seconds:.0f} s",
        round(turns[-1][1], 1),
        [
            Figure("throughput against an empty box", round(statistics.median(ratios), 3), ""),
            Figure(
                "full: full lives", round(statistics.median(r for of, _, r, _ in turns if of == "full")), "segments/s"
            ),
            Figure(
                "empty: full lives", round(statistics.median(r for of, _, r, _ in turns if of == "empty")), "segments/s"
            ),
            Figure("full: engine's processor time a message", round(costs["full"], 1), "us", "less"),
            Figure("empty: engine's processor time a message", round(costs["empty"], 1), "us", "less"),
            Figure("messages on disk", days * per_day, "messages", ""),
            Figure("on disk", round(octets / 2**30, 2), "GiB", "less"),
            Figure("octets a message", round(octets / (days * per_day)), "octets", "less"),
            Figure("search by number, p50", round(percentile(searches, 0.5) * 1000, 1), "ms", "less"),
            Figure("search by number, p95", round(percentile(searches, 0.95) * 1000, 1), "ms", "less"),
            Figure("engine memory (PSS)", round(memory), "MiB", "less"),
        ],
        series=points,
        settings={"days": days, "per_day": per_day, "windows": windows, "times": times},
    )


def _one_day(home: Path, count: int) -> None:
    """`count` messages lived through a box of its own."""
    with own(home) as box:
        load = Load.batches(box.api, box.key, bodies(SEED, DISTINCT_MESSAGES * 5 // PER_CALL, PER_CALL), 4, 20_000)
        load.requests_max = -(-count // PER_CALL)
        watch = Watch(box, load)
        load.start()
        until = monotonic_s() + FILL_S_MAX
        while load.alive() and monotonic_s() < until:
            watch.pause.wait(0.05)
            watch.look()
        load.stop()
        left = watch.until_final(120.0)
        if left:
            raise Error("internal", f"{left} messages of the day have no end")


def _spread(home: Path, days: int) -> None:
    """The newest day's file as that of the days before."""
    store = parse({}, home, "bench").store
    lived, source = _lived(store)
    for day in range(lived - 1, lived - days, -1):
        shutil.copyfile(source, partition_path(store, day))
        if day == lived - 1:
            source = partition_path(store, day)
            over(store, day)


def _lived(store: Path) -> tuple[int, Path]:
    """The day that was lived, and its file."""
    today = day_of(now_ms())
    lived = next(day for day in (today, today - 1) if partition_path(store, day).exists())
    return lived, partition_path(store, lived)


def _window(box: Box, seconds: float) -> tuple[float, float]:
    """(full lives a second, engine's processor time a message) under load."""
    load = Load.batches(box.api, box.key, bodies(SEED, DISTINCT_MESSAGES // 100, 100), 4, 10_000)
    pid = int(box.engine.call("ping", {})["pid"])  # by its id: two boxes run
    watch = Watch(box, load)
    load.start()
    try:
        watch.through(SETTLE_S)
        first, spent = watch.sample(), cpu_s(pid)
        watch.through(seconds)
        last, after = watch.sample(), cpu_s(pid)
    finally:
        load.stop()
    watch.until_final()
    lives = max(last.receipted - first.receipted, 1)
    return lives / (last.at_s - first.at_s), (after - spent) / lives * 1e6


def _searched(box: Box, lived: int) -> list[float]:
    """Seconds of searches by numbers that are there, one after another; of a day of few messages by those written to first."""
    parts = urlsplit(box.api)
    wire = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
    took = []
    for row in _some(messages(SEED, DISTINCT_MESSAGES)[: max(SEARCHES, lived // 2)]):
        began = monotonic_s()
        wire.request("GET", f"/v1/messages?number={quote(row['to'])}", headers={"authorization": f"Bearer {box.key}"})
        answer = wire.getresponse()
        found = json.loads(answer.read())
        took.append(monotonic_s() - began)
        if answer.status != 200 or not found["messages"]:
            raise Error("internal", f"a number that was written to is not found: {answer.status}")
    wire.close()
    return took


def _some(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield from rows[:: max(1, len(rows) // SEARCHES)][:SEARCHES]
