"""`casemate bench routes`: what choosing among thousands of prefixes costs against one fixed route, and what a swap does to traffic."""

from __future__ import annotations

import contextlib
import json
import random
import tomllib
from pathlib import Path
from typing import Any, Final

import click

from appliance.clock import monotonic_s, now_ms
from appliance.router import RouteShelf
from appliance.settings import Route, parse

from . import turns
from .box import Box
from .load import Load
from .started import folder, operator, own
from .steady import DISTINCT_MESSAGES, SEED, WARM_S
from .texts import bodies
from .watch import Watch

LINKS: Final = 4
NUMBERS_BEGIN: Final = "3933"  # as the numbers of texts.py do
CHOOSERS: Final = ("engine", "gateway")  # the processes that look a route up
STATES: Final = ("fixed", "table")
RATIO_MIN: Final = 0.95


def table(count: int, seed: int = SEED) -> tuple[Route, ...]:
    """`count` prefixes, longer and shorter ones of each other, that all prefer the same link and differ in what comes after it.

    So both tables load the same link, and what is measured is the choosing.
    """
    chance = random.Random(seed)
    prefixes = {"", NUMBERS_BEGIN}
    while len(prefixes) < count:
        prefixes.add(NUMBERS_BEGIN + str(chance.randrange(10 ** chance.randrange(2, 7))))
    others = [f"link-{n}" for n in range(1, LINKS)]
    return tuple(
        Route(prefix, ("link-0", *chance.sample(others, chance.randrange(1, LINKS))), name=f"bench {n}")
        for n, prefix in enumerate(sorted(prefixes))
    )


def config(listens: str, window: int) -> str:
    """Settings of a box with LINKS links to one operator."""
    host, _, port = listens.rpartition(":")
    link = f'host = "{host}"\nport = {port}\nsystem_id = "casemate"\nwindow = {window}\n'
    return "".join(f'[[link]]\nname = "link-{n}"\n{link}' for n in range(LINKS))


class Tables:
    """Makes one table or the other active, as `casemate routes activate` does."""

    def __init__(self, box: Box, home: Path, text: str, count: int) -> None:
        self.box = box
        self.shelf = RouteShelf(parse(tomllib.loads(text), home, "bench"))
        self.kept = {
            "fixed": self.shelf.keep((Route("", ("link-0",)),), (), "bench", now_ms()),
            "table": self.shelf.keep(table(count), (), "bench", now_ms()),
        }
        self.swaps: list[dict[str, Any]] = []
        self.at_s: list[float] = []

    def take(self, name: str) -> None:
        heading = self.kept[name]
        self.shelf.point(heading.version, heading.digest)
        began = monotonic_s()
        said = dict(self.box.engine.call("routes_load", {"who": "bench"}))
        self.at_s.append(began)
        if name == "table":
            self.swaps.append({**said, "swapped_s": monotonic_s() - began})


def run(where: Path, seconds: float, count: int, window_s: float) -> dict[str, Any]:
    """Loads a box of its own while the tables take turns; the report."""
    with contextlib.ExitStack() as stack:
        listens, _ = stack.enter_context(operator(where))
        text = config(listens, 500)
        box = stack.enter_context(own(where, text))
        tables = Tables(box, where, text, count)
        tables.take("fixed")
        load = Load.batches(box.api, box.key, bodies(SEED, DISTINCT_MESSAGES // 100, 100), 4, 10_000)
        watch = Watch(box, load)
        load.start()
        longest_ms = 0.0

        def take(name: str) -> None:
            nonlocal longest_ms
            longest_ms = max(longest_ms, float(watch.state["routes"]["longest_ms"]))
            tables.take(name)

        try:
            watch.through(WARM_S)
            windows = turns.taken(watch, STATES, take, seconds, window_s, CHOOSERS)
            longest_ms = max(longest_ms, float(watch.state["routes"]["longest_ms"]))
        finally:
            load.stop()
        left = watch.until_final()
    told = report(tables, load.calls, count, longest_ms) | turns.report(windows, STATES)
    return told | {"accepted": load.accepted, "left": left}


def report(tables: Tables, calls: list[tuple[float, float]], count: int, longest_ms: float) -> dict[str, Any]:
    """Figures of the swaps, and of calls beside them."""
    swapping = [took for ended, took in calls if any(at <= ended <= at + turns.SETTLE_S for at in tables.at_s)]
    other = [took for ended, took in calls if not any(at <= ended <= at + turns.SETTLE_S for at in tables.at_s)]
    return {
        "prefixes": count,
        "swapped_ms": round(max(swap["swapped_s"] for swap in tables.swaps) * 1000, 1),
        "compiled_ms": max(swap["compiled_ms"] for swap in tables.swaps),
        "longest_ms": longest_ms,
        "call_ms_max_swapping": round(max(swapping, default=0.0) * 1000, 1),
        "call_ms_max_otherwise": round(max(other, default=0.0) * 1000, 1),
    }


def page(told: dict[str, Any]) -> str:
    return "\n".join(
        (
            f"one fixed route     {told['fixed_per_s']:>8} segments a second",
            f"{told['prefixes']:>6} prefixes     {told['table_per_s']:>8} segments a second",
            f"ratio               {told['ratio']:>8.3f}   (windows: {', '.join(map(str, told['ratios']))})",
            f"processor           {told['table_cpu_us']:>8} us a segment in engine and gateway, {told['fixed_cpu_us']} with one fixed route",
            f"swapped within      {told['swapped_ms']:>8} ms (compiled in {told['compiled_ms']} ms while traffic went on)",
            f"longest turn        {told['longest_ms']:>8} ms in which the engine did nothing but change its routes",
            f"longest API call    {told['call_ms_max_swapping']:>8} ms during swaps, {told['call_ms_max_otherwise']} ms otherwise",
            f"messages            {told['accepted']:>8} accepted, {told['left']} without a final status",
        )
    )


@click.command("routes")
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(4, 3_600), help="how long, about")
@click.option(
    "--prefixes", default=10_000, show_default=True, type=click.IntRange(2, 100_000), help="rows of the table"
)
@click.option(
    "--window", "window_s", default=5.0, show_default=True, type=click.FloatRange(1, 60), help="seconds of each turn"
)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="also write the figures to this file"
)
@click.pass_context
def routes(ctx: click.Context, seconds: float, prefixes: int, window_s: float, json_file: Path | None) -> None:
    """Measure choosing among many prefixes against one fixed route, in turns under one load, and each swap between them.

    Starts an appliance and an operator of its own. Exits with 1 when the ratio is below 0.95 or a message was lost.
    """
    with folder() as where:
        told = run(where, seconds, prefixes, window_s)
    click.echo(page(told))
    if json_file is not None:
        json_file.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    ctx.exit(1 if told["left"] or told["ratio"] < RATIO_MIN else 0)
