"""The records of keys as a file: written for a backup, read and checked on the box that is restored. Every key in it is wrapped.

Keep it as short as the shortest promise of erasure: a key destroyed since is still in it.
"""

from __future__ import annotations

import hmac
from typing import Any, Final, NamedTuple

import msgspec

from appliance.clock import now_ms
from appliance.errors import Error
from hsm import HsmError, Visit

from .keeper import Keeper
from .record import context, sealed_text
from .register import Hold, Row

_FORM: Final = 1
_TEXT: Final = b"casemate key records v1\0"


class Read(NamedTuple):
    """What the file says."""

    roots: dict[int, str]
    rows: list[Row]
    holds: list[Hold]
    body: bytes
    mac: bytes


class Records:
    """`keeper` has the register that is written from and to."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self.register = keeper.register

    async def written(self) -> bytes:
        """The file, with an HMAC made in the token: a record left out is noticed as one that was changed."""
        body = msgspec.json.encode(
            {
                "form": _FORM,
                "what": "records of keys of a Casemate, each wrapped; restored together with root-keys.json",
                "made_ms": now_ms(),
                "roots": [[version, state] for version, state in self.register.roots().items()],
                "rows": [[v.hex() if isinstance(v, bytes) else v for v in row] for row in self.register.rows()],
                "holds": [list(hold) for hold in self.register.holds(lifted=True)],
            }
        )
        return body + b"\n" + (await self.keeper.pool.mac(_TEXT + body)).hex().encode() + b"\n"

    @staticmethod
    def read(octets: bytes) -> Read:
        """Raises Error `file_invalid`; nothing is proven before `check`."""
        try:
            body, mac, _ = octets.split(b"\n")
            said: dict[str, Any] = msgspec.json.decode(body)
            if said["form"] != _FORM:
                raise ValueError
            blobs = {Row._fields.index("wrapped"), Row._fields.index("record_mac")}
            rows = [
                Row._make([bytes.fromhex(v) if n in blobs else v for n, v in enumerate(row)]) for row in said["rows"]
            ]
            roots = {int(version): str(state) for version, state in said["roots"]}
            return Read(roots, rows, [Hold(*hold) for hold in said["holds"]], body, bytes.fromhex(mac.decode()))
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, UnicodeDecodeError):
            raise Error("file_invalid", "these are no records of keys", "the file's name is records.json") from None

    @staticmethod
    async def check(read: Read, at: Visit) -> None:
        """By the keys that were just brought into the token: the file's HMAC, each record's, and every tenant key unwrapped. Raises Error."""
        if not hmac.compare_digest(await at.ask("mac", body=_TEXT + read.body), read.mac):
            raise Error(
                "key_refused", "the records were changed, or are of another box", "use the two files of one backup"
            )
        for row in read.rows:
            if not hmac.compare_digest(await at.ask("mac", body=sealed_text(row)), row.record_mac):
                raise Error("key_refused", f"the record of key {row.key_id} was changed", "use another backup")
            if not row.parent and row.wrapped:
                bound = context(row.key_id, row.day, row.purpose)
                given = {"mechanism": row.mechanism, "wrapped": row.wrapped, "context": bound, "root": row.root}
                try:
                    await at.ask("unwrap", **given)
                except HsmError as e:
                    raise Error(
                        "key_refused", f"key {row.key_id} does not unwrap: {e.message}", "use another backup"
                    ) from None

    def take_over(self, read: Read) -> None:
        """Into the empty register, in one transaction. Raises Error `key_state` when it is not empty."""
        if self.register.rows() or self.register.token() is not None:
            raise Error("key_state", "this box has keys of its own", "restore on a box that was never started")
        self.register.take_over(read.rows, read.roots, read.holds, now_ms())
