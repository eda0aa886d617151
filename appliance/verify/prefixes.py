"""The part of `verify.db` about prefixes: what leaves and what is entered, by slots of five minutes, and which are blocked."""

from __future__ import annotations

from typing import Final, NamedTuple

from appliance.errors import Error
from appliance.store import Connection

from .pumping import JUDGED_EACH, RECENT_SLOTS, SLOT_MS, USUAL_SLOTS, Guard, Traffic, suspect
from .rates import HOUR_MS

SHOWN_MAX: Final = 200
BLOCK_HOURS_MAX: Final = 8_760  # a year: what lasts longer belongs in verify.countries


class Block(NamedTuple):
    """A prefix that gets no codes until `until_ms`; `why` is a word of WHY."""

    prefix: str
    why: str
    since_ms: int
    until_ms: int


def by_person(prefix: str, hours: int, at_ms: int) -> Block:
    """What a person blocks."""
    return Block(prefix, "person", at_ms, at_ms + hours * HOUR_MS)


class Conversion(NamedTuple):
    """Of one prefix, or of one operator, over the last day."""

    prefix: str
    sent: int
    approved: int


def check_open(conn: Connection, prefix: str, at_ms: int) -> None:
    """Raises Error `destination_blocked` while the prefix is blocked."""
    row = conn.execute("SELECT until_ms FROM block WHERE prefix = ? AND until_ms > ?", (prefix, at_ms)).fetchone()
    if row is not None:
        raise Error(
            "destination_blocked",
            "no codes go to numbers with this beginning for now",
            "an administrator sees why with `casemate verification blocks`",
            rule="prefix",
        )


def sent(conn: Connection, prefix: str, guard: Guard, at_ms: int, operator: str = "") -> Block | None:
    """Counts one code; the block, when by it the prefix has become suspect."""
    slot = at_ms // SLOT_MS
    if operator:
        conn.execute(
            "INSERT INTO carrier (operator, slot, sent, approved) VALUES (?, ?, 1, 0)"
            " ON CONFLICT (operator, slot) DO UPDATE SET sent = sent + 1",
            (operator, slot),
        )
    (newest,) = conn.execute(
        "INSERT INTO traffic (prefix, slot, sent, approved) VALUES (?, ?, 1, 0)"
        " ON CONFLICT (prefix, slot) DO UPDATE SET sent = sent + 1 RETURNING sent",
        (prefix, slot),
    ).fetchone()
    if newest % JUDGED_EACH:
        return None
    why = suspect(prefix, traffic(conn, prefix, newest, slot), guard)
    if not why:
        return None
    made = Block(prefix, why, at_ms, at_ms + guard.pause_s * 1000)
    block(conn, made)
    return made


def traffic(conn: Connection, prefix: str, newest: int, slot: int) -> Traffic:
    gone, entered = conn.execute(
        "SELECT ifnull(sum(sent), 0), ifnull(sum(approved), 0) FROM traffic WHERE prefix = ? AND slot >= ? AND slot < ?",
        (prefix, slot - RECENT_SLOTS, slot),
    ).fetchone()
    usual, oldest = conn.execute(
        "SELECT ifnull(sum(sent), 0), min(slot) FROM traffic WHERE prefix = ? AND slot >= ? AND slot < ?",
        (prefix, slot - USUAL_SLOTS, slot),
    ).fetchone()
    return Traffic(gone, entered, newest, usual, slot - oldest if oldest is not None else 0)


def approved(conn: Connection, prefix: str, created_ms: int, operator: str = "") -> None:
    """In the slot of the code's own verification, so that a code is entered where it was counted."""
    if operator:
        conn.execute(
            "UPDATE carrier SET approved = approved + 1 WHERE operator = ? AND slot = ?",
            (operator, created_ms // SLOT_MS),
        )
    conn.execute(
        "UPDATE traffic SET approved = approved + 1 WHERE prefix = ? AND slot = ?", (prefix, created_ms // SLOT_MS)
    )


def block(conn: Connection, made: Block) -> None:
    conn.execute("INSERT OR REPLACE INTO block (prefix, why, since_ms, until_ms) VALUES (?, ?, ?, ?)", made)


def blocked(conn: Connection, prefix: str, at_ms: int) -> Block:
    """The block that holds now. Raises Error `not_found`."""
    row = conn.execute(
        "SELECT prefix, why, since_ms, until_ms FROM block WHERE prefix = ? AND until_ms > ?", (prefix, at_ms)
    ).fetchone()
    if row is None:
        raise Error("not_found", "this prefix is not blocked", "`casemate verification blocks` lists those that are")
    return Block(*row)


def unblock(conn: Connection, prefix: str, at_ms: int) -> Block:
    """Lets codes go there again, and forgets by what it became suspect. Raises Error `not_found`."""
    found = blocked(conn, prefix, at_ms)
    conn.execute("DELETE FROM block WHERE prefix = ?", (prefix,))
    conn.execute("DELETE FROM traffic WHERE prefix = ?", (prefix,))
    return found


def blocks(conn: Connection, at_ms: int) -> list[Block]:
    """Those that hold now, the newest first."""
    rows = conn.execute(
        "SELECT prefix, why, since_ms, until_ms FROM block WHERE until_ms > ? ORDER BY since_ms DESC", (at_ms,)
    )
    return [Block(*row) for row in rows.fetchall()]


def conversions(conn: Connection, at_ms: int) -> list[Conversion]:
    """Of the last day, those with most codes first, at most SHOWN_MAX."""
    rows = conn.execute(
        "SELECT prefix, sum(sent) AS n, sum(approved) FROM traffic WHERE slot > ? GROUP BY prefix ORDER BY n DESC LIMIT ?",
        (at_ms // SLOT_MS - USUAL_SLOTS, SHOWN_MAX),
    )
    return [Conversion(*row) for row in rows.fetchall()]


def carriers(conn: Connection, at_ms: int) -> list[Conversion]:
    """The same by operator, as far as the settings know whose a number is."""
    rows = conn.execute(
        "SELECT operator, sum(sent) AS n, sum(approved) FROM carrier WHERE slot > ? GROUP BY operator ORDER BY n DESC LIMIT ?",
        (at_ms // SLOT_MS - USUAL_SLOTS, SHOWN_MAX),
    )
    return [Conversion(*row) for row in rows.fetchall()]


def sweep(conn: Connection, at_ms: int) -> int:
    """Erases what nothing is judged by any more; how many rows that were."""
    conn.execute("DELETE FROM carrier WHERE slot < ?", (at_ms // SLOT_MS - USUAL_SLOTS,))
    old = conn.execute("DELETE FROM traffic WHERE slot < ?", (at_ms // SLOT_MS - USUAL_SLOTS,)).rowcount
    return int(old + conn.execute("DELETE FROM block WHERE until_ms <= ?", (at_ms,)).rowcount)
