"""Settings of a route and of an operator's numbers, as rows; and what makes a row of them right."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from appliance.errors import Error
from appliance.message import CLASSES

from .hours import HINT, Hours
from .rows import Setting

#: How a route picks among its links that are well: the first of them, by shares, or the cheapest.
BALANCES: Final = ("order", "weight", "cost")
PREFIX_DIGITS_MAX: Final = 15  # E.164
LINKS_MAX: Final = 16
SENDER_CHARACTERS_MAX: Final = 15
CODE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._/+-]{0,46}[A-Za-z0-9])?")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,47}")

ROUTE_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("name", "str", "", "what people call it; empty: it is called by its prefix"),
    Setting("prefix", "str", "", "digits a number starts with, without the plus; empty: every number"),
    Setting("operator", "str", "", "only numbers of this [[operator]], by its ported numbers and its prefixes"),
    Setting("classes", "strs", [], f"only messages of these classes ({', '.join(CLASSES)}); empty: every class"),
    Setting("senders", "strs", [], "only messages from these senders; empty: from any"),
    Setting("hours", "strs", [], f"only at these hours: {HINT}; empty: always"),
    Setting("timezone", "str", "UTC", "time zone of `hours`, such as Europe/Rome"),
    Setting("links", "strs", None, "links in order of preference"),
    Setting(
        "balance",
        BALANCES,
        "order",
        "order: the first link that is well; weight: by shares; cost: the cheapest link that is well",
    ),
    Setting("weights", "amounts", {}, "by link: its share under balance = weight; 0: only when no other link is well"),
    Setting("costs", "amounts", {}, "by link: what a segment costs, under balance = cost"),
    Setting("sender", "str", "", "the sender put in place of every other"),
    Setting(
        "sender_for",
        "words",
        {},
        'the sender put in place of one, or of a class\'s: { MYBANK = "BANK", otp = "CODES" }',
    ),
    Setting("enabled", "bool", True, "false: as if the row were not there"),
)

OPERATOR_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("name", "str", None, "how routes name it"),
    Setting("prefixes", "strs", [], "digits its numbers start with in the number plan, without the plus"),
    Setting("codes", "strs", [], "what national databases call it: routing numbers, MCC and MNC, a name"),
)


@dataclass(frozen=True)
class Route:
    """One row of ROUTE_SETTINGS."""

    prefix: str
    links: tuple[str, ...]
    name: str = ""
    operator: str = ""
    classes: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    hours: tuple[str, ...] = ()
    timezone: str = "UTC"
    balance: str = "order"
    weights: dict[str, float] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    sender: str = ""
    sender_for: dict[str, str] = field(default_factory=dict)
    enabled: bool = True

    @property
    def shown(self) -> str:
        """What people read of it."""
        return self.name or (f"prefix {self.prefix}" if self.prefix else "every number")


@dataclass(frozen=True)
class Operator:
    """One row of OPERATOR_SETTINGS."""

    name: str
    prefixes: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()


def routes_of(rows: list[dict[str, Any]], links: list[str], operators: list[str], source: str) -> tuple[Route, ...]:
    """Routes from rows whose types are checked. Raises Error `settings_invalid` naming row and mistake."""
    out = []
    names: set[str] = set()
    for n, row in enumerate(rows, 1):
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        route = Route(**fields)
        where = f"{source}: route {n}" + (f" ({route.name})" if route.name else "")
        if route.name and route.name in names:
            raise Error("settings_invalid", f"{where}: two routes have the same name")
        names.add(route.name)
        check_route(route, links, operators, where)
        out.append(route)
    return tuple(out)


def operators_of(rows: list[dict[str, Any]], source: str) -> tuple[Operator, ...]:
    """The same for operators."""
    out = []
    names: set[str] = set()
    owners: dict[str, str] = {}
    codes: dict[str, str] = {}
    for n, row in enumerate(rows, 1):
        operator = Operator(row["name"], tuple(row["prefixes"]), tuple(row["codes"]))
        where = f"{source}: operator {n}"
        if not NAME.fullmatch(operator.name):
            raise Error("settings_invalid", f"{where}: name {operator.name!r}", "1 to 48 letters, digits and ._-")
        if operator.name in names:
            raise Error("settings_invalid", f"{where}: two operators have the same name {operator.name!r}")
        names.add(operator.name)
        for prefix in operator.prefixes:
            if not _digits(prefix) or not prefix:
                raise Error("settings_invalid", f"{where}: prefix {prefix!r} is not 1 to 15 digits")
            if owners.setdefault(prefix, operator.name) != operator.name:
                raise Error("settings_invalid", f"{where}: prefix {prefix} belongs to {owners[prefix]} already")
        for code in operator.codes:
            if not CODE.fullmatch(code):
                raise Error("settings_invalid", f"{where}: code {code!r}", "1 to 48 letters, digits and ._/+-")
            if codes.setdefault(code, operator.name) != operator.name:
                raise Error("settings_invalid", f"{where}: code {code} belongs to {codes[code]} already")
        out.append(operator)
    return tuple(out)


def check_route(route: Route, links: list[str], operators: list[str], where: str) -> None:
    """Raises Error `settings_invalid`."""

    def wrong(what: str, hint: str = "") -> Error:
        return Error("settings_invalid", f"{where}: {what}", hint)

    if route.name and not NAME.fullmatch(route.name):
        raise wrong(f"name {route.name!r}", "1 to 48 letters, digits, blanks and ._-")
    if not _digits(route.prefix):
        raise wrong(f"route prefix {route.prefix!r} is not digits", "at most 15 digits, without the plus")
    if not 0 < len(route.links) <= LINKS_MAX:
        raise wrong(f"names {len(route.links)} links", f"1 to {LINKS_MAX}")
    for name in route.links:
        if name not in links:
            raise wrong(f"names the unknown link {name!r}", _near(name, links, "links"))
    if len(set(route.links)) < len(route.links):
        raise wrong("names a link twice")
    if route.operator and route.operator not in operators:
        raise wrong(f"names the unknown operator {route.operator!r}", _near(route.operator, operators, "operators"))
    for name in route.classes:
        if name not in CLASSES:
            raise wrong(f"names the unknown class {name!r}", _near(name, list(CLASSES), "classes"))
    for sender in (*route.senders, *filter(None, (route.sender,)), *route.sender_for.values()):
        if not (0 < len(sender) <= SENDER_CHARACTERS_MAX + 1 and sender.isascii() and sender.isprintable()):
            raise wrong(f"names a sender of {len(sender)} characters that no message can have")
    try:
        Hours.read(route.hours, route.timezone)
    except ValueError as e:
        raise wrong(f"hours: {e}", HINT) from None
    _check_amounts(route, wrong)


def _check_amounts(route: Route, wrong: Any) -> None:
    for word, amounts in (("weight", route.weights), ("cost", route.costs)):
        for name in amounts:
            if name not in route.links:
                raise wrong(f"has a {word} for {name!r}, which is none of its links", ", ".join(route.links))
        if route.balance == word:
            missing = [name for name in route.links if name not in amounts]
            if missing:
                raise wrong(f"has no {word} for {', '.join(missing)}", f"balance = {word} needs one for every link")
        elif amounts:
            raise wrong(f"has {word}s and balance = {route.balance}", f'add balance = "{word}", or leave them out')
    if route.balance == "weight" and not any(route.weights.values()):
        raise wrong("has only weights of 0", "at least one link takes a share")


def _digits(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and len(text) <= PREFIX_DIGITS_MAX)


def _near(name: str, known: list[str], what: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"{what}: {', '.join(known) or 'none'}"
