"""Who is suppressed follows from the decisions: added, taken over, a snapshot, evidence, the review list."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.consent import EVERY, START, STOP, Book, Consent, Suppressed
from appliance.errors import Error
from appliance.settings import MARKETING, Programme

A, B = (bytes([n]) * 16 for n in (1, 2))
SENDERS = Programme("offers", ("bulk", "transaction"), ("BANK",), ("40404",))


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path / "consent.db")
    yield book
    book.close()


def stop(book: Book, subject: bytes, programme: str = "marketing", evidence: bytes = b"e" * 16) -> list[str]:
    return book.heard(subject, b"sealed", [programme], STOP, "stop", evidence, 1, "process:engine-0")


def taken_over(book: Book, known: Suppressed) -> Suppressed:
    for n, programme, subject, out in book.decided_since(known.upto, 100):
        known.decided(programme, subject, out)
        known.upto = n
    return known


def test_a_stop_counts_in_its_programme_until_a_start(book: Book) -> None:
    live = book.snapshot()
    assert stop(book, A) == ["marketing"]
    for known in (taken_over(book, live), book.snapshot()):
        assert known.first_of(("", "marketing"), A) == "marketing"
        assert known.first_of(("", "other"), A) is None and known.first_of(("marketing",), B) is None
    assert stop(book, A, evidence=b"f" * 16) == []
    assert book.heard(A, b"x", ["marketing"], START, "start", b"g" * 16, 2, "p") == ["marketing"]
    for known in (taken_over(book, live), book.snapshot()):
        assert known.first_of(("marketing",), A) is None
    assert [d.action for d in book.history(A)] == [STOP, START]


def test_a_start_for_all_ends_every_suppression(book: Book) -> None:
    live = book.snapshot()
    stop(book, A)
    stop(book, A, EVERY, b"f" * 16)
    assert taken_over(book, live).first_of(("", "marketing"), A) == ""
    assert book.heard(A, b"x", [EVERY], START, "start", b"g" * 16, 2, "p") == [EVERY]
    assert book.suppressed_in(A) == []
    assert taken_over(book, live).first_of(("", "marketing"), A) is None


def test_the_newest_decisions_are_those_that_count_still(book: Book) -> None:
    assert book.newest(1_000) == []
    for subject in (A, B):
        stop(book, subject, evidence=subject)
    book.heard(B, b"sealed", ["marketing"], START, "start", b"f" * 16, 2, "process:engine-0")
    assert [(each.subject, each.programme) for each in book.newest(1_000)] == [(A, "marketing")]
    assert [each.subject for each in book.newest(2)] == []


def test_a_yes_of_somebody_who_never_stopped_is_no_decision(book: Book) -> None:
    assert book.heard(A, b"x", ["marketing"], START, "yes", b"g" * 16, 2, "p") == []
    assert book.history(A) == []


def test_a_message_is_decided_on_once_and_known_by_its_id(book: Book) -> None:
    stop(book, A, evidence=b"m" * 16)
    assert book.by_evidence(b"m" * 16) == ["marketing"]
    assert book.by_evidence(b"n" * 16) == []


def test_a_snapshot_of_many_in_pieces_holds_exactly_those(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.consent.book.ROWS_AT_ONCE", 97)
    chance = random.Random(1)
    subjects = [chance.randbytes(16) for _ in range(1_000)]
    book.decide([(s, b"sealed") for s in subjects], "marketing", STOP, "import", 1, "cli:root")
    book.decide([(s, b"sealed") for s in subjects[:10]], "marketing", START, "person", 1, "cli:root")
    known = book.snapshot()
    assert [known.first_of(("marketing",), s) for s in subjects] == [None] * 10 + ["marketing"] * 990
    assert [known.first_of(("marketing",), chance.randbytes(16)) for _ in range(1_000)] == [None] * 1_000
    assert len(known) == 990 and sum(book.counts().values()) == 990


def test_the_review_list_is_decided_once(book: Book) -> None:
    n = book.to_review(A, b"sealed", "marketing", "stop", b"m" * 16, 1)
    assert book.to_review(A, b"sealed", "marketing", "stop", b"m" * 16, 1) == n
    assert [r.n for r in book.reviews()] == [n]
    assert book.close_review(n, "stop", 2, "user:ann").subject == A
    assert (book.suppressed_in(A), book.reviews()) == (["marketing"], [])
    with pytest.raises(Error) as e:
        book.close_review(n, "none", 3, "user:ann")
    assert e.value.code == "not_found"
    assert (book.history(A)[0].source, book.history(A)[0].evidence) == ("review", b"m" * 16)


def test_which_messages_a_stop_holds_back(book: Book) -> None:
    consent = Consent((MARKETING, SENDERS), ["otp", "alert"], False, Suppressed())
    otp, alert, transaction, bulk = range(4)
    assert consent.belongs(otp, "BANK") == consent.belongs(alert, "BANK") == ()
    assert consent.belongs(transaction, "OTHER") == ("",)
    assert consent.belongs(transaction, "BANK") == ("", "offers")
    assert consent.belongs(bulk, "BANK") == ("", "marketing", "offers")
    stop(book, A, "offers")
    consent.suppressed = book.snapshot()
    consent.check(A, alert, "BANK")
    consent.check(A, transaction, "OTHER")
    with pytest.raises(Error) as e:
        consent.check(A, transaction, "BANK")
    assert (e.value.code, e.value.detail["rule"]) == ("suppressed", "offers")
    assert [p.name for p in consent.addressed("40404")] == ["offers"]
    assert [p.name for p in consent.addressed("+50505")] == ["marketing"]
