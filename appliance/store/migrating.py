"""A store brought to the newest schema, in one transaction."""

from __future__ import annotations

import sqlite_utils
from sqlite_utils.migrations import Migrations

from appliance.errors import Error

from .opening import NO_ROOM, Connection, DatabaseError
from .transaction import transaction


def migrate(conn: Connection, migrations: Migrations) -> None:
    """Brings a store to the newest schema, all steps or none. Raises Error `store_full` or `store_damaged`.

    Those who open a new store at once take turns: who waited finds nothing left to do. Without the lock both would find the same tables missing.
    """
    db = sqlite_utils.Database(conn)
    try:
        if migrations.pending(db):
            with transaction(conn):  # the migrations' own nest in it
                migrations.apply(db)
    except DatabaseError as e:
        if getattr(e, "sqlite_errorcode", 0) & 0xFF in NO_ROOM:
            raise Error("store_full", f"a store cannot be written: {e}", "free space on the disk") from None
        raise Error("store_damaged", f"a store cannot be brought to the newest schema: {e}") from None
