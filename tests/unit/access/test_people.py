"""People, sessions and throttling, with the time passed in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.access import PERMISSIONS, ROLES, Access, may, throttle
from appliance.access.passwords import Passwords
from appliance.errors import Error
from appliance.settings import parse

PASSWORD = "four unrelated words here"
MINUTE = 60_000
HOUR = 60 * MINUTE


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(parse({}, tmp_path, "test"), passwords=Passwords(memory_kib=64, passes=1))


def test_password_rules(access: Access) -> None:
    for password in ("too short", "x" * 129, "a" * 20, "some.long-name1"):
        with pytest.raises(Error) as e:
            access.create_user("some.long-name1", password, at_ms=1)
        assert e.value.code == "invalid" and password not in str(e.value)
    assert access.users() == []
    with pytest.raises(Error):
        access.create_user("anna", PASSWORD, "emperor", at_ms=1)
    with pytest.raises(Error):
        access.create_user("an na", PASSWORD, at_ms=1)


def test_the_password_is_argon2id_and_checked(access: Access) -> None:
    access.create_user("anna", PASSWORD, "compliance", at_ms=1)
    stored = access.conn.execute("SELECT password FROM person").fetchone()[0]
    assert stored.startswith("$argon2id$")
    found = access.check_password("Anna", PASSWORD)
    assert found is not None and found.name == "anna" and found.role == "compliance"
    assert access.check_password("anna", PASSWORD + "x") is None
    assert access.check_password("nobody", PASSWORD) is None
    assert access.check_password("anna", "y" * 100_000) is None
    with pytest.raises(Error, match="taken"):
        access.create_user("ANNA", PASSWORD, at_ms=2)


def test_a_password_of_older_costs_is_hashed_again(access: Access) -> None:
    access.create_user("anna", PASSWORD, at_ms=1)
    stronger = Access(access.settings, passwords=Passwords(memory_kib=128, passes=1))
    before = access.conn.execute("SELECT password FROM person").fetchone()[0]
    assert stronger.check_password("anna", PASSWORD)
    assert access.conn.execute("SELECT password FROM person").fetchone()[0] != before
    assert stronger.check_password("anna", PASSWORD)


def test_a_session_ends_idle_absolutely_and_by_a_second_one(access: Access) -> None:
    anna = access.create_user("anna", PASSWORD, at_ms=1)
    token = access.start_session(anna, at_ms=0)
    assert token.encode() not in access.conn.execute("SELECT hash FROM session").fetchone()[0]
    assert access.session(token, 14 * MINUTE) is not None
    assert access.session(token, 28 * MINUTE) is not None, "the request before kept it alive"
    assert access.session(token, 43 * MINUTE) is None
    assert access.session(token, 29 * MINUTE) is None, "over is over"

    token = access.start_session(anna, at_ms=0)
    for minute in range(0, 8 * 60, 10):
        assert access.session(token, minute * MINUTE) is not None
    assert access.session(token, 8 * HOUR) is None

    first = access.start_session(anna, at_ms=0)
    second = access.start_session(anna, at_ms=1)
    assert access.session(first, 2) is None and access.session(second, 2) is not None
    access.end_session(second)
    assert access.session(second, 3) is None


def test_polling_does_not_keep_a_session_alive(access: Access) -> None:
    token = access.start_session(access.create_user("anna", PASSWORD, at_ms=1), at_ms=0)
    for second in range(0, 15 * 60, 5):
        assert access.session(token, second * 1000, touch=False) is not None
    assert access.session(token, 15 * MINUTE, touch=False) is None


def test_a_clock_that_went_back_ends_sessions(access: Access) -> None:
    token = access.start_session(access.create_user("anna", PASSWORD, at_ms=1), at_ms=10 * HOUR)
    assert access.session(token, 9 * HOUR) is None


def test_a_new_password_ends_the_session(access: Access) -> None:
    anna = access.create_user("anna", PASSWORD, at_ms=1)
    token = access.start_session(anna, at_ms=0)
    assert access.set_password("anna", PASSWORD + "!", at_ms=5).password_ms == 5
    assert access.session(token, 6) is None
    assert access.check_password("anna", PASSWORD) is None and access.check_password("anna", PASSWORD + "!")


def test_guessing_at_one_desk_waits_longer_and_longer(access: Access) -> None:
    access.create_user("anna", PASSWORD, at_ms=1)
    at, waits = 0, []
    for _ in range(14):
        try:
            assert access.sign_in("anna", "wrong wrong wrong", "10.0.0.9", at) is None
        except Error as e:
            assert e.code == "rate_limited"
            waits.append(e.detail["wait_s"])
            at += e.detail["wait_s"] * 1000
    assert waits == [2, 4, 8, 16, 32]
    with pytest.raises(Error):
        access.sign_in("anna", "wrong wrong wrong", "10.0.0.9", at) or access.sign_in("anna", PASSWORD, "10.0.0.9", at)


def test_guessers_do_not_lock_out_a_person_at_her_own_desk(access: Access) -> None:
    access.create_user("anna", PASSWORD, at_ms=1)
    assert access.sign_in("anna", PASSWORD, "10.0.0.1", 0)
    for n in range(60):  # sixty machines guess at Anna's name
        try:
            access.sign_in("anna", "wrong wrong wrong", f"10.0.{n}.9", 1000)
        except Error as e:
            assert e.code == "rate_limited"
    assert access.sign_in("anna", PASSWORD, "10.0.0.1", 1000), "her own desk is familiar"
    with pytest.raises(Error):
        for _ in range(40):
            access.sign_in("anna", "wrong wrong wrong", "10.9.9.9", 1000)


def test_guessers_behind_a_shared_address_do_not_lock_out_those_known_there(access: Access) -> None:
    access.create_user("anna", PASSWORD, at_ms=1)
    assert access.sign_in("anna", PASSWORD, "10.0.0.1", 0)
    for n in range(60):
        try:
            access.sign_in(f"guess{n}", "wrong wrong wrong", "10.0.0.1", 1000)
        except Error as e:
            assert e.code == "rate_limited"
    assert access.sign_in("anna", PASSWORD, "10.0.0.1", 1000)


def test_own_success_does_not_wash_an_address_clean(access: Access) -> None:
    access.create_user("mallory", PASSWORD, at_ms=1)
    with pytest.raises(Error):
        for n in range(100):
            access.sign_in(f"guess{n}", "wrong wrong wrong", "10.0.0.1", 1000)
            access.sign_in("mallory", PASSWORD, "10.0.0.1", 1000)


def test_the_table_of_attempts_stays_small(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "SUBJECTS_MAX", 50)
    for n in range(100):
        access.sign_in(f"guess{n}", "wrong wrong wrong", f"10.0.1.{n}", n)
    assert access.conn.execute("SELECT count(*) FROM attempt").fetchone()[0] <= 53


@given(st.integers(0, 200), st.sampled_from(sorted(throttle.RULES)))
def test_the_pause_never_shrinks_and_never_exceeds_its_rule(failures: int, kind: str) -> None:
    now = throttle.failed(kind, throttle.Count(failures, 1000, 0), 1000)
    later = throttle.failed(kind, now, 1000)
    assert now.failures == failures + 1
    assert now.until_ms <= later.until_ms <= 1000 + throttle.RULES[kind].longest_s * 1000


@given(st.text(max_size=60))
def test_any_remote_address_is_counted_somewhere(remote: str) -> None:
    assert throttle.address_of(remote)


def test_addresses() -> None:
    assert throttle.address_of("2001:db8::1") == throttle.address_of("2001:db8::ffff") == "2001:db8::/64"
    assert throttle.address_of("::ffff:10.1.2.3") == "10.1.2.3"
    assert throttle.address_of("10.1.2.3") == "10.1.2.3"


def test_roles_only_get_what_the_table_says() -> None:
    assert may("administrator", "apikeys.write")
    assert not may("compliance", "apikeys.write") and not may("viewer", "audit.read")
    assert not may("no such role", "overview.read")
    for permission, roles in PERMISSIONS.items():
        assert roles <= ROLES.keys() and ("administrator" in roles or permission == "messages.reveal"), permission
