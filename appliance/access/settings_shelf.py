"""Versions of the settings that people approved, newest last. The processes read a file; `casemate config apply` writes it from here."""

from __future__ import annotations

import hashlib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from appliance import atomic
from appliance.errors import Error
from appliance.settings import SETTINGS, TABLES, parse

from .place import Place

DOCUMENT_CHARACTERS_MAX: Final = 200_000
VERSIONS_SHOWN: Final = 100
STANDARD: Final = Path("/etc/casemate/casemate.toml")
_COLUMNS: Final = "id, document, digest, asked_by, approved_by, made_ms, in_use_ms"


@dataclass(frozen=True, slots=True)
class SettingsVersion:
    """One document as approved. `in_use_ms`: when it was last written where the processes read it."""

    id: int
    document: str
    digest: str
    asked_by: str
    approved_by: str
    made_ms: int
    in_use_ms: int | None


def digest_of(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


class SettingsShelf(Place):
    """The part of `Access` that keeps them."""

    def check_document(self, document: str) -> dict[str, Any]:
        """The document, read as the processes would. Raises Error `settings_invalid`, `invalid`."""
        if len(document) > DOCUMENT_CHARACTERS_MAX:
            raise Error("invalid", f"settings have at most {DOCUMENT_CHARACTERS_MAX:,} characters")
        try:
            raw = tomllib.loads(document)
        except tomllib.TOMLDecodeError as e:
            raise Error("settings_invalid", f"these are no settings: {e}", "TOML, as in the file") from None
        # `parse` fills profiles into what it is given.
        parse(tomllib.loads(document), self.settings.home, "settings", self.settings.home)
        return raw

    def add_settings(self, document: str, asked_by: str, approved_by: str, at_ms: int) -> int:
        """A new version; its number."""
        with self.writing() as conn:
            cursor = conn.execute(
                "INSERT INTO settings_version (document, digest, asked_by, approved_by, made_ms) VALUES (?, ?, ?, ?, ?)",
                (document, digest_of(document), asked_by, approved_by, at_ms),
            )
        return int(cursor.lastrowid)

    def settings_versions(self) -> list[SettingsVersion]:
        """Newest first."""
        sql = f"SELECT {_COLUMNS} FROM settings_version ORDER BY id DESC LIMIT ?"  # noqa: S608 # our own column names
        return [SettingsVersion(*row) for row in self.rows(sql, VERSIONS_SHOWN)]

    def settings_newest(self) -> SettingsVersion | None:
        """The newest that was approved; None when none was."""
        row = self.row(f"SELECT {_COLUMNS} FROM settings_version ORDER BY id DESC LIMIT 1")  # noqa: S608 # our own column names
        return SettingsVersion(*row) if row is not None else None

    def settings_present(self) -> str:
        """What another version is compared with: the newest approved, else the file in use."""
        newest = self.settings_newest()
        return newest.document if newest is not None else in_use()

    def settings_version(self, number: int) -> SettingsVersion:
        """Raises Error `not_found`."""
        row = self.row(f"SELECT {_COLUMNS} FROM settings_version WHERE id = ?", number)  # noqa: S608 # our own column names
        if row is None:
            raise Error("not_found", "there is no such version of the settings")
        return SettingsVersion(*row)

    def settings_in_use(self, number: int, at_ms: int) -> None:
        with self.writing() as conn:
            conn.execute("UPDATE settings_version SET in_use_ms = ? WHERE id = ?", (at_ms, number))


def flat(raw: dict[str, Any]) -> dict[str, Any]:
    """A document as `section.name` -> value, each row of a list of tables as `link NAME.name`: what people compare."""
    out: dict[str, Any] = {}
    for key, inner in raw.items():
        if key in TABLES:
            for n, row in enumerate(inner, 1):
                out |= {f"{key} {row.get('name', n)}.{name}": value for name, value in row.items()}
        else:
            out |= {f"{key}.{name}": value for name, value in inner.items()}
    return out


def defaults() -> dict[str, Any]:
    return {row.name: row.default for row in SETTINGS}


def differences(old: str, new: str) -> list[dict[str, Any]]:
    """Rows of what is not the same: setting, now, then; None where it is not set."""
    before, after = flat(tomllib.loads(old)), flat(tomllib.loads(new))
    names = [*before, *(n for n in after if n not in before)]
    return [{"setting": n, "now": before.get(n), "then": after.get(n)} for n in names if before.get(n) != after.get(n)]


def place_in_use() -> Path:
    """The file that the processes read."""
    return Path(os.environ["CASEMATE_CONFIG"]) if os.environ.get("CASEMATE_CONFIG") else STANDARD


def in_use() -> str:
    """Word for word; empty when there is no file: everything is at its default."""
    try:
        return place_in_use().read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def write_in_use(document: str) -> None:
    """Whole or not at all, with the mode it had. Raises OSError where this process may not."""
    path = place_in_use()
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, document, 0o640, like_before=True)
