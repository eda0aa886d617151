"""The decisions of the gateway that need no loop and no clock: rates and callback addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api.callbacks import CallbackRule
from appliance.errors import Error
from appliance.intake.rate import Bucket, Rates


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 1000)), min_size=1, max_size=60), st.integers(1, 500))
def test_the_average_holds_whatever_the_pattern(calls: list[tuple[float, int]], rate: int) -> None:
    bucket, at_s, passed, last = Bucket(rate, 0.0), 0.0, 0, 0
    for pause_s, count in calls:
        at_s += pause_s
        if bucket.take(count, at_s) == 0:
            passed += count
            last = count
    assert passed <= rate * at_s + rate + last


def test_waiting_as_long_as_told_is_enough() -> None:
    bucket = Bucket(10, 0.0)
    assert bucket.take(1000, 0.0) == 0
    wait_s = bucket.take(1, 0.0)
    assert wait_s == 100
    assert bucket.take(1, 50.0) > 0
    assert bucket.take(1, 50.0 + bucket.take(1, 50.0)) == 0


def test_gateways_share_a_rate_and_zero_is_no_limit() -> None:
    rates = Rates(100, 2)
    assert rates.take(1, None, 50, 0.0) == 0
    assert rates.take(1, None, 1, 0.0) > 0
    assert all(rates.take(2, 0, 1000, 0.0) == 0 for _ in range(100))
    assert Rates(0, 1).take(1, None, 10**9, 0.0) == 0


RULE = CallbackRule(["bank.example", "Hooks.Bank.Example"], allow_loopback=False)


@pytest.mark.parametrize(
    "url", ["https://bank.example/a?b=c", "https://BANK.example:8443", "https://hooks.bank.example/"]
)
def test_hosts_on_the_list(url: str) -> None:
    RULE.check(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://bank.example/", "https://bank.example.evil.example/", "https://evil.example/bank.example", "https://a@bank.example/",
        "https://bank.example@evil.example/", "https://bank.example\\@evil.example/", "https://bank.example:99999/", "https://[::1/", "ftp://bank.example/",
        "//bank.example/", "", "javascript:alert(1)", "https://127.0.0.1/", "http://localhost/", "https://bank.example/\r\nx: y", "https://bank.example/ä", "https://ba\tnk.example/",
    ],
)  # fmt: skip
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(Error) as e:
        RULE.check(url)
    assert e.value.code == "callback_not_allowed"
    assert not url or url not in str(e.value)


def test_loopback_only_when_allowed() -> None:
    rule = CallbackRule([], allow_loopback=True)
    for url in ("http://127.0.0.1:9999/x", "http://localhost/x", "https://[::1]:1/"):
        rule.check(url)
    with pytest.raises(Error):
        rule.check("http://10.0.0.1/")
