"""Verifications that a run of a workflow waits for: those that are over are told to it, once; the mark on the row is the outbox."""

from __future__ import annotations

from collections.abc import Sequence

from .book import Book


def ended_of_runs(book: Book, limit: int) -> list[tuple[bytes, bytes, str]]:
    """(id, run and step, state) of those that are over and whose run does not know."""
    sql = "SELECT id, flow, state FROM verification WHERE flow IS NOT NULL AND state != 'pending' LIMIT ?"
    return [(bytes(i), bytes(flow), state) for i, flow, state in book.conn.execute(sql, (limit,)).fetchall()]


def told_to_runs(book: Book, ids: Sequence[bytes]) -> None:
    """Those runs know."""
    book.conn.executemany("UPDATE verification SET flow = NULL WHERE id = ?", [(i,) for i in ids])
