"""`senders.db`: the registrations as they stand, and every act that made them so. Nothing about customers is in it.

Trust: who can write this file decides which senders leave; each act is on the audit log.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from appliance.errors import Error
from appliance.settings import Settings
from appliance.store import Connection, DeskStore

from .register import Register
from .registration import (
    Details,
    Registration,
    check_confirmed,
    check_details,
    check_reserved,
    checked_country,
    checked_sender,
    merged,
)

MIGRATIONS: Final = Migrations("senders")
REGISTRATIONS_MAX: Final = 10_000  # all of them in the memory of every gateway

_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_decode: Final = msgspec.json.Decoder(Details).decode
_COLUMNS: Final = "id, sender, country, kind, state, requested_ms, valid_from_ms, expires_ms, details, changed_ms, who"
_ALL: Final = f"SELECT {_COLUMNS} FROM registration WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608 - a constant
_ONE: Final = f"SELECT {_COLUMNS} FROM registration WHERE id = ?"  # noqa: S608
_OF: Final = f"SELECT {_COLUMNS} FROM registration WHERE sender = ? AND country = ?"  # noqa: S608


@MIGRATIONS(name="0001_senders")
def _first(db: Database) -> None:
    db.execute(
        """CREATE TABLE registration (
        id INTEGER PRIMARY KEY,
        sender TEXT NOT NULL, -- capitals and small letters count
        country TEXT NOT NULL, -- ISO 3166
        kind TEXT NOT NULL CHECK (kind IN ('alphanumeric', 'short_code', 'number')),
        state TEXT NOT NULL CHECK (state IN ('requested', 'confirmed', 'expired')),
        requested_ms INTEGER NOT NULL,
        valid_from_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL, -- 0: not until it is said
        details TEXT NOT NULL, -- JSON of registration.Details
        changed_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        UNIQUE (sender, country)
    ) STRICT"""
    )
    db.execute(
        """CREATE TABLE act (
        number INTEGER PRIMARY KEY,
        registration INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        state TEXT NOT NULL,
        valid_from_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        details TEXT NOT NULL
    ) STRICT"""
    )


class Act(NamedTuple):
    """What somebody made of a registration, and when."""

    at_ms: int
    who: str
    state: str
    valid_from_ms: int
    expires_ms: int
    details: Details


def mandatory_of(settings: Settings) -> tuple[str, ...]:
    """The countries that ask for registration. Raises Error `settings_invalid`."""
    try:
        return tuple(checked_country(country) for country in settings["senders.mandatory"])
    except Error as e:
        raise Error("settings_invalid", f"senders.mandatory: {e.message}", e.hint) from None


class SenderBook(DeskStore):
    """Every change is one transaction with its line in `act`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.home / "senders.db", MIGRATIONS)
        self._mandatory = mandatory_of(settings)
        self._dlt = settings["senders.dlt_templates"] == "required", settings["senders.dlt_variable"]
        self._defaults = {link.name: link.default_sender for link in settings.links}

    def check_request(self, sender: str, country: str, details: Details) -> tuple[str, str]:
        """Country and kind as they would be written. Raises Error `invalid` or `sender_invalid` for what `request` refuses."""
        country, kind = checked_country(country), checked_sender(sender)
        check_details(details)
        check_reserved(sender, country, details)
        found = self.of(sender, country)
        if found is not None and found.state != "expired":
            raise Error(
                "invalid",
                f"this sender is {found.state} in {country} already",
                f"see registration {found.id}",
                field="sender",
            )
        return country, kind

    def request(self, sender: str, country: str, details: Details, who: str, at_ms: int) -> Registration:
        """A registration that was asked for; one that had expired is asked for again. Raises as `check_request`."""
        country, kind = self.check_request(sender, country, details)
        with self.writing() as conn:
            found = self.of(sender, country)
            if found is not None:
                made = msgspec.structs.replace(
                    found, state="requested", requested_ms=at_ms, valid_from_ms=0, expires_ms=0,
                    details=merged(found.details, details), changed_ms=at_ms, who=who,
                )  # fmt: skip
            else:
                count, last = conn.execute("SELECT count(*), coalesce(max(id), 0) FROM registration").fetchone()
                if count >= REGISTRATIONS_MAX:
                    raise Error("invalid", f"there are {REGISTRATIONS_MAX:,} registrations already", "no more fit")
                made = Registration(last + 1, sender, country, kind, "requested", at_ms, 0, 0, details, at_ms, who)
            self._write(conn, made)
        return made

    def check_confirm(self, number: int, details: Details, valid_from_ms: int, expires_ms: int) -> Registration:
        """The registration as it stands. Raises Error `not_found` or `invalid` for what `confirm` refuses."""
        found = self._found(number)
        check_confirmed(found.country, merged(found.details, details), valid_from_ms, expires_ms)
        return found

    def confirm(
        self, number: int, details: Details, valid_from_ms: int, expires_ms: int, who: str, at_ms: int
    ) -> Registration:
        """In force from `valid_from_ms` to `expires_ms` (0: not until it is said). Raises as `check_confirm`."""
        with self.writing() as conn:
            found = self.check_confirm(number, details, valid_from_ms, expires_ms)
            made = msgspec.structs.replace(
                found, state="confirmed", valid_from_ms=valid_from_ms, expires_ms=expires_ms,
                details=merged(found.details, details), changed_ms=at_ms, who=who,
            )  # fmt: skip
            self._write(conn, made)
        return made

    def expire(self, number: int, details: Details, who: str, at_ms: int) -> Registration:
        """No longer in force from now on. Raises Error `not_found` or `invalid`."""
        check_details(details)
        with self.writing() as conn:
            found = self._found(number)
            made = msgspec.structs.replace(
                found, state="expired", details=merged(found.details, details), changed_ms=at_ms, who=who
            )
            self._write(conn, made)
        return made

    def _write(self, conn: Connection, r: Registration) -> None:
        details = _encode(r.details).decode()
        conn.execute(
            "INSERT OR REPLACE INTO registration VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (r.id, r.sender, r.country, r.kind, r.state, r.requested_ms, r.valid_from_ms, r.expires_ms, details, r.changed_ms, r.who),
        )  # fmt: skip
        conn.execute(
            "INSERT INTO act (registration, at_ms, who, state, valid_from_ms, expires_ms, details) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (r.id, r.changed_ms, r.who, r.state, r.valid_from_ms, r.expires_ms, details),
        )

    def _found(self, number: int) -> Registration:
        found = self.one(number)
        if found is None:
            raise Error("not_found", "there is no such registration", "see `casemate sender list` or GET /v1/senders")
        return found

    def one(self, number: int) -> Registration | None:
        row = self.row(_ONE, number)
        return _registration(row) if row else None

    def of(self, sender: str, country: str) -> Registration | None:
        row = self.row(_OF, sender, country)
        return _registration(row) if row else None

    def all(self, after: int = 0, limit: int = REGISTRATIONS_MAX) -> list[Registration]:
        """In the order in which they were first asked for, from the one after `after`."""
        return [_registration(row) for row in self.rows(_ALL, after, limit)]

    def acts(self, number: int) -> list[Act]:
        """Everything that was ever done to a registration, oldest first."""
        sql = "SELECT at_ms, who, state, valid_from_ms, expires_ms, details FROM act WHERE registration = ? ORDER BY number"
        out = []
        for at_ms, who, state, from_ms, expires_ms, details in self.rows(sql, number):
            out.append(Act(at_ms, who, state, from_ms, expires_ms, _decode(details.encode())))
        return out

    def register(self) -> Register:
        """What the hot path asks."""
        (version,) = self.row("SELECT coalesce(max(number), 0) FROM act") or (0,)
        return Register(self.all() if self._mandatory else (), self._mandatory, self._defaults, version, *self._dlt)


def _registration(row: tuple[Any, ...]) -> Registration:
    number, sender, country, kind, state, requested_ms, from_ms, expires_ms, details, changed_ms, who = row
    known = _decode(details.encode())
    return Registration(number, sender, country, kind, state, requested_ms, from_ms, expires_ms, known, changed_ms, who)
