"""`templates.db`: every version of every template that was saved, and which one is in use. Nothing personal is in it.

Trust: who can write this file decides what customers read; the digest of each version is on the audit log.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any, Final, NamedTuple

import msgspec
from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from appliance.errors import Error
from appliance.settings import Settings
from appliance.store import DeskStore

from .template import Body, Template

MIGRATIONS: Final = Migrations("templates")
TEMPLATES_MAX: Final = 10_000  # in use at the same time, all of them in the memory of every gateway

log = logging.getLogger(__name__)

_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_decode: Final = msgspec.json.Decoder(Body).decode


@MIGRATIONS(name="0001_templates")
def _first(db: Database) -> None:
    db.execute(
        """CREATE TABLE template (
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        body TEXT NOT NULL, -- JSON of template.Body
        saved_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        in_use INTEGER NOT NULL CHECK (in_use IN (0, 1)),
        PRIMARY KEY (name, version)
    ) STRICT, WITHOUT ROWID"""
    )
    db.execute("CREATE UNIQUE INDEX template_in_use ON template (name) WHERE in_use = 1")


class Saved(NamedTuple):
    """One version as it was saved. `digest` is the SHA-256 of its body, in hexadecimal."""

    name: str
    version: int
    body: Body
    digest: str
    saved_ms: int
    who: str
    in_use: bool


class Snapshot:
    """The templates in use at one moment, compiled. Immutable; take a new one when `fresh` says no."""

    def __init__(
        self, templates: dict[str, Template], book: TemplateBook | None = None, stamp: tuple[int, ...] = ()
    ) -> None:
        self._templates = templates
        self._book = book
        self._stamp = stamp

    def text(self, name: str, params: dict[str, Any] | None, locale: str | None) -> str:
        """Raises Error `not_found` for a name that is not in use, `params_invalid` for parameters that do not fit."""
        template = self._templates.get(name)
        if template is None:
            raise Error("not_found", "there is no such template", "GET /v1/templates lists them", field="template")
        return template.text(params, locale)

    def named(self, name: str) -> str:
        """`NAME@VERSION` of the template in use."""
        template = self._templates.get(name)
        return f"{name}@{template.version}" if template is not None else name

    def get(self, name: str) -> Template | None:
        return self._templates.get(name)

    def fresh(self) -> bool:
        """Whether nothing was saved since it was read from a store. To be asked on the thread that took this snapshot."""
        return self._book is not None and self._stamp == self._book.stamp()

    def __len__(self) -> int:
        return len(self._templates)


class TemplateBook(DeskStore):
    """Every version, and which is in use."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.home / "templates.db", MIGRATIONS)
        self._known: dict[tuple[str, int], Template] = {}

    def save(self, name: str, body: Body, who: str, at_ms: int) -> Saved:
        """A new version, in use from now on; the same body again changes nothing. Raises Error `template_invalid`."""
        Template(name, 0, body)
        octets = _encode(body)
        with self.writing() as conn:
            before = self._row(name)
            if before is not None and _encode(before.body) == octets:
                return before
            if (
                before is None
                and conn.execute("SELECT count(*) FROM template WHERE in_use = 1").fetchone()[0] >= TEMPLATES_MAX
            ):
                raise Error("template_invalid", f"there are {TEMPLATES_MAX:,} templates already", "remove some")
            last = conn.execute("SELECT coalesce(max(version), 0) FROM template WHERE name = ?", (name,)).fetchone()[0]
            conn.execute("UPDATE template SET in_use = 0 WHERE name = ?", (name,))
            conn.execute(
                "INSERT INTO template (name, version, body, saved_ms, who, in_use) VALUES (?, ?, ?, ?, ?, 1)",
                (name, last + 1, octets.decode(), at_ms, who),
            )
        return Saved(name, last + 1, body, _digest(octets), at_ms, who, True)

    def remove(self, name: str) -> Saved:
        """Takes a template out of use; its versions stay for the record. Raises Error `not_found`."""
        with self.writing() as conn:
            found = self._row(name)
            if found is None:
                raise Error("not_found", "there is no such template", "GET /v1/templates lists them")
            conn.execute("UPDATE template SET in_use = 0 WHERE name = ?", (name,))
        return found._replace(in_use=False)

    def one(self, name: str) -> Saved | None:
        """The version in use."""
        return self._row(name)

    def versions(self, name: str) -> list[Saved]:
        """Every version ever saved, newest first."""
        sql = "SELECT name, version, body, saved_ms, who, in_use FROM template WHERE name = ? ORDER BY version DESC"
        return [_saved(row) for row in self.conn.execute(sql, (name,)).fetchall()]

    def all(self, after: str = "", limit: int = 1_000) -> list[Saved]:
        """Those in use by name, from the one after `after`."""
        sql = (
            "SELECT name, version, body, saved_ms, who, in_use FROM template WHERE in_use = 1 AND name > ?"
            " ORDER BY name LIMIT ?"
        )
        return [_saved(row) for row in self.conn.execute(sql, (after, limit)).fetchall()]

    def snapshot(self) -> Snapshot:
        """Compiles what is new and keeps what was compiled before.

        One that no longer passes (another release knows another CLDR, or its row is damaged) is left out and said: it takes
        no other with it.
        """
        stamp = self.stamp()
        known: dict[tuple[str, int], Template] = {}
        sql = "SELECT name, version, body FROM template WHERE in_use = 1 ORDER BY name LIMIT ?"
        for name, version, text in self.conn.execute(sql, (TEMPLATES_MAX,)).fetchall():
            key = (name, version)
            try:
                known[key] = self._known.get(key) or Template(name, version, _decode(text))
            except (Error, msgspec.MsgspecError):
                log.error("template %s, version %d, is not right any more and is out of use: save it again", *key)
        self._known = known
        return Snapshot({name: template for (name, _), template in known.items()}, self, stamp)

    def _row(self, name: str) -> Saved | None:
        sql = "SELECT name, version, body, saved_ms, who, in_use FROM template WHERE name = ? AND in_use = 1"
        row = self.conn.execute(sql, (name,)).fetchone()
        return _saved(row) if row else None


def _saved(row: tuple[Any, ...]) -> Saved:
    name, version, text, saved_ms, who, in_use = row
    octets = text.encode()
    return Saved(name, version, _decode(octets), _digest(octets), saved_ms, who, bool(in_use))


def _digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()
