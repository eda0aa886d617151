"""Failed attempts as `access.db` keeps them: asked before a credential is looked at, counted before the slow check."""

from __future__ import annotations

from typing import Any

from appliance.errors import Error

from . import throttle
from .place import Place

Keys = dict[str, str]  # kind of subject -> its key, from throttle.subjects
Counts = dict[str, throttle.Count]


class Attempts(Place):
    """The throttle's part of `Access`."""

    def check_wait(self, keys: Keys, at_ms: int) -> None:
        """Raises Error `rate_limited` with detail `wait_s` when it is too early to try again; counts nothing."""
        conn = self.conn
        _refuse(throttle.wait_ms(_counts(conn, keys), _familiar(conn, keys, at_ms), at_ms))

    def begin_attempt(self, keys: Keys, at_ms: int) -> Counts:
        """Counts an attempt as failed, so that many at once gain nothing; what was counted before it.

        Raises Error `rate_limited` with detail `wait_s`: the credential is then not to be looked at.
        """
        with self.writing() as conn:
            counts = _counts(conn, keys)
            wait_ms = throttle.wait_ms(counts, _familiar(conn, keys, at_ms), at_ms)
            if not wait_ms:
                _count(conn, keys, {k: throttle.failed(k, counts[k], at_ms) for k in keys})
                _prune(conn, at_ms)
        _refuse(wait_ms)
        return counts

    def end_attempt(self, keys: Keys, counts: Counts, at_ms: int) -> None:
        """The attempt was right: `counts` is what `begin_attempt` gave."""
        with self.writing() as conn:
            # The address keeps its count, else one's own account would be the way to go on guessing at others'.
            conn.execute("DELETE FROM attempt WHERE subject IN (?, ?)", (keys["pair"], keys["person"]))
            _count(conn, {"address": keys["address"]}, {"address": counts["address"]})
            conn.execute("INSERT OR REPLACE INTO familiar (pair, seen_ms) VALUES (?, ?)", (keys["pair"], at_ms))


def _refuse(wait_ms: int) -> None:
    if wait_ms:
        wait_s = -(-wait_ms // 1000)
        raise Error("rate_limited", "too many failed attempts", f"try again in {wait_s} s", wait_s=wait_s)


def _familiar(conn: Any, keys: Keys, at_ms: int) -> bool:
    since_ms = at_ms - throttle.FAMILIAR_MS
    found = conn.execute("SELECT 1 FROM familiar WHERE pair = ? AND seen_ms > ?", (keys["pair"], since_ms)).fetchone()
    return found is not None


def _counts(conn: Any, keys: Keys) -> Counts:
    out = {}
    for kind, key in keys.items():
        row = conn.execute("SELECT failures, last_ms, until_ms FROM attempt WHERE subject = ?", (key,)).fetchone()
        out[kind] = throttle.Count(*row) if row else throttle.Count()
    return out


def _count(conn: Any, keys: Keys, counts: Counts) -> None:
    conn.executemany(
        "INSERT OR REPLACE INTO attempt (subject, failures, last_ms, until_ms) VALUES (?, ?, ?, ?)",
        [(keys[kind], c.failures, c.last_ms, c.until_ms) for kind, c in counts.items()],
    )


def _prune(conn: Any, at_ms: int) -> None:
    conn.execute("DELETE FROM attempt WHERE last_ms < ? AND until_ms < ?", (at_ms - throttle.FORGET_MS, at_ms))
    conn.execute("DELETE FROM familiar WHERE seen_ms < ?", (at_ms - throttle.FAMILIAR_MS,))
    over = conn.execute("SELECT count(*) FROM attempt").fetchone()[0] - throttle.SUBJECTS_MAX
    if over > 0:
        conn.execute(
            "DELETE FROM attempt WHERE subject IN (SELECT subject FROM attempt ORDER BY until_ms, last_ms LIMIT ?)",
            (over,),
        )
