"""Behind the proxy of this machine the caller is whom it names; nobody else's word counts."""

from __future__ import annotations

import pytest

from appliance.settings import behind_front, caller_of


@pytest.mark.parametrize(
    ("peer", "forwarded", "fronted", "caller"),
    [
        ("127.0.0.1", "10.1.2.3", True, "10.1.2.3"),
        ("::1", "2001:db8::5", True, "2001:db8::5"),
        ("127.0.0.1", "8.8.8.8, 10.1.2.3", True, "10.1.2.3"),  # what the caller wrote itself comes first
        ("127.0.0.1", "", True, "127.0.0.1"),
        ("127.0.0.1", "10.1.2.3", False, "127.0.0.1"),
        ("10.9.9.9", "10.1.2.3", True, "10.9.9.9"),  # not our proxy
    ],
)
def test_whose_address_counts(peer: str, forwarded: str, fronted: bool, caller: str) -> None:
    assert caller_of(peer, forwarded, fronted) == caller


def test_only_the_exact_word_puts_a_proxy_in_front() -> None:
    assert behind_front({"CASEMATE_FRONT": "proxy"})
    assert not behind_front({"CASEMATE_FRONT": "yes"})
    assert not behind_front({})
