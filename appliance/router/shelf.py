"""The versions of the table that were activated, in home/routes: one file each, and one that says which is active.

A version is lines of JSON, one a row, under a heading with their digest; it is written whole and never changed. `active` is
put in place at once, so a crash leaves the version before or the one after. What is damaged is reported and the newest one
that is whole is taken instead; without any, the routes of the settings file. Who can change these files decides which link
messages leave over; the digest on the audit log says whether somebody did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from appliance import atomic
from appliance.errors import Error
from appliance.settings import Operator, Route, Settings

from .bookshelf import Bookshelf
from .operators import Learned, Numbers
from .table import RouteTable

VERSIONS_MAX: Final = 100  # older ones are removed when another is kept
BEFORE_MAX: Final = 20  # how far `back` leads
LINES_AT_ONCE: Final = 200  # decoded between two turns of a loop that goes on working: under 1 ms
FROM_SETTINGS: Final = 0

#: A piece of work between two turns, or one that a loop must not do itself: its result is sent back.
Steps = Generator[Callable[[], Any] | None, Any, "Active"]


class Heading(msgspec.Struct):
    """First line of a version."""

    version: int
    digest: str  # SHA-256 of the lines below, in hexadecimal
    routes: int
    at_ms: int
    who: str


class Line(msgspec.Struct, omit_defaults=True):
    """One of the lines below."""

    operator: Operator | None = None
    route: Route | None = None


class Pointer(msgspec.Struct):
    """What `active` holds; version 0 is the settings file's own routes. `before`: what was active before, newest last."""

    version: int
    digest: str = ""
    before: list[int] = []


class Active(NamedTuple):
    """A table to work with, where it is from, and what was wrong on the way to it."""

    table: RouteTable
    version: int
    digest: str
    problems: tuple[str, ...]


_line = msgspec.json.Decoder(Line)
_heading = msgspec.json.Decoder(Heading)
_pointer = msgspec.json.Decoder(Pointer)


