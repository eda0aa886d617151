"""Second factors as they are kept: codes once, recovery codes once, dialogues for a while, the envelope once."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.access import GLASS, OPENED, RECOVERY, SEALED, TOTP, Access, Passwords, totp
from appliance.errors import Error
from appliance.settings import parse

PASSWORD = "four unrelated words here"
NOW = 1_800_000_000_000
HERE = "10.0.0.7"


@pytest.fixture
def access(tmp_path: Path) -> Access:
    access = Access(parse({}, tmp_path, "test"), passwords=Passwords(memory_kib=64, passes=1))
    access.create_user("anna", PASSWORD, at_ms=NOW)
    access.create_user("carlo", PASSWORD, at_ms=NOW)
    return access


def test_a_telephone_is_in_use_once_a_code_was_typed_and_each_code_opens_once(access: Access) -> None:
    anna = access.user("anna")
    assert anna is not None
    secret = access.offer_totp(anna)
    assert access.offer_totp(anna) == secret and not access.factors(anna).any
    code = totp(secret, NOW // 30_000)
    assert access.check_code(anna, code, HERE, NOW) == "", "nothing is in use yet"
    assert not access.confirm_totp(anna, "000000", NOW) and access.confirm_totp(anna, code, NOW)
    assert access.factors(anna).any
    with pytest.raises(Error, match="already"):
        access.offer_totp(anna)
    assert access.check_code(anna, code, HERE, NOW) == "", "that one enrolled it"
    later = NOW + 60_000
    code = totp(secret, later // 30_000)
    assert access.check_code(anna, code, HERE, later) == TOTP
    assert access.check_code(anna, code, HERE, later) == ""


def test_recovery_codes_open_once_and_for_their_owner_only(access: Access) -> None:
    anna, carlo = access.user("anna"), access.user("carlo")
    assert anna and carlo
    old = access.new_recovery_codes(anna)
    codes = access.new_recovery_codes(anna)
    assert len(codes) == 10 and all(len(c) == 19 for c in codes) and not access.factors(anna).any
    assert access.check_code(anna, old[0], HERE, NOW) == ""
    assert access.check_code(carlo, codes[0], HERE, NOW) == ""
    assert access.check_code(anna, codes[0].lower().replace("-", " "), HERE, NOW) == RECOVERY
    assert access.check_code(anna, codes[0], HERE, NOW) == ""
    assert access.factors(anna).recovery == 9
    stored = str(
        [[bytes(x) if isinstance(x, bytes) else x for x in row] for row in access.rows("SELECT * FROM recovery_code")]
    )
    assert codes[1] not in stored and codes[1].replace("-", "") not in stored


def test_guessing_codes_is_throttled_and_does_not_shut_out_the_password(access: Access) -> None:
    anna = access.user("anna")
    assert anna is not None
    with pytest.raises(Error) as e:
        for n in range(10):
            access.check_code(anna, f"{n:06}", HERE, NOW)
    assert e.value.code == "rate_limited"
    assert access.sign_in("anna", PASSWORD, HERE, NOW) is not None
    assert access.sign_in("carlo", PASSWORD, HERE, NOW) is not None


def test_a_dialogue_is_of_one_browser_one_purpose_a_while_and_taken_once(access: Access) -> None:
    anna = access.user("anna")
    assert anna is not None
    access.begin_dialogue("cookie", "prove", anna, NOW, b"challenge")
    assert access.dialogue("other", "prove", NOW) is None and access.dialogue("cookie", "enrol", NOW) is None
    assert access.dialogue("cookie", "prove", NOW + 299_000) == (anna.id, b"challenge")
    assert access.dialogue("cookie", "prove", NOW + 300_000) is None
    assert access.dialogue("cookie", "prove", NOW, take=True) and access.dialogue("cookie", "prove", NOW) is None


def test_the_envelope_opens_once_and_is_sealed_anew(access: Access) -> None:
    with pytest.raises(Error, match="break-glass"):
        access.create_user(GLASS, PASSWORD)
    first = access.seal_glass(NOW)
    password = access.seal_glass(NOW + 1)
    assert access.sign_in(GLASS, first, HERE, NOW) is None
    person = access.sign_in(GLASS, password, HERE, NOW)
    assert person is not None and person.glass == SEALED and access.opened_glass() is None
    assert access.open_glass(person, NOW) and not access.open_glass(person, NOW)
    opened = access.opened_glass()
    assert opened is not None and opened.glass == OPENED
    token = access.start_session(opened, NOW, "envelope")
    assert access.sign_in(GLASS, password, HERE, NOW + 900_000) is None
    found = access.session(token, NOW + 800_000)
    assert found is not None and found.ends_ms == NOW + 3_600_000
    access.seal_glass(NOW)
    assert access.session(token, NOW) is None and access.opened_glass() is None


def test_another_role_ends_the_session(access: Access) -> None:
    anna = access.user("anna")
    assert anna is not None
    token = access.start_session(anna, NOW, "password", HERE)
    assert [(s.person.name, s.remote) for s in access.sessions(NOW)] == [("anna", HERE)]
    access.set_role("anna", "viewer")
    assert access.session(token, NOW) is None
    with pytest.raises(Error):
        access.set_role("anna", "emperor")
