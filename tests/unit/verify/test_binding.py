"""What a code is bound to: amounts in one form, payments whole or refused, and a MAC that changes with each part."""

from __future__ import annotations

import itertools

import pytest

from appliance.errors import Error
from appliance.verify import NONE, Payment, canonical, code_mac, payment_digest, payment_of, presented

KEY, ID, SUBJECT = b"k" * 32, bytes(range(16)), b"s" * 16


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("10", "10"), ("10.0", "10"), ("10.00", "10"), ("010.00", "10"), ("10.01", "10.01"), ("10.10", "10.1"), ("0", "0"),
        ("0.00", "0"), ("000", "0"), ("0.50", "0.5"), ("100", "100"), ("1000000.00", "1000000"), ("999999999999999.99", "999999999999999.99"),
        ("0.00000001", "0.00000001"),
        # what is no amount equals none
        ("10,00", "10,00"), ("-10", "-10"), ("1e1", "1e1"), ("", ""), (" 10", " 10"), ("10.00\n", "10.00\n"), ("٣", "٣"), ("10.", "10."),
    ],
)  # fmt: skip
def test_amounts_have_one_form(given: str, said: str) -> None:
    assert canonical(given) == said
    assert canonical(canonical(given)) == said


def test_a_payment_is_whole_or_none() -> None:
    assert payment_of(None, None, None) == NONE
    assert payment_of("Rossi", "10.00", "EUR") == Payment("Rossi", "10", "EUR")
    assert payment_of("Ro\u0308ssi", "1", "EUR") == presented("R\u00f6ssi", "1.0", "EUR"), (
        "one name, two forms of Unicode"
    )
    for missing in range(3):
        given: list[str | None] = ["Rossi", "10.00", "EUR"]
        given[missing] = None
        with pytest.raises(Error) as caught:
            payment_of(*given)
        assert (caught.value.code, caught.value.detail["field"]) == (
            "invalid",
            ("payee", "amount", "currency")[missing],
        )


@pytest.mark.parametrize(
    ("payment", "field"),
    [
        (("", "10", "EUR"), "payee"), ((" Rossi", "10", "EUR"), "payee"), (("Ro\nssi", "10", "EUR"), "payee"),
        (("Ro\u202essi", "10", "EUR"), "payee"), (("x" * 141, "10", "EUR"), "payee"), (("a\u00a0b", "10", "EUR"), "payee"),
        (("Rossi", "ten", "EUR"), "amount"), (("Rossi", "-1", "EUR"), "amount"), (("Rossi", "10.001", "EUR"), "amount"),
        (("Rossi", "1.5", "JPY"), "amount"), (("Rossi", "10", "EURO"), "currency"), (("Rossi", "10", "ABC"), "currency"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused_by_field(payment: tuple[str, str, str], field: str) -> None:
    with pytest.raises(Error) as caught:
        payment_of(*payment)
    assert (caught.value.code, caught.value.detail["field"]) == ("invalid", field)
    assert payment[0] not in caught.value.message or not payment[0]


def test_decimals_follow_the_currency() -> None:
    assert payment_of("x", "1.000", "KWD") == Payment("x", "1", "KWD")
    assert payment_of("x", "1.234", "KWD").amount == "1.234"
    assert payment_of("x", "10.000", "EUR").amount == "10", "zeros are no decimals"


def test_each_part_changes_the_mac() -> None:
    whole = (KEY, ID, SUBJECT, "payment", Payment("Rossi", "10", "EUR"), "123456")
    others = (
        b"K" * 32, bytes(16), b"t" * 16, "login", [Payment("Bianchi", "10", "EUR"), Payment("Rossi", "10.01", "EUR"),
        Payment("Rossi", "10", "USD"), Payment("Rossi1", "0", "EUR"), Payment("", "Rossi10", "EUR"), NONE], "123457",
    )  # fmt: skip
    macs = {code_mac(*whole)}
    changes = list(
        itertools.chain.from_iterable(
            ((n, o) for o in (p if isinstance(p, list) else [p])) for n, p in enumerate(others)
        )
    )
    for place, other in changes:
        changed = list(whole)
        changed[place] = other  # type: ignore[call-overload]
        macs.add(code_mac(*changed))  # type: ignore[arg-type]
    assert len(macs) == len(changes) + 1 and all(len(mac) == 32 for mac in macs)
    assert code_mac(*whole) == code_mac(*whole)


def test_parts_do_not_run_into_each_other() -> None:
    one = code_mac(KEY, ID, SUBJECT, "p", Payment("ab", "c", ""), "")
    assert one != code_mac(KEY, ID, SUBJECT, "p", Payment("a", "bc", ""), "")
    assert one != code_mac(KEY, ID, SUBJECT, "pa", Payment("b", "c", ""), "")


def test_the_digest_of_a_payment_is_keyed() -> None:
    payment = Payment("Rossi", "10", "EUR")
    assert payment_digest(KEY, ID, NONE) == b""
    digest = payment_digest(KEY, ID, payment)
    assert len(digest) == 32
    assert len({digest, payment_digest(b"x" * 32, ID, payment), payment_digest(KEY, bytes(16), payment)}) == 3
