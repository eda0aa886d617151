"""The outbox and the journal behind it: what a source sent twice stands in the log once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance.audit import Outbox, forward
from appliance.audit.entry import canonical
from appliance.audit.journal import Call, Journal, Outcome, Sought
from appliance.audit.payloads import call_of
from appliance.errors import Error
from appliance.store import open_store
from tests.support.auditlog import sample


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    made = Journal(tmp_path / "audit.db")
    yield made
    made.close()


@pytest.fixture
def conn(tmp_path: Path) -> Any:
    made = open_store(tmp_path / "engine.db")
    Outbox.create(made)
    yield made
    made.close()


def put(conn: Any, outbox: Outbox, *numbers: int) -> None:
    conn.execute("BEGIN IMMEDIATE")
    outbox.put([sample(n) for n in numbers])
    conn.execute("COMMIT")


class Line:
    """Stands for the auditor's client: appends to a journal, and loses the answer when told to."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self.size, self.lose = journal, 0, 0

    async def call(self, op: str, payload: Any) -> Any:
        assert op == "append"
        (outcome,) = self.journal.commit(self.size, [call_of(payload)])
        if outcome.error:
            raise outcome.error
        self.size = outcome.size
        if self.lose:
            self.lose -= 1
            raise Error("peer_unavailable", "the answer was lost")
        return {"index": self.size - 1, "size": self.size}


def all_of(journal: Journal) -> list[bytes]:
    return list(journal.entries(0, journal.size()))


def test_what_is_rolled_back_was_never_recorded(conn: Any) -> None:
    outbox = Outbox(conn, "engine-0")
    conn.execute("BEGIN IMMEDIATE")
    outbox.put([sample(1)])
    conn.execute("ROLLBACK")
    assert outbox.pending(10) == (0, [])
    put(conn, outbox, 2, 3)
    assert outbox.pending(10) == (1, [sample(2), sample(3)])
    assert outbox.pending(1) == (1, [sample(2)])
    outbox.settle(1)
    assert outbox.pending(10) == (2, [sample(3)])
    outbox.settle(2)
    put(conn, outbox, 4)
    assert outbox.pending(10) == (3, [sample(4)])  # numbers are never used again


def test_an_answer_lost_on_the_way_does_not_record_twice(conn: Any, journal: Journal) -> None:
    outbox, line = Outbox(conn, "engine-0"), Line(journal)
    put(conn, outbox, *range(10))
    line.lose = 2
    for limit in (7, 4):
        with pytest.raises(Error):
            asyncio.run(forward(outbox, line, limit))  # type: ignore[arg-type]
    while asyncio.run(forward(outbox, line, 3)):  # type: ignore[arg-type]
        pass
    assert all_of(journal) == [canonical(sample(n)) for n in range(10)]
    assert outbox.pending(10) == (0, [])


def test_a_store_made_anew_is_another_source(tmp_path: Path, journal: Journal) -> None:
    line = Line(journal)
    for n in range(3):
        conn = open_store(tmp_path / f"{n}.db")
        Outbox.create(conn)
        Outbox.create(conn)  # twice does no harm
        outbox = Outbox(conn, "engine-0")
        put(conn, outbox, n)
        assert asyncio.run(forward(outbox, line)) == 1  # type: ignore[arg-type]
        conn.close()
    assert len(all_of(journal)) == 3


def test_other_entries_under_used_numbers_are_refused(journal: Journal) -> None:
    entries = [canonical(sample(n)) for n in range(6)]
    assert journal.commit(0, [Call("a", 1, entries[:4])]) == [Outcome(4)]
    assert journal.commit(4, [Call("a", 3, entries[2:6])]) == [Outcome(6)]
    first, second = journal.commit(6, [Call("a", 6, [entries[0]]), Call("b", 1, [entries[0]])])
    assert first.error is not None and first.error.code == "audit_invalid"
    assert second == Outcome(7)
    assert all_of(journal) == [*entries, entries[0]]


def test_missing_numbers_are_told(journal: Journal) -> None:
    entries = [canonical(sample(n)) for n in range(2)]
    assert journal.commit(0, [Call("a", 5, entries[:1])]) == [Outcome(1, None, (1, 5))]
    assert journal.commit(1, [Call("a", 6, entries[1:])]) == [Outcome(2)]


def test_entries_without_numbers_are_taken_as_they_come(journal: Journal) -> None:
    same = canonical(sample(1))
    assert [o.size for o in journal.commit(0, [Call("", 0, [same]), Call("", 0, [same])])] == [1, 2]


def test_a_full_disk_leaves_nothing_half_done(journal: Journal) -> None:
    size = journal.commit(0, [Call("a", 1, [canonical(sample(n)) for n in range(10)])])[0].size
    pages = journal._conn.execute("PRAGMA page_count").fetchone()[0]
    journal._conn.execute(f"PRAGMA max_page_count={pages + 2}")
    large = [canonical(sample(n, text="x" * 30_000)) for n in range(10)]
    with pytest.raises(Error) as caught:
        journal.commit(size, [Call("b", 1, [canonical(sample(1))]), Call("a", 11, large)])
    assert caught.value.code == "store_full"
    assert journal.size() == size
    journal._conn.execute("PRAGMA max_page_count=100000")
    outcomes = journal.commit(size, [Call("b", 1, [canonical(sample(1))]), Call("a", 11, large)])
    assert outcomes == [Outcome(11), Outcome(21)]


