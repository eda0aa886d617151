"""The book: tries, ends, one approval for two who try, resends, rates, idempotency, sweeping; times passed in; nothing readable on disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.audit import entry
from appliance.errors import Error
from appliance.limits import VERIFY_CLAIM_MS, VERIFY_KEPT_MS
from appliance.verify import (
    NONE,
    Book,
    Handing,
    Payment,
    Renewed,
    Verification,
    code_mac,
    forget_subject,
    payment_digest,
    reseal,
    verifications_of,
)
from appliance.verify.states import Limits

KEY, AT = b"k" * 32, 1_800_000_000_000
LIMITS = Limits(per_number_hour=0)
PAYMENT = Payment("Rossi", "10", "EUR")
CODE = "123456"
ENTRY = entry(
    AT, "api:anna", "verification.created", "verification:x", purpose="login", bound=False, template="built-in"
)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book(tmp_path / "verify.db")
    yield made
    made.close()


def row(n: int, payment: Payment = NONE, subject: bytes = b"s" * 16, at_ms: int = AT, **changed: Any) -> Verification:
    key = (n + 1).to_bytes(16, "big")
    mac = code_mac(KEY, key, subject, "login", payment, CODE)
    bound = payment_digest(KEY, key, payment)
    made = Verification(
        key, 1, "login", "pending", subject, mac, bound, 7, b"sealed", at_ms, at_ms + 600_000, 1, 0, 0, None, None
    )
    return made._replace(**changed)


def did(book: Book, act: Any) -> Any:
    """The act's result in a transaction of its own; raises what it raised."""
    (result,) = book.together([act])
    if isinstance(result, Exception):
        raise result
    return result


def begun(book: Book, made: Verification, limits: Limits = LIMITS, at_ms: int = AT) -> Verification:
    found: Verification = did(book, lambda b: b.begin(made, limits, at_ms))
    return found


def tried(
    book: Book,
    n: int,
    code: str = CODE,
    payment: Payment = NONE,
    at_ms: int = AT,
    caller: int = 1,
    limits: Limits = LIMITS,
) -> str:
    """What a check says for the log."""
    checked = did(book, lambda b: b.check((n + 1).to_bytes(16, "big"), caller, KEY, code, payment, limits, at_ms))
    assert checked.approved == (not checked.reason)
    return str(checked.reason)


def refused(act: Any) -> Error:
    with pytest.raises(Error) as caught:
        act()
    return caught.value


def test_a_code_is_approved_once(book: Book) -> None:
    begun(book, row(1))
    assert [tried(book, 1) for _ in range(3)] == ["", "used", "used"]
    assert book.one(row(1).id, 1).sealed == b""


def test_another_payment_is_denied_and_the_right_one_still_approved(book: Book) -> None:
    begun(book, row(1, PAYMENT))
    others = (
        PAYMENT._replace(payee="Bianchi"),
        PAYMENT._replace(amount="10.01"),
        PAYMENT._replace(currency="USD"),
        NONE,
    )
    assert [tried(book, 1, payment=other) for other in others] == ["payment"] * 4
    assert tried(book, 1, payment=PAYMENT) == ""
    begun(book, row(2))
    assert tried(book, 2, payment=PAYMENT) == "payment" and tried(book, 2) == ""


def test_the_sixth_try_is_denied_even_when_right(book: Book) -> None:
    begun(book, row(1))
    assert [tried(book, 1, "000000") for _ in range(5)] == ["code"] * 5
    assert book.one(row(1).id, 1).state == "failed" and book.one(row(1).id, 1).sealed == b""
    assert tried(book, 1) == "tries"


def test_after_its_life_it_is_expired(book: Book) -> None:
    begun(book, row(1))
    begun(book, row(2))
    assert tried(book, 1, at_ms=AT + 599_999) == ""
    assert book.one(row(2).id, 1).status(AT + 600_000) == "expired"
    assert tried(book, 2, at_ms=AT + 600_000) == "expired" and book.one(row(2).id, 1).state == "expired"
    assert tried(book, 2) == "expired", "a clock that goes back makes nothing live again"


def test_another_key_and_an_unknown_id_learn_nothing(book: Book) -> None:
    begun(book, row(1))
    assert tried(book, 1, caller=2) == "unknown" and tried(book, 9) == "unknown"
    assert refused(lambda: book.one(row(1).id, 2)).code == refused(lambda: book.one(row(9).id, 1)).code == "not_found"
    assert tried(book, 1) == "", "no try of it was used up"


