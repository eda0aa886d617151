"""Who gets to the menu: accounts, the officers' answers, the envelope, rights, and when a session ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.access import Access, Passwords, totp
from appliance.errors import Error
from appliance.field import PAGES, Console, codes
from tests.support.line import Line
from tests.unit.field.at_the_line import NOW_MS, PASSWORD, Bench


def test_sign_in_needs_all_three_and_a_code_once(bench: Bench) -> None:
    code = bench.code()
    line = bench.typed("ann", PASSWORD, code, "0")
    assert bench.kept == [("field.login", "ok", "field:ann"), ("field.logout", "ok", "field:ann")]
    assert PASSWORD not in line.text
    for answers in (
        ("ann", PASSWORD, code),
        ("ann", "another password", bench.code()),
        ("eve", PASSWORD, bench.code()),
    ):
        bench.kept.clear()
        assert "That was not right" in bench.typed(*answers).text
        assert bench.kept[0][1] == "refused"
        bench.field.store.forgive("account:ann")
    assert bench.kept[0][2] == "field:unknown", "what was typed as a name may be a password"


def test_too_many_wrong_tries_wait(bench: Bench) -> None:
    for _ in range(3):
        bench.typed("ann", "wrong", "000000")
    assert "[rate_limited]" in bench.typed("ann", PASSWORD, totp(bench.secret, bench.now // 30_000)).text
    bench.now += 3_600_000
    assert "Sign out" in bench.dialogue("0").text


def test_a_role_without_the_right_is_told_who_has_it(bench: Bench) -> None:
    secret = bench._account("vic", "viewer")
    line = bench.dialogue("reset", "", "network", "", "restart", "", "status", "", "0", name="vic", secret=secret)
    assert line.text.count("The role viewer does not include this") == 3
    assert "operator-one: up" in line.text


def test_break_glass_from_challenge_to_menu(bench: Bench) -> None:
    key = b"k" * 32
    bench.field.store.put_officer("olga", key)
    line = bench.typed("glass", "1", "0000-0000-0000-0000")
    assert "That was not right." in line.text
    glass = bench.field.store.glass()
    assert glass is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("appliance.field.sessions.codes.nonce", lambda _: "ABCDEFGH")
        challenge = codes.Challenge("SN-1", "sign-in", "ABCDEFGH", bench.now // 1000)
        right = codes.answer(key, challenge)
        line = bench.typed("glass", "sign-in", right, "status", "", "admin", "", "reset", "", "0")
        assert line.text.count("The officers let you in for sign-in") == 2
        assert [k for k in bench.kept if k[0].startswith("field.breakglass")][-2:] == [
            ("field.breakglass_asked", "ok", "field:unknown"),
            ("field.breakglass", "ok", "field:breakglass"),
        ]
        patch.setattr("appliance.field.sessions.codes.nonce", lambda _: "ABCDEFGJ")
        assert "That was not right." in bench.typed("glass", "1", right).text, "replayed"
        bench.now += codes.LIFE_S * 1000
        after, _ = bench.field.answered(codes.answer(key, challenge._replace(nonce="ABCDEFGJ")))
        assert after.state == "expired"
        for _ in range(4):
            bench.typed("glass", "1", "1111111111111111")
        assert "Not done: too many wrong answers" in bench.typed("glass", "1").text


def test_an_answer_is_waited_for_as_long_as_the_challenge_lives(bench: Bench) -> None:
    """Longer than a session may idle; then it is too late, and said."""
    bench.field.store.put_officer("olga", b"k" * 32)
    assert bench.settings["field.idle_minutes"] * 60 < codes.LIFE_S
    line, asked = Line(["glass", "1", "0000-0000-0000-0000"]), dict[str, float]()
    reading = line.line

    def later(prompt: str, idle_s: float, secret: bool = False) -> str:
        asked[prompt] = idle_s
        if prompt == "answer: ":
            bench.now += codes.LIFE_S * 1000
        return reading(prompt, idle_s, secret)

    line.line = later  # type: ignore[method-assign]
    Console(line, bench.field, bench.hands, PAGES).once()
    line.close()
    assert asked["answer: "] > codes.LIFE_S and "Too late: type   glass   again." in line.text
    assert bench.kept[-1][:2] == ("field.breakglass", "refused")


def test_break_glass_without_officers_names_the_envelope(bench: Bench) -> None:
    assert "envelope in the safe" in bench.typed("glass", "1").text


def test_a_session_of_the_officers_ends_by_itself(bench: Bench) -> None:
    from appliance.field.sessions import Person

    line = Line(["status", "", "status"])
    console = Console(line, bench.field, bench.hands, PAGES)
    console.person = Person("breakglass", "administrator", bench.now // 1000 + 5, "sign-in")
    times = iter([0, 6_000])
    bench.hands.clock = lambda: NOW_MS
    console.field.clock = lambda: bench.now + next(times)
    console._menu()
    line.close()
    assert "The time of this session is over." in line.text


def test_the_envelope_works_once(bench: Bench) -> None:
    pin = bench.field.seal_envelope("field:ann")
    assert "The PIN is used up" in bench.typed("envelope", pin.lower(), "0").text
    assert "That was not right." in bench.typed("envelope", pin).text


def test_a_new_box_lets_its_first_account_be_made_and_no_second(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.field.store.remove_account("ann")
    monkeypatch.setattr("secrets.token_bytes", lambda n: b"s" * n)
    code = totp(b"s" * 20, (bench.now + 60_000) // 30_000)
    bench.now += 60_000
    line = bench.typed("new", "eve", PASSWORD, PASSWORD, code, "0")
    assert "For the telephone" in line.text and bench.kept[0] == ("field.login", "ok", "field:eve")
    assert "Type   new" not in bench.typed("new", "x", "y").text
    bench.field.store.remove_account("eve")
    # Once there are people of the web console (the first start makes one), an administrator of theirs vouches for the first account.
    access = Access(bench.settings, Passwords(8, 1))
    access.create_user("admin", PASSWORD)
    access.create_user("vic", PASSWORD, "viewer")
    monkeypatch.setattr("appliance.field.sessions.Access", lambda _: access)
    for proof in (("", "wrong"), ("vic", PASSWORD)):
        assert "that is no administrator" in bench.typed("new", *proof).text
        assert bench.kept[-1] == ("field.login", "refused", "field:first")
    bench.now += 60_000
    line = bench.typed("new", "", PASSWORD, "eve", PASSWORD, PASSWORD, totp(b"s" * 20, bench.now // 30_000), "0")
    assert "Sign out" in line.text and bench.field.store.account("eve") is not None
    assert "Type   new" not in bench.typed("").text


def test_idle_ends_the_session(bench: Bench) -> None:
    line = Line(["ann", PASSWORD, bench.code()])
    console = Console(line, bench.field, bench.hands, PAGES)
    console.once()
    line.close()
    assert bench.kept[-1] == ("field.logout", "ok", "field:ann")


def test_an_officer_of_a_key_file_answers(bench: Bench, tmp_path: Path) -> None:
    """The whole way: the officer's RSA key, the box key typed in, the challenge, the answer."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    from appliance.field import officers
    from tests.support.release_keys import Issuer

    key = Issuer("Bank", tmp_path / "bank").issued("olga", private=rsa.generate_private_key(65537, 2048)).key
    made = officers.box_key("SN-1", key)
    bench.field.enrol("olga", officers.enrolment(made), "field:ann")
    assert bench.field.store.officers() == {"olga": made}
    glass = bench.field.challenge("factory-reset")
    after, _ = bench.field.answered(
        officers.answer("SN-1", "factory-reset", glass.challenge.nonce, officers.box_key("SN-1", key))
    )
    assert after.state == "open"
    ecdsa = Issuer("Bank", tmp_path / "other").issued("otto").key
    with pytest.raises(Error, match="the same way twice"):
        officers.box_key("SN-1", ecdsa)
