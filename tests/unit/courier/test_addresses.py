"""Where callbacks may go: exact names, https, loopback only when a demo says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.courier.addresses import address_of, callback_allowed

HOSTS = ["hooks.bank.example", "Alerts.Bank.Example"]


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.bank.example/status",
        "https://HOOKS.bank.example:8443/a?b=c",
        "https://hooks.bank.example./x",
        "https://alerts.bank.example",
    ],
)
def test_named_hosts_are_allowed(url: str) -> None:
    assert callback_allowed(url, HOSTS, allow_loopback=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.bank.example/status",
        "https://bank.example/",
        "https://x.hooks.bank.example/",
        "https://hooks.bank.example.evil.example/",
        "https://hooks.bank.example@evil.example/",
        "https://user:pw@hooks.bank.example/",
        "https://evil.example#hooks.bank.example",
        "https://hooks.bank.example/#part",
        "https://evil.example\\@hooks.bank.example/",
        "https://hooks.bank.example:99999/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "http://127.0.0.1:9000/",
        "https://[::1]/",
        "ftp://hooks.bank.example/",
        "file:///etc/passwd",
        "//hooks.bank.example/",
        "hooks.bank.example",
        "",
        "https://",
        "https://hooks.bank.example/" + "a" * 2048,
        "https://hooks.bank.example/a b",
        "https://hooks.bank.example/\r\nHost: evil",
    ],
)
def test_everything_else_is_not(url: str) -> None:
    assert not callback_allowed(url, HOSTS, allow_loopback=False)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000/x", "http://localhost/x", "http://[::1]:80/", "https://127.0.0.1/"]
)
def test_loopback_only_when_allowed(url: str) -> None:
    assert callback_allowed(url, [], allow_loopback=True)
    assert not callback_allowed(url, ["127.0.0.1", "localhost", "::1"], allow_loopback=False)


def test_a_turn_is_taken_per_host_and_port() -> None:
    assert address_of("https://Hooks.Bank.Example/x") == "hooks.bank.example:443"
    assert address_of("http://127.0.0.1:9000/y") == "127.0.0.1:9000"
    assert address_of("mailto:x@y") is None


@given(st.text(max_size=80))
def test_any_text_is_judged(url: str) -> None:
    assert not callback_allowed(url, HOSTS, allow_loopback=False) or url.lower().startswith("https://")
    address_of(url)
