"""A document of settings with one value or one row of a table changed: everything else in it stays as it was written, comments too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from appliance.errors import Error
from appliance.settings import SETTINGS, TABLES

#: Kept word for word where a table is written: the largest that somebody would give by hand.
DEPTH_MAX = 4


def _read(document: str) -> Any:
    try:
        return tomlkit.parse(document)
    except TOMLKitError as e:
        raise Error("settings_invalid", f"the settings cannot be read: {e}") from None


def _known(table: str) -> None:
    if table not in TABLES:
        raise Error("not_found", "settings have no such table", f"of {', '.join(TABLES)}")


def _checked(value: Any, depth: int = 0) -> Any:
    """What TOML can hold. Raises Error `invalid`."""
    if value is None or depth > DEPTH_MAX:
        raise Error("invalid", "a setting has a value", "leave out what is to be at its default")
    if isinstance(value, dict):
        return {str(name): _checked(inner, depth + 1) for name, inner in value.items()}
    return [_checked(inner, depth + 1) for inner in value] if isinstance(value, list) else value


def with_value(document: str, name: str, value: Any) -> str:
    """`value` None takes the setting away: it is at its default. Raises Error `not_found`, `settings_invalid`."""
    if not any(row.name == name for row in SETTINGS):
        raise Error("not_found", "there is no such setting", "`casemate settings` lists them")
    made = _read(document)
    section, _, key = name.partition(".")
    if value is None:
        if key in made.get(section, {}):
            del made[section][key]
    else:
        if section not in made:
            made[section] = tomlkit.table()
        made[section][key] = _checked(value)
    return tomlkit.dumps(made)


def rows_of(document: str, table: str) -> list[dict[str, Any]]:
    """Raises Error `not_found`."""
    _known(table)
    rows: list[dict[str, Any]] = _read(document).unwrap().get(table, [])
    return rows


def with_row(document: str, table: str, name: str, settings: dict[str, Any]) -> str:
    """The row of this name replaced where it stands, else added at the end. Raises Error `not_found`, `invalid`."""
    _known(table)
    if "name" in settings:
        raise Error("invalid", "the name is in the address, not among the settings", field="name")
    if not any(row.name == "name" for row in TABLES[table]):
        raise Error("invalid", "rows of this table have no name", "PUT the whole document")
    made, wanted = _read(document), _checked(settings)
    row = tomlkit.table()
    row.update({"name": name, **wanted})
    if table not in made:
        made[table] = tomlkit.aot()
    rows = made[table]
    known = next((each for each in rows if each.get("name") == name), None)
    if known is None:
        rows.append(row)
    elif known.unwrap() != {"name": name, **wanted}:
        for key in [k for k in known if k not in row]:
            del known[key]
        known.update(row)
    return tomlkit.dumps(made)


def without_row(document: str, table: str, name: str) -> str | None:
    """None when there is no such row. Raises Error `not_found` for no such table."""
    _known(table)
    made = _read(document)
    at = next((n for n, each in enumerate(made.get(table, [])) if each.get("name") == name), None)
    if at is None:
        return None
    del made[table][at]
    if not made[table]:
        del made[table]
    return tomlkit.dumps(made)


def writable(path: Path) -> bool:
    """Whether this process may put another file in the place of this one."""
    return os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))
