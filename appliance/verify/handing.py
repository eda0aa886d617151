"""What a commit leaves to be done outside: each verification's newest message, sealed until the engine has it, and the entries for the audit log.

Both stand in the transaction that made the code what it is: whoever has an answer has a message on disk, and no code is on its way
of which the log will not be told.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from appliance.store import Connection

from .states import PENDING


class Letter(msgspec.Struct, array_like=True):
    """What the message is made of again after a crash. The code is in `text`."""

    to: str
    text: str
    sender: str | None
    life_s: int
    address: str = ""  # where a workflow hears of its receipt

    def __repr__(self) -> str:
        return "<letter of a verification>"


class Handing(NamedTuple):
    """A message that is not known to be the engine's: the `sends`th of its verification, in the hands of one gateway since `at_ms`."""

    id: bytes
    sends: int
    gateway: int
    key_id: int
    sealed: bytes
    at_ms: int


class Left(NamedTuple):
    """One of these that nobody has in hand any more. `pending`: whether its code is still worth anything."""

    handing: Handing
    caller: int
    pending: bool


_COLUMNS: Final = ", ".join(Handing._fields)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Letter).decode


def letter_aad(verification: bytes) -> bytes:
    """What the sealing is bound to."""
    return b"m" + verification


def letter_packed(letter: Letter) -> bytes:
    return _encode(letter)


def letter_unpacked(octets: bytes) -> Letter:
    return _decode(octets)


def put(conn: Connection, handing: Handing) -> None:
    """In place of one of before: its code is worth nothing any more."""
    conn.execute(f"INSERT OR REPLACE INTO handing ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", handing)  # noqa: S608 # our own column names


def done(conn: Connection, verification: bytes, sends: int) -> None:
    """The engine has it, or nobody needs it any more."""
    conn.execute("DELETE FROM handing WHERE id = ? AND sends = ?", (verification, sends))


def left(conn: Connection, gateway: int, before_ms: int, at_ms: int, limit: int) -> list[Left]:
    """Those of one gateway, and of any other that has had one since `before_ms`; longest first."""
    columns = ", ".join(f"h.{name}" for name in Handing._fields)
    sql = (
        f"SELECT {columns}, v.caller, v.state = ? AND v.expires_ms > ? FROM handing h JOIN verification v ON v.id = h.id"  # noqa: S608
        " WHERE h.gateway = ? OR h.at_ms <= ? ORDER BY h.at_ms LIMIT ?"
    )
    rows = conn.execute(sql, (PENDING, at_ms, gateway, before_ms, limit)).fetchall()
    return [Left(Handing(*row[:6]), row[6], bool(row[7])) for row in rows]


def waiting(conn: Connection) -> int:
    """How many there are."""
    return int(conn.execute("SELECT count(*) FROM handing").fetchone()[0])


def forget(conn: Connection, subject: bytes) -> None:
    """Those of one number."""
    conn.execute("DELETE FROM handing WHERE id IN (SELECT id FROM verification WHERE subject = ?)", (subject,))


def sealed_under(conn: Connection, key_id: int) -> list[tuple[bytes, bytes]]:
    """(verification, sealed) of those under one key."""
    rows: list[Any] = conn.execute("SELECT id, sealed FROM handing WHERE key_id = ?", (key_id,)).fetchall()
    return [(bytes(one), bytes(sealed)) for one, sealed in rows]