def test_two_who_try_the_same_code_are_one_approval(book: Book, tmp_path: Path) -> None:
    """Two connections, as two gateways have, at the same time; and wrong tries are counted one by one."""
    for n in range(20):
        begun(book, row(n))
    other, said = Book(tmp_path / "verify.db"), [list[str](), list[str]()]
    gate = threading.Barrier(2)

    def run(which: int, mine: Book) -> None:
        for n in range(20):
            gate.wait(10)
            said[which].append(tried(mine, n))

    threads = [threading.Thread(target=run, args=(n, b)) for n, b in enumerate((book, other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [sorted(pair) for pair in zip(*said, strict=True)] == [["", "used"]] * 20
    begun(book, row(100, subject=b"t" * 16))
    assert [tried(b, 100, "0") for b in (book, other, book, other, book)] == ["code"] * 5 and tried(
        other, 100
    ) == "tries"
    other.close()


def test_acts_in_one_commit_do_not_undo_each_other(book: Book) -> None:
    both = book.together(
        [
            lambda b: b.begin(row(1), LIMITS, AT),
            lambda b: b.one(b"?" * 16, 1),
            lambda b: b.begin(row(2), Limits(per_number_hour=1), AT),
            lambda b: b.begin(row(3), Limits(per_number_hour=1), AT),
        ]
    )
    assert [getattr(result, "code", "done") for result in both] == ["done", "not_found", "done", "rate_limited"]
    assert book.one(row(2).id, 1) and refused(lambda: book.one(row(3).id, 1))


def test_the_same_request_finds_its_verification_and_another_body_is_a_conflict(book: Book) -> None:
    first = row(1, request=b"r" * 16, request_body=b"b" * 16)
    assert begun(book, first) == first
    assert begun(book, row(2, request=b"r" * 16, request_body=b"b" * 16)) == first
    assert (
        refused(lambda: begun(book, row(3, request=b"r" * 16, request_body=b"c" * 16))).code == "idempotency_conflict"
    )
    assert book.tallies() == {("login", "created"): 1, ("login", "sent"): 1}


def test_a_resend_puts_another_code_and_end_in_its_place(book: Book) -> None:
    before = begun(book, row(1))
    mac = code_mac(KEY, before.id, before.subject, "login", NONE, "777777")
    put = Renewed(mac, 8, b"other", AT + 900_000)
    now = did(book, lambda b: b.renew(before, put, LIMITS, AT + 1))
    assert (now.sends, now.key_id, now.sealed, now.claimed_ms) == (2, 8, b"other", 0)
    assert tried(book, 1) == "code" and tried(book, 1, "777777", at_ms=AT + 800_000) == ""
    assert refused(lambda: did(book, lambda b: b.renew(now, put, LIMITS, AT))).code == "verification_ended"


def test_two_resends_at_once_are_one_and_five_sends_are_the_most(book: Book) -> None:
    now, put = begun(book, row(1)), Renewed(bytes(32), 7, b"x", AT + 600_000)
    for n in range(2, 6):
        before = now
        now = did(book, lambda b, now=now: b.renew(now, put, LIMITS, AT))
        assert now.sends == n
        late = refused(lambda b=before: did(book, lambda k: k.renew(b, put, LIMITS, AT))).code
        assert late == ("overloaded" if n < 5 else "rate_limited")
    error = refused(lambda: did(book, lambda b: b.renew(now, put, LIMITS, AT)))
    assert error.code == "rate_limited" and error.detail["retry_after_s"] == 600


def test_a_message_in_hand_is_let_go_of_in_the_end() -> None:
    held = row(1, claimed_ms=AT)
    assert held.in_hand(AT) and held.in_hand(AT + VERIFY_CLAIM_MS - 1) and not held.in_hand(AT + VERIFY_CLAIM_MS)
    assert not row(1, claimed_ms=-1).in_hand(AT) and not row(1).in_hand(AT)


def test_a_message_that_waits_for_somebodys_word_stays_in_hand(book: Book) -> None:
    begun(book, row(1, claimed_ms=AT))
    assert book.one(row(1).id, 1).in_hand(AT + VERIFY_CLAIM_MS - 1)
    did(book, lambda b: b.hand(handing(1), ENTRY))
    assert book.one(row(1).id, 1).claimed_ms == 0, "what is durable is in nobody's hands"


def handing(n: int, sends: int = 1, gateway: int = 0, at_ms: int = AT, sealed: bytes = b"sealed letter") -> Handing:
    return Handing(row(n).id, sends, gateway, 7, sealed, at_ms)


def left(book: Book, gateway: int, at_ms: int = AT) -> list[tuple[int, bool]]:
    """(sends, whether its code still counts) of what a gateway has to hand on."""
    return [(each.handing.sends, each.pending) for each in book.unhanded(gateway, at_ms, 10)]


def test_a_message_and_its_entry_are_in_the_book_until_both_are_elsewhere(book: Book) -> None:
    begun(book, row(1))
    did(book, lambda b: b.hand(handing(1), ENTRY))
    assert left(book, 0) == [(1, True)] and book.outbox.pending() == (1, [ENTRY])
    did(book, lambda b: b.hand(handing(1, sends=2), ENTRY))
    did(book, lambda b: b.handed(row(1).id, 1))
    assert left(book, 0) == [(2, True)], "the end of an earlier message is none of this one's"
    did(book, lambda b: b.handed(row(1).id, 2))
    did(book, lambda b: b.outbox.settle(2))
    assert left(book, 0) == [] and book.outbox.count() == 0


def test_another_gateways_message_is_taken_over_when_that_is_gone(book: Book) -> None:
    begun(book, row(1))
    did(book, lambda b: b.hand(handing(1, gateway=1), ENTRY))
    assert left(book, 0, AT + VERIFY_CLAIM_MS - 1) == [] and left(book, 1) == [(1, True)]
    assert left(book, 0, AT + VERIFY_CLAIM_MS) == [(1, True)]


def test_what_is_over_is_not_sent_any_more(book: Book) -> None:
    for n in range(1, 4):
        begun(book, row(n, subject=bytes([n]) * 16))
        did(book, lambda b, n=n: b.hand(handing(n), ENTRY))
    did(book, lambda b: b.cancel(row(1).id, 1, AT))
    assert left(book, 0) == [(1, True), (1, True)], "a cancelled code's message is not even kept"
    assert left(book, 0, AT + 600_000) == [(1, False), (1, False)], "nor is one handed on after its code's life"
    forget_subject(book, bytes([2]) * 16, b"x" * 16)
    assert left(book, 0) == [(1, True)]
    did(book, lambda b: b.handed(row(3).id, 1))
    book.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    file = Path(book.conn.execute("PRAGMA database_list").fetchone()[2])
    assert b"sealed letter" not in file.read_bytes(), "what was sealed is gone with its row"


def test_what_is_withdrawn_may_be_asked_for_again(book: Book) -> None:
    made = row(1, claimed_ms=AT, request=b"r" * 16, request_body=b"b" * 16, flow=b"f" * 20)
    begun(book, made)
    did(book, lambda b: b.withdraw(made.id, AT))
    gone = book.one(made.id, 1)
    assert (gone.state, gone.sealed, gone.request, gone.flow) == ("cancelled", b"", None, None)
    assert not gone.in_hand(AT) and tried(book, 1) == "cancelled"
    again = row(2, request=b"r" * 16, request_body=b"b" * 16)
    assert begun(book, again).id == again.id
    did(book, lambda b: b.withdraw(made.id, AT))
    tallies = book.tallies()
    assert (tallies["login", "created"], tallies["login", "cancelled"]) == (2, 1)


def test_cancel_ends_what_is_pending_only(book: Book) -> None:
    begun(book, row(1))
    assert did(book, lambda b: b.cancel(row(1).id, 1, AT))[1] and not did(book, lambda b: b.cancel(row(1).id, 1, AT))[1]
    assert tried(book, 1) == "cancelled"
    begun(book, row(2))
    assert tried(book, 2) == ""
    begun(book, row(3))
    for n, at in ((2, AT), (3, AT + 600_000)):
        assert refused(lambda n=n, at=at: did(book, lambda b: b.cancel(row(n).id, 1, at))).code == "verification_ended"
    assert refused(lambda: did(book, lambda b: b.cancel(row(3).id, 2, AT))).code == "not_found"


def test_failures_in_a_row_block_the_number_for_the_purpose(book: Book) -> None:
    begun(book, row(1))
    begun(book, row(2))
    for n in range(5):
        assert tried(book, 1 + n % 2, "0") == "code"
    assert tried(book, 2) == "blocked"
    error = refused(lambda: begun(book, row(3)))
    assert error.code == "rate_limited" and error.detail["retry_after_s"] == 900
    assert begun(book, row(4, purpose="other")) and begun(book, row(5, subject=b"t" * 16))
    assert tried(book, 2, at_ms=AT + 900_000) == "expired"
    late = row(6, at_ms=AT + 900_000)
    assert begun(book, late, at_ms=AT + 900_000)
    assert tried(book, 6, at_ms=AT + 900_000) == ""


def test_an_approval_ends_the_row_of_failures(book: Book) -> None:
    for n in range(3):
        begun(book, row(n))
        assert [tried(book, n, "0") for _ in range(4)] == ["code"] * 4 and tried(book, n) == ""


def test_numbers_and_purposes_have_their_rate(book: Book) -> None:
    limits = Limits(per_number_hour=2, per_purpose_minute=3)
    for n in range(2):
        begun(book, row(n), limits)
    error = refused(lambda: begun(book, row(3), limits))
    assert error.code == "rate_limited" and error.detail["retry_after_s"] == 1_801
    begun(book, row(4, subject=b"t" * 16), limits)
    assert refused(lambda: begun(book, row(5, subject=b"u" * 16), limits)).detail["retry_after_s"] == 21
    assert begun(book, row(6, subject=b"u" * 16, purpose="other"), limits)
    assert begun(book, row(7, subject=b"v" * 16, caller=2), limits), "another API key's purpose is another"
    assert begun(book, row(8), limits, AT + 1_801_000)


def test_what_is_over_is_swept_and_counts_stay(book: Book) -> None:
    begun(book, row(1), Limits())
    begun(book, row(2, at_ms=AT + 5_000))
    tried(book, 2, "0", at_ms=AT + 5_000)
    did(book, lambda b: b.sweep(AT + 600_000, LIMITS))
    first, second = book.one(row(1).id, 1), book.one(row(2).id, 1)
    assert (first.state, first.sealed, second.state) == ("expired", b"", "pending")
    did(book, lambda b: b.sweep(AT + 600_000 + VERIFY_KEPT_MS, LIMITS))
    assert refused(lambda: book.one(row(1).id, 1)) and book.one(row(2).id, 1).state == "expired"
    did(book, lambda b: b.sweep(AT + 2 * VERIFY_KEPT_MS, LIMITS))
    counts = [
        book.conn.execute(f"SELECT count(*) FROM {t}").fetchone()[0]
        for t in ("verification WHERE caller > 0", "bucket", "failure")
    ]
    assert counts == [0, 0, 0]
    assert book.tallies() == {("login", "created"): 2, ("login", "sent"): 2, ("login", "denied"): 1}


def test_every_denial_writes_as_much(book: Book) -> None:
    """What a denial writes would say by its time what was wrong."""
    limits = LIMITS._replace(block_s=0)
    for n in range(1, 5):
        begun(book, row(n, PAYMENT, expires_ms=AT + 600_000 * (n != 4)), limits)
    assert tried(book, 1, payment=PAYMENT, limits=limits) == ""
    did(book, lambda b: b.cancel(row(2).id, 1, AT))
    wrote: dict[str, int] = {}
    for _ in range(2):  # the second time all rows are there
        for n, code, payment in (
            (1, CODE, PAYMENT),
            (2, CODE, PAYMENT),
            (3, "0", PAYMENT),
            (3, CODE, NONE),
            (4, CODE, PAYMENT),
            (9, "", NONE),
        ):
            before = book.conn.total_changes
            reason = tried(book, n, code, payment, limits=limits)
            wrote[reason] = book.conn.total_changes - before
    assert (
        set(wrote) == {"used", "cancelled", "code", "payment", "expired", "unknown"} and len(set(wrote.values())) == 1
    )


def test_one_number_is_forgotten_and_only_that(book: Book) -> None:
    hers, other = b"s" * 16, b"o" * 16
    did(book, lambda b: b.begin(row(1, PAYMENT), Limits(), AT))
    did(book, lambda b: b.begin(row(2, subject=b"b" * 16), Limits(), AT))
    did(book, lambda b: b.check(row(1).id, 1, KEY, "000000", PAYMENT, Limits(), AT))
    assert [found.id for found in verifications_of(book, hers)] == [row(1).id]
    assert forget_subject(book, hers, other) == {"verifications": 1, "rates": 2}
    assert forget_subject(book, hers, other) == {"verifications": 0, "rates": 0}
    (found,) = verifications_of(book, other)
    assert (found.state, found.sealed, found.mac, found.bound) == ("cancelled", b"", bytes(32), bytes(32))
    assert not did(book, lambda b: b.check(found.id, 1, KEY, CODE, PAYMENT, Limits(), AT)).approved
    assert did(book, lambda b: b.check(row(2).id, 1, KEY, CODE, NONE, Limits(), AT)).approved
    octets = b"".join(
        path.read_bytes()
        for path in Path(book.conn.execute("PRAGMA database_list").fetchone()[2]).parent.glob("verify.db*")
    )
    assert hers not in octets


def test_what_is_sealed_is_sealed_anew_and_what_cannot_be_read_is_counted(book: Book) -> None:
    for n in (1, 2, 3):
        did(book, lambda b, n=n: b.begin(row(n, sealed=b"sealed %d" % n, key_id=7 if n < 3 else 6), LIMITS, AT))

    def anew(sealed: bytes, aad: bytes) -> bytes:
        if sealed.endswith(b"2"):
            raise Error("key_refused", "broken")
        assert aad[1:] == row(1).id
        return b"anew"

    assert reseal(book, 7, 8, anew) == (1, 1)
    assert [(each.key_id, each.sealed) for each in verifications_of(book, b"s" * 16)] == [
        (8, b"anew"), (7, b"sealed 2"), (6, b"sealed 3"),
    ]  # fmt: skip
