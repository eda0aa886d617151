"""`flows.db`: every statement on it. Acts of one commit are handed over together; the runner's turn is one too."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from appliance.errors import Error
from appliance.limits import FLOW_KEPT_MS
from appliance.store import ActsStore

from .schema import MIGRATIONS
from .states import EFFECTS, ENDED, NOT_TAKEN, REFUSED, Heard, Run, Trace, ended, next_ms

SWEPT_AT_ONCE: Final = 5_000
SEEN_MS: Final = 2 * 86_400_000  # so long nothing comes twice; engine and courier repeat within seconds
_pack: Final = msgspec.msgpack.Encoder().encode
_run: Final = msgspec.msgpack.Decoder(Run).decode
_heard: Final = msgspec.msgpack.Decoder(Heard).decode


class Row(NamedTuple):
    """A run as it is stored, its machine decoded."""

    id: bytes
    workflow: str
    version: int
    caller: int
    caller_name: str
    subject: bytes
    key_id: int
    sealed: bytes
    machine: Run
    started_ms: int
    changed_ms: int
    request_body: bytes | None = None

    def __repr__(self) -> str:
        return f"<run {self.id.hex()} {self.machine.state}>"


class Come(NamedTuple):
    """A row of the inbox. `run` None: what a customer wrote, sealed."""

    n: int
    run: bytes | None
    heard: Heard
    at_ms: int
    message: bytes | None
    key_id: int | None
    number: bytes | None
    content: bytes | None
    recipient: str | None


class Story(NamedTuple):
    """One line of what became of a run."""

    at_ms: int
    step: int
    state: str
    heard: str
    went: str


_COLUMNS: Final = (
    "id, workflow, version, caller, caller_name, subject, key_id, sealed, machine, started_ms, changed_ms, request_body"
)


class Book(ActsStore):
    """One connection; not for two threads at once. Several processes may have the book open."""

    unwritten = "the workflows cannot be written"

    def __init__(self, path: Path) -> None:
        super().__init__(path, MIGRATIONS)

    # --- runs ---------------------------------------------------------------------------------------------

    def begin(self, row: Row, request: bytes | None) -> Row:
        """Keeps a new run; the one of before when its request came before. Raises Error `idempotency_conflict`."""
        if request is not None:
            found = self._rows("WHERE request = ?", request)
            if found:
                if not hmac.compare_digest(found[0].request_body or b"", row.request_body or b""):
                    raise Error(
                        "idempotency_conflict",
                        "this Idempotency-Key was used before with another body",
                        "use a new key for a new request",
                    )
                return found[0]
        m = row.machine
        self.conn.execute(
            "INSERT INTO run (id, workflow, version, caller, caller_name, subject, key_id, sealed, machine, state, phase, effect,"
            " next_ms, wait_ms, started_ms, changed_ms, request, request_body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, 0, ?, ?, ?, ?)",
            (
                *row[:8],
                _pack(m),
                m.state,
                m.phase,
                next_ms(m),
                row.started_ms,
                row.changed_ms,
                request,
                row.request_body,
            ),
        )
        self._count(row.workflow, "")
        return row

    def begin_by_hand(self, row: Row, request: bytes | None, first: Run, trace: Iterable[Trace]) -> Row:
        """The same of a run whose first step its caller does himself, under the step's key, and then brings the outcome of. Raises as `begin`."""
        found = self.begin(row, request)
        if found is row:
            self.put(row, first, row.sealed, row.key_id, trace, row.started_ms)
            self.conn.execute("UPDATE run SET effect = '' WHERE id = ?", (row.id,))
        return found

    def withdraw(self, row: Row, at_ms: int, why: str) -> None:
        """Its first step was refused: it is over, and its request is as if it had never come."""
        self.cancel(row, at_ms, NOT_TAKEN, f"{REFUSED}: {why}")
        self.conn.execute("UPDATE run SET request = NULL, request_body = NULL WHERE id = ?", (row.id,))

    def one(self, run: bytes, caller: int | None = None) -> Row:
        """Raises Error `not_found`, also for what belongs to another API key. `caller` None: whosever."""
        found = self._rows("WHERE id = ?", run)
        if not found or (caller is not None and found[0].caller != caller):
            raise Error("not_found", "there is no such run")
        return found[0]

    def runs(self, ids: Iterable[bytes]) -> dict[bytes, Row]:
        """Those that are there."""
        out = {}
        for run in ids:
            for row in self._rows("WHERE id = ?", run):
                out[run] = row
        return out

    def put(self, row: Row, run: Run, sealed: bytes, key_id: int, trace: Iterable[Trace], at_ms: int) -> None:
        """A run after a step, with its story and, in the same commit, what is to be done outside."""
        over = run.phase == ENDED
        due_ms = next_ms(run)
        before = row.machine
        # The effect is due again whenever a step brought a new one; one that was done leaves the phase, or `handed` says so.
        fresh = run.step != before.step or run.phase != before.phase
        effect = EFFECTS.get(run.phase, "") if fresh else None
        self.conn.execute(
            "UPDATE run SET machine = ?, sealed = ?, key_id = ?, state = ?, phase = ?, effect = coalesce(?, effect), next_ms = ?, wait_ms = ?,"
            " changed_ms = ?, outcome = ? WHERE id = ?",
            (
                _pack(run), b"" if over else sealed, key_id, run.state, run.phase, effect, due_ms, max(0, due_ms - at_ms), at_ms,
                run.outcome, row.id,
            ),
        )  # fmt: skip
        if over and before.phase != ENDED:
            self._count(row.workflow, run.outcome)
        traces = list(trace)
        if traces:
            n = self.conn.execute("SELECT coalesce(max(n), 0) FROM trace WHERE run = ?", (row.id,)).fetchone()[0]
            self.conn.executemany(
                "INSERT INTO trace (run, n, at_ms, step, state, heard, went) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(row.id, n + k, at_ms, t.step, t.state, t.heard[:80], t.to) for k, t in enumerate(traces, 1)],
            )

    def handed(self, run: bytes, step: int) -> None:
        """A webhook is the courier's now: its outcome comes later."""
        row = self.one(run)
        if row.machine.step == step:
            self.conn.execute("UPDATE run SET effect = '' WHERE id = ?", (run,))

    def due(self, at_ms: int, limit: int) -> list[bytes]:
        """Runs to which time is to be told."""
        sql = "SELECT id FROM run WHERE next_ms > 0 AND next_ms <= ? ORDER BY next_ms LIMIT ?"
        return [bytes(row[0]) for row in self.conn.execute(sql, (at_ms, limit)).fetchall()]

    def undone(self, limit: int) -> list[Row]:
        """Runs with something to be done outside, longest due first."""
        return self._rows("WHERE effect != '' ORDER BY changed_ms LIMIT ?", limit)

    def of_subject(self, subject: bytes) -> list[Row]:
        """Runs of one number that have not ended, oldest first."""
        return [r for r in self._rows("WHERE subject = ? ORDER BY id", subject) if r.machine.phase != ENDED]

    def clock_set(self, at_ms: int) -> int:
        """At a start: no run waits longer than it was meant to, should the clock have been set back meanwhile."""
        sql = "UPDATE run SET next_ms = ?1 + wait_ms WHERE next_ms > ?1 + wait_ms AND next_ms > 0"
        return int(self.act(lambda book: book.conn.execute(sql, (at_ms,)).rowcount))

    def cancel(self, row: Row, at_ms: int, outcome: str, by: str) -> Row:
        run = ended(row.machine, outcome, at_ms)
        self.put(row, run, b"", row.key_id, [Trace(run.step, run.state, by, "")], at_ms)
        return self.one(row.id)

    def runs_with(self, subject: bytes) -> list[Row]:
        """Runs of one number, ended ones too."""
        return self._rows("WHERE subject = ? ORDER BY id", subject)

    # --- what comes ---------------------------------------------------------------------------------------

    def bring(self, source: bytes, run: bytes, heard: Heard, at_ms: int) -> None:
        """For one run. The same source again, before or after its turn, changes nothing."""
        if self._new(source, at_ms):
            self.conn.execute(
                "INSERT INTO inbox (source, run, heard, at_ms) VALUES (?, ?, ?, ?)", (source, run, _pack(heard), at_ms)
            )

    def bring_reply(
        self, message: bytes, at_ms: int, key_id: int, number: bytes, content: bytes, recipient: str
    ) -> None:
        """What a customer wrote, sealed as it came; nothing is kept when no run could wait for it."""
        if not self.open_to_replies() or not self._new(b"r" + message, at_ms):
            return
        self.conn.execute(
            "INSERT INTO inbox (source, heard, at_ms, message, key_id, number, content, recipient) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (b"r" + message, _pack(Heard("replied")), at_ms, message, key_id, number, content, recipient),
        )

    def open_to_replies(self) -> bool:
        sql = "SELECT 1 FROM run WHERE phase IN ('reply', 'sending') LIMIT 1"
        return self.conn.execute(sql).fetchone() is not None

    def come(self, at_ms: int, limit: int) -> list[Come]:
        sql = (
            "SELECT n, run, heard, at_ms, message, key_id, number, content, recipient FROM inbox WHERE after_ms <= ?"
            " ORDER BY n LIMIT ?"
        )
        rows = self.conn.execute(sql, (at_ms, limit)).fetchall()
        return [Come(row[0], row[1], _heard(row[2]), *row[3:]) for row in rows]

    def taken(self, numbers: Iterable[int]) -> None:
        self.conn.executemany("DELETE FROM inbox WHERE n = ?", [(n,) for n in numbers])

    def later(self, n: int, after_ms: int) -> None:
        self.conn.execute("UPDATE inbox SET after_ms = ? WHERE n = ?", (after_ms, n))

    def _new(self, source: bytes, at_ms: int) -> bool:
        put = self.conn.execute("INSERT OR IGNORE INTO seen (source, at_ms) VALUES (?, ?)", (source, at_ms))
        return bool(put.rowcount == 1)

    # --- looking ------------------------------------------------------------------------------------------

    def story(self, run: bytes) -> list[Story]:
        sql = "SELECT at_ms, step, state, heard, went FROM trace WHERE run = ? ORDER BY n"
        return [Story(*row) for row in self.conn.execute(sql, (run,)).fetchall()]

    def latest(self, workflow: str | None, limit: int, phase: str | None = None) -> list[Row]:
        """The newest runs; those that wait for a person oldest first."""
        if phase == "person":
            return self._rows("WHERE phase = 'person' ORDER BY changed_ms LIMIT ?", limit)
        if workflow is not None:
            return self._rows("WHERE workflow = ? ORDER BY id DESC LIMIT ?", workflow, limit)
        return self._rows("ORDER BY id DESC LIMIT ?", limit)

    def standing(self) -> dict[str, int]:
        """Phase -> how many runs are in it."""
        return dict(self.conn.execute("SELECT phase, count(*) FROM run GROUP BY phase").fetchall())

    def tallies(self) -> dict[tuple[str, str], int]:
        """(workflow, outcome) -> how many ever; outcome empty: begun."""
        rows = self.conn.execute("SELECT workflow, outcome, n FROM tally").fetchall()
        return {(workflow, outcome): n for workflow, outcome, n in rows}

    def sweep(self, at_ms: int) -> int:
        """Erases what ended long ago; how many rows that were."""
        before_ms = at_ms - FLOW_KEPT_MS
        old = "SELECT id FROM run WHERE phase = 'ended' AND changed_ms <= ? LIMIT ?"
        ids = [row[0] for row in self.conn.execute(old, (before_ms, SWEPT_AT_ONCE)).fetchall()]
        self.conn.executemany("DELETE FROM trace WHERE run = ?", [(i,) for i in ids])
        self.conn.executemany("DELETE FROM run WHERE id = ?", [(i,) for i in ids])
        gone = self.conn.execute("DELETE FROM seen WHERE at_ms <= ?", (at_ms - SEEN_MS,))
        return len(ids) + int(gone.rowcount)

    def close(self) -> None:
        self.conn.close()

    def _rows(self, where: str, *given: Any) -> list[Row]:
        rows = self.conn.execute(f"SELECT {_COLUMNS} FROM run {where}", given).fetchall()  # noqa: S608 # our own column names
        return [Row._make((*row[:8], _run(row[8]), *row[9:])) for row in rows]

    def _count(self, workflow: str, outcome: str) -> None:
        self.conn.execute(
            "INSERT INTO tally (workflow, outcome, n) VALUES (?, ?, 1) ON CONFLICT (workflow, outcome) DO UPDATE SET n = n + 1",
            (workflow, outcome),
        )
