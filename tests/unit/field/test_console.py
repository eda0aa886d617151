"""The dialogue at the serial line: every screen on a vt100 of 80 by 24, sign-in, rights, what each entry does and says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.access import Access, Passwords, totp
from appliance.errors import Error
from appliance.field import PAGES, Console, Field, Hands, codes, manual
from appliance.field.menu import MENU, chosen
from appliance.field.packing import redacted
from appliance.field.screen import COLUMNS, pages, wrapped
from appliance.settings import parse
from appliance.updates import Machine, Updates
from tests.support.line import Line, faults, shown
from tests.support.release_keys import release
from tests.support.slots import Box
from tests.unit.updates.test_updates import Recorded

PASSWORD = "four words are enough"
NOW_MS = 1_800_000_000_000
RECOVERY = "-".join(["abcdefgh"] * 8)
STATES: dict[str, dict[str, Any]] = {
    "keys": {"ready": True, "token": "casemate", "roots": {"1": "active"}, "keys": [{"state": "active"}]},
    "engine": {
        "ready": True,
        "queues": {"otp": 0, "alert": 2, "transaction": 0, "bulk": 120_000},
        "links": [
            {"name": "operator-one", "state": "up", "queued": 12, "last_error": ""},
            {
                "name": "operator-two",
                "state": "down",
                "queued": 4_000_000,
                "last_error": "connection refused by the other side of the line",
            },
        ],
    },
    "auditor": {"ready": True},
    "courier": {"ready": True},
}


class Bench:
    """A box with a console; `dialogue` types and gives the line."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.box = Box(folder, release("0.1.0"))
        self.stick, self.home = folder / "stick", folder / "home"
        self.stick.mkdir()
        self.config = folder / "casemate.toml"
        self.config.write_text('[network]\naddress = "10.1.2.3/24"\n')
        values = {
            "firmware": {"disk": str(self.box.disk), "esp": str(self.box.esp)},
            "field": {"media": str(self.stick)},
            "network": {"address": "10.1.2.3/24", "dns": ["10.1.0.1"]},
        }
        self.settings = parse(values, self.home, "test")
        self.now = NOW_MS
        self.log = Recorded()
        self.kept: list[tuple[str, str, str]] = []
        clock = lambda: self.now  # noqa: E731
        updates = Updates(self.settings, Machine(self.box.root), self.log, clock)  # type: ignore[arg-type]
        self.hands = Hands(self.settings, self.config, updates, clock)
        self.field = Field(self.settings, "SN-1", Passwords(8, 1), self.log, clock)  # type: ignore[arg-type]
        monkeypatch.setattr(
            self.field, "said", lambda what, on, outcome, who, **_: self.kept.append((what, outcome, who))
        )
        monkeypatch.setattr(self.hands, "asked", lambda process: STATES[process])
        monkeypatch.setattr(
            "appliance.field.programs.ran", lambda what, *more: [f"{what} {' '.join(more)}".strip(), "x" * 200]
        )
        self.secret = self._account("ann", "administrator")

    def _account(self, name: str, role: str) -> bytes:
        self.field.create(name, PASSWORD, role, "cli:root")
        found = self.field.store.account(name)
        assert found is not None
        return found.secret

    def code(self, secret: bytes | None = None) -> str:
        self.now += 60_000
        return totp(secret or self.secret, self.now // 30_000)

    def dialogue(self, *answers: str, name: str = "ann", secret: bytes | None = None) -> Line:
        """Signs in, then types; fails on any screen that a vt100 does not show as it was meant."""
        return self.typed(name, PASSWORD, self.code(secret), *answers)

    def typed(self, *answers: str) -> Line:
        line = Line(list(answers))
        try:
            Console(line, self.field, self.hands, PAGES).once()
        finally:
            line.close()
        for n, octets in enumerate(line.screens):
            assert faults(octets) == [], (n, octets.decode())
        return line


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    yield Bench(tmp_path, monkeypatch)


# --- screens ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("item", [i for i in MENU if i.word not in ("page", "out")], ids=lambda i: i.word)
def test_every_entry_fits_a_vt100_and_says_what_can_be_done(bench: Bench, item: Any) -> None:
    """Entered and left by Enter: nothing changes, nothing is cut, a refusal has a hint."""
    line = bench.dialogue(item.word, *[""] * 12, "out")
    assert len(line.screens) >= 3
    text = line.text
    for refusal in text.split("Not done: ")[1:]:
        assert any(row.startswith("  ") for row in refusal.split("\n")[1:4]), "what to do instead"
    assert not {what for what in bench.log.said if what != "field.account_created"}, "looking changes nothing"


def test_the_menu_is_what_the_manual_shows(bench: Bench) -> None:
    line = bench.dialogue("out")
    menu = shown(next(octets for octets in line.screens if b"Sign out" in octets))
    page = Path(__file__).resolve().parents[3] / "appliance/field/README.md"
    assert manual() in page.read_text(encoding="utf-8"), "make it anew: casemate field --manual"
    assert [row for row in menu if row.lstrip()[:2].strip().isdigit()] == [
        r for r in manual().split("\n") if r[:4].strip().isdigit()
    ]


def test_what_is_longer_than_a_screen_is_paged(bench: Bench) -> None:
    (bench.home / "log").mkdir(parents=True)
    (bench.home / "log/engine.log").write_text(
        "".join(f"2026-11-26T10:00:{n % 60:02} line {n} {'word ' * 30}\n" for n in range(60)) + "\x1b[2J\x07 moved\n"
    )
    line = bench.dialogue("logs", "1", "", *[""] * 40, "0")
    assert len(line.screens) > 10 and "?[2J? moved" in line.text
    assert "line 7 " in bench.dialogue("logs", "engine", "line 7", *[""] * 4, "0").text
    assert "Not done: there is no log" in bench.dialogue("logs", "/etc/passwd", "", "", "0").text


def test_any_key_brings_the_screen_back_and_nothing_is_written_without_one(bench: Bench) -> None:
    line = Line(["\x0c", "\x1b", "", "x\x03"])
    console = Console(line, bench.field, bench.hands, PAGES)
    console.once()
    line.close()
    assert line.wire.count(b"Only for people whom the bank sent") == 4
    line = Line(["a"])
    line._last = -100.0  # nobody pressed a key for long
    assert line.line("> ", 10, ["what was there"]) == "a"
    assert b"what was there\r\n> a" in line.wire
    line.close()


def test_lines_are_ascii_and_no_longer_than_a_row() -> None:
    assert wrapped("caf\u00e9 \x1b[1m") == ["caf? ?[1m"]
    assert max(map(len, wrapped("x" * 500 + " " + "y " * 100))) <= COLUMNS
    assert all(len(p) <= 21 for p in pages(["line"] * 100))


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("1", "status"),
        ("sta", "status"),
        ("re", None),
        ("rest", "restart"),
        ("0", "out"),
        ("99", None),
        ("", None),
        ("PAGE", "page"),
    ],
)
def test_entries_are_chosen_by_number_or_the_beginning_of_a_word(typed: str, word: str | None) -> None:
    found = chosen(typed)
    assert (found.word if found else None) == word


