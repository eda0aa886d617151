"""`casemate bench numbers`: what importing a national database takes, what a look-up in it costs, and what a swap does to traffic."""

from __future__ import annotations

import contextlib
import json
import random
import resource
from pathlib import Path
from typing import Any, Final

import click

from appliance.clock import monotonic_s, now_ms
from appliance.router import Bookshelf, Kept, Layout, Numbers
from appliance.settings import Operator

from .box import Box
from .load import Load
from .started import folder, operator, own
from .steady import DISTINCT_MESSAGES, SEED, WARM_S
from .texts import bodies
from .watch import Watch

BOOK: Final = "bench"
OPERATORS: Final = 30
LOOKUPS: Final = 200_000
LINES_AT_ONCE: Final = 100_000
SETTLE_S: Final = 1.0  # of a swap: calls that end so long after it count as during it
#: What is promised: seconds and megabytes of an import of ten million rows, microseconds of a look-up's 99th percentile.
IMPORT_S_MAX, IMPORT_MB_MAX, LOOKUP_US_MAX = 120.0, 1_000.0, 50.0
PAUSE_MS_MAX: Final = 50.0  # longest turn of the engine while it takes a book: a beat under load takes some ten

ROUTES: Final = "".join(
    f'[[operator]]\nname = "op{n}"\nprefixes = ["39330{n:02}"]\n' for n in range(OPERATORS)
) + "".join(f'[[route]]\nprefix = "39"\noperator = "op{n}"\nlinks = ["one"]\n' for n in range(OPERATORS - 1))


def database(path: Path, rows: int, seed: int) -> None:
    """A CSV of distinct mobile numbers in no order."""
    chance = random.Random(seed)
    space = max(rows * 10, 10**8)
    step = 7_368_787  # a prime: no number comes twice before all have come
    begin = chance.randrange(space)
    with path.open("w", encoding="ascii") as out:
        out.write("number,operator\n")
        for first in range(0, rows, LINES_AT_ONCE):
            out.write(
                "".join(
                    f"393{3 * 10**8 + (begin + n * step) % space:09},op{n % 31 % OPERATORS}\n"
                    for n in range(first, min(rows, first + LINES_AT_ONCE))
                )
            )


