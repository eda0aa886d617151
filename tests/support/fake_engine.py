"""Stand-ins for the other processes: an engine that commits to memory, a keyring with random keys, an auditor that nods."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.errors import Error
from appliance.message import ACCEPTED, CANCELLED, SCHEDULED, Batch
from appliance.store import Found


class FakeKey:
    """A data key that lives in this object only."""

    def __init__(self, key_id: int) -> None:
        self.key_id = key_id
        self.retired = False
        self._gcm = AESGCM(os.urandom(32))

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._gcm.encrypt(nonce, plaintext, aad)

    def seal_many(self, plaintexts: list[bytes], aads: list[bytes]) -> list[bytes]:
        return [self.seal(p, a) for p, a in zip(plaintexts, aads, strict=True)]

    def open(self, blob: bytes, aad: bytes) -> bytes:
        try:
            return self._gcm.decrypt(blob[:12], blob[12:], aad)
        except InvalidTag:
            raise Error("key_refused", "the blob does not open") from None


class FakeRing:
    def __init__(self) -> None:
        self.keys: dict[int, FakeKey] = {}
        self.destroyed: set[int] = set()
        self.well = (True, "")

    async def for_day(self, day: int) -> FakeKey:
        if not self.well[0]:
            raise Error("hsm_unavailable", "the token is gone")
        return self.keys.setdefault(day, FakeKey(day))

    async def by_id(self, key_id: int) -> FakeKey:
        if key_id in self.destroyed:
            raise Error("key_destroyed", f"key {key_id} was destroyed")
        if key_id not in self.keys:
            raise Error("key_missing", f"there is no key {key_id}")
        return self.keys[key_id]

    async def successor(self, key_id: int) -> FakeKey:
        return self.keys.setdefault(key_id + 1, FakeKey(key_id + 1))

    async def index_key(self) -> bytes:
        return bytes(32)

    async def derive(self, purpose: str, subject: str) -> bytes:
        return hashlib.sha256(f"{purpose}:{subject}".encode()).digest()

    async def random(self, octets: int) -> bytes:
        if not self.well[0]:
            raise Error("hsm_unavailable", "the token is gone")
        return os.urandom(octets)

    async def healthy(self) -> tuple[bool, str]:
        return self.well


def fake_blind_indexer(key: bytes) -> Callable[[str], bytes]:
    return lambda number: hmac.digest(key, number.encode(), "sha256")[:16]


class FakeEngine:
    """`call` answers as an engine would, from memory. `gate`, when given, is awaited before each commit."""

    def __init__(self) -> None:
        self.rows: dict[bytes, Found] = {}
        self.indexes: dict[bytes, bytes] = {}
        self.requests: dict[bytes, tuple[bytes, int, bytes]] = {}
        self.batches: list[Batch] = []
        self.replaced: list[dict[str, Any]] = []
        self.down: Error | None = None
        self.gate: Any = None

    async def call(self, op: str, payload: Any = None, timeout_s: float = 1.0) -> Any:
        if self.down is not None:
            raise self.down
        if op == "accept":
            if self.gate is not None:
                await self.gate()
            return self.accept(msgspec.convert(msgspec.to_builtins(payload, builtin_types=(bytes,)), Batch))
        if op == "ping":
            return {"process": "engine-0", "pid": 1, "ready": True, "why": ""}
        if op == "state":
            return self.state()
        if op == "left_alone":
            return {"cancelled": 0}
        found = self.rows.get(payload["id"])
        if found is None:
            raise Error("not_found", "no such message")
        if op == "redact":
            found.content = None
            return {"redacted": True}
        assert op in ("cancel", "replace")
        if found.status not in (ACCEPTED, SCHEDULED):
            raise Error("not_cancellable", "the message has already left")
        if op == "replace":
            self.replaced.append(payload)
            for name in ("content", "encoding", "segments", "send_at_ms", "expires_ms"):
                setattr(found, name, payload[name])
            return {"status": "replaced"}
        found.status = CANCELLED
        return {"status": "cancelled"}

    def accept(self, batch: Batch) -> dict[str, Any]:
        widths = {name: len(getattr(batch, name)) for name in batch.__struct_fields__[3:-3]}
        assert len(set(widths.values())) == 1, widths
        self.batches.append(batch)
        replays, conflicts, skipped = [], [], set()
        for n, r in enumerate(batch.requests):
            known = self.requests.get(r.key_mac)
            if known is None:
                self.requests[r.key_mac] = (r.body_mac, batch.key_id, r.answer)
                continue
            skipped.update(range(r.first, r.first + r.count))
            if known[0] == r.body_mac:
                replays.append([n, known[1], known[2]])
            else:
                conflicts.append(n)
        for k, message_id in enumerate(batch.ids):
            if k not in skipped:
                self._insert(batch, k, message_id)
        return {"accepted": len(batch.ids) - len(skipped), "replays": replays, "conflicts": conflicts}

    def _insert(self, batch: Batch, k: int, message_id: bytes) -> None:
        assert message_id not in self.rows
        status = SCHEDULED if batch.send_at_ms[k] else ACCEPTED
        self.rows[message_id] = Found(
            message_id, len(self.rows) + 1, batch.day, batch.callers[k], status, batch.classes[k], batch.encodings[k],
            batch.segments[k], batch.senders[k], batch.calling_codes[k], None, batch.accepted_ms, batch.send_at_ms[k],
            batch.expires_ms[k], batch.key_id, batch.numbers[k], batch.contents[k], None, batch.accepted_ms,
            [(batch.accepted_ms, "accepted", "")], basis=batch.basis,
        )  # fmt: skip
        self.indexes[message_id] = batch.number_indexes[k]

    def state(self) -> dict[str, Any]:
        link = {
            "name": "one", "state": "up", "window": 10, "in_flight": 0, "pace": 0.0, "queued": 0, "submitted": 1, "answered": 1,
            "receipted": 1, "errors": 0, "throttled": 0, "up_since_ms": 1_700_000_000_000, "last_error": "",
        }  # fmt: skip
        return {
            "started_ms": 1, "links": [link], "queues": {"otp": 0}, "statuses": {"accepted": len(self.rows)},
            "segments": {"submitted": 1, "answered": 1, "receipted": 1}, "indeterminate": 0, "stages": {}, "commit": {},
        }  # fmt: skip


class FakeReader:
    """`appliance.store.Reader` over a FakeEngine's memory."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine

    def heard(self, *_: Any) -> tuple[list[Any], None, None]:
        return [], None, None

    def heard_one(self, _: bytes) -> None:
        return None

    def message(self, message_id: bytes) -> Found | None:
        return self.engine.rows.get(message_id)

    def search(
        self,
        status=None,
        class_=None,
        link=None,
        from_ms=None,
        to_ms=None,
        number_index=None,
        callers=None,
        limit=50,
        cursor=None,
        patience_s=None,
    ):
        if cursor is not None and not cursor.isdigit():
            raise Error("invalid", "the cursor is not one that this search gave", field="cursor")
        looked = [f for f in reversed(self.engine.rows.values()) if cursor is None or f.seq < int(cursor[:18])]
        if patience_s == 0:  # none: one row for each time it is asked
            looked = looked[:1]
        rows = [
            f
            for f in looked
            if (status is None or f.status == status)
            and (class_ is None or f.class_ == class_)
            and (link is None or f.link == link)
            and (from_ms is None or f.accepted_ms >= from_ms)
            and (to_ms is None or f.accepted_ms < to_ms)
            and (number_index is None or self.engine.indexes[f.id] == number_index)
            and f.caller in callers
        ]
        if patience_s == 0:
            return rows, str(looked[0].seq) if looked and looked[0].seq > 1 else None
        return rows[:limit], str(rows[limit - 1].seq) if len(rows) > limit else None

    def close(self) -> None:
        pass