# --- who ----------------------------------------------------------------------------------------------------------


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
    Access(bench.settings, Passwords(8, 1)).create_user("admin", PASSWORD)
    assert "Type   new" not in bench.typed("").text, "a box that people use is not new"


# --- what is done -------------------------------------------------------------------------------------------------


def test_a_network_change_is_kept_when_confirmed_and_undone_when_not(bench: Bench) -> None:
    change = ("network", "", "10.9.9.9/24", "10.9.9.1", "", "", "yes")
    bench.dialogue(*change, "confirm", "", "0")
    assert "10.9.9.9/24" in bench.config.read_text()
    assert bench.log.said[-2:] == ["network.changed", "network.confirmed"]
    before = bench.config.read_text()
    bench.dialogue("network", "", "10.8.8.8/24", "", "", "", "yes", "keep it", "", "0")
    assert bench.config.read_text() == before and bench.log.said[-1] == "network.reverted"
    bench.dialogue("network", "", "10.8.8.8/24", "", "", "", "yes")  # the line hangs up
    assert bench.config.read_text() == before and bench.log.said[-1] == "network.reverted"
    bench.dialogue("network", "", "10.8.8.8/24", "", "", "", "yes", "\x03", "0")
    assert bench.config.read_text() == before
    bench.dialogue("network", "", "not an address", "", "", "", "no", "", "0")
    assert bench.config.read_text() == before


