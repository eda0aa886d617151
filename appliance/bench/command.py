"""The `casemate bench` command: which scenarios, how long, and where the report goes."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from appliance.errors import Error
from appliance.settings import home_of

from . import hardware
from .box import Box, attached
from .chart import drawn
from .codes import codes
from .grow import built, grow
from .outcome import Outcome, Report, page, written
from .pages import PEOPLE_MAX, pages
from .peer import compared, rival
from .picture import png
from .standing import backlog, recover
from .started import folder, own
from .steady import DEFAULTS, Level, measure
from .timing import latency, otp_under_bulk

#: What `casemate bench all` runs, in order, and for how long each.
SUITE: Final = ("batch", "single", "door", "latency", "otp-under-bulk", "backlog", "recover", "grow")
SUITE_S: Final = 15.0
#: How large the last three are there: minutes each. The whole of them takes the better part of an hour, by their own commands.
SUITE_QUEUED: Final = 100_000
SUITE_DAYS, SUITE_PER_DAY, SUITE_TIMES = 29, 200_000, 10


class Files(NamedTuple):
    """Where a report is also written."""

    json_file: Path | None = None
    svg_file: Path | None = None
    png_file: Path | None = None


def reported(f: Callable[..., Any]) -> Callable[..., Any]:
    """Options of every scenario, handed on as `files`."""

    @functools.wraps(f)
    def with_files(
        *args: Any, json_file: Path | None, svg_file: Path | None, png_file: Path | None, **rest: Any
    ) -> Any:
        return f(*args, files=Files(json_file, svg_file, png_file), **rest)

    file = click.Path(dir_okay=False, path_type=Path)
    done: Callable[..., Any] = with_files
    done = click.option("--png", "png_file", type=file, help="the same as a PNG, drawn with Pillow")(done)
    done = click.option("--svg", "svg_file", type=file, help="also draw the run in this file")(done)
    return click.option("--json", "json_file", type=file, help="also write the figures to this file")(done)


def length(default: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    bounds = click.FloatRange(2, 3_600)
    return click.option("--seconds", default=default, show_default=True, type=bounds, help="how long to measure")


def tell(ctx: click.Context, outcomes: list[Outcome], files: Files) -> None:
    """Prints the table, writes the files; exits with 1 when an outcome has a fault."""
    with folder() as where:
        machine = hardware.described(where)
    report = Report(machine, outcomes)
    click.echo(hardware.page(machine) + "\n")
    click.echo("\n\n".join(page(outcome) for outcome in outcomes))
    if files.json_file is not None:
        files.json_file.write_bytes(written(report))
    if files.svg_file is not None:
        files.svg_file.write_text(drawn(report), encoding="utf-8")
    if files.png_file is not None:
        files.png_file.write_bytes(png(drawn(report)))
    ctx.exit(1 if any(outcome.faults for outcome in outcomes) else 0)


@contextlib.contextmanager
def a_box(attach: bool, engines: int = 1) -> Iterator[Box]:
    if attach:
        yield attached(home_of())
        return
    with folder() as where, own(where, f"[engine]\nshards = {engines}\n" if engines > 1 else "") as box:
        yield box


@click.group("bench", invoke_without_command=True)
@click.option("--peer", help="another gateway to compare with, in the same run: kannel or jasmin")
@click.option(
    "--jasmin",
    "environment",
    type=click.Path(file_okay=False, path_type=Path),
    help="Python environment where Jasmin is installed; jasmin in the state folder if not given",
)
@length(10.0)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1, 100), help="windows of each side")
@reported
@click.pass_context
def bench(
    ctx: click.Context,
    peer: str | None,
    environment: Path | None,
    seconds: float,
    rounds: int,
    files: Files,
) -> None:
    """Measure what this box does: API, store, operator link, receipts, with sealing, full sync and audit on.

    With --peer the same load goes to the appliance and to that gateway in turns of --seconds, and both are killed under load;
    the other options are of such a run. The gateway is not installed by this: where it is missing, the error says how.
    Else name a scenario. Each scenario starts an appliance and a simulated operator of its own, and prints a table of segments
    a second, times, and processor time a message by process. Exits with 1 when something accepted did not reach a final status.
    """
    if ctx.invoked_subcommand:
        return
    if peer is None:
        click.echo(ctx.get_help())
        return
    found = rival(peer, (environment or home_of() / "jasmin").absolute())
    click.echo(f"casemate and {peer} in turns, {rounds} windows of {seconds:.0f} s each ...", err=True)
    tell(ctx, [compared(found, seconds, rounds)], files)


def _steady(name: str, help_text: str) -> None:
    level = DEFAULTS[name]
    fields: list[Any] = [
        length(60.0),
        click.option("--connections", default=level.connections, show_default=True, type=click.IntRange(1, 256), help="connections (or binds)"),
        click.option(
            "--in-flight", "in_flight_max", default=level.in_flight_max, show_default=True, type=click.IntRange(100, 1_000_000),
            help="most messages accepted but not final: what is measured is sustained",
        ),
        click.option("--engines", default=1, show_default=True, type=click.IntRange(1, 64), help="engine.shards of the appliance it starts"),
        click.option("--attach", is_flag=True, help="measure the appliance that runs on CASEMATE_HOME: its links are really used"),
        reported,
    ]  # fmt: skip
    if name == "batch":
        fields.append(
            click.option("--rate-batch", "per_call", default=level.per_call, show_default=True, type=click.IntRange(1, 1_000), help="messages in a call")
        )  # fmt: skip
    if name == "door":
        fields.append(
            click.option("--window", default=level.window, show_default=True, type=click.IntRange(1, 10_000), help="of each bind")
        )  # fmt: skip

    @click.pass_context
    def run(
        ctx: click.Context, seconds: float, engines: int, attach: bool, files: Files,
        **given: int,
    ) -> None:  # fmt: skip
        with a_box(attach, engines) as box:
            click.echo(f"{name}: {seconds:.0f} s at {box.door[0] if name == 'door' else box.api} ...", err=True)
            outcome = measure(name, box, seconds, level._replace(**given))
        tell(ctx, [outcome], files)

    run.__doc__ = help_text
    command: Any = run
    for add in reversed(fields):
        command = add(command)
    bench.add_command(click.command(name, help=help_text)(command))


_steady("batch", "Full lives of messages that come by REST in batches.")
_steady("single", "Full lives of messages that come by REST, one a request, over keep-alive connections.")
_steady("door", "Full lives of messages that come by SMPP through the door.")


@bench.command("latency")
@length(60.0)
@click.option("--rate", default=20.0, show_default=True, type=click.FloatRange(1, 1_000), help="messages a second")
@reported
@click.pass_context
def _latency(
    ctx: click.Context,
    seconds: float,
    rate: float,
    files: Files,
) -> None:
    """How long a message takes from accept to operator while little happens."""
    click.echo(f"latency: {seconds:.0f} s at {rate:.0f} messages a second ...", err=True)
    tell(ctx, [latency(seconds, rate)], files)


@bench.command("otp-under-bulk")
@click.option(
    "--rate", default=200.0, show_default=True, type=click.FloatRange(1, 2_000), help="one-time codes a second"
)
@click.option(
    "--bulk", default=100_000, show_default=True, type=click.IntRange(1_000, 5_000_000), help="messages that drain"
)
@reported
@click.pass_context
def _otp(ctx: click.Context, rate: float, bulk: int, files: Files) -> None:
    """How long a one-time code waits while a queue of bulk messages drains."""
    click.echo(f"otp-under-bulk: {rate:.0f} codes a second, {bulk:,} bulk messages ...", err=True)
    tell(ctx, [otp_under_bulk(rate, bulk)], files)


@bench.command("backlog")
@click.option(
    "--count", default=200_000, show_default=True, type=click.IntRange(10_000, 50_000_000), help="messages queued"
)
@reported
@click.pass_context
def _backlog(ctx: click.Context, count: int, files: Files) -> None:
    """A queue that grows while no link takes anything, its memory, and how fast it drains then."""
    click.echo(f"backlog: {count:,} messages ...", err=True)
    tell(ctx, [backlog(count)], files)


@bench.command("recover")
@click.option(
    "--count", default=200_000, show_default=True, type=click.IntRange(10_000, 50_000_000), help="messages queued"
)
@reported
@click.pass_context
def _recover(ctx: click.Context, count: int, files: Files) -> None:
    """kill -9 of every process with a full queue: the first submit, and the full rate, after the start."""
    click.echo(f"recover: {count:,} messages ...", err=True)
    tell(ctx, [recover(count)], files)


@bench.command("grow")
@click.option("--days", default=29, show_default=True, type=click.IntRange(1, 30), help="partitions on disk")
@click.option(
    "--per-day", default=100_000, show_default=True, type=click.IntRange(1_000, 10_000_000), help="messages in each"
)
@length(5.0)
@click.option("--windows", default=4, show_default=True, type=click.IntRange(1, 100), help="windows of the full box")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="a folder in which the days are built once, and stay; to be removed by hand",
)
@click.option(
    "--times",
    default=1,
    show_default=True,
    type=click.IntRange(1, 100),
    help="of a day's messages one in so many is lived",
)
@click.option("--build", is_flag=True, help="only build the days in --home, to measure another time")
@reported
@click.pass_context
def _grow(
    ctx: click.Context,
    days: int,
    per_day: int,
    seconds: float,
    windows: int,
    home: Path | None,
    times: int,
    build: bool,
    files: Files,
) -> None:
    """Many days on disk against an empty box, loaded in turns; and searches by number."""
    click.echo(f"grow: {days} days of {per_day:,} messages ...", err=True)
    if build:
        if home is None:
            raise Error("invalid", "--build needs --home", "name the folder to build the days in")
        click.echo(f"{built(home, days, per_day, times) / 2**30:.1f} GiB in {home}")
        return
    tell(ctx, [grow(days, per_day, seconds, windows, home, times)], files)


@bench.command("pages")
@click.option("--days", default=3, show_default=True, type=click.IntRange(1, 30), help="partitions on disk")
@click.option(
    "--per-day", default=20_000, show_default=True, type=click.IntRange(1_000, 10_000_000), help="messages in each"
)
@click.option("--times", default=1, show_default=True, type=click.IntRange(1, 100), help="one in so many is lived")
@click.option("--people", default=50, show_default=True, type=click.IntRange(1, PEOPLE_MAX), help="at work at once")
@click.option("--rate", default=5_000.0, show_default=True, type=click.FloatRange(1, 50_000), help="segments a second")
@click.option(
    "--think", default=4.0, show_default=True, type=click.FloatRange(0.1, 60), help="seconds on a page, on average"
)
@length(60.0)
@click.option(
    "--home", type=click.Path(file_okay=False, path_type=Path), help="a folder with days that `grow --build` built"
)
@reported
@click.pass_context
def _pages(
    ctx: click.Context, days: int, per_day: int, times: int, people: int, rate: float, think: float, seconds: float,
    home: Path | None, files: Files,
) -> None:  # fmt: skip
    """How fast the console's pages come to people at work while messages flow, and what their live parts cost the engine."""
    click.echo(
        f"pages: {people} people, {days} days of {per_day:,} messages, {rate:.0f} segments a second ...", err=True
    )
    tell(ctx, [pages(days, per_day, times, people, rate, seconds, think, home)], files)


