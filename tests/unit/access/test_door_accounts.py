"""Accounts of the SMPP door: closed by default, passwords shown once, guessing slowed, changes seen at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.access import Access, DoorAccount
from appliance.access.door_accounts import LETTERS
from appliance.access.passwords import Passwords
from appliance.errors import Error
from appliance.settings import parse

AT = 1_800_000_000_000
HOME = "127.0.0.1"


class Counting(Passwords):
    checks = 0

    def matches(self, stored: str | None, password: str) -> bool:
        self.checks += 1
        return super().matches(stored, password)


@pytest.fixture
def passwords() -> Counting:
    return Counting(memory_kib=64, passes=1)


@pytest.fixture
def access(tmp_path: Path, passwords: Counting) -> Access:
    access = Access(parse({}, tmp_path, "test"), passwords=passwords)
    access.create_api_key("core-banking", at_ms=1)
    return access


def refused(access: Access, *given: str, at_ms: int = AT) -> str:
    with pytest.raises(Error) as e:
        access.check_door(*given, at_ms=at_ms)
    return e.value.code


def test_an_account_opens_with_its_password_or_its_keys_token(access: Access) -> None:
    _, token = access.create_api_key("cards", at_ms=1)
    _, other = access.create_api_key("fraud", at_ms=1)
    made, password = access.create_door_account("cards1", 2, at_ms=AT)
    assert len(password) == 8 and set(password) <= set(LETTERS)
    assert access.check_door("cards1", password, HOME, AT) == made
    assert access.check_door("cards1", token, HOME, AT) == made
    assert refused(access, "cards1", other, HOME) == "unauthorized"
    assert len(access.new_door_password("cards1", long=True, at_ms=AT + 1)[1]) == 32
    assert refused(access, "cards1", password, HOME) == "unauthorized"
    assert password not in Path(access.path).read_bytes().decode("latin-1")


def test_an_account_is_closed_but_for_loopback_until_it_is_opened(access: Access) -> None:
    _, password = access.create_door_account("core", 1)
    assert refused(access, "core", password, "10.1.2.3") == "unauthorized"
    assert access.check_door("core", password, "::1", AT).admits("::ffff:127.0.0.1")
    access.change_door_account("core", networks=("10.1.0.0/16", "2001:db8::/32"))
    assert access.check_door("core", password, "10.1.2.3", AT).networks == ("10.1.0.0/16", "2001:db8::/32")
    assert refused(access, "core", password, HOME) == "unauthorized"
    assert not DoorAccount(1, "a", 1).admits("not an address")


def test_what_was_wrong_is_not_told_and_costs_the_same(access: Access, passwords: Counting) -> None:
    _, password = access.create_door_account("core", 1)
    told = set()
    for n, given in enumerate((("core", "wrong", HOME), ("nobody", password, HOME), ("core", password, "10.0.0.1"))):
        with pytest.raises(Error) as e:
            access.check_door(*given, at_ms=AT)
        told.add((e.value.code, e.value.message, e.value.hint, str(e.value.detail)))
        assert passwords.checks == n + 1
    assert len(told) == 1 and password not in str(told)


def test_guesses_at_one_account_wait_and_other_addresses_do_not(access: Access) -> None:
    _, password = access.create_door_account("core", 1, networks=("127.0.0.0/8", "10.0.0.0/8"))
    codes = [refused(access, "core", f"guess{n}", HOME) for n in range(6)]
    assert codes == ["unauthorized"] * 4 + ["rate_limited"] * 2
    assert refused(access, "core", password, HOME) == "rate_limited", "the right one is not looked at either"
    assert access.check_door("core", password, "10.0.0.1", AT).system_id == "core"
    assert access.check_door("core", password, HOME, AT + 3_000).system_id == "core"


def test_a_system_that_binds_often_is_hashed_once_and_never_slowed(access: Access, passwords: Counting) -> None:
    _, password = access.create_door_account("core", 1)
    for n in range(50):
        access.check_door("core", password, HOME, AT + n)
    assert passwords.checks == 1
    access.new_door_password("core")
    assert refused(access, "core", password, HOME) == "unauthorized", "what is remembered is not the account"


def test_what_is_remembered_is_not_a_way_to_guess_on(access: Access) -> None:
    _, password = access.create_door_account("core", 1)
    access.check_door("core", password, HOME, AT)
    codes = [refused(access, "core", f"guess{n}", HOME) for n in range(5)]
    assert codes[-1] == "rate_limited"
    assert refused(access, "core", password, HOME) == "rate_limited"


def test_guesses_at_the_door_do_not_slow_the_console(access: Access) -> None:
    access.create_user("anna", "four unrelated words here", at_ms=1)
    for n in range(6):
        refused(access, "anna", f"guess{n}", HOME)
    assert access.sign_in("anna", "four unrelated words here", HOME, AT) is not None


def test_a_revoked_account_or_api_key_is_gone_from_a_new_snapshot(access: Access, tmp_path: Path) -> None:
    access.create_api_key("cards", at_ms=1)
    made, password = access.create_door_account("core", 1)
    other, _ = access.create_door_account("cards", 2)
    seen = access.door_accounts()
    assert seen.fresh() and len(seen) == 2 and seen.by_system_id("core") == made and seen.get(other.id) == other
    elsewhere = Access(access.settings, passwords=Passwords(memory_kib=64, passes=1))
    elsewhere.revoke_door_account("core", at_ms=AT)
    assert not seen.fresh()
    elsewhere.revoke_api_key(2)
    seen = access.door_accounts()
    assert list(seen) == [] and seen.fresh()
    assert refused(access, "core", password, HOME) == "unauthorized"
    with pytest.raises(Error, match="taken"):
        access.create_door_account("core", 1)


def test_a_customers_message_goes_to_its_recipients_account_else_to_the_one_for_all(access: Access) -> None:
    core, _ = access.create_door_account("core", 1, inbound=("+393330001111", "4040"))
    assert access.door_accounts().for_inbound("5050") is None
    rest, _ = access.create_door_account("rest", 1, inbound=("*",))
    seen = access.door_accounts()
    assert seen.for_inbound("393330001111") == core and seen.for_inbound("4040") == core
    assert seen.for_inbound("+4040404") == rest and seen.for_caller(1) == core and seen.for_caller(9) is None
    with pytest.raises(Error, match="go to core already"):
        access.change_door_account("rest", inbound=("393330001111",))
    access.revoke_door_account("core")
    assert access.change_door_account("rest", inbound=("393330001111", "*")).inbound == ("393330001111", "*")


@pytest.mark.parametrize(
    "wrong",
    [
        {"networks": ("10.0.0.1/8",)}, {"networks": ("bank",)}, {"networks": ("10.0.0.0/8",) * 65}, {"binds_max": 0},
        {"binds_max": 65}, {"window": 0}, {"window": 10_001}, {"rate_per_s": -1}, {"class_": "urgent"}, {"alphabet": "utf8"},
        {"sender": "much too long a sender"}, {"inbound": ("",)}, {"inbound": ("12",)}, {"inbound": ("+39 333",)},
    ],
)  # fmt: skip
def test_an_account_that_makes_no_sense_is_refused(access: Access, wrong: dict[str, object]) -> None:
    access.create_door_account("core", 1)
    for act in (
        lambda: access.create_door_account("other", 1, **wrong),
        lambda: access.change_door_account("core", **wrong),
    ):
        with pytest.raises(Error) as e:
            act()
        assert e.value.code in ("invalid", "sender_invalid")
    assert [a.system_id for a in access.all_door_accounts()] == ["core"]


@pytest.mark.parametrize("system_id", ["", "a" * 16, "two words", "é", "tab\t"])
def test_a_system_id_is_what_smpp_takes(access: Access, system_id: str) -> None:
    with pytest.raises(Error, match="system_id"):
        access.create_door_account(system_id, 1)


def test_an_account_needs_a_valid_api_key(access: Access) -> None:
    access.revoke_api_key(1)
    with pytest.raises(Error, match="API key"):
        access.create_door_account("core", 1)
    with pytest.raises(Error) as e:
        access.change_door_account("nobody", window=5)
    assert e.value.code == "not_found"