def test_a_search_by_object_outcome_and_time_goes_by_an_index(journal: Journal) -> None:
    entries = [
        canonical({**sample(n), "on": f"batch:{n % 2}", "outcome": "failed" if n == 7 else "ok"}) for n in range(30)
    ]
    journal.commit(0, [Call("", 0, entries)])
    assert [p for p, _ in journal.page(None, 2, Sought(on="batch:1"))] == [29, 27]
    assert [p for p, _ in journal.page(None, 9, Sought(outcome="failed"))] == [7]
    assert [p for p, _ in journal.page(None, 9, Sought(outcome="refused"))] == []
    day = sample(0)["at"]
    later = sample(28)["at"]
    assert [p for p, _ in journal.page(None, 9, Sought(since=later))] == [29, 28]
    assert [p for p, _ in journal.page(None, 9, Sought(until=sample(2)["at"]))] == [1, 0]
    assert len(journal.page(None, 99, Sought(on="batch:0", since=day[:10], until="2100-01-01"))) == 15
    for where, index in (
        ("outcome = 'failed' AND outcome <> 'ok'", "entry_bad"),
        ("\"on\" = 'x'", "entry_on"),
    ):
        told = journal._conn.execute(f"EXPLAIN QUERY PLAN SELECT place FROM entry WHERE {where} ORDER BY place DESC")
        assert index in str(list(told)), where


def test_pages_newest_first_with_filters(journal: Journal) -> None:
    journal.commit(0, [Call("", 0, [canonical({**sample(n), "who": f"api:k{n % 3}"}) for n in range(30)])])
    assert [p for p, _ in journal.page(None, 3, Sought())] == [29, 28, 27]
    assert [p for p, _ in journal.page(27, 2, Sought())] == [26, 25]
    assert [p for p, _ in journal.page(None, 3, Sought("batch.committed", "api:k1"))] == [28, 25, 22]
    assert journal.page(None, 3, Sought("process.start")) == []
    plan = journal._conn.execute(
        "EXPLAIN QUERY PLAN SELECT place FROM entry WHERE place < 9 AND who = 'x' ORDER BY place DESC"
    )
    assert "entry_who" in str(plan.fetchall())


def test_a_hole_in_the_store_is_seen(journal: Journal) -> None:
    journal.commit(0, [Call("", 0, [canonical(sample(n)) for n in range(5)])])
    journal._conn.execute("DELETE FROM entry WHERE place = 2")
    with pytest.raises(Error) as caught:
        all_of(journal)
    assert (caught.value.code, caught.value.detail) == ("audit_invalid", {"place": 2})
    journal._conn.execute("DELETE FROM entry WHERE place = 0")
    with pytest.raises(Error):
        journal.size()


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {"entries": []},
        {"entries": [{}]},
        {"entries": "x"},
        {"entries": [sample(1)], "first": 1},
        {"entries": [sample(1)], "first": 1, "source": ""},
        {"entries": [sample(1)], "first": -1, "source": "a"},
        {"entries": [sample(1)], "first": True, "source": "a"},
        {"entries": [sample(1)], "more": 1},
        {"entries": [sample(1)] * 4_001},
        {"entries": [{**sample(1), "what": "made.up"}]},
    ],
)
def test_a_malformed_append_is_refused(payload: Any) -> None:
    with pytest.raises(Error) as caught:
        call_of(payload)
    assert caught.value.code == "invalid"


def test_how_many_wait_is_counted(tmp_path: Path) -> None:
    conn = open_store(tmp_path / "store.db")
    Outbox.create(conn)
    outbox = Outbox(conn, "engine-0")
    assert outbox.count() == 0
    outbox.put(sample(n) for n in range(7))
    assert outbox.count() == 7
    outbox.settle(outbox.pending()[0] + 2)
    assert outbox.count() == 4
    conn.close()


def test_a_restored_store_is_not_held_against_what_it_said_after_the_copy(journal: Journal, conn: Any) -> None:
    """Told, copied, told once more: the copy goes on with other entries, which would have the numbers of those that the auditor has."""
    line, outbox = Line(journal), Outbox(conn, "verifications")
    put(conn, outbox, 1)
    assert asyncio.run(forward(outbox, line)) == 1  # type: ignore[arg-type]
    put(conn, outbox, 2)
    copied = conn.execute("SELECT entry FROM audit_outbox").fetchall()
    assert asyncio.run(forward(outbox, line)) == 1  # type: ignore[arg-type]
    put(conn, outbox, 3)
    assert asyncio.run(forward(outbox, line)) == 1  # type: ignore[arg-type]
    conn.execute("UPDATE sqlite_sequence SET seq = 2 WHERE name = 'audit_outbox'")  # as it was when it was copied
    conn.executemany("INSERT INTO audit_outbox (n, entry) VALUES (2, ?)", copied)
    assert Outbox.begin_anew(conn)
    restored = Outbox(conn, "verifications")
    assert restored.source != outbox.source
    put(conn, restored, 4)
    assert asyncio.run(forward(restored, line)) == 2  # type: ignore[arg-type]
    assert all_of(journal) == [canonical(sample(n)) for n in (1, 2, 3, 2, 4)], (
        "what was on its way may be told twice, nothing is lost"
    )


def test_a_store_without_an_outbox_is_left_alone(tmp_path: Path) -> None:
    made = open_store(tmp_path / "other.db")
    assert not Outbox.begin_anew(made)
    made.close()