class RouteShelf:
    """One box's versions."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.home / "routes"
        self.active_path = self.folder / "active"
        self.books = Bookshelf(settings.home)
        self.learned = Learned()  # by every table made here, one after the other

    def path(self, version: int) -> Path:
        return self.folder / f"{version:06d}.routes"

    def numbers(self) -> list[int]:
        """The versions kept, oldest first."""
        return sorted(int(path.stem) for path in self.folder.glob("*.routes") if path.stem.isdigit())

    def versions(self) -> list[Heading]:
        """Headings of those that can be read, oldest first."""
        out = []
        for number in self.numbers():
            try:
                with self.path(number).open("rb") as file:
                    out.append(_heading.decode(file.readline()))
            except (OSError, msgspec.MsgspecError):
                continue
        return out

    def pointer(self) -> Pointer:
        """Raises Error `file_invalid` when it is there and damaged."""
        try:
            return _pointer.decode(self.active_path.read_bytes())
        except FileNotFoundError:
            return Pointer(FROM_SETTINGS)
        except (OSError, msgspec.MsgspecError):
            raise Error("file_invalid", "routes/active is damaged", "activate a version again") from None

    def stamp(self) -> tuple[object, ...]:
        """Changes whenever another version becomes active, or other books of ported numbers come into use."""
        try:
            stat = self.active_path.stat()
        except OSError:
            return (self.books.stamp(),)
        return stat.st_mtime_ns, stat.st_ino, stat.st_size, self.books.stamp()

    # --- changing -----------------------------------------------------------------------------------------

    def keep(self, routes: tuple[Route, ...], operators: tuple[Operator, ...], who: str, at_ms: int) -> Heading:
        """Writes a new version; it is not active yet."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        encode = msgspec.json.Encoder().encode
        below = _below(routes, operators)
        kept = self.numbers()
        heading = Heading((kept[-1] if kept else 0) + 1, hashlib.sha256(below).hexdigest(), len(routes), at_ms, who)
        atomic.write(self.path(heading.version), encode(heading) + b"\n" + below, 0o640)
        spared = {heading.version, self._pointer_or_none().version}
        for number in kept[:-VERSIONS_MAX]:
            if number not in spared:
                self.path(number).unlink(missing_ok=True)
        return heading

    def point(self, version: int, digest: str) -> None:
        """Makes a version the active one; those who watch take it."""
        now = self._pointer_or_none()
        before = [*now.before, now.version][-BEFORE_MAX:] if now.version != version else now.before
        self.put(Pointer(version, digest, before))

    def back(self) -> tuple[Pointer, Pointer]:
        """What `back` would leave and what it would make active. Raises Error `invalid` when nothing was active before."""
        now = self.pointer()
        before = list(now.before)
        while before:
            version = before.pop()
            if version == FROM_SETTINGS:
                return now, Pointer(FROM_SETTINGS, "", before)
            heading = next((h for h in self.versions() if h.version == version), None)
            if heading is not None:
                return now, Pointer(version, heading.digest, before)
        raise Error("invalid", "no version was active before this one", "see `casemate routes list`")

    def put(self, pointer: Pointer) -> None:
        """Makes what a pointer says the active one, whatever was before."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        atomic.write(self.active_path, msgspec.json.encode(pointer), 0o640)

    def _pointer_or_none(self) -> Pointer:
        try:
            return self.pointer()
        except Error:
            return Pointer(FROM_SETTINGS)

    def operators(self) -> tuple[Operator, ...]:
        """Those of the active version; of the settings file when that is active, or the version is damaged."""
        pointer = self._pointer_or_none()
        if pointer.version != FROM_SETTINGS:
            try:
                steps = self._read(pointer.version)
                while True:
                    next(steps)
            except StopIteration as e:
                read: tuple[Operator, ...] = e.value[2]
                return read
            except Error:
                pass
        return self.settings.operators

    # --- loading ------------------------------------------------------------------------------------------

    def loading(self) -> Steps:
        """The active table, a piece at a time: see `through` and `watch.py`. What is damaged is passed over and said."""
        problems: list[str] = []
        wanted: list[int] = []
        digest = ""
        try:
            pointer = self.pointer()
            digest = pointer.digest
            wanted = [pointer.version] if pointer.version != FROM_SETTINGS else []
            spare = [n for n in reversed(self.numbers()) if n not in wanted] if wanted else []
        except Error as e:
            problems.append(e.message)
            spare = list(reversed(self.numbers()))
        for number in [*wanted, *spare]:
            try:
                heading, routes, operators = yield from self._read(number)
                if number in wanted and digest and heading.digest != digest:
                    raise Error("file_invalid", f"version {number} is not the one that was activated")
            except Error as e:
                problems.append(e.message)
                continue
            table = yield from self._table(routes, operators, problems)
            return Active(table, number, heading.digest, tuple(problems))
        settings = self.settings
        table = yield from self._table(list(settings.routes), settings.operators, problems)
        return Active(table, FROM_SETTINGS, "", tuple(problems))

    def _read(self, number: int) -> Generator[None, None, tuple[Heading, list[Route], tuple[Operator, ...]]]:
        said = Error(
            "file_invalid", f"version {number} of the routes is damaged", "activate another, or the same again"
        )
        routes: list[Route] = []
        operators: list[Operator] = []
        digest = hashlib.sha256()
        try:
            with self.path(number).open("rb") as file:
                heading = _heading.decode(file.readline())
                for n, line in enumerate(file, 1):
                    digest.update(line)
                    row = _line.decode(line)
                    if row.route is not None:
                        routes.append(row.route)
                    if row.operator is not None:
                        operators.append(row.operator)
                    if n % LINES_AT_ONCE == 0:
                        yield
        except (OSError, msgspec.MsgspecError):
            raise said from None
        if digest.hexdigest() != heading.digest or len(routes) != heading.routes or heading.version != number:
            raise said
        return heading, routes, tuple(operators)

    def _table(
        self, routes: list[Route], operators: tuple[Operator, ...], problems: list[str]
    ) -> Generator[Callable[[], Any] | None, Any, RouteTable]:
        known = {link.name for link in self.settings.links}
        gone: set[str] = set()
        kept: list[Route] = []
        for n, route in enumerate(routes, 1):
            if not known.issuperset(route.links):
                gone.update(name for name in route.links if name not in known)
                route = _without(route, known)
            kept.append(route)
            if n % (8 * LINES_AT_ONCE) == 0:
                yield None
        if gone:
            said = ", ".join(sorted(gone)[:5])
            problems.append(f"routes name links that are no longer there: {said}; they go on without")
        numbers = None
        if operators or self.settings.enums or self.books.stamp() is not None:
            books = yield self.books.opened
            problems += [book for book in books if isinstance(book, str)]
            numbers = Numbers(operators, [book for book in books if not isinstance(book, str)], self.learned)
        return (yield from RouteTable.compile(kept, numbers))


def _without(route: Route, known: set[str]) -> Route:
    if known.issuperset(route.links):
        return route
    links = tuple(name for name in route.links if name in known)
    weights = {name: weight for name, weight in route.weights.items() if name in known}
    if route.balance == "weight" and not any(weights.values()):
        return replace(route, links=links, balance="order", weights={})
    return replace(route, links=links, weights=weights)


def through(steps: Steps) -> Active:
    """Does all the steps at once: for commands and at start."""
    answer: Any = None
    try:
        while True:
            step = steps.send(answer)
            answer = step() if step is not None else None
    except StopIteration as e:
        active: Active = e.value
        return active


def table_of(
    settings: Settings, routes: tuple[Route, ...], operators: tuple[Operator, ...]
) -> tuple[RouteTable, list[str]]:
    """A table that is on no shelf, and what is wrong with its files: to check it, or to try it."""
    problems: list[str] = []

    def steps() -> Steps:
        table = yield from RouteShelf(settings)._table(list(routes), operators, problems)
        return Active(table, FROM_SETTINGS, "", tuple(problems))

    active = through(steps())
    return active.table, problems


def digest_of(routes: tuple[Route, ...], operators: tuple[Operator, ...]) -> str:
    """What the shelf would name a version of these by."""
    return hashlib.sha256(_below(routes, operators)).hexdigest()


def _below(routes: tuple[Route, ...], operators: tuple[Operator, ...]) -> bytes:
    """All of a version but its heading."""
    encode = msgspec.json.Encoder().encode
    lines = [encode(Line(operator=o)) for o in operators] + [encode(Line(route=r)) for r in routes]
    return b"".join(line + b"\n" for line in lines)
