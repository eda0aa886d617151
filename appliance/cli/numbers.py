"""`casemate numbers`: a national database of ported numbers brought into use while the appliance runs, looked up, taken back."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from appliance.audit import BlockingRecorder
from appliance.clock import monotonic_s, now_ms
from appliance.errors import Error
from appliance.invoker import at_command
from appliance.settings import Settings

from .people import show, time_text
from .routes import _load, _settings, _taken_lines

_json = click.option("--json", "as_json", is_flag=True, help="for programs")
PHASES: Final = ("reading", "merging")


@click.group()
def numbers() -> None:
    """Which operator a number moved to, by the databases that countries publish.

    A book is what one database says, such as IT. Routes name an operator by `operator`; its row [[operator]] says by `codes`
    what the databases call it. See `casemate settings`.
    """


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal; elsewhere a line for each tenth. First the file is read, then what was read is merged."""
    phase, whole, tenth = -1, 0, -1
    began_s = monotonic_s()

    def progress(done: int, of: int) -> None:
        nonlocal phase, whole, tenth
        if of != whole or phase < 0:
            phase, whole, tenth = min(1, phase + 1), of, -1
        share = done / of if of else 1.0
        name = PHASES[phase]
        if sys.stderr.isatty():
            filled = int(share * 40)
            took = f"{monotonic_s() - began_s:5.0f} s"
            line = f"\r{name}  [{'#' * filled}{'-' * (40 - filled)}] {share:4.0%} {took}"
            click.echo(line, err=True, nl=done >= of)
        elif int(share * 10) > tenth:
            tenth = int(share * 10)
            click.echo(f"{name} {share:.0%}", err=True)

    yield progress


@numbers.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--book", default="national", show_default=True, help="which book it becomes, such as IT")
@click.option("--number-column", type=click.IntRange(1, 100), default=1, show_default=True, help="column of the number")
@click.option("--operator-column", type=click.IntRange(1, 100), default=2, show_default=True, help="of the operator")
@click.option("--separator", default=",", show_default=True, help="what stands between columns; `tab` for a tab")
@click.option("--anyway", is_flag=True, help="also with many lines that cannot be read, or half the numbers gone")
@_json
def import_(
    file: Path, book: str, number_column: int, operator_column: int, separator: str, anyway: bool, as_json: bool
) -> int:
    """Read FILE, a whole database as CSV, and bring it into use in place of the book's version before.

    Numbers are international, with or without plus. Lines that cannot be read are told by number and code (exit code 2); with
    more than one in a thousand nothing changes. The appliance goes on working; on the audit log before it counts.
    """
    from appliance.router import Bookshelf, Layout

    separator = "\t" if separator == "tab" else separator
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n' or separator.isalnum():
        raise Error("invalid", "the separator is one character", "such as , or ; or tab")
    settings = _settings()
    shelf = Bookshelf(settings.home)
    layout = Layout(number_column - 1, operator_column - 1, separator)
    began_s = monotonic_s()
    with shelf.changing(), _bar() as progress:
        kept, bound = shelf.bind(file, book, layout, at_command(), now_ms(), progress, anyway)
        _record(settings, "numbers.imported", book, version=kept.version, rows=kept.rows, digest=kept.digest)
        shelf.put(book, kept)
    taken = _load(settings)
    unnamed = _unnamed(settings, bound.codes)
    if as_json:
        told = {"book": book, "version": kept.version, "rows": kept.rows, "refused": kept.refused} | {
            "doubled": kept.doubled, "lines": bound.refused, "codes_unnamed": unnamed, "engine": taken,
        }  # fmt: skip
        click.echo(json.dumps(told, indent=1))
        return 2 if kept.refused else 0
    click.echo(
        f"book {book}, version {kept.version}: {kept.rows:,} numbers in {monotonic_s() - began_s:.1f} s,"
        f" {kept.doubled:,} named more than once (the last counts), {kept.refused:,} lines refused"
    )
    for line, code in bound.refused:
        click.echo(f"  line {line}: {code}", err=True)
    if kept.refused > len(bound.refused):
        click.echo(f"  and {kept.refused - len(bound.refused):,} more", err=True)
    if unnamed:
        rows = sum(n for code, n in bound.codes.items() if code in unnamed)
        names = ", ".join(sorted(unnamed, key=lambda code: -bound.codes[code])[:8])
        click.echo(f"no [[operator]] names {names}{' ...' if len(unnamed) > 8 else ''}: {rows:,} rows", err=True)
    for said in _taken_lines(taken):
        click.echo(said)
    return 2 if kept.refused else 0


def _unnamed(settings: Settings, codes: Any) -> list[str]:
    from appliance.router import Numbers, RouteShelf

    operators = RouteShelf(settings).operators()
    known = {*Numbers(operators).names, *(code for operator in operators for code in operator.codes)}
    return sorted(code for code in codes if code not in known)


def _record(settings: Settings, what: str, book: str, **detail: Any) -> None:
    recorder = BlockingRecorder(settings)
    try:
        recorder.record(at_command(), what, f"numbers:{book}", "ok", **detail)
    finally:
        recorder.close()


@numbers.command()
@_json
def status(as_json: bool) -> int:
    """Show the books in use, and whether each is whole (exit code 2 when one is not)."""
    from appliance.router import Bookshelf

    shelf = Bookshelf(_settings().home)
    problems = [each for each in shelf.opened() if isinstance(each, str)]
    rows = []
    for row in shelf.status():
        at = time_text(int(row.pop("at_ms")))
        rows.append({**row, "at": at, "digest": str(row["digest"])[:16]})
    show(rows, as_json)
    for problem in problems:
        click.echo(f"warning: {problem}", err=True)
    return 2 if problems else 0


@numbers.command()
@_json
def lookup(as_json: bool) -> int:
    """Say which operator a number has, and what says so. The number is read from standard input, not from the command line."""
    from appliance.numbering import described, normalise
    from appliance.router import RouteShelf, Told, through

    number, calling_code = normalise(
        click.prompt("number", err=True) if sys.stdin.isatty() else sys.stdin.readline().strip()
    )
    settings = _settings()
    _record(settings, "number.looked_up", "plan")
    known = through(RouteShelf(settings).loading()).table.numbers
    told = Told("", None, "", "no operators are known") if known is None else known.told(number)
    said = described(number, calling_code)
    row: dict[str, Any] = {"country": said.country or None, "type": said.type or None, "operator": told.operator or None} | {
        "ported": told.ported, "code": told.code or None, "rule": told.rule,
    }  # fmt: skip
    show([row], as_json)
    return 0


@numbers.command()
def back() -> int:
    """Bring the books into use again that were before. On the audit log first."""
    from appliance.router import Bookshelf

    settings = _settings()
    shelf = Bookshelf(settings.home)
    with shelf.changing():
        before = shelf.before()
        named = {name: kept.version for name, kept in before.books.items()}
        _record(settings, "numbers.back", "all", **named)
        shelf.back()
    what = ", ".join(f"{name} version {n}" for name, n in named.items()) or "no book"
    click.echo(f"{what} in use again")
    for line in _taken_lines(_load(settings)):
        click.echo(line)
    return 0
