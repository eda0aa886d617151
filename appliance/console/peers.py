"""What the console asks of the rest of the box: engine, keys, auditor, store, supervisor. It holds no key and writes no store.

Each thread has its own connections, so that one slow answer holds up one page.
"""

from __future__ import annotations

import json
import threading
from math import inf
from typing import Any, Final

import msgspec

from appliance.audit import BlockingRecorder
from appliance.clock import DAY_MS, monotonic_s
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.keys import BlockingKeyring
from appliance.limits import CALL_S_MAX, REFERENCE_LOOKED_MAX
from appliance.message import Content
from appliance.settings import Settings
from appliance.shards import BlockingEngines, blocking_engines
from appliance.store import Found, Heard, Readers

from .today import Today

LOOK_S_MAX: Final = 2.0  # a page shows "does not answer" rather than make a person wait
REFERENCE_ROWS: Final = 500  # read at a time while a reference is looked for
LINK_TEST_S_MAX: Final = 45.0  # connecting, binding, one answer and one receipt, each with its own patience
TRACE_ROWS_MAX: Final = 200
DIRECTORY_S_MAX: Final = 30.0  # several servers, each with its own patience
VERIFY_S_MAX: Final = 55.0  # a long log is read from end to end


def _reference(ring: BlockingKeyring, found: Found) -> str | None:
    """None for a message that has none, or whose content or key is gone."""
    if found.content is None:
        return None
    try:
        octets = ring.by_id(found.key_id).open(found.content, b"c" + found.id)
        return msgspec.msgpack.decode(octets, type=Content).reference
    except msgspec.MsgspecError:
        return None
    except Error as error:
        if error.code not in ("key_destroyed", "key_missing", "key_refused"):
            raise
        return None


