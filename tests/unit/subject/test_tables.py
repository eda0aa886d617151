"""The closed list of what stores hold of a person: every table and column of every store is in it, told and erased or said why not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.audit import Outbox
from appliance.consent import Book as ConsentBook
from appliance.courier.book import Book as CourierBook
from appliance.door.book import Book as DoorBook
from appliance.door.parts import Parts
from appliance.flows import Book as FlowBook
from appliance.settings import parse
from appliance.store import Connection, Partition
from appliance.subject import TABLES, Journal
from appliance.subject.tables import WITHOUT_NUMBERS
from appliance.verify import Book as VerifyBook

APPLIANCE = Path(__file__).parents[3] / "appliance"
#: A migration set, by the name its room gives it -> the store that TABLES knows it by.
STORES = {
    "partition": "partition", "consent": "consent.db", "verify": "verify.db", "casemate.courier": "courier.db",
    "flows": "flows.db",
    "casemate.door": "door.db", "casemate.door_parts": "door-parts.db", "erasure": "erasure.db",
}  # fmt: skip
#: Columns that are made from a number, or sealed with one: wherever one of these names is, something is held.
PERSONAL = {"number", "numbers", "number_index", "content", "sealed", "subject", "entries", "columns"}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Connection]]:
    folder = tmp_path_factory.mktemp("stores")
    partition, parts = Partition(folder, 20_000), Parts(folder / "door-parts.db")
    Outbox.create(partition.conn)
    yield {
        "partition": partition.conn,
        "consent.db": ConsentBook(folder / "consent.db").conn,
        "verify.db": VerifyBook(folder / "verify.db").conn,
        "flows.db": FlowBook(folder / "flows.db").conn,
        "courier.db": CourierBook(folder / "courier.db")._conn,
        "door.db": DoorBook(folder / "door.db")._conn,
        "door-parts.db": parts._conn,
        "erasure.db": Journal(parse({}, folder, "test")).conn,
    }


def _columns(conn: Connection) -> dict[str, list[str]]:
    names = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()]
    return {name: [row[1] for row in conn.execute(f"PRAGMA table_info({name})").fetchall()] for name in names}


def test_every_table_and_column_of_every_store_is_judged(stores: dict[str, Connection]) -> None:
    assert stores.keys() == TABLES.keys()
    found = {store: _columns(conn) for store, conn in stores.items()}
    known = {store: {name: each.columns.split() for name, each in tables.items()} for store, tables in TABLES.items()}
    assert found == known, (
        "judge what is new in appliance/subject/tables.py: is it told to its owner, and is it erased?"
    )


def test_what_holds_something_is_told_and_erased_and_what_does_not_says_why() -> None:
    for store, tables in TABLES.items():
        for name, table in tables.items():
            where = f"{store} {name}"
            holds = set(table.holds.split())
            assert holds <= set(table.columns.split()), where
            if holds:
                assert table.told and table.erased and not table.why, f"{where}: neither exported nor erased"
            else:
                assert table.why, where
                assert not PERSONAL & set(table.columns.split()) or name == "link", where


def test_every_store_there_is_is_in_the_list_or_has_no_customer_in_it() -> None:
    """By the names of migration sets, of which each store has one."""
    made = set()
    for file in APPLIANCE.rglob("*.py"):
        made |= set(re.findall(r'Migrations\("([^"]+)"\)', file.read_text(encoding="utf-8")))
    assert made == STORES.keys() | WITHOUT_NUMBERS.keys()
    assert set(STORES.values()) == TABLES.keys()
