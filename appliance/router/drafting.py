"""A document of routes on its way to the shelf: read, checked and compiled as the appliance would, before anything is kept."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

from appliance.errors import Error
from appliance.settings import Operator, Route, Settings, parse_routes

from .checking import check_senders, warnings
from .shelf import table_of
from .table import RouteTable


class Draft(NamedTuple):
    """What the document says, the table it makes, and what is doubtful in it."""

    routes: tuple[Route, ...]
    operators: tuple[Operator, ...]
    table: RouteTable
    warnings: list[str]


def drafted(document: str, settings: Settings, source: str, folder: Path | None = None) -> Draft:
    """From TOML with [[route]] and [[operator]] tables. Raises Error `settings_invalid`, `file_invalid` with what is wrong."""
    try:
        raw = tomllib.loads(document)
    except tomllib.TOMLDecodeError as e:
        raise Error("settings_invalid", f"{source} cannot be read: {e}") from None
    routes, operators = parse_routes(raw, [link.name for link in settings.links], source, folder)
    check_senders(routes)
    table, problems = table_of(settings, routes, operators)
    if problems:
        raise Error("file_invalid", problems[0], "mend the file it names")
    said = warnings(table, routes, operators)
    if not len(table):
        raise Error("settings_invalid", f"{source} has no route that is enabled", "no message could be sent")
    return Draft(routes, operators, table, said)
