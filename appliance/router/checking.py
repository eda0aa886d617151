"""What is doubtful in a table that is not wrong: rows that can never be asked, rows switched off, numbers that nothing takes."""

from __future__ import annotations

from itertools import product
from typing import Final

from appliance.errors import Error
from appliance.message import CLASSES
from appliance.numbering import sender_kind
from appliance.settings import Operator, Route

from .table import RouteTable, Row

COMBINATIONS_MAX: Final = 100_000  # of class, sender and operator within one prefix; beyond, rows are not compared
WARNINGS_MAX: Final = 100


def check_senders(routes: tuple[Route, ...]) -> None:
    """Raises Error `settings_invalid` for a sender that no operator would take."""
    for route in routes:
        for sender in (*route.senders, *filter(None, (route.sender,)), *route.sender_for.values()):
            try:
                sender_kind(sender)
            except Error as e:
                raise Error("settings_invalid", f"route {route.shown}: {e.message}", e.hint) from None


def warnings(table: RouteTable, routes: tuple[Route, ...], operators: tuple[Operator, ...]) -> list[str]:
    """Sentences for people, at most WARNINGS_MAX and one that says how many more there are."""
    out: list[str] = []
    by_prefix: dict[str, list[Row]] = {}
    for row in table.rows():
        by_prefix.setdefault(row.prefix, []).append(row)
    for rows in by_prefix.values():
        if len(rows) > 1:
            out += [
                f"route {row.route.shown} is never asked: rows before it take all it would take"
                for row in unreachable(rows)
            ]
    off = [route.shown for route in routes if not route.enabled]
    if off:
        out.append(f"{len(off)} routes are not enabled: {', '.join(off[:5])}{' ...' if len(off) > 5 else ''}")
    named = {route.operator for route in routes if route.enabled}
    out += [f"no route names the operator {operator.name}" for operator in operators if operator.name not in named]
    for operator in operators:
        if operator.name in named and not operator.prefixes and not (table.numbers and table.numbers.books):
            out.append(
                f"no number is known to be of {operator.name}: it has no prefixes, and no ported numbers are there"
            )
    for prefix, rows in sorted(by_prefix.items()):
        if all(row.way.hours is not None for row in rows) and not any(
            prefix.startswith(shorter) for shorter in by_prefix if len(shorter) < len(prefix)
        ):
            out.append(
                f"numbers of prefix {prefix or '(every)'} wait outside its routes' hours: no other route takes them"
            )
    if len(out) > WARNINGS_MAX:
        out = [*out[:WARNINGS_MAX], f"and {len(out) - WARNINGS_MAX} more"]
    return out


def unreachable(rows: list[Row]) -> list[Row]:
    """Rows of one prefix, in the order in which they are asked, whose every case is taken by one before."""
    senders: list[str | None] = [*sorted({s for row in rows for s in row.senders}), None]
    operators: list[str | None] = [*sorted({row.operator for row in rows if row.operator}), None]
    if len(senders) * len(operators) * len(CLASSES) * len(rows) > COMBINATIONS_MAX:
        return []
    taken: set[tuple[int, str | None, str | None]] = set()
    out = []
    for row in rows:
        cases = set(
            product(
                row.classes or range(len(CLASSES)),
                sorted(row.senders) if row.senders else senders,
                [row.operator] if row.operator else operators,
            )
        )
        if cases <= taken:
            out.append(row)
        if row.way.hours is None:
            taken |= cases
    return out
