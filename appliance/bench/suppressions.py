"""`casemate bench suppressions`: what importing a list takes, and what screening every message against it costs, in turns under one load."""

from __future__ import annotations

import contextlib
import json
import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click
import httpx

from appliance.clock import monotonic_s, now_ms
from appliance.consent import Book, bring_in, read
from appliance.errors import Error
from appliance.keys import BlockingKeyring
from appliance.settings import parse

from . import turns
from .box import Box
from .exchange import post
from .load import Load, told_batch
from .started import folder, own
from .steady import DISTINCT_MESSAGES, SEED, WARM_S
from .texts import bodies
from .watch import Watch

#: The same texts to the same numbers as one class and as the other: only the second is asked about.
TURNS: Final = {"exempt": "transaction", "screened": "bulk"}
CONFIG: Final = """
[consent]
exempt_classes = ["otp", "alert", "transaction"]
"""
STATES: Final = ("exempt", "screened")
RATIO_MIN: Final = 0.95
IMPORT_S_MAX: Final = 30.0  # of a million
EFFECTIVE_S_MAX: Final = 30.0
SCREENERS: Final = ("engine", "gateway")


class Kinds(Sequence[bytes]):
    """Requests of the kind whose turn it is."""

    def __init__(self, box: Box) -> None:
        host = urlsplit(box.api).netloc
        made = bodies(SEED, DISTINCT_MESSAGES // 100, 100)
        self._kinds = {
            name: [post(host, "/v1/messages/batch", box.key, as_class(body, class_)) for body in made]
            for name, class_ in TURNS.items()
        }
        self.now = "exempt"

    def take(self, name: str) -> None:
        self.now = name

    def __len__(self) -> int:
        return len(self._kinds[self.now])

    def __getitem__(self, n: Any) -> Any:
        return self._kinds[self.now][n]


def as_class(body: bytes, class_: str) -> bytes:
    """The same batch with every message of one class."""
    batch = json.loads(body)
    for message in batch["messages"]:
        message["class"] = class_
    return json.dumps(batch, ensure_ascii=False, separators=(",", ":")).encode()


def listed(path: Path, count: int, seed: int = SEED) -> None:
    """A CSV of distinct numbers, none of which the load writes to (these begin with 3933)."""
    chance = random.Random(seed)
    numbers = chance.sample(range(100_000_000), count)
    with path.open("w", encoding="ascii") as out:
        out.write("number,programme\n")
        out.writelines(f"+3934{n:08d},all\n" for n in numbers)


def imported(where: Path, count: int) -> dict[str, Any]:
    """Brings a list of `count` in, as `casemate consent import` does; seconds it took."""
    file = where / "suppressed.csv"
    listed(file, count)
    settings = parse({}, where, "bench")
    ring, book = BlockingKeyring(settings), Book(where / "consent.db")

    def progress(what: str, done: int, of: int) -> None:
        click.echo(f"\r  {done:,}{f' of {of:,}' if of else ''} {what}   ", err=True, nl=False)

    try:
        began = monotonic_s()
        new, known = bring_in(book, ring, read(file, "all", [], progress), "cli:bench", now_ms(), progress)
        took = monotonic_s() - began
    finally:
        click.echo("", err=True)
        ring.close()
        book.close()
    if (new, known) != (count, 0):
        raise Error("file_invalid", f"{new:,} of {count:,} numbers came in", "see the appliance's log")
    return {"suppressed": count, "imported_s": round(took, 2)}


def effective(box: Box, where: Path) -> float:
    """Waits until the gateway refuses the last number of the list; seconds it took. Raises Error `peer_unavailable`."""
    last = (where / "suppressed.csv").read_text(encoding="ascii").split()[-1].partition(",")[0]
    asked = {"to": last, "text": "x", "class": TURNS["screened"]}
    began, pause = monotonic_s(), threading.Event()
    while monotonic_s() < began + EFFECTIVE_S_MAX:
        answer = httpx.post(f"{box.api}/v1/preview", json=asked, headers={"authorization": f"Bearer {box.key}"})
        if answer.status_code == 403 and answer.json()["code"] == "suppressed":
            return monotonic_s() - began
        pause.wait(0.05)
    raise Error("peer_unavailable", "the gateway does not know the list", "see the appliance's log")


def run(where: Path, seconds: float, count: int, window_s: float) -> dict[str, Any]:
    """Loads a box of its own while the classes take turns; the report."""
    with contextlib.ExitStack() as stack:
        box = stack.enter_context(own(where, CONFIG))
        told = imported(where, count)
        told["effective_s"] = round(effective(box, where), 2)
        kinds = Kinds(box)
        load = Load(box.api, kinds, 4, 10_000, told_batch)
        watch = Watch(box, load)
        load.start()
        try:
            watch.through(WARM_S)
            windows = turns.taken(watch, STATES, kinds.take, seconds, window_s, SCREENERS)
        finally:
            load.stop()
        left = watch.until_final()
    return told | turns.report(windows, STATES) | {"accepted": load.accepted, "rejected": load.rejected, "left": left}


def passed(told: dict[str, Any]) -> bool:
    """Whether what is promised was reached: the ratio, the import, and no message lost or refused."""
    soon = told["imported_s"] <= IMPORT_S_MAX * max(told["suppressed"] / 1_000_000, 0.1)
    return told["ratio"] >= RATIO_MIN and soon and not told["left"] and not told["rejected"]


def page(told: dict[str, Any]) -> str:
    return "\n".join(
        (
            f"imported            {told['suppressed']:>10,} numbers in {told['imported_s']} s, all refused {told['effective_s']} s later",
            f"exempt class        {told['exempt_per_s']:>10,} segments a second",
            f"screened            {told['screened_per_s']:>10,} segments a second",
            f"ratio               {told['ratio']:>10.3f}   (windows: {', '.join(map(str, told['ratios']))})",
            f"processor           {told['screened_cpu_us']:>10} us a segment in engine and gateway, {told['exempt_cpu_us']} exempt",
            f"messages            {told['accepted']:>10,} accepted, {told['rejected']} refused, {told['left']} without a final status",
        )
    )


@click.command("suppressions")
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(4, 3_600), help="how long, about")
@click.option(
    "--numbers", default=1_000_000, show_default=True, type=click.IntRange(1, 5_000_000), help="that are suppressed"
)
@click.option(
    "--window", "window_s", default=4.0, show_default=True, type=click.FloatRange(1, 60), help="seconds of each turn"
)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="also write the figures to this file"
)
@click.pass_context
def suppressions(ctx: click.Context, seconds: float, numbers: int, window_s: float, json_file: Path | None) -> None:
    """Measure an import of suppressed numbers, and screening against them in turns with an exempt class under one load.

    Starts an appliance and an operator of its own. Exits with 1 when the ratio is below 0.95, the import takes longer than
    30 s a million, or a message was lost.
    """
    with folder() as where:
        told = run(where, seconds, numbers, window_s)
    click.echo(page(told))
    if json_file is not None:
        json_file.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    ctx.exit(0 if passed(told) else 1)