class FakeAuditor:
    def __init__(self) -> None:
        self.entries: list[tuple[Any, ...]] = []
        self.last: dict[str, int] = {}  # source -> number of its newest entry
        self.down = False

    async def call(self, op: str, payload: Any = None, timeout_s: float = 1.0) -> Any:
        if self.down:
            raise Error("peer_unavailable", "auditor does not answer", process="auditor")
        if op == "entries":
            named = [{"index": n, "entry": self._entry(n)} for n, e in enumerate(self.entries) if e[2] == payload["on"]]
            return {"entries": named[-payload["limit"] :]}
        if op == "append":
            known = max(0, self.last.get(payload["source"], 0) + 1 - payload["first"])
            told = [tuple(e[name] for name in ("who", "what", "on", "outcome", "detail")) for e in payload["entries"]]
            self.entries += told[known:]
            self.last[payload["source"]] = payload["first"] + len(told) - 1
            return {"index": len(self.entries) - 1, "size": len(self.entries)}
        if op == "proof":
            return {"tlog_proof": f"c2sp.org/tlog-proof@v1\nindex {payload['index']}\n"}
        return {"process": "auditor", "pid": 1, "ready": True, "why": "", "vkey": "casemate.local/audit+00000000+AA=="}

    def _entry(self, index: int) -> dict[str, Any]:
        who, what, on, outcome, detail = self.entries[index]
        return {
            "at": "2026-01-01T00:00:00.000Z",
            "who": who,
            "what": what,
            "on": on,
            "outcome": outcome,
            "detail": detail,
        }

    async def record(self, who: str, what: str, on: str, outcome: str = "ok", **detail: Any) -> tuple[int, int]:
        if self.down:
            raise Error("audit_unavailable", "the act was not recorded and so did not happen")
        self.entries.append((who, what, on, outcome, detail))
        return len(self.entries), len(self.entries)
