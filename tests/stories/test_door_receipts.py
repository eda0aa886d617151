"""What the bank's systems are handed at the door: each receipt, however long they were away, whatever dies in between."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from appliance.smpp import Deliver
from tests.support.appliance import Appliance, wait_for
from tests.support.bank_system import NEVER, BankSystem, id_of

pytestmark = pytest.mark.stories

DELIVERED = 2
NUMBERS = [f"+39333555{n:04d}" for n in range(1_000)]


@pytest.fixture(scope="module")
def box() -> Iterator[Appliance]:
    with Appliance() as box:
        yield box


@pytest.fixture(autouse=True)
def nothing_left_over(box: Appliance) -> Iterator[None]:
    yield
    with BankSystem(box):
        wait_for("the letters of the test before", lambda: not due(box))


def due(box: Appliance) -> int:
    return sum(account["due"] for account in box.ask("door", "state")["letters"])


def test_a_receipt_comes_with_the_id_that_the_submission_was_given(box: Appliance) -> None:
    with BankSystem(box) as system:
        message_id = system.submit(NUMBERS[0])
        wait_for("the receipt", system.receipts)
        assert system.receipts() == [(message_id, DELIVERED)]
        (receipt,) = system.delivered
        assert (receipt.source, receipt.dest) == (NUMBERS[0][1:], "BANK")
        assert b"stat:DELIVRD" in receipt.short_message and b"Hello" not in receipt.short_message


def test_receipts_wait_for_a_system_that_was_away_and_come_in_order(box: Appliance) -> None:
    with BankSystem(box, kind="transmitter") as system:
        ids = system.submit_all(NUMBERS[:200])
    wait_for("200 letters", lambda: due(box) >= 200)
    box.kill("door")
    wait_for("the door", lambda: binds(box))
    assert due(box) == 200
    with BankSystem(box, kind="receiver") as system:
        wait_for("its receipts", lambda: len(system.receipts()) >= 200)
        assert sorted(system.receipts()) == sorted((i, DELIVERED) for i in ids)
        wait_for("an empty book", lambda: not due(box))
    assert len(system.receipts()) == 200


def binds(box: Appliance) -> bool:
    """Whether the door lets the demo's system in."""
    try:
        system = BankSystem(box, kind="transmitter")  # one that is handed no letter
        status = system.bind()
        system.drop()
    except (OSError, AssertionError):
        return False
    return status == 0


def test_a_door_that_is_killed_with_letters_under_way_repeats_only_those_with_the_same_id(box: Appliance) -> None:
    answered: set[str] = set()

    def some(deliver: Deliver) -> int:
        if len(answered) >= 60:
            return NEVER
        answered.add(id_of(deliver))
        return 0

    with BankSystem(box, answer=some) as first:
        ids = first.submit_all(NUMBERS[:300])
        wait_for("more than were answered", lambda: len(first.delivered) > 60)
        time.sleep(0.3)  # what was answered is in the book
        box.kill("door")
        wait_for("the end of the bind", first.over.is_set)
        heard = [name for name, _ in first.receipts()]
    wait_for("the door", lambda: binds(box))
    with BankSystem(box) as second:
        wait_for("the rest", lambda: {n for n, _ in first.receipts() + second.receipts()} >= set(ids), 30)
        wait_for("an empty book", lambda: not due(box))
        again = [name for name, _ in second.receipts()]
    assert set(heard) | set(again) == set(ids)
    twice = {name for name, count in Counter([*heard, *again]).items() if count > 1}
    assert twice <= set(heard) - answered, "only what was under way without an answer comes again"
    assert len(set(heard)) == len(heard) and len(set(again)) == len(again)


def test_an_engine_that_is_killed_repeats_no_letter(box: Appliance) -> None:
    with BankSystem(box) as system:
        ids = system.submit_all(NUMBERS[:200], priority_flag=3)  # `otp`: what may or may not have left is sent again
        box.kill("engine")
        wait_for("every receipt", lambda: {name for name, _ in system.receipts()} >= set(ids), 40)
        wait_for("an empty book", lambda: not due(box))
        time.sleep(0.5)
        assert sorted(name for name, _ in system.receipts()) == sorted(ids)


