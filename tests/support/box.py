"""A box around the console for tests: a real auditor and a real store, with an engine and a keys process that play their parts."""

from __future__ import annotations

import asyncio
import hashlib
import math
import threading
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.audit.auditor import Auditor
from appliance.clock import DAY_MS, day_of, now_ms
from appliance.errors import Error
from appliance.intercom import Server
from appliance.message import DELIVERED, FAILED, INDETERMINATE, QUEUED, SENT, new_ids
from appliance.settings import Settings
from appliance.store import Partition, Work, link_numbers

SEGMENT_RATE = 400  # segments a second that the played engine says it submits


DATA_KEY = b"k" * 32  # of every day


def index_of(number: str) -> bytes:
    """The played keys process's blind index."""
    return hashlib.sha256(b"played " + number.encode()).digest()[:16]


HEALTH = {"state": "closed", "score": 0.98, "answer_ms": 12.5}
PDU: dict[str, Any] = {
    "number": 1, "way": "out", "bind": "transceiver 127.0.0.1:2775", "name": "enquire_link", "octets": 16,
    "lines": ["enquire_link, sequence 7", "command_length 16"],
}  # fmt: skip


class Box:
    """`with Box(settings): ...` runs the processes in a thread; `keys_well` and `engine_well` can be switched off."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.keys_well = True
        self.started_ms = now_ms()
        self.drained = False
        self.acts: list[dict[str, Any]] = []
        self._signer = Ed25519PrivateKey.generate()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Box:
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _do(self, what: Any) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(15)

    async def _start(self) -> None:
        self._keys = Server(
            {
                "state": self._keys_state,
                "blind_index": self._index,
                "sign": self._sign,
                "public_key": self._public,
                "requests": self._requests,
                "data_key": self._data_key,
            }
        )
        await self._keys.start(self.settings.socket("keys"))
        self._auditor: Auditor | None = Auditor(self.settings)
        await self._auditor.start()
        self._engine = Server(
            {
                "state": self._engine_state,
                "drain": self._act,
                "trace": self._act,
                "decide": self._act,
                "trace_read": self._trace_read,
                "link_test": self._link_test,
                "routes_load": self._act,
            }
        )
        await self._engine.start(self.settings.socket("engine-0"))

    async def _stop(self) -> None:
        await self._engine.stop()
        if self._auditor is not None:
            await self._auditor.stop()
        await self._keys.stop()

    def stop_auditor(self) -> None:
        assert self._auditor is not None
        self._do(self._auditor.stop())
        self._auditor = None

    def a_day_passes(self) -> None:
        """The daily review, as the auditor makes it soon after midnight."""
        assert self._auditor is not None
        for at_ms in (now_ms(), now_ms() + DAY_MS):
            self._do(self._auditor.asked.review_if_due(at_ms))

    # --- keys ---------------------------------------------------------------------------------------------

    async def _keys_state(self, payload: Any, peer: Any) -> dict[str, Any]:
        return {"ready": self.keys_well, "why": "" if self.keys_well else "hsm_unavailable: the token does not answer"}

    async def _requests(self, payload: Any, peer: Any) -> dict[str, Any]:
        return {"requests": []}

    async def _data_key(self, payload: Any, peer: Any) -> dict[str, Any]:
        if not self.keys_well:
            raise Error("hsm_unavailable", "the HSM does not answer")
        return {"key_id": 1, "day": 0, "key": DATA_KEY}

    async def _index(self, payload: Any, peer: Any) -> dict[str, bytes]:
        if not self.keys_well:
            raise Error("hsm_unavailable", "the HSM does not answer")
        return {"index": index_of(payload["number"])}

    async def _sign(self, payload: Any, peer: Any) -> dict[str, bytes]:
        return {"signature": self._signer.sign(payload["body"])}

    async def _public(self, payload: Any, peer: Any) -> dict[str, bytes]:
        return {"key": self._signer.public_key().public_bytes_raw()}

    # --- engine -------------------------------------------------------------------------------------------

    async def _act(self, payload: Any, peer: Any) -> dict[str, Any]:
        if payload.get("link") and "on" in payload:
            self.drained = payload["on"]
        self.acts.append(payload)
        return {}

    async def _trace_read(self, payload: Any, peer: Any) -> dict[str, Any]:
        pdus = [] if "ids" in payload else [PDU | {"at_ms": now_ms()}]  # of no message: nothing was sent
        return {"until_ms": now_ms() + 60_000, "last": 1, "skipped": 0, "pdus": pdus}

    async def _link_test(self, payload: Any, peer: Any) -> dict[str, Any]:
        steps = [
            {"name": "connect", "ok": True, "why": "connected", "hint": ""},
            {"name": "bind", "ok": False, "why": "ESME_RINVPASWD", "hint": "check system_id and password_file"},
        ]
        return {"ok": False, "steps": steps, "pdus": [PDU | {"at_ms": now_ms()}], "more_pdus": 0, "others": 0}

    async def _engine_state(self, payload: Any, peer: Any) -> dict[str, Any]:
        gone = (now_ms() - self.started_ms) / 1000
        done = int(gone * SEGMENT_RATE + 500 * math.sin(gone / 6))
        counters = {"submitted": done, "answered": max(0, done - 20), "receipted": max(0, int(done * 0.97) - 40)}
        link = {"window": 100, "in_flight": 37, "pace": 0.0, "queued": 12, "errors": 2, "throttled": 1}
        bind = {"host": "127.0.0.1:2775", "kind": "transceiver", "in_flight": 37, "window": 100, "last_error": ""}
        link |= {"pace_now": 0.0, "paused_until_ms": 0, "trace_until_ms": 0, "health": HEALTH, "drained": self.drained}
        link |= {"binds": [bind | {"state": "bound", "up_since_ms": self.started_ms}]}
        return {
            "started_ms": self.started_ms,
            "links": [
                {
                    "name": "simulated",
                    "state": "drained" if self.drained else "up",
                    "up_since_ms": self.started_ms,
                    "last_error": "",
                    **link,
                    **counters,
                },
                {
                    "name": "backup",
                    "state": "down",
                    "up_since_ms": None,
                    "last_error": "connection refused",
                    **link,
                    "submitted": 0,
                    "answered": 0,
                    "receipted": 0,
                    "in_flight": 0,
                    "queued": 0,
                    "binds": [
                        bind | {"state": "down", "in_flight": 0, "up_since_ms": 0, "last_error": "connection refused"}
                    ],
                },
            ],
            "queues": {"otp": 0, "alert": 3, "transaction": 41, "bulk": 1_204},
            "statuses": {"accepted": int(done * 0.8)},
            "segments": counters,
            "indeterminate": 2,
        }


def fill(folder: Path, count: int = 130, number: str = "+393471234567", at_ms: int = 0) -> list[bytes]:
    """Messages of today, or from `at_ms` on, in several statuses, newest last; every third goes to `number`. Returns their ids."""
    at_ms = at_ms or now_ms() - 1_000 * count
    day = day_of(at_ms)
    partition = Partition(folder, day)
    link_numbers(partition, ["simulated", "backup"])
    ids = new_ids(count, at_ms)
    work = Work()
    for seq, message_id in enumerate(ids, 1):
        index = index_of(number if seq % 3 == 0 else f"other {seq}")
        code = (39, 49, 30, 91, 44)[seq % 5]
        sealed = (b"n" * 40, b"c" * 60)
        segments = 1 + seq % 3
        row = (seq, message_id, 1, seq % 4, seq % 2, segments, "MYBANK", code, index, *sealed, 1, at_ms + seq * 1000, 0)
        work.messages.append((*row, at_ms + 86_400_000, 0))
        work.progress_new.append((seq, QUEUED, at_ms + seq * 1000))
    partition.write(work)
    partition.commit()
    for seq in range(1, count + 1):
        if seq % 10 == 9:
            continue
        accepted = at_ms + seq * 1000
        keys = [seq << 8 | part for part in range(1, 2 + seq % 3)]
        final = FAILED if seq % 17 == 0 else (SENT if seq % 10 == 8 else DELIVERED)
        work = Work()
        work.intents += [(key, 1, accepted + 12) for key in keys]
        partition.write(work)
        work = Work()
        work.answers += [(SENT, accepted + 31, f"id{key}", None, key) for key in keys]
        work.sent_progress.append((SENT, 1, accepted + 31, accepted + 31, None, seq))
        partition.write(work)
        work = Work()
        if final != SENT:
            error = "subscriber unknown" if final == FAILED else None
            work.receipts += [(final, accepted + 840, error, key) for key in keys]
            work.progress.append((final, 1, accepted + 840, error, seq))
        partition.write(work)
        partition.commit()
    work = Work()
    for seq in (9, 19):  # whether these left nobody knows
        work.intents.append((seq << 8 | 1, 1, at_ms + seq * 1000))
        work.segment_status.append((INDETERMINATE, "no answer", seq << 8 | 1))
        work.progress.append((INDETERMINATE, 1, at_ms + seq * 1000, "no answer", seq))
        work.doubts.append((seq << 8 | 1, 1, 1, at_ms + seq * 1000))
    partition.write(work)
    partition.commit()
    partition.close()
    return ids