@bench.command("codes")
@length(20.0)
@click.option("--rate", default=500.0, show_default=True, type=click.FloatRange(1, 5_000), help="begun a second")
@click.option(
    "--tries", default=10_000, show_default=True, type=click.IntRange(90, 1_000_000), help="checks that are denied"
)
@click.option(
    "--open", "opened", default=0, show_default=True, type=click.IntRange(0, 10_000_000), help="pending ones on disk"
)
@reported
@click.pass_context
def _codes(
    ctx: click.Context,
    seconds: float,
    rate: float,
    tries: int,
    opened: int,
    files: Files,
) -> None:
    """One-time codes begun and checked; whether the time of a denial says why; memory with many open."""
    click.echo(f"codes: {rate:.0f} a second, {opened:,} open ...", err=True)
    tell(ctx, [codes(seconds, rate, tries, opened)], files)


@bench.command("all")
@length(SUITE_S)
@reported
@click.pass_context
def _all(ctx: click.Context, seconds: float, files: Files) -> None:
    """Every scenario, those that need hours as small ones: what `make bench` runs, about a quarter of an hour."""
    small: dict[str, Callable[[], Outcome]] = {
        "latency": lambda: latency(seconds, 20.0),
        "otp-under-bulk": lambda: otp_under_bulk(200.0, 100_000),
        "backlog": lambda: backlog(SUITE_QUEUED),
        "recover": lambda: recover(SUITE_QUEUED),
        "grow": lambda: grow(SUITE_DAYS, SUITE_PER_DAY, 5.0, 2, times=SUITE_TIMES),
    }
    outcomes = []
    for name in SUITE:
        click.echo(f"{name} ...", err=True)
        if name in small:
            outcomes.append(small[name]())
            continue
        with a_box(False) as box:
            outcomes.append(measure(name, box, seconds, DEFAULTS[name]))
    tell(ctx, outcomes, files)


__all__ = ["Level", "bench"]
