"""HOT: the compiled table: longest prefix first, within it the most specific row; constant work a message.

Immutable but for its memory of answers: a change is a new table. A row that does not fit a message gives way to the next
of its prefix, then to shorter prefixes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from itertools import islice
from typing import Any, Final

from appliance.message import CLASSES, TRANSACTION
from appliance.settings import Hours, Route

from .group import Group, Way
from .operators import Numbers

ROWS_AT_ONCE: Final = 256  # rows compiled between two turns of a loop that does so while traffic goes on: under 1 ms


NONE: Final[frozenset[Any]] = frozenset()


class Row:
    """One enabled route, ready to be asked."""

    __slots__ = ("classes", "operator", "prefix", "route", "senders", "way")

    def __init__(self, route: Route, way: Way) -> None:
        self.route = route
        self.prefix = route.prefix
        self.classes = frozenset(CLASSES.index(name) for name in route.classes) if route.classes else NONE
        self.senders = frozenset(route.senders) if route.senders else NONE
        self.operator = route.operator
        self.way = way

    def rank(self) -> tuple[bool, bool, bool, bool]:
        """Sorts the most specific first: operator, then sender, then class, then hours."""
        return (not self.operator, not self.senders, not self.classes, self.way.hours is None)

    def fits(self, class_: int, sender: str | None, operator: str) -> bool:
        return (
            (not self.classes or class_ in self.classes)
            and (not self.senders or sender in self.senders)
            and (not self.operator or operator == self.operator)
        )


class Rows:
    """The rows of one prefix and, on demand, the answers of it and all shorter ones.

    `senders` and `named` are those that the rows of this prefix and shorter ones ask for: others are all alike.
    """

    __slots__ = ("answers", "asks_class", "chain", "named", "rows", "senders")

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.chain: tuple[Row, ...] | None = None
        self.answers: dict[Any, Group] | None = None
        self.asks_class = self.named = False
        self.senders: frozenset[str] = NONE


class RouteTable:
    """Which links take a message. `numbers` says whose a number is; it is asked only where some row names an operator."""

    def __init__(
        self, routes: Iterable[Route | tuple[str, tuple[str, ...]]] = (), numbers: Numbers | None = None
    ) -> None:
        _run(self._compile(routes, numbers))

    @classmethod
    def compile(
        cls, routes: Iterable[Route | tuple[str, tuple[str, ...]]], numbers: Numbers | None = None
    ) -> Generator[None, None, RouteTable]:
        """The same a piece at a time: for a process that goes on working between two pieces."""
        table = cls.__new__(cls)
        yield from table._compile(routes, numbers)
        return table

    def _compile(
        self, routes: Iterable[Route | tuple[str, tuple[str, ...]]], numbers: Numbers | None
    ) -> Generator[None, None, None]:
        self.numbers = numbers
        self.count = 0
        self._prefixes: dict[str, Rows] = {}
        self._ways: dict[Any, Way] = {}
        self._groups: dict[Any, Group] = {}
        self._pinned: dict[str, Group] = {}
        self.nowhere = self._group(())
        by_prefix: dict[str, list[Row]] = {}
        hours: dict[tuple[tuple[str, ...], str], Hours] = {}
        for n, given in enumerate(routes, 1):
            route = given if isinstance(given, Route) else Route(given[0], tuple(given[1]))
            if route.enabled and route.links:
                self.count += 1
                by_prefix.setdefault(route.prefix, []).append(Row(route, self._way(route, hours)))
            if n % ROWS_AT_ONCE == 0:
                yield
        for n, (prefix, rows) in enumerate(by_prefix.items(), 1):
            if len(rows) > 1:
                rows.sort(key=Row.rank)
            self._prefixes[prefix] = Rows(rows)
            if n % ROWS_AT_ONCE == 0:
                yield
        lengths: dict[str, set[int]] = {}
        for n, prefix in enumerate(self._prefixes, 1):
            if n % (4 * ROWS_AT_ONCE) == 0:
                yield
            lengths.setdefault(prefix[:2] if len(prefix) > 1 else "", set()).add(len(prefix))
        short = lengths.pop("", set())
        self._short = tuple(sorted(short, reverse=True))
        self._lengths = {head: tuple(sorted(s | short, reverse=True)) for head, s in lengths.items()}

    def _way(self, route: Route, hours: dict[tuple[tuple[str, ...], str], Hours]) -> Way:
        plain = route.balance == "order" and not (route.hours or route.sender or route.sender_for)
        if plain and route.links in self._ways:
            return self._ways[route.links]  # ten thousand rows have few of them
        open_ = None
        if route.hours:
            open_ = hours.get((route.hours, route.timezone))
            if open_ is None:
                open_ = hours[route.hours, route.timezone] = Hours.read(route.hours, route.timezone)
        links, shares = route.links, None
        if route.balance == "cost":
            links = tuple(sorted(links, key=lambda name: route.costs[name]))  # those of one cost stay in their order
        elif route.balance == "weight":
            total = sum(route.weights.values())
            shares = {name: route.weights[name] / total for name in links if route.weights[name]}
            links = tuple(sorted(links, key=lambda name: not route.weights[name]))  # reserves last
        way = Way(links, shares, open_, route.sender, route.sender_for)
        return self._ways.setdefault(route.links if plain else way.key, way)

    def _group(self, ways: tuple[Way, ...]) -> Group:
        group = self._groups.get(ways)
        if group is None:
            group = self._groups[ways] = Group(ways)
        return group

    # --- asked once a message -----------------------------------------------------------------------------

    def group(self, to: str, class_: int = TRANSACTION, sender: str = "") -> Group:
        """The group of an E.164 number with its plus; `nowhere` when no row serves it."""
        prefixes = self._prefixes
        most = len(to) - 1
        for length in self._lengths.get(to[1:3], self._short):
            if length <= most:
                rows = prefixes.get(to[1 : length + 1])
                if rows is not None:
                    break
        else:
            return self.nowhere
        if rows.chain is None:
            self._link_up(rows)
        key: Any = None
        if rows.asks_class or rows.named or rows.senders:
            operator = self.numbers.operator(to) if rows.named and self.numbers is not None else ""
            key = (class_ if rows.asks_class else 0, sender if sender in rows.senders else None, operator)
        answers = rows.answers
        assert answers is not None
        found = answers.get(key)
        if found is None:
            found = answers[key] = self._decide(rows, key)
        return found

    def serves(self, to: str, class_: int = TRANSACTION, sender: str = "") -> bool:
        """Whether some row takes such a message, now or at its hours."""
        return bool(self.group(to, class_, sender).ways)

    def links(self, to: str, class_: int = TRANSACTION, sender: str = "") -> tuple[str, ...]:
        """Every link that may carry it, in order of preference; empty when no row serves it."""
        return self.group(to, class_, sender).links

    def pinned(self, link: str) -> Group:
        """The group of messages that began on a link and end on it."""
        group = self._pinned.get(link)
        if group is None:
            group = self._pinned[link] = Group((Way((link,)),))
            group.pinned = True
        return group

    # --- on demand ----------------------------------------------------------------------------------------

    def _link_up(self, rows: Rows) -> None:
        """The rows of a prefix and of all shorter ones, as far as any of them can still be asked."""
        prefix = rows.rows[0].prefix
        chain: list[Row] = []
        for length in range(len(prefix), -1, -1):
            found = self._prefixes.get(prefix[:length])
            for row in found.rows if found is not None else ():
                chain.append(row)
                if row.way.hours is None and not (row.classes or row.senders or row.operator):
                    break  # it takes everything: nothing behind it is ever asked
            else:
                continue
            break
        rows.asks_class = any(row.classes for row in chain)
        rows.senders = frozenset().union(*(row.senders for row in chain))
        rows.named = any(row.operator for row in chain)
        rows.answers = {}
        rows.chain = tuple(chain)

    def _decide(self, rows: Rows, key: tuple[int, str | None, str] | None) -> Group:
        class_, sender, operator = key or (0, None, "")
        ways: list[Way] = []
        for row in rows.chain or ():
            if row.fits(class_, sender, operator):
                if row.way not in ways:
                    ways.append(row.way)
                if row.way.hours is None:
                    break
        return self._group(tuple(ways))

    def chain(self, to: str) -> tuple[Row, ...]:
        """Every row that a number's digits lead to, in the order in which they are asked: for people."""
        out: list[Row] = []
        for length in range(len(to) - 1, -1, -1):
            found = self._prefixes.get(to[1 : length + 1])
            out += found.rows if found is not None else ()
        return tuple(out)

    def rows(self) -> list[Row]:
        """All rows, by prefix and within it in the order in which they are asked."""
        return [row for prefix in sorted(self._prefixes) for row in self._prefixes[prefix].rows]

    def dissolve(self) -> Generator[None, None, None]:
        """Lets go of a table that nothing asks any more, a piece at a time: ten thousand rows at once would be a pause."""
        while self._prefixes:
            for prefix in list(islice(self._prefixes, ROWS_AT_ONCE)):
                del self._prefixes[prefix]
            yield

    @property
    def group_count(self) -> int:
        """Groups met so far."""
        return len(self._groups)

    def __len__(self) -> int:
        return self.count


def _run(steps: Generator[None, None, None]) -> None:
    for _ in steps:
        pass
