"""An erasure from its asking to its certificate, with processes that are played: two persons, holds, messages that are leaving, a kill between any two steps."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance import clock
from appliance.consent import Book, forget_number
from appliance.errors import Error
from appliance.keys import DataKey, blind_index
from appliance.keys.permits import SIGNED_BEGINS
from appliance.settings import parse
from appliance.subject import Erasing, Journal, certificate
from tests.support.engine_alone import INDEX_KEY, World, batch

ANNA = "+393471234567"
SUBJECT = blind_index(INDEX_KEY, ANNA)
SIGNER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)


@functools.cache
def _lived() -> Path:
    """The state folder of an engine that took two messages, made once: every test has a copy."""
    made = tempfile.TemporaryDirectory(prefix="casemate-")
    atexit.register(made.cleanup)
    world = World(Path(made.name))
    world.accept(batch("one", "two"))
    world.crash()
    return Path(made.name)


class Killed(BaseException):
    """The command is gone."""


class Box:
    """Every process of the box, and the command that is killed after so many calls."""

    def __init__(self, home: Path) -> None:
        shutil.copytree(_lived(), home, dirs_exist_ok=True)
        self.home = home
        self.settings = parse({"door": {"enabled": True}}, home, "test")
        self.day = clock.day_of(clock.now_ms())
        self.held: list[int] = []
        self.requests: dict[int, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.entries: list[tuple[str, dict[str, Any]]] = []
        self.leaving = 0
        self.lives = 1_000_000
        self.found = {"messages": 2, "cancelled": 0, "inbound": 1, "parts": 1, "receipts": 0}

    def call(self, process: str, op: str, payload: dict[str, Any], timeout_s: float = 1.0) -> Any:
        self.calls.append((process, op))
        self.lives -= 1
        if not self.lives:
            raise Killed
        if process == "keys":
            return getattr(self, f"_{op}")(payload)
        if op == "erase_subject":
            found, self.found = self.found, dict.fromkeys(self.found, 0)
            self.leaving, waiting = max(0, self.leaving - 1), self.leaving
            return {**found, "waiting": waiting}
        assert op == "forget_number" and payload == {"number": ANNA}
        return {"forgotten": 1} if process == "courier" else {"forgotten": 0, "parts": 0, "letters": 0}

    def _random(self, payload: Any) -> Any:
        return {"octets": b"r" * payload["octets"]}

    def _held(self, payload: Any) -> Any:
        return {"days": self.held}

    def _ask(self, payload: Any) -> Any:
        self.requests[len(self.requests) + 1] = {**payload, "state": "asked"}
        return {"request": len(self.requests)}

    def _do(self, payload: Any) -> Any:
        request = self.requests[payload["request"]]
        if request["state"] != "approved":
            raise Error("forbidden", "it has to be approved by another person")
        request["state"] = "used"
        return {"erasure": request["on"]}

    def _erasure(self, payload: Any) -> Any:
        request = self.requests[payload["request"]]
        if request["state"] != "used":
            raise Error("forbidden", "not done yet")
        persons = {"asked_by": request["who"], "approved_by": "console:bob", "reason": request["reason"]}
        return {"erasure": request["on"], **persons, "approved_ms": 5}

    def _sign(self, payload: Any) -> Any:
        assert payload["body"].startswith(SIGNED_BEGINS[payload["purpose"]]) and len(payload["body"]) < 4_096
        return {"signature": SIGNER.sign(payload["body"])}

    def record(self, who: str, what: str, on: str, outcome: str = "ok", **detail: Any) -> tuple[int, int]:
        self.entries.append((what, detail))
        return len(self.entries) - 1, len(self.entries)

    def consent(self, subject: bytes, stands_for: bytes, at_ms: int) -> dict[str, int]:
        book = Book(self.home / "consent.db")
        counts = forget_number(book, subject, at_ms)
        book.close()
        return counts

    def erasing(self, lives: int = 1_000_000) -> Erasing:
        """Another run of the command."""
        self.lives = lives
        sites = {"consent": self.consent}
        return Erasing(
            self.settings, Journal(self.settings), self.call, lambda n: blind_index(INDEX_KEY, n), sites, self,
            clock.now_ms, lambda: None, lambda done, of: None,
        )  # fmt: skip


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def _asked(box: Box) -> int:
    n, request = box.erasing().ask(ANNA, "case 12", "console:ann")
    assert (n, request) == (1, 1)
    box.requests[request]["state"] = "approved"
    return request


def _done(box: Box, request: int, lives: int = 1_000_000) -> Any:
    erasing = box.erasing(lives)
    return erasing.run(erasing.approved(request, ANNA, "console:ann"), ANNA, "console:ann")


def test_it_is_certified_with_counts_persons_and_reason_and_nothing_leads_to_the_number(box: Box) -> None:
    done = _done(box, _asked(box))
    said = json.loads(done.certificate)
    SIGNER.public_key().verify(done.signature, done.certificate)
    assert said["erased"]["engine-0"] == {"messages": 2, "inbound": 1, "parts": 1}
    assert said["erased"]["courier"] == {"answers of ENUM": 2}, "asked before and after"
    assert [said[name] for name in ("asked_by", "approved_by", "reason")] == ["console:ann", "console:bob", "case 12"]
    assert said["stands_for"] == blind_index(b"r" * 32, ANNA).hex()
    assert [what for what, _ in box.entries] == ["subject.erase_begun", "subject.erased"]
    assert done.subject == b"" and done.state == "done"
    octets = b"".join(path.read_bytes() for path in box.home.glob("erasure.db*"))
    assert SUBJECT not in octets and ANNA[1:].encode() not in octets
    assert ANNA[1:] not in certificate.text_of(done.certificate)
    with pytest.raises(Error) as caught:
        box.erasing().approved(1, ANNA, "console:ann")
    assert caught.value.code == "key_state", "it is done"


def test_killed_between_any_two_steps_it_goes_on_and_is_certified_once(tmp_path: Path) -> None:
    for lives in (2, 4, 6, 8, 10, 12):
        box = Box(tmp_path / str(lives))
        request = _asked(box)
        with pytest.raises(Killed):
            _done(box, request, lives)
        assert Journal(box.settings).one(1).state != "done"  # type: ignore[union-attr]
        assert _done(box, request).state == "done"
        digests = [detail["digest"] for what, detail in box.entries if what == "subject.erased"]
        assert len(digests) == 1, "one certificate"
        assert [op for _, op in box.calls].count("do") in (1, 2), (
            "the request is used once, however often it is asked for"
        )


def test_a_message_that_is_leaving_is_waited_for_or_told(box: Box) -> None:
    request = _asked(box)
    box.leaving = 3
    assert _done(box, request).state == "done"
    box.requests.clear()
    other = Box(box.home / "other")
    request = _asked(other)
    other.leaving = 1_000
    with pytest.raises(Error) as caught:
        _done(other, request)
    assert caught.value.code == "not_redactable" and "run it again" in caught.value.hint
    assert Journal(other.settings).one(1).state == "begun"  # type: ignore[union-attr]
    other.leaving = 0
    assert _done(other, request).state == "done"


def test_a_hold_refuses_only_whom_it_covers(box: Box) -> None:
    box.held = [box.day]
    with pytest.raises(Error) as caught:
        box.erasing().ask(ANNA, "case 12", "console:ann")
    assert caught.value.code == "legal_hold"
    box.erasing().ask("+393470000000", "case 13", "console:ann")  # nothing of this one is on the day
    box.held = []
    _, request = box.erasing().ask(ANNA, "case 12", "console:ann")
    box.requests[request]["state"] = "approved"
    box.held = [box.day]
    with pytest.raises(Error) as caught:
        _done(box, request)
    assert caught.value.code == "legal_hold" and box.requests[request]["state"] == "approved", "not used up"


def test_another_number_an_unapproved_request_and_a_number_in_the_reason_are_refused(box: Box) -> None:
    with pytest.raises(Error) as caught:
        box.erasing().ask(ANNA, "customer 347 1234567", "console:ann")
    assert caught.value.code == "invalid"
    _, request = box.erasing().ask(ANNA, "case 12", "console:ann")
    for number, code in (("+393470000000", "invalid"), (ANNA, "forbidden")):
        with pytest.raises(Error) as caught:
            box.erasing().approved(request, number, "console:ann")
        assert caught.value.code == code
    with pytest.raises(Error) as caught:
        box.erasing().approved(99, ANNA, "console:ann")
    assert caught.value.code == "not_found"


def test_a_stop_outlives_it_and_a_review_becomes_one(box: Box) -> None:
    key = DataKey(0, b"s" * 32)
    book = Book(box.home / "consent.db")
    sealed = key.seal(ANNA.encode(), b"s" + SUBJECT)
    book.decide([(SUBJECT, sealed)], "marketing", "stop", "keyword", 1, "x", "STOP")
    book.to_review(SUBJECT, sealed, "news", "basta", b"m" * 16, 2)
    book.close()
    _done(box, _asked(box))
    book = Book(box.home / "consent.db")
    assert book.suppressed_in(SUBJECT) == ["marketing", "news"] and book.reviews() == []
    assert [decided.number for decided in book.history(SUBJECT)] == [b"", b""]
    book.close()
    assert sealed[12:44] not in b"".join(path.read_bytes() for path in box.home.glob("consent.db*"))