def test_two_binds_share_the_letters(box: Appliance) -> None:
    with BankSystem(box, kind="transmitter") as sender:
        ids = sender.submit_all(NUMBERS[:400])
    wait_for("400 letters", lambda: due(box) >= 400)

    def slow(deliver: Deliver) -> int:
        time.sleep(0.002)
        return 0

    with BankSystem(box, kind="receiver", answer=slow) as one, BankSystem(box, kind="receiver", answer=slow) as two:
        wait_for("all of them", lambda: len(one.delivered) + len(two.delivered) >= 400)
        wait_for("an empty book", lambda: not due(box))
    got = [name for name, _ in one.receipts() + two.receipts()]
    assert sorted(set(got)) == sorted(ids) and len(one.delivered) > 0


def test_a_system_that_cannot_take_now_gets_it_again_and_one_that_refuses_does_not(box: Appliance) -> None:
    tries: list[float] = []

    def busy(deliver: Deliver) -> int:
        tries.append(time.monotonic())
        return 0x64 if len(tries) < 3 else 0

    with BankSystem(box, answer=busy) as system:
        message_id = system.submit(NUMBERS[0])
        wait_for("three tries", lambda: len(tries) >= 3)
        assert {name for name, _ in system.receipts()} == {message_id}
        assert tries[1] - tries[0] >= 0.9 and tries[2] - tries[1] >= 1.8
        wait_for("an empty book", lambda: not due(box))
    with BankSystem(box, answer=lambda deliver: 0x65) as system:
        system.submit(NUMBERS[1])
        (told,) = wait_for("it to be set aside", lambda: [a for a in box.ask("door", "state")["letters"] if a["aside"]])
        assert told["reasons"] == {"ESME_RX_P_APPN": 1} and not told["due"]
    with BankSystem(box) as system:
        assert "ESME_RX_P_APPN 1" in box.casemate("door", "letters").stdout
        assert 'casemate_door_letters{state="aside",system_id="demo"} 1.0' in box.api.get("/metrics").text
        assert box.casemate("door", "again", "demo").stdout == "due again: 1\n"
        wait_for("it to come after all", system.receipts)


def account(box: Appliance, system_id: str, *words: str) -> str:
    """A new account of the demo's API key; its password."""
    number = box.env["CASEMATE_API_KEY"].split("_")[1]
    made = box.casemate("door", "account", "create", system_id, "--api-key", number, *words)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_customers_messages_go_to_the_account_of_their_recipient_also_when_it_comes_later(box: Appliance) -> None:
    password = account(box, "cards", "--inbound", "4040")
    with BankSystem(box, "cards", password) as cards:
        wait_for("the account", lambda: cards)
        for to, text in (("4040", "STOP cards"), ("5050", "HELP")):
            answer = box.operator.post("/inbound", json={"from": "+393331234567", "to": to, "text": text})
            assert answer.status_code < 300, answer.text
        wait_for("the message", cards.messages)
    with BankSystem(box) as rest:
        wait_for("the other message", rest.messages)
        assert rest.messages() == [("393331234567", "5050", b"HELP")]
    assert cards.messages() == [("393331234567", "4040", b"STOP cards")]


def test_receipts_go_only_to_the_account_that_sent(box: Appliance) -> None:
    password = account(box, "statements")
    with BankSystem(box) as other, BankSystem(box, "statements", password) as system:
        message_id = system.submit(NUMBERS[7])
        wait_for("its receipt", system.receipts)
        assert system.receipts() == [(message_id, DELIVERED)] and other.receipts() == []


def test_a_revoked_account_is_ended_within_a_second_or_two(box: Appliance) -> None:
    password = account(box, "legacy")
    with BankSystem(box, "legacy", password) as system:
        assert box.casemate("door", "account", "revoke", "legacy").returncode == 0
        assert system.over.wait(5), "its bind stands although it is revoked"
        assert BankSystem(box, "legacy", password).bind() != 0