def imported(where: Path, rows: int, seed: int) -> tuple[dict[str, Any], Kept]:
    """Makes a database, reads it in, brings it into use; figures."""
    source = where / "database.csv"
    database(source, rows, seed)
    shelf = Bookshelf(where)

    def progress(done: int, of: int) -> None:
        click.echo(f"\r  {done / max(1, of):4.0%}", err=True, nl=False)

    began = monotonic_s()
    with shelf.changing():
        kept, bound = shelf.bind(source, BOOK, Layout(), "bench", now_ms(), progress)
        shelf.put(BOOK, kept)
    took = monotonic_s() - began
    click.echo("", err=True)
    size = source.stat().st_size
    source.unlink()
    told = {"rows": bound.rows, "csv_mb": round(size / 1e6), "import_s": round(took, 1)}
    return told | {"peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}, kept


def looked_up(where: Path, seed: int) -> dict[str, Any]:
    """One look-up after the other through what the routes ask, half of numbers that did not move; microseconds."""
    books = [book for book in Bookshelf(where).opened() if not isinstance(book, str)]
    numbers = Numbers((Operator("op1"), Operator("op2", ("3934",))), books)
    chance = random.Random(seed)
    entries = books[0]
    asked = [f"+393{chance.choice('34')}{chance.randrange(10**8):08}" for _ in range(LOOKUPS)]
    took = []
    for to in asked:
        began = monotonic_s()
        numbers.operator(to)
        took.append(monotonic_s() - began)
    took.sort()
    at = {"lookup_p50_us": 0.5, "lookup_p99_us": 0.99, "lookup_p999_us": 0.999}
    return {"book_mb": round(entries.path.stat().st_size / 1e6)} | {
        name: round(took[int(share * LOOKUPS)] * 1e6, 1) for name, share in at.items()
    }


def swapped(where: Path, seconds: float, kept: Kept) -> dict[str, Any]:
    """A box under load whose books come and go; figures of the engine and of the API's calls."""
    with contextlib.ExitStack() as stack:
        listens, _ = stack.enter_context(operator(where))
        host, _, port = listens.rpartition(":")
        link = f'[[link]]\nname = "one"\nhost = "{host}"\nport = {port}\nsystem_id = "casemate"\nwindow = 500\n'
        box: Box = stack.enter_context(own(where, link + ROUTES + '[[route]]\nlinks = ["one"]\n'))
        shelf = Bookshelf(where)
        load = Load.batches(box.api, box.key, bodies(SEED, DISTINCT_MESSAGES // 100, 100), 4, 10_000)
        watch = Watch(box, load)
        load.start()
        swaps: list[tuple[float, dict[str, Any]]] = []
        try:
            watch.through(WARM_S)
            until = monotonic_s() + seconds
            first = watch.sample()
            while monotonic_s() < until:
                watch.through(2 * SETTLE_S)
                began = monotonic_s()
                shelf.put(BOOK, kept) if len(swaps) % 2 else shelf.back()
                swaps.append((began, dict(box.engine.call("routes_load", {"who": "bench"}))))
            watch.through(2 * SETTLE_S)
            last = watch.sample()
        finally:
            load.stop()
        left = watch.until_final()
    during = [t for ended, t in load.calls if any(at <= ended <= at + SETTLE_S for at, _ in swaps)]
    other = [t for ended, t in load.calls if not any(at <= ended <= at + SETTLE_S for at, _ in swaps)]
    return {
        "swaps": len(swaps),
        "segments_per_s": round((last.submitted - first.submitted) / (last.at_s - first.at_s)),
        "swap_ms_max": max(said["compiled_ms"] for _, said in swaps),
        "pause_ms_max": max(said["longest_ms"] for _, said in swaps),
        "call_ms_max_swapping": round(max(during, default=0.0) * 1000, 1),
        "call_ms_max_otherwise": round(max(other, default=0.0) * 1000, 1),
        "accepted": load.accepted,
        "left": left,
    }


def page(told: dict[str, Any]) -> str:
    lines = [
        f"import              {told['import_s']:>8} s for {told['rows']:,} rows ({told['csv_mb']} MB of CSV)",
        f"memory              {told['peak_mb']:>8} MB at most; the book has {told['book_mb']} MB",
        f"a look-up           {told['lookup_p50_us']:>8} us (p50), {told['lookup_p99_us']} us (p99), {told['lookup_p999_us']} us (p99.9)",
    ]
    if "swaps" in told:
        lines += [
            f"swaps               {told['swaps']:>8} at {told['segments_per_s']} segments a second, each taken within {told['swap_ms_max']} ms",
            f"longest turn        {told['pause_ms_max']:>8} ms in which the engine did nothing but take a book",
            f"longest API call    {told['call_ms_max_swapping']:>8} ms during swaps, {told['call_ms_max_otherwise']} ms otherwise",
            f"messages            {told['accepted']:>8} accepted, {told['left']} without a final status",
        ]
    return "\n".join(lines)


def kept_its_word(told: dict[str, Any]) -> bool:
    """Whether every figure is within what is promised; an import of more or fewer rows in proportion."""
    share = max(1.0, told["rows"] / 10_000_000)
    return bool(
        told["import_s"] <= IMPORT_S_MAX * share
        and told["peak_mb"] <= IMPORT_MB_MAX
        and told["lookup_p99_us"] <= LOOKUP_US_MAX
        and told.get("pause_ms_max", 0.0) <= PAUSE_MS_MAX
        and not told.get("left", 0)
    )


@click.command("numbers")
@click.option(
    "--rows", default=10_000_000, show_default=True, type=click.IntRange(1_000, 50_000_000), help="of the CSV"
)
@click.option(
    "--seconds", default=20.0, show_default=True, type=click.FloatRange(0, 600), help="of traffic with swaps; 0: none"
)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="also write the figures to this file"
)
@click.pass_context
def numbers(ctx: click.Context, rows: int, seconds: float, json_file: Path | None) -> None:
    """Measure the import of a national database of ported numbers, look-ups in it, and its swap under traffic.

    Starts an appliance and an operator of its own. Exits with 1 when a promised figure was missed or a message was lost.
    """
    with folder() as where:
        imported(where, 1_000, SEED)
        told, kept = imported(where, rows, SEED + 1)
        told |= looked_up(where, SEED)
        if seconds:
            told |= swapped(where, seconds, kept)
    click.echo(page(told))
    if json_file is not None:
        json_file.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    ctx.exit(0 if kept_its_word(told) else 1)
