"""`consent.db`: decisions of customers and of people about them, only ever appended; who is suppressed follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.errors import Error
from appliance.store import Connection, DatabaseError, migrate, open_store, transaction

from .lists import START, STOP
from .schema import MIGRATIONS
from .suppressed import Suppressed

CACHE_KIB: Final = 65_536  # the two indexes of a million and a half
ROWS_AT_ONCE: Final = 50_000  # of a snapshot that one statement reads
IMPORTED_AT_ONCE: Final = (
    100_000  # decisions of an import that are one transaction: a quarter of a second in which no STOP is written
)
EVERY: Final = ""  # the programme that is all programmes
SOURCES: Final = ("keyword", "review", "api", "import", "person")


class Decided(NamedTuple):
    """One decision as it is kept. `number` is sealed."""

    n: int
    at_ms: int
    subject: bytes
    number: bytes
    programme: str
    action: str
    source: str
    word: str
    evidence: bytes | None
    who: str


class Review(NamedTuple):
    """A customer's message that a person is to read. `number` is sealed, `evidence` the message's id."""

    n: int
    at_ms: int
    subject: bytes
    number: bytes
    programme: str
    word: str
    evidence: bytes


_HISTORY: Final = (
    "SELECT n, at_ms, subject, number, programme, action, source, word, evidence, who FROM decision"
    " WHERE subject = ? ORDER BY n"
)
_BETWEEN: Final = (
    "SELECT n, at_ms, subject, number, programme, action, source, word, evidence, who FROM decision"
    " WHERE n > ? AND at_ms >= ? AND at_ms < ? ORDER BY n LIMIT ?"
)
_COUNTING: Final = (
    "SELECT d.n, d.at_ms, d.subject, d.number, d.programme, d.action, d.source, d.word, d.evidence, d.who FROM decision d"
    " JOIN suppressed s ON s.subject = d.subject AND s.programme = d.programme AND s.decision = d.n"
    " WHERE d.n > ? ORDER BY d.n LIMIT ?"
)
_INSERT: Final = (
    "INSERT INTO decision (n, at_ms, subject, number, programme, action, source, word, evidence, who)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SUPPRESS: Final = (
    "INSERT INTO suppressed (subject, programme, decision) VALUES (?, ?, ?)"
    " ON CONFLICT (subject, programme) DO UPDATE SET decision = excluded.decision"
)
_PLACE: Final = "CREATE TEMP TABLE IF NOT EXISTS place (n INTEGER PRIMARY KEY)"
_PLACES: Final = (  # as many as rows; those that are there stay
    "INSERT INTO temp.place WITH RECURSIVE p (n) AS (SELECT (SELECT count(*) FROM temp.place) UNION ALL"
    " SELECT n + 1 FROM p WHERE n + 1 < ?1) SELECT n FROM p WHERE n < ?1"
)
#: A column of subjects, one of sealed numbers in slots of one width, and one of their lengths, an octet each (an ASCII letter).
_IMPORT: Final = (
    "INSERT INTO decision (n, at_ms, subject, number, programme, action, source, word, evidence, who)"
    " SELECT :first + n, :at_ms, substr(:subjects, n * 16 + 1, 16),"
    " substr(:numbers, n * :width + 1, unicode(substr(:lengths, n + 1, 1))), :programme, 'stop', 'import', '', NULL, :who"
    " FROM temp.place p WHERE n < :count AND NOT EXISTS"
    " (SELECT 1 FROM suppressed s WHERE s.subject = substr(:subjects, p.n * 16 + 1, 16) AND s.programme = :programme)"
    " ORDER BY n"
)
_IMPORTED: Final = (
    "INSERT INTO suppressed (subject, programme, decision)"
    " SELECT subject, programme, n FROM decision WHERE n >= ? ORDER BY n"
)
_PREFIXES: Final = (
    "SELECT group_concat(hex(substr(subject, 1, 8)), ''), max(subject) FROM"
    " (SELECT subject FROM suppressed WHERE programme = ? AND subject > ? ORDER BY subject LIMIT ?)"
)
_RELEASE: Final = "DELETE FROM suppressed WHERE subject = ? AND programme = ?"
_RELEASE_ALL: Final = "DELETE FROM suppressed WHERE subject = ?"
_REVIEW: Final = "SELECT n, at_ms, subject, number, programme, word, evidence FROM review WHERE closed_ms IS NULL"


class Book:
    """One connection; not for two threads at once. Several processes may have the book open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.conn: Connection = open_store(path)
        migrate(self.conn, MIGRATIONS)
        self.conn.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        self.conn.execute(
            "PRAGMA secure_delete=ON"
        )  # a number that was erased leaves nothing in free places of the file

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction. Raises Error `store_full`."""
        try:
            with transaction(self.conn):
                yield
        except DatabaseError as e:
            raise Error("store_full", "the decision cannot be written", f"free space on the disk ({e})") from None

    def decide(
        self,
        rows: Iterable[tuple[bytes, bytes]],
        programme: str,
        action: str,
        source: str,
        at_ms: int,
        who: str,
        word: str = "",
        evidence: bytes | None = None,
    ) -> int:
        """Appends one decision for each (subject, sealed number) and makes it count; the number of the last one.

        One transaction. A start for all programmes ends every suppression of the subject. Raises Error `store_full`.
        """
        assert action in (STOP, START) and source in SOURCES
        with self.writing():
            return self._decide(rows, programme, action, source, at_ms, who, word, evidence)

    def _decide(
        self,
        rows: Iterable[tuple[bytes, bytes]],
        programme: str,
        action: str,
        source: str,
        at_ms: int,
        who: str,
        word: str,
        evidence: bytes | None,
    ) -> int:
        last = self._next() - 1
        decisions, subjects = [], []
        # In the order of the index: of a million at random places each would be a page of its own.
        for subject, number in sorted(rows):
            last += 1
            decisions.append((last, at_ms, subject, number, programme, action, source, word, evidence, who))
            subjects.append((subject, programme, last))
        self.conn.executemany(_INSERT, decisions)
        if action == STOP:
            self.conn.executemany(_SUPPRESS, subjects)
        elif programme == EVERY:
            self.conn.executemany(_RELEASE_ALL, [row[:1] for row in subjects])
        else:
            self.conn.executemany(_RELEASE, [row[:2] for row in subjects])
        return last

    def bring_in(
        self, subjects: Sequence[bytes], numbers: Sequence[bytes], programme: str, at_ms: int, who: str
    ) -> int:
        """A stop for each of at most IMPORTED_AT_ONCE different `subjects`, sorted, that has none in this programme; how many.

        One transaction, and three values bound for all rows: SQLite takes the columns apart, which costs a fifth of
        binding each row. Sorted, because of a million at random places each would be a page of its own.
        Raises Error `store_full`.
        """
        assert len(subjects) <= IMPORTED_AT_ONCE
        lengths = bytes(map(len, numbers))
        width = max(lengths, default=0)
        assert width < 128, "a length is one ASCII letter"
        with self.writing():
            self.conn.execute(_PLACE)
            self.conn.execute(_PLACES, (len(subjects),))
            first = self._next()
            columns = {
                "subjects": b"".join(subjects),
                "numbers": b"".join([number.ljust(width) for number in numbers]),
                "lengths": lengths,
            }
            row = {"first": first, "at_ms": at_ms, "programme": programme, "who": who}
            self.conn.execute(_IMPORT, columns | row | {"width": width, "count": len(subjects)})
            return int(self.conn.execute(_IMPORTED, (first,)).rowcount)

    def heard(
        self,
        subject: bytes,
        number: bytes,
        programmes: Iterable[str],
        action: str,
        word: str,
        evidence: bytes,
        at_ms: int,
        who: str,
    ) -> list[str]:
        """What a customer wrote, decided for each of `programmes` in which it changes something; those.

        One transaction. `evidence`: the message's id; the same message is decided on once (see `by_evidence`).
        """
        with self.writing():
            out = self.suppressed_in(subject)
            changed = []
            for name in programmes:
                if (name not in out) if action == STOP else (bool(out) if name == EVERY else name in out):
                    self._decide([(subject, number)], name, action, "keyword", at_ms, who, word, evidence)
                    changed.append(name)
            return changed

    def by_evidence(self, evidence: bytes) -> list[str]:
        """Programmes in which a customer's message decided something before."""
        rows = self.conn.execute(
            "SELECT programme FROM decision WHERE evidence = ? AND source = 'keyword' ORDER BY n", (evidence,)
        )
        return [row[0] for row in rows.fetchall()]

    # --- for the hot path ---------------------------------------------------------------------------------

    def snapshot(self) -> Suppressed:
        """Everybody who is suppressed now. Nearly all of it is SQLite's work, in which the interpreter is free for others."""
        self.conn.execute("BEGIN")
        try:
            upto = self._last()
            found = self.conn.execute("SELECT DISTINCT programme FROM suppressed").fetchall()
            return Suppressed.of({programme: self._prefixes(programme) for (programme,) in found}, upto)
        finally:
            self.conn.execute("COMMIT")

    def _prefixes(self, programme: str) -> Iterator[bytes]:
        after = b""
        while True:
            prefixes, after = self.conn.execute(_PREFIXES, (programme, after, ROWS_AT_ONCE)).fetchone()
            if after is None:
                return
            yield bytes.fromhex(prefixes)

    def decided_since(self, upto: int, most: int) -> list[tuple[int, str, bytes, bool]]:
        """(number, programme, subject, suppressed or not) of newer decisions, in order; one of all programmes ends each."""
        out: list[tuple[int, str, bytes, bool]] = []
        for n, subject, programme, action in self.conn.execute(
            "SELECT n, subject, programme, action FROM decision WHERE n > ? ORDER BY n LIMIT ?", (upto, most)
        ).fetchall():
            if action == START and programme == EVERY:
                names = self.conn.execute("SELECT DISTINCT programme FROM decision WHERE subject = ?", (subject,))
                out += [(n, name, subject, False) for (name,) in names.fetchall()]
            else:
                out.append((n, programme, subject, action == STOP))
        return out

    def _next(self) -> int:
        """The number of the next decision; never one that was given before (sqlite.org/autoinc.html)."""
        row = self.conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'decision'").fetchone()
        return int(row[0]) + 1 if row else 1

    def _last(self) -> int:
        row = self.conn.execute("SELECT coalesce(max(n), 0) FROM decision").fetchone()
        return int(row[0])

    # --- for people ---------------------------------------------------------------------------------------

    def history(self, subject: bytes) -> list[Decided]:
        """Every decision about one number, oldest first."""
        return [Decided(*row) for row in self.conn.execute(_HISTORY, (subject,)).fetchall()]

    def decided_between(self, from_ms: int, to_ms: int, subject: bytes | None = None) -> Iterator[Decided]:
        """Every decision of a span of time, oldest first, of one number where it is given; a page in memory at a time."""
        if subject is not None:
            yield from (d for d in self.history(subject) if from_ms <= d.at_ms < to_ms)
            return
        after = 0
        while rows := self.conn.execute(_BETWEEN, (after, from_ms, to_ms, 1_000)).fetchall():
            yield from (Decided(*row) for row in rows)
            after = rows[-1][0]

    def suppressed_in(self, subject: bytes) -> list[str]:
        """Programmes in which a number is suppressed; "" among them when it is for all."""
        rows = self.conn.execute("SELECT programme FROM suppressed WHERE subject = ? ORDER BY programme", (subject,))
        return [row[0] for row in rows.fetchall()]

    def suppressions(self, after: int = 0, limit: int = 1_000) -> list[Decided]:
        """The decisions that now count as suppressions, oldest first, from the one after `after`."""
        return [Decided(*row) for row in self.conn.execute(_COUNTING, (after, limit)).fetchall()]

    def newest(self, most: int) -> list[Decided]:
        """Of the last `most` decisions those that now count as suppressions, oldest first."""
        return self.suppressions(self._last() - most, most)

    def suppression(self, n: int) -> Decided | None:
        """The decision with this number, if it still counts as a suppression."""
        found = self.suppressions(n - 1, 1)
        return found[0] if found and found[0].n == n else None

    def counting(self, subject: bytes, programme: str) -> Decided | None:
        """The decision by which a number is suppressed in exactly this programme."""
        row = self.conn.execute(
            "SELECT decision FROM suppressed WHERE subject = ? AND programme = ?", (subject, programme)
        ).fetchone()
        return self.suppression(row[0]) if row else None

    def every_suppression(self) -> Iterator[Decided]:
        """All of them, a page in memory at a time."""
        after = 0
        while page := self.suppressions(after):
            yield from page
            after = page[-1].n

    def counts(self) -> dict[str, int]:
        """Suppressed numbers by programme."""
        return dict(self.conn.execute("SELECT programme, count(*) FROM suppressed GROUP BY programme").fetchall())

    # --- review -------------------------------------------------------------------------------------------

    def to_review(self, subject: bytes, number: bytes, programme: str, word: str, evidence: bytes, at_ms: int) -> int:
        """Puts a customer's message on the list that people read; its number there."""
        with self.writing():
            self.conn.execute(
                "INSERT OR IGNORE INTO review (at_ms, subject, number, programme, word, evidence)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (at_ms, subject, number, programme, word, evidence),
            )
            row = self.conn.execute("SELECT n FROM review WHERE evidence = ?", (evidence,)).fetchone()
        return int(row[0])

    def reviews(self, after: int = 0, limit: int = 50) -> list[Review]:
        """Open ones, oldest first."""
        rows = self.conn.execute(f"{_REVIEW} AND n > ? ORDER BY n LIMIT ?", (after, limit))
        return [Review(*row) for row in rows.fetchall()]

    def close_review(self, n: int, outcome: str, at_ms: int, who: str) -> Review:
        """A person decided: `stop` suppresses the customer, `none` leaves all as it is. Raises Error `not_found`."""
        assert outcome in ("stop", "none")
        with self.writing():
            found: Any = self.conn.execute(f"{_REVIEW} AND n = ?", (n,)).fetchone()
            if found is None:
                raise Error("not_found", "there is no such open entry", "somebody may have closed it a moment ago")
            review = Review(*found)
            if outcome == "stop":
                rows = [(review.subject, review.number)]
                self._decide(rows, review.programme, STOP, "review", at_ms, who, review.word, review.evidence)
            self.conn.execute(
                "UPDATE review SET closed_ms = ?, closed_by = ?, outcome = ? WHERE n = ?", (at_ms, who, outcome, n)
            )
        return review

    def review(self, n: int) -> Review | None:
        """One that is open."""
        found: Any = self.conn.execute(f"{_REVIEW} AND n = ?", (n,)).fetchone()
        return Review(*found) if found is not None else None

    def stamp(self) -> tuple[int, ...]:
        """Another value after any change; only comparable with one taken on the same thread."""
        return int(self.conn.execute("PRAGMA data_version").fetchone()[0]), int(self.conn.total_changes)

    def close(self) -> None:
        self.conn.close()
