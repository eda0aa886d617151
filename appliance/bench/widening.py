"""A lived day made many times as large: its batches, tallies, rows and indexes once more under later numbers, in the real schema.

What is sealed in them is what was sealed in the first; so ids within batches are there more than once, which neither throughput nor a
search by number depends on. The index by number is built by the store's own code.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from appliance.store import DIGEST_OCTETS, GATHERED_MIN, Connection, Ended, Numbers, Partition, Work, open_store, stored

#: Each with `:by`, what the numbers of the copy are greater by; rows of up to `:upto` are the lived ones.
_COPIES: Final = (
    "INSERT INTO batch SELECT first+:by,last+:by,count,classes,from_ms,upto_ms,numbers,columns FROM batch WHERE last<=:upto",
    "INSERT INTO tally SELECT first+:by,open,upto,statuses,rest FROM tally WHERE first<=:upto",
    (
        "INSERT INTO message SELECT seq+:by,CAST(substr(id,1,7)||randomblob(9) AS BLOB),caller,class,encoding,segments,sender,calling_code,"
        "number_index,number,content,key_id,accepted_ms,send_at_ms,expires_ms,notify FROM message WHERE seq<=:upto"
    ),
    "INSERT INTO progress SELECT seq+:by,status,link,changed_ms,sent_ms,error FROM progress WHERE seq<=:upto",
    "INSERT INTO segment SELECT key+(:by<<8),status,link,submitted_ms,answered_ms,operator_id,receipted_ms,error FROM segment WHERE key<(:upto+1)<<8",
    "INSERT INTO event(seq,at_ms,status,detail) SELECT seq+:by,at_ms,status,detail FROM event WHERE seq<=:upto",
)
#: All of them are in place: a start looks through what is not.
_ENDED_UPTO: Final = "INSERT OR REPLACE INTO mark(name,value) SELECT 'ended_upto',coalesce(max(upto),0) FROM tally"
_LAST: Final = "SELECT max(coalesce((SELECT max(seq) FROM message),0),coalesce((SELECT max(last) FROM batch),0))"


def widened(path: Path, times: int) -> None:
    """The day in a file that nobody has open holds `times` as many messages, all of them over."""
    conn = open_store(path)
    try:
        upto = conn.execute(_LAST).fetchone()[0]
        conn.execute("BEGIN IMMEDIATE")
        for copy in range(1, times):
            for statement in _COPIES:
                conn.execute(statement, {"by": copy * upto, "upto": upto})
        _receipted(conn, conn.execute("SELECT coalesce(sum(count),0) FROM batch").fetchone()[0])
        conn.execute(_ENDED_UPTO)
        _indexed(conn)
        conn.execute("COMMIT")
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        conn.close()


def over(store: Path, day: int) -> None:
    """A day that nobody has open is past: the engine has put all of it in place then, and forgotten its moves."""
    partition = Partition(store, day)
    try:
        work = Work()
        for first in stored.moving(partition.conn):
            columns, _ = stored.columns_of(partition.conn, first)
            work.tallies[first] = stored.tally_of(partition.conn, day, first, columns.ids)
        partition.write(work)
        partition.forget_moves(partition.last_moves + 1)
        while partition.behind(1):
            partition.place(1)
        partition.commit()
        partition.scrub()
    finally:
        partition.close()


def _receipted(conn: Connection, count: int) -> None:
    """Inside the transaction: operators' ids of so many messages, as digests, of which any will do."""
    index, cursor = Ended("ended_upto", 0), conn.cursor()
    for begin in range(0, count, GATHERED_MIN):
        index.gather([os.urandom(DIGEST_OCTETS) for _ in range(min(GATHERED_MIN, count - begin))], 0)
        index.place_all(cursor)


def _indexed(conn: Connection) -> None:
    """Inside the transaction: the index by number anew, all but fewer than `GATHERED_MIN`: a search looks through these batch by batch."""
    index, cursor = Numbers("numbers_upto", 0), conn.cursor()
    conn.execute("DELETE FROM number")
    for first, last, numbers in conn.execute("SELECT first,last,numbers FROM batch ORDER BY first"):
        index.gather(stored.number_entries(first, numbers), last)
        if index.enough(GATHERED_MIN):
            index.place_all(cursor)
    conn.execute("INSERT OR REPLACE INTO mark(name,value) VALUES('numbers_upto',?)", (index.upto,))