class Peers:
    """Questions to the other processes. Every one may raise Error `peer_unavailable`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._local = threading.local()
        self._today = Today(lambda: Readers(settings.stores).totals)

    def _engines(self) -> BlockingEngines:
        asked: BlockingEngines | None = getattr(self._local, "engines", None)
        if asked is None:
            asked = self._local.engines = blocking_engines(self.settings)
        return asked

    def _client(self, name: str) -> BlockingClient:
        client: BlockingClient | None = getattr(self._local, name, None)
        if client is None:
            client = BlockingClient(self.settings.socket(name))
            setattr(self._local, name, client)
        return client

    def ask(self, process: str, op: str, payload: dict[str, Any], timeout_s: float = CALL_S_MAX) -> Any:
        """One operation of one process, as an erasure asks them all."""
        return self._client(process).call(op, payload, timeout_s)

    # --- engine -------------------------------------------------------------------------------------------

    def engine_state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._engines().call("state", {}, LOOK_S_MAX)
        return state

    def drain(self, link: str, on: bool, who: str) -> None:
        """The engine records who did it, and lets nothing new over the link, or binds it again."""
        self._engines().call("drain", {"link": link, "on": on, "who": who})

    def link_test(self, link: str, to: str, text: str, who: str) -> dict[str, Any]:
        """A fresh bind, one message when `to` is given, and what went over the wire."""
        asked = {"link": link, "to": to, "text": text, "who": who}
        verdict: dict[str, Any] = self._engines().call("link_test", asked, LINK_TEST_S_MAX)
        return verdict

    def trace(self, link: str, minutes: int, who: str) -> None:
        """0 minutes ends it."""
        self._engines().call("trace", {"link": link, "minutes": minutes, "who": who})

    def trace_read(self, link: str, after: int) -> dict[str, Any]:
        asked = {"link": link, "after": after, "limit": TRACE_ROWS_MAX}
        traced: dict[str, Any] = self._engines().call("trace_read", asked, LOOK_S_MAX)
        return traced

    def traced(self, link: str, ids: list[str]) -> list[dict[str, Any]]:
        """What a trace of the link holds of messages that the operator knows by these ids; empty where none ran."""
        pdus: list[dict[str, Any]] = self._engines().call("trace_read", {"link": link, "ids": ids}, LOOK_S_MAX)["pdus"]
        return pdus

    def decide(self, message_id: bytes, act: str, who: str) -> None:
        """What becomes of a message that may or may not have left: `resend` or `close`."""
        self._engines().call("decide", {"id": message_id, "act": act, "who": who})

    def load_routes(self, who: str) -> None:
        """The engine takes the active version of the routes; one that does not run takes it when it starts."""
        try:
            self._engines().call("routes_load", {"who": who})
        except Error as error:
            if error.code not in ("peer_unavailable", "engine_unavailable"):
                raise

    def left_alone(self, subject: bytes, programmes: list[str], who: str) -> None:
        """Tells the engine of a decision that is in `consent.db`: what is queued for the customer is cancelled."""
        asked = {"subject": subject, "programmes": programmes, "out": True, "who": who}
        self._engines().call("left_alone", asked)

    # --- store --------------------------------------------------------------------------------------------

    def _reader(self) -> Readers:
        reader: Readers | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = Readers(self.settings.stores)
        return reader

    def search(self, **criteria: Any) -> tuple[list[Found], str | None]:
        return self._reader().search(**criteria)

    def reached_ms(self, cursor: str) -> int:
        """Down to when a search has looked that gives this cursor."""
        return self._reader().reached(cursor) * DAY_MS

    def by_reference(
        self, reference: str, from_ms: int | None, to_ms: int | None, cursor: str | None, patience_s: float = inf
    ) -> tuple[list[Found], str | None, int]:
        """Messages with the bank's reference among the next so many of a time, newest first, where to look on from, and how many were looked through.

        The reference is sealed with the text and nothing leads to it, so each is opened and put away again unread but for this.
        """
        ring, rows, looked = BlockingKeyring(self.settings), list[Found](), 0
        until_s = monotonic_s() + patience_s
        try:
            while looked < REFERENCE_LOOKED_MAX and (not looked or monotonic_s() < until_s):
                some = min(REFERENCE_ROWS, REFERENCE_LOOKED_MAX - looked)
                page, cursor = self._reader().search(from_ms=from_ms, to_ms=to_ms, limit=some, cursor=cursor)
                rows += [found for found in page if _reference(ring, found) == reference]
                looked += len(page)
                if cursor is None:
                    break
            return rows, cursor, looked
        finally:
            ring.close()

    def held(self, limit: int, cursor: str | None) -> tuple[list[Found], str | None]:
        """Messages in doubt that wait for a person, newest first."""
        return self._reader().held(limit=limit, cursor=cursor)

    def message(self, message_id: bytes) -> Found | None:
        return self._reader().message(message_id)

    def heard(self, limit: int, cursor: str | None) -> tuple[list[Heard], str | None]:
        """What customers wrote, newest first, sealed."""
        return self._reader().heard_newest(limit, cursor)

    def heard_one(self, message_id: bytes) -> Heard | None:
        return self._reader().heard_one(message_id)

    def heard_in_clear(self, found: Heard) -> tuple[str | None, str | None]:
        """Number and text of what a customer wrote, None for what was erased. The day's key is held for as long as this takes."""
        ring = BlockingKeyring(self.settings)
        try:
            if not found.number and not found.content:
                return None, None
            key = ring.by_id(found.key_id)
            number = key.open(found.number, b"n" + found.id).decode() if found.number else None
            text = msgspec.msgpack.decode(key.open(found.content, b"h" + found.id))["text"] if found.content else None
            return number, text
        finally:
            ring.close()

    def opened(self, found: Found) -> tuple[str | None, Content | None]:
        """Number and content of one message in clear, None for what was erased. The day's key is held for as long as this takes."""
        ring = BlockingKeyring(self.settings)
        try:
            if found.number is None and found.content is None:
                return None, None
            key = ring.by_id(found.key_id)
            number = key.open(found.number, b"n" + found.id).decode() if found.number is not None else None
            if found.content is None:
                return number, None
            return number, msgspec.msgpack.decode(key.open(found.content, b"c" + found.id), type=Content)
        finally:
            ring.close()

    def totals(self, day: int) -> dict[str, int] | None:
        """Messages of a day by status, as last counted; None while it is counted for the first time. Raises what counting raised."""
        return self._today.known(day)

    # --- keys ---------------------------------------------------------------------------------------------

    def keys_state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._client("keys").call("state", {}, LOOK_S_MAX)
        return state

    def blind_index(self, number: str) -> bytes:
        """The 16 octets by which messages to an E.164 number are found. The key stays with the keys process."""
        index: bytes = self._client("keys").call("blind_index", {"number": number})["index"]
        return index

    # --- courier ------------------------------------------------------------------------------------------

    def courier_state(self) -> dict[str, Any]:
        """Webhooks waiting, told and failed; by host."""
        state: dict[str, Any] = self._client("courier").call("state", {}, LOOK_S_MAX)
        return state

    def deliveries(self, host: str, before: int | None, limit: int) -> list[list[Any]]:
        """Webhooks that wait, newest first, as the courier's book has them."""
        asked = {"host": host, "before": before, "limit": limit}
        rows: list[list[Any]] = self._client("courier").call("deliveries", asked, LOOK_S_MAX)["rows"]
        return rows

    def untold(self, message_id: bytes) -> list[list[Any]]:
        """What is still to be told of one message, newest first."""
        rows: list[list[Any]] = self._client("courier").call("deliveries", {"of": message_id}, LOOK_S_MAX)["rows"]
        return rows

    def tell(self, id_: bytes, caller: int, url: str, told: dict[str, Any]) -> None:
        """A webhook of the console's own, kept by the courier until the bank took it. `caller`: the API key whose secret signs it."""
        letter = {"id": id_, "flow": None, "caller": caller, "url": url, "told": told}
        self._client("courier").call("letter", letter, LOOK_S_MAX)

    def hasten(self, host: str) -> int:
        """What waits for a host is told at once; how many messages."""
        return int(self._client("courier").call("hasten", {"host": host})["messages"])

    def directory(self, name: str, password: str) -> tuple[bool, str]:
        """Whether the bank's directory knows this name and password, and the role that its groups give."""
        asked = {"name": name, "password": password}
        found: dict[str, Any] = self._client("courier").call("directory", asked, DIRECTORY_S_MAX)
        return bool(found["known"]), str(found["role"])

    def sign_on_begin(self, state: str, nonce: str, verifier: str, back: str) -> str:
        """Where the bank's sign-on wants the browser."""
        asked = {"state": state, "nonce": nonce, "verifier": verifier, "back": back}
        return str(self._client("courier").call("sign_on_begin", asked, DIRECTORY_S_MAX)["url"])

    def sign_on(self, code: str, nonce: str, verifier: str, back: str) -> tuple[bool, str, str]:
        """Whether the bank's sign-on vouches for who came back with `code`, the name, and the role that its groups give."""
        asked = {"code": code, "nonce": nonce, "verifier": verifier, "back": back}
        found: dict[str, Any] = self._client("courier").call("sign_on", asked, DIRECTORY_S_MAX)
        return bool(found["known"]), str(found["name"]), str(found["role"])

    # --- audit --------------------------------------------------------------------------------------------

    def call(self, op: str, payload: Any) -> Any:
        """A question to the auditor, as the archive of evidence asks it."""
        return self._client("auditor").call(op, payload, VERIFY_S_MAX)

    def auditor_ping(self) -> dict[str, Any]:
        pong: dict[str, Any] = self._client("auditor").call("ping", {}, LOOK_S_MAX)
        return pong

    def derive(self, purpose: str, subject: str) -> bytes:
        """A 32-octet key for one of the purposes of the keys process."""
        key: bytes = self._client("keys").call("derive", {"purpose": purpose, "subject": subject})["key"]
        return key

    def record(self, who: str, what: str, on: str, outcome: str = "ok", **detail: str | int | bool) -> tuple[int, int]:
        """Place of the entry and size of the log, when the entry is durable. Raises Error `audit_unavailable`: then the act must not happen."""
        recorder: BlockingRecorder | None = getattr(self._local, "recorder", None)
        if recorder is None:
            recorder = self._local.recorder = BlockingRecorder(self.settings)
        return recorder.record(who, what, on, outcome, **detail)

    def audit_entries(self, before: int | None, limit: int, sought: dict[str, str]) -> list[dict[str, Any]]:
        asked: dict[str, Any] = {"before": before, "limit": limit, **sought}
        entries: list[dict[str, Any]] = self._client("auditor").call("entries", asked)["entries"]
        return entries

    def checkpoint(self) -> dict[str, Any]:
        reply: dict[str, Any] = self._client("auditor").call("checkpoint", {})
        return reply

    def audit_state(self) -> dict[str, Any]:
        """Sizes, signatures, and until where a witness vouches for the log."""
        state: dict[str, Any] = self._client("auditor").call("state", {}, LOOK_S_MAX)
        return state

    def request(self) -> str:
        """What a witness is given."""
        return str(self._client("auditor").call("request", {})["request"])

    def cosigned(self, note: str, who: str) -> dict[str, Any]:
        """Brings a cosigned checkpoint in; the auditor checks and records it."""
        reply: dict[str, Any] = self._client("auditor").call("cosigned", {"note": note, "who": who})
        return reply

    def reviewed(self, upto: int, who: str) -> None:
        """Marks the log as reviewed; the auditor records it."""
        self._client("auditor").call("reviewed", {"upto": upto, "who": who})

    def review(self) -> dict[str, Any]:
        """What the last daily review found."""
        found: dict[str, Any] = self._client("auditor").call("review", {}, VERIFY_S_MAX)
        return found

    def verify(self, who: str) -> dict[str, Any]:
        """The auditor reads the whole log, and records that `who` had it verified."""
        reply: dict[str, Any] = self._client("auditor").call("verify", {"who": who}, VERIFY_S_MAX)
        return reply

    def export(self, path: str, who: str, form: str, sought: dict[str, str], request: int) -> dict[str, Any]:
        """The auditor records that `who` exports, then writes `path`, which is not there yet; of a PDF only the record is its own."""
        asked = {"path": path, "who": who, "form": form, "sought": sought or None, "request": request or None}
        reply: dict[str, Any] = self._client("auditor").call("export", asked, VERIFY_S_MAX)
        return reply

    # --- supervisor ---------------------------------------------------------------------------------------

    def processes(self) -> list[dict[str, Any]]:
        """What the supervisor last wrote about its processes; empty when there is no supervisor (systemd)."""
        try:
            state = json.loads((self.settings.home / "run" / "state.json").read_bytes())
        except (OSError, ValueError):
            return []
        found = state.get("processes", []) if isinstance(state, dict) else []
        if isinstance(found, dict):
            found = [{"name": name, **row} for name, row in found.items() if isinstance(row, dict)]
        return [row for row in found if isinstance(row, dict) and "name" in row]