def test_slots_are_shown_and_going_back_is_refused_with_what_to_do(bench: Bench) -> None:
    line = bench.dialogue("slots", "back", "yes", "rehearsal", "", "0")
    assert "slot a  0.1.0" in line.text and "no way back" in line.text and "wait until the running release" in line.text


def test_a_link_is_tested_through_the_engine(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def call(op: str, payload: dict[str, Any], *_: Any) -> dict[str, Any]:
        calls.append((op, payload))
        steps = [
            {"name": "TCP", "ok": True, "why": "", "hint": "", "took_ms": 3},
            {"name": "bind", "ok": False, "why": "ESME_RINVPASWD", "hint": "the password of the link", "took_ms": 9},
        ]
        return {"ok": False, "steps": steps}

    monkeypatch.setattr(
        "appliance.field.hands.blocking_engines", lambda _: SimpleNamespace(call=call, close=lambda: None)
    )
    line = bench.dialogue("link", "1", "", "", "0")
    assert "FAILED  bind: ESME_RINVPASWD" in line.text and "the password of the link" in line.text
    assert calls[0][1]["who"] == "field:ann"


def test_a_backup_is_written_to_the_stick_for_the_bank_alone(bench: Bench) -> None:
    from appliance.backup import STATE, generate

    Access(bench.settings, Passwords(8, 1)).create_user("admin", PASSWORD)
    assert "backup.recipients is empty" in bench.dialogue("backup", "yes", "", "0").text
    _, public = generate()
    values = {"field": {"media": str(bench.stick)}, "backup": {"recipients": [public]}}
    bench.hands.settings = parse(values, bench.home, "test")
    line = bench.dialogue("backup", "yes", "", "0")
    (made,) = bench.stick.glob(f"casemate-*.{STATE}.age")
    digests = [detail["digest"] for _, what, _, detail in bench.log.entries if what == "backup.made"]
    assert len(digests) == 2 and digests[0][:32] in line.text
    assert made.read_bytes()[:21] == b"age-encryption.org/v1"


def test_what_is_redacted() -> None:
    text = redacted(
        'at 2026-11-26T10:00:00.123Z password = "x y" to +39 333 1234567\npin_file: /a\n[x]\nkey=abc 08001234567'
    )
    assert text == "at 2026-11-26T10:00:00.123Z password = *** to ***\npin_file: ***\n[x]\nkey=*** ***\n"


def test_the_recovery_key_is_confirmed_by_typing_it(bench: Bench) -> None:
    from appliance.volume import Escrow, digest

    key = RECOVERY
    assert "this box has no recovery key" in bench.dialogue("recovery", "", "", "0").text
    Escrow(digest(key), NOW_MS).write(bench.home)
    line = bench.dialogue("recovery", "another", "", "recovery", key.upper(), "", "recovery", "", "", "0")
    assert "NOT CONFIRMED" in line.text and "confirmed 20" in line.text and key.upper() not in line.text
    assert [(what, outcome) for _, what, outcome, _ in bench.log.entries[-2:]] == [
        ("recovery.confirmed", "refused"),
        ("recovery.confirmed", "ok"),
    ]


def test_a_support_bundle_opens_with_its_key_only(bench: Bench, tmp_path: Path) -> None:
    import io
    import tarfile

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs7

    from tests.support.release_keys import Issuer

    key = Issuer("Support", tmp_path / "s").issued("support", private=rsa.generate_private_key(65537, 2048))
    values = {"field": {"media": str(bench.stick), "support_certificate": str(key.certificate)}}
    bench.hands.settings = parse(values, bench.home, "test")
    line = bench.dialogue("support", "yes", "", "0")
    (made,) = bench.stick.glob("support-*.cms")
    private = load_pem_private_key(Path(key.key).read_bytes(), None)
    certificate = x509.load_pem_x509_certificate(key.certificate.read_bytes())
    octets = pkcs7.pkcs7_decrypt_der(made.read_bytes(), certificate, private, [])  # type: ignore[arg-type]
    import hashlib

    digest = hashlib.sha256(octets).hexdigest()
    assert digest[:32] in line.text and bench.log.entries[-1][3]["digest"] == digest
    with tarfile.open(fileobj=io.BytesIO(octets)) as tar:
        assert {"status.txt", "processes.json", "casemate.toml"} <= set(tar.getnames())


def test_an_administrator_gets_a_new_password(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(bench.settings, Passwords(8, 1))
    access.create_user("boss", PASSWORD)
    monkeypatch.setattr("appliance.field.hands.Access", lambda _: access)
    line = bench.dialogue("admin", "boss", "yes", "", "0")
    shown_once = line.text.split("first sign-in:\n\n  ")[1].split("\n")[0]
    assert access.check_password("boss", shown_once) is not None and access.check_password("boss", PASSWORD) is None
    assert "administrators: boss" in bench.dialogue("admin", "nobody", "yes", "", "0").text


def test_a_factory_reset_needs_the_serial_number_and_destroys_keys_first_and_sign_in_still_works(bench: Bench) -> None:
    keys = bench.home / "keys/keys.db"
    keys.parent.mkdir(parents=True)
    keys.write_bytes(b"wrapped key octets")
    bench.dialogue("reset", "SN-2", "", "0")
    assert keys.exists()
    bench.dialogue("reset", "SN-1", "", "0")
    assert not keys.exists() and bench.log.said[-1] == "box.reset"
    assert "Type   new" in bench.typed("").text, "who stands in front of it begins anew"


def test_nothing_is_reset_that_cannot_be_recorded(bench: Bench) -> None:
    keys = bench.home / "keys/keys.db"
    keys.parent.mkdir(parents=True)
    keys.write_bytes(b"wrapped key octets")
    bench.log.down = True
    assert "Not done: away" in bench.dialogue("reset", "SN-1", "", "0").text
    assert keys.exists()


def test_a_whole_installation_by_cable_is_typed_in_25_answers(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a box that nobody used to a tested link: first account, address, an officer, the envelope, a link's test, the recovery key."""
    bench.field.store.remove_account("ann")
    monkeypatch.setattr("secrets.token_bytes", lambda n: b"s" * n)
    bench.now += 60_000
    code = totp(b"s" * 20, bench.now // 30_000)
    from appliance.volume import Escrow, digest

    Escrow(digest(RECOVERY), NOW_MS).write(bench.home)
    answered = {"ok": True, "steps": [{"name": "bind", "ok": True, "why": "", "hint": "", "took_ms": 3}]}
    monkeypatch.setattr(
        "appliance.field.hands.blocking_engines",
        lambda _: SimpleNamespace(call=lambda *_: answered, close=lambda: None),
    )
    line = bench.typed(
        *("new", "eve", PASSWORD, PASSWORD, code),
        *("2", "", "10.9.9.9/24", "10.9.9.1", "10.9.0.1", "10.9.0.2", "yes", "confirm", ""),
        *("13", "officer", "olga", "0" * 52, ""),
        *("3", "1", "", ""),
        *("12", RECOVERY, ""),
        "0",
    )
    assert "the link works" in line.text and bench.field.officers() == ["olga"] and "stays valid" in line.text
    assert line.lines <= 25
    print(
        json.dumps(
            {
                "answers": line.lines,
                "keys": line.keys,
                "octets": len(line.wire),
                "largest_screen": max(map(len, line.screens)),
            }
        )
    )
    assert max(map(len, line.screens)) <= 1_900


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
