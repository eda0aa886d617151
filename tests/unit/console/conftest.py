"""A console without other processes: peers that answer from memory, cheap passwords, a clock that stands still."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from appliance.access import Access
from appliance.access.passwords import Passwords
from appliance.console import create_app
from appliance.errors import Error
from appliance.message import DELIVERED, RECEIVED, Content, new_ids
from appliance.settings import Settings, parse
from appliance.store import Found, Heard
from appliance.text import encode

PASSWORD = "four unrelated words here"
NOW = 1_700_000_000_000


def found(message_id: bytes, **changes: Any) -> Found:
    row: dict[str, Any] = {
        "id": message_id,
        "seq": 1,
        "day": 1,
        "caller": 1,
        "status": DELIVERED,
        "class_": 0,
        "encoding": 0,
        "segments": 1,
        "sender": "MYBANK",
        "calling_code": 39,
        "link": "simulated",
        "accepted_ms": NOW,
        "send_at_ms": 0,
        "expires_ms": NOW + 600_000,
        "key_id": 1,
        "number": b"sealed-number",
        "content": b"sealed-content",
        "error": None,
        "changed_ms": NOW + 900,
        "events": [(NOW, "accepted", ""), (NOW + 5, "sent", "simulated"), (NOW + 900, "delivered", "")],
    }
    return Found(**(row | changes))


@dataclass
class Played:
    """Peers in memory. `down` names those that do not answer; `log` is what was recorded."""

    down: set[str] = field(default_factory=set)
    log: list[tuple[Any, ...]] = field(default_factory=list)
    rows: list[Found] = field(default_factory=lambda: [found(i) for i in new_ids(3, NOW)])
    exported: tuple[Any, ...] = ()
    searched: list[dict[str, Any]] = field(default_factory=list)
    cursor: str | None = None
    verdict: dict[str, Any] = field(default_factory=lambda: {"ok": True, "size": 7, "problems": [], "unsigned": 0})
    pdu: dict[str, Any] = field(
        default_factory=lambda: {
            "at_ms": NOW,
            "way": "out",
            "name": "enquire_link",
            "lines": ["command_id enquire_link"],
        }
    )
    wire: list[dict[str, Any]] = field(default_factory=list)  # what a trace has of messages
    witnessed: dict[str, Any] = field(default_factory=dict)
    newest: dict[str, Any] = field(default_factory=dict)
    marked: tuple[int, str] = (0, "")
    sought: dict[str, str] = field(default_factory=dict)
    brought: tuple[str, str] = ("", "")
    due: list[tuple[int, bytes, int]] = field(
        default_factory=lambda: [(2, new_ids(1, NOW)[0], DELIVERED), (1, b"p" * 16, RECEIVED)]
    )
    wrote: list[Heard] = field(default_factory=lambda: [Heard(new_ids(1, NOW)[0], NOW, 1, b"n", "40404", b"c", (1, 1))])
    left: tuple[str, str, str, str] = ("", "", "", "")  # what a browser left for the sign-on with
    letters: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)  # what was told by webhook
    acts: list[str] = field(default_factory=list)  # in order: what was recorded and what was done

    def _ask(self, name: str) -> None:
        if name in self.down:
            raise Error("peer_unavailable", f"{name} does not answer")

    def engine_state(self) -> dict[str, Any]:
        self._ask("engine")
        link = {"name": "simulated", "state": "up", "window": 10, "in_flight": 1, "queued": 0, "last_error": ""}
        counted = {
            "pace_now": 0,
            "drained": False,
            "submitted": 10,
            "answered": 10,
            "receipted": 9,
            "errors": 0,
            "throttled": 0,
            "pace": 0,
        }
        queues = {"otp": 1, "alert": 0, "transaction": 0, "bulk": 5}
        return {"links": [link | counted | {"up_since_ms": NOW}], "queues": queues, "indeterminate": 0}

    def held(self, limit: int, cursor: str | None) -> tuple[list[Found], str | None]:
        return self.search(limit=limit, cursor=cursor)

    def _act(self, *what: Any) -> None:
        self._ask("engine")
        self.acts.append(" ".join(str(w) for w in what))

    def drain(self, link: str, on: bool, who: str) -> None:
        self._act("drain", link, on, who)

    def load_routes(self, who: str) -> None:
        self._act("load_routes", who)

    def decide(self, message_id: bytes, act: str, who: str) -> None:
        self._act("decide", act, who)

    def trace(self, link: str, minutes: int, who: str) -> None:
        self._act("trace", link, minutes, who)

    def trace_read(self, link: str, after: int) -> dict[str, Any]:
        self._ask("engine")
        return {"until_ms": NOW + 60_000, "pdus": [self.pdu]}

    def link_test(self, link: str, to: str, text: str, who: str) -> dict[str, Any]:
        self._act("link_test", link, bool(to), who)
        step = {"name": "bind", "ok": True, "why": "bound", "hint": ""}
        return {"ok": True, "steps": [step], "pdus": [self.pdu]}

    def keys_state(self) -> dict[str, Any]:
        self._ask("keys")
        return {"ready": True, "why": ""}

    def derive(self, purpose: str, subject: str) -> bytes:
        self._ask("keys")
        return f"{purpose} {subject}".encode().ljust(32)[:32]

    def ask(self, process: str, op: str, payload: Any) -> Any:
        """A box on which nobody has asked for anything that two people decide."""
        self._ask(process)
        if op == "requests":
            return {"requests": []}
        raise Error("not_found", "there is no such request")

    def courier_state(self) -> dict[str, Any]:
        self._ask("courier")
        host = {"host": "core.bank.example:443", "in_flight": 0, "failures": 3, "last_error": "503"}
        return {"pending": 4, "oldest_ms": NOW - 5_000, "in_flight": 1, "tallies": {"told": 9}, "hosts": [host]}

    def deliveries(self, host: str, before: int | None, limit: int) -> list[list[Any]]:
        self._ask("courier")
        rows = [[n, i, status, NOW, NOW, 2, NOW + 5_000, "core.bank.example:443", 1] for n, i, status in self.due]
        return [row for row in rows if host in ("", row[7]) and (before is None or row[0] < before)]

    def tell(self, id_: bytes, caller: int, url: str, told: dict[str, Any]) -> None:
        self._ask("courier")
        self.letters.append((caller, url, told))

    def hasten(self, host: str) -> int:
        self._ask("courier")
        self.acts.append(f"hasten {host}")
        return len(self.due)

    def heard(self, limit: int, cursor: str | None) -> tuple[list[Heard], str | None]:
        if cursor == "made-up":
            raise Error("invalid", "the cursor is not one that this search gave")
        return self.wrote, None

    def heard_one(self, message_id: bytes) -> Heard | None:
        return next((h for h in self.wrote if h.id == message_id), None)

    def heard_in_clear(self, found: Heard) -> tuple[str | None, str | None]:
        self._ask("keys")
        self.acts.append("opened")
        return "+393471234567", "Where is my card?"

    def opened(self, found: Found) -> tuple[str | None, Content | None]:
        self._ask("keys")
        self.acts.append("opened")
        return "+393471234567", Content(0, encode("Your code is 123456")[1], "loan-4711")

    def traced(self, link: str, ids: list[str]) -> list[dict[str, Any]]:
        self._ask("engine")
        return [row for row in self.wire if set(row["ids"]) & set(ids)]

    def untold(self, message_id: bytes) -> list[list[Any]]:
        self._ask("courier")
        rows = [[n, i, status, NOW, NOW, 2, NOW + 5_000, "core.bank.example:443", 1] for n, i, status in self.due]
        return [row for row in rows if row[1] == message_id]

    def directory(self, name: str, password: str) -> tuple[bool, str]:
        self._ask("courier")
        known = {"olaf": "operator", "nobodys": "", "odd": "emperor", "anna": "viewer"}
        return (name in known and password == PASSWORD, known.get(name, ""))

    def sign_on_begin(self, state: str, nonce: str, verifier: str, back: str) -> str:
        self._ask("courier")
        self.left = (state, nonce, verifier, back)
        return f"https://sso.bank.example/authorize?state={state}"

    def sign_on(self, code: str, nonce: str, verifier: str, back: str) -> tuple[bool, str, str]:
        self._ask("courier")
        if (nonce, verifier, back) != self.left[1:]:
            return False, "", ""
        return {"olga": (True, "olga", "operator"), "nora": (True, "nora", ""), "anna": (True, "anna", "viewer")}.get(
            code, (False, "", "")
        )

    def auditor_ping(self) -> dict[str, Any]:
        self._ask("auditor")
        return {"ready": True, "why": ""}

    def processes(self) -> list[dict[str, Any]]:
        return [{"name": "engine-0", "state": "ready", "pid": 7, "restarts": 0, "since_ms": NOW}]

    def totals(self, day: int) -> dict[str, int]:
        return {"delivered": 3}

    def search(self, **criteria: Any) -> tuple[list[Found], str | None]:
        self.searched.append(criteria)
        self.acts.append("search")
        if criteria.get("cursor") == "made-up":
            raise Error("invalid", "the cursor is not one that this search gave")
        return self.rows, self.cursor

    def reached_ms(self, cursor: str) -> int:
        return NOW

    def by_reference(
        self, reference: str, from_ms: int | None, to_ms: int | None, cursor: str | None, patience_s: float
    ) -> tuple[list[Found], str | None, int]:
        self._ask("keys")
        self.searched.append({"reference": reference, "from_ms": from_ms, "to_ms": to_ms, "cursor": cursor})
        self.acts.append("search")
        return (self.rows if reference == "loan-4711" else []), self.cursor, 4_500

    def message(self, message_id: bytes) -> Found | None:
        return next((f for f in self.rows if f.id == message_id), None)

    def blind_index(self, number: str) -> bytes:
        self._ask("keys")
        return b"i" * 16

    def record(self, who: str, what: str, on: str, outcome: str = "ok", **detail: Any) -> tuple[int, int]:
        if "auditor" in self.down:
            raise Error("audit_unavailable", "the act was not recorded and so did not happen")
        self.acts.append(what)
        self.log.append((who, what, on, outcome, detail))
        return len(self.log) - 1, len(self.log)

    def audit_entries(self, before: int | None, limit: int, sought: dict[str, str]) -> list[dict[str, Any]]:
        self._ask("auditor")
        if not sought.get("what", "").startswith("audit.review"):
            self.sought = sought
        entry = {
            "at": "2026-11-22T18:30:07.123Z",
            "who": "console:anna",
            "what": "console.login",
            "on": "console:session",
        }
        if sought.get("what", "").startswith("audit.review"):
            return [{"index": 9, "entry": entry | {"outcome": "ok", **self.newest}}] if self.newest else []
        return [{"index": 4, "entry": entry | {"outcome": "ok", "detail": {"role": "<script>alert(1)</script>"}}}]

    def reviewed(self, upto: int, who: str) -> None:
        self._ask("auditor")
        self.marked = (upto, who)

    def audit_state(self) -> dict[str, Any]:
        self._ask("auditor")
        return self.witnessed

    def request(self) -> str:
        self._ask("auditor")
        return "old 0\n\ncasemate.local/audit\n5\nAAAA\n"

    def cosigned(self, note: str, who: str) -> dict[str, Any]:
        self._ask("auditor")
        if "officer" not in note:
            raise Error("invalid", "it carries no cosignature of a witness")
        self.brought = (note, who)
        return {"size": 5, "at": "2026-11-22T18:30:07Z", "name": "officer"}

    def checkpoint(self) -> dict[str, Any]:
        self._ask("auditor")
        return {"checkpoint": "casemate.local/audit\n5\nAAAA\n", "size": 5, "root": b"", "at_ms": NOW}

    def verify(self, who: str) -> dict[str, Any]:
        self._ask("auditor")
        return self.verdict

    def export(self, path: str, who: str, form: str, sought: dict[str, str], request: int) -> dict[str, Any]:
        self._ask("auditor")
        self.exported = (who, form, sought, request)
        self.shared = Path(path).parent.stat().st_mode
        if form != "pdf":
            Path(path).write_text("casemate.local/audit\n")
        return {"size": 5, "files": 1}

    def review(self) -> dict[str, Any]:
        self._ask("auditor")
        return {"low": 0, "high": 5, "findings": [{"rule": "failures", "first": 3, "who": "console:eve", "times": 7}]}

    def call(self, op: str, payload: dict[str, Any]) -> Any:
        """What is read for paper."""
        if op == "review":
            return self.review()
        if op == "checkpoint":
            return self.checkpoint()
        assert op == "entries"
        return {
            "entries": []
            if payload.get("before") in (4, 9)
            else self.audit_entries(None, 1, {"what": payload.get("what", "")})
        }


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return parse({"console": {"second_factor": False, "two_people": []}}, tmp_path, "test")


@pytest.fixture
def access(settings: Settings) -> Access:
    access = Access(settings, passwords=Passwords(memory_kib=64, passes=1))
    for name, role in (("anna", "administrator"), ("carlo", "compliance"), ("vera", "viewer")):
        access.create_user(name, PASSWORD, role, at_ms=NOW)
    return access


@pytest.fixture
def peers() -> Played:
    return Played()


@pytest.fixture
def app(settings: Settings, access: Access, peers: Played) -> Flask:
    return create_app(settings, access, peers, clock=lambda: NOW)  # type: ignore[arg-type]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def token_in(response: TestResponse) -> str:
    match = re.search(r'name="csrf" value="([^"]+)"', response.text)
    assert match, response.text
    return match[1]


def sign_in(client: FlaskClient, name: str = "anna", password: str = PASSWORD, **more: str) -> TestResponse:
    csrf = token_in(client.get("/sign-in"))
    return client.post("/sign-in", data={"name": name, "password": password, "csrf": csrf, **more})


def csrf_for(client: FlaskClient) -> str:
    return token_in(client.get("/account"))
