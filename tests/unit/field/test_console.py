"""The dialogue at the serial line: every screen on a vt100 of 80 by 24, sign-in, rights, what each entry does and says."""

from __future__ import annotations

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
from appliance.selftest import Finding
from appliance.settings import parse
from appliance.updates import Cabinets, Installer, Machine, Updates
from firmware import FileDisk, gpt
from tests.support.cabinets import plain
from tests.support.line import Line, faults, shown
from tests.support.release_keys import release
from tests.support.slots import Box
from tests.unit.updates import test_installer as installing
from tests.unit.updates import test_resetting as resetting
from tests.unit.updates.test_cabinets import VENDOR, Played
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
        self.fwupd = Played()
        self.hands = Hands(self.settings, self.config, updates, clock)
        self.hands.installer = Installer(updates, self.box.root, "sda")  # never this machine's own disks
        self.hands.cabinets = Cabinets(updates, self.fwupd.start, lambda: True)  # type: ignore[arg-type]
        self.field = Field(self.settings, "SN-1", Passwords(8, 1), self.log, clock)  # type: ignore[arg-type]
        monkeypatch.setattr(
            self.field, "said", lambda what, on, outcome, who, **_: self.kept.append((what, outcome, who))
        )
        monkeypatch.setattr(self.hands, "asked", lambda process: STATES[process])
        monkeypatch.setattr(
            "appliance.field.hands.commands.proof", lambda _, index: SimpleNamespace(lines=[f"proof of entry {index}"])
        )
        monkeypatch.setattr(
            "appliance.field.programs.ran", lambda what, *more, **_: [f"{what} {' '.join(more)}".strip(), "x" * 200]
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
    first, *_, last = [one.decode() for one in line.screens if b"newest screen first" in one]
    assert "moved" in first and " line 0 " in last, "what happened last is seen first, each screen in its order"
    assert "line 7 " in bench.dialogue("logs", "engine", "line 7", *[""] * 4, "0").text
    assert "Not done: there is no log" in bench.dialogue("logs", "/etc/passwd", "", "", "0").text


def test_on_the_box_itself_the_journal_is_read(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There the processes write no files: their units' lines come from the journal, to the screen and into the support bundle."""
    from appliance.backup import generate

    asked: list[tuple[str, ...]] = []

    def ran(what: str, *more: str, lines_max: int = 200) -> list[str]:
        asked.append((what, *more))
        if what == "units":
            return ["casemate-keys.service", "init.scope", "casemate-engine.service", "dbus.service"]
        return [f"2026-11-27T03:00:0{n}+0000 {what} to 393331234567 line {n}" for n in range(5)]

    monkeypatch.setattr("appliance.field.programs.ran", ran)
    assert bench.hands.logs() == ["casemate-engine", "casemate-keys", "kernel", "warnings"]
    line = bench.dialogue("logs", "1", "line 3", "", "logs", "kernel", "", "", "0")
    assert "unit to" in line.text and "line 3" in line.text and "kernel to" in line.text
    assert ("unit", "casemate-engine.service") in asked and ("kernel",) in asked
    assert "there is no log" in bench.dialogue("logs", "init.scope", "", "", "0").text
    values = {"field": {"media": str(bench.stick), "support_recipients": [generate()[1]]}}
    bench.hands.settings = parse(values, bench.home, "test")
    packed: dict[str, str] = {}
    monkeypatch.setattr("appliance.field.packing.packed", lambda texts: packed.update(texts) or b"octets")
    assert "encrypted" in bench.dialogue("support", "yes", "", "0").text
    assert packed["log/casemate-keys.log"].startswith("2026-11-27T03:00:00+0000 unit to *** line 0\n")


def test_a_fault_of_the_settings_is_on_the_first_screen(bench: Bench) -> None:
    line = Line([])
    Console(line, bench.field, bench.hands, PAGES, "casemate.toml: unknown setting field.speling " + "x" * 400).once()
    line.close()
    assert "DEFAULTS ARE USED: casemate.toml: unknown setting" in line.text and faults(line.screens[0]) == []


def test_any_key_brings_the_screen_back_and_nothing_is_written_without_one(bench: Bench) -> None:
    line = Line(["\x0c", "\x1b", "", "x\x03"])
    console = Console(line, bench.field, bench.hands, PAGES)
    console.once()
    line.close()
    assert line.wire.count(b"Only for people whom the bank sent") == 4
    line = Line(["a"])
    line.screen(["what was there"])
    line._last = -100.0  # nobody pressed a key for long
    assert line.line("> ", 10) == "a"
    assert line.wire.endswith(b"\r\nwhat was there\r\n> a\r\n")
    line.close()


def test_a_key_draws_the_screen_as_it_is_by_then(bench: Bench) -> None:
    """What was told, asked and answered since the screen began is on it; a secret answer is not; what was wiped is gone; it fits."""
    line = Line(["one", "hidden", "\x0c", "three", "\x0c", "\x0c", ""])
    line.screen(["Title", "-----", "first"])
    line.line("question: ", 10)
    line.say("It was wrong.")
    line.line("secret: ", 10, secret=True)
    line.line("third: ", 10)
    again = line.screens[-2].decode().replace("\r\n", "\n")
    assert again == "\nTitle\n-----\nfirst\nquestion: one\nIt was wrong.\nsecret: \nthird: three\n"
    line.say(*[f"line {n} {'x' * 70}" for n in range(60)])
    line.line("fourth: ", 10)
    (drawn, *_) = [octets for octets in line.screens[-3:] if octets.startswith(b"\r\n")]
    assert faults(drawn) == [] and b"line 59" in drawn and b"line 30 " not in drawn
    line.wipe()
    assert line._present == []
    line.close()


def test_what_a_terminal_answers_by_itself_is_no_answer(bench: Bench) -> None:
    """At a start systemd asks a serial terminal where its cursor is (ESC [ 6 n); the answer comes late, and arrow keys send the same kind of octets."""
    line = Line(["\x1b[24;80Rann", "\x1bOAtwo", "th\x1b[Dree"])
    assert [line.line("> ", 10) for _ in range(3)] == ["ann", "two", "three"]
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


def test_vlan_bond_routes_and_proxy_are_asked_for_after_more(bench: Bench) -> None:
    further = ("box-1", "120", "eno1, eno2", "802.3ad", "10.0.0.0/8 via 10.1.2.254", "no", "proxy.example:3128")
    line = bench.dialogue(
        "network", "more", *further, "", "", "", "", "", "yes", "confirm", "", "network", *[""] * 8, "0"
    )
    text = bench.config.read_text()
    assert (
        'bond = ["eno1", "eno2"]' in text
        and "vlan = 120" in text
        and "nts = false" in text
        and "Confirmed." in line.text
    )
    assert "routes       10.0.0.0/8 via 10.1.2.254" in line.text and "nts          no" in line.text, (
        "shown as it is now"
    )
    for further, why in (
        (("", "x"), "that is no number"),
        (("", "", "", "", "", "perhaps"), "yes or no"),
        (("", "", "", "", "10.0.0.0/8", "", "", *[""] * 5, "yes"), "is no route"),
        (("", "", "", "fast", "", "", "", *[""] * 5, "yes"), "settings_invalid"),
    ):
        assert why in bench.dialogue("network", "more", *further, *[""] * 2, "0").text, why
        assert bench.config.read_text() == text


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
    assert "backup.recipients is empty" in bench.dialogue("backup", "write", "", "0").text
    _, public = generate()
    values = {"field": {"media": str(bench.stick)}, "backup": {"recipients": [public]}}
    bench.hands.settings = parse(values, bench.home, "test")
    line = bench.dialogue("backup", "write", "", "0")
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


def test_a_box_comes_back_from_the_backup_on_a_stick(bench: Bench) -> None:
    """Unpacked and checked, then wanted by its serial number; an identity that is not the bank's, and a person without the right, change nothing."""
    from appliance.backup import generate, staged
    from appliance.store import open_store

    secret, public = generate()
    values = {"field": {"media": str(bench.stick)}, "backup": {"recipients": [public]}}
    bench.hands.settings = parse(values, bench.home, "test")
    for name in ("keys/keys.db", "access.db"):
        conn = open_store(bench.home / name)
        conn.execute("CREATE TABLE t (v)")
        conn.close()
    bench.dialogue("backup", "write", "", "0")
    before = bench.log.said[:]
    assert "is not on the stick" in bench.dialogue("backup", "restore", "1", "", "", "0").text
    assert "Not done" in bench.dialogue("backup", "restore", "1", generate()[0], "", "0").text
    (keys,) = bench.stick.glob("*.keys.age")
    keys.rename(keys.with_name(keys.name.replace("00Z", "01Z")))  # the archives of a night are some moments apart
    (bench.stick / "identity.txt").write_text(f"# of the bank\n{secret}\n")
    assert "Nothing was done" in bench.dialogue("backup", "restore", "1", "", "SN-2", "", "0").text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("appliance.field.backups.SPARE_OCTETS", 1 << 60)
        assert "MiB beside what is there" in bench.dialogue("backup", "restore", "1", "", "", "0").text
    assert bench.log.said == before and not (bench.home / staged.FOLDER).exists()
    line = bench.dialogue("backup", "restore", "1", secret, "SN-1", "", "backup", "forget", "", "0")
    assert (
        "as they were packed" in line.text
        and "TAKES ITS PLACE AT THE NEXT START" in line.text
        and secret not in line.text
    )
    assert bench.log.said[-2:] == ["backup.restored"] * 2 and not staged.waiting(bench.home)
    bench.dialogue("backup", "restore", "1", "", "SN-1", "", "0")
    assert staged.waiting(bench.home)
    vic = bench._account("vic", "compliance")
    assert "only who may reset the box" in bench.dialogue("backup", "restore", "", "0", name="vic", secret=vic).text


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
    assert made.with_suffix(".tlog-proof").read_text().startswith("proof of entry ")
    private = load_pem_private_key(Path(key.key).read_bytes(), None)
    certificate = x509.load_pem_x509_certificate(key.certificate.read_bytes())
    octets = pkcs7.pkcs7_decrypt_der(made.read_bytes(), certificate, private, [])  # type: ignore[arg-type]
    import hashlib

    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    assert digest[:32] in line.text and bench.log.entries[-1][3]["digest"] == digest
    with tarfile.open(fileobj=io.BytesIO(octets)) as tar:
        assert {"status.txt", "processes.json", "casemate.toml"} <= set(tar.getnames())


def test_a_support_bundle_for_an_age_key_has_no_secret_and_no_number(bench: Bench, tmp_path: Path) -> None:
    import io
    import tarfile

    from appliance.backup import generate
    from appliance.backup.age import Reader, identity

    secret, public = generate()
    values = {"field": {"media": str(bench.stick), "support_recipients": [public]}}
    bench.hands.settings = parse(values, bench.home, "test")
    bench.config.write_text('password = "correct horse"\nname = "+39 333 1234567"\n')
    (bench.home / "log").mkdir(parents=True)
    (bench.home / "log/engine.log").write_text("2026-11-26T10:00:00Z to 393331234567 token=abc\n")
    assert "encrypted" in bench.dialogue("support", "yes", "", "0").text
    (made,) = bench.stick.glob("support-*.age")
    with tarfile.open(fileobj=io.BytesIO(Reader(made.open("rb"), identity(secret)).read())) as tar:  # type: ignore[arg-type]
        whole = b"".join(tar.extractfile(name).read() for name in tar.getnames())  # type: ignore[union-attr]
    for word in (b"correct horse", b"1234567", b"abc"):
        assert word not in whole
    assert b"2026-11-26T10:00:00Z to *** token=***" in whole


def test_a_sealed_token_is_opened_at_the_cable(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a person with the PIN, or by custodians; nobody opens one that is open, or that is not his to open."""
    calls: list[tuple[str, dict[str, Any]]] = []
    gate = {"gate": "sealed", "opened_by": "person"}

    def called(process: str, op: str, payload: dict[str, Any]) -> dict[str, Any]:
        calls.append((op, payload))
        return gate if op == "custody" else {"entered": len(calls) // 2, "needed": 2}

    monkeypatch.setattr(bench.hands, "called", called)
    line = bench.dialogue("keys", "pin", "481516", "", "0")
    assert "The token is open." in line.text and "481516" not in line.text
    assert calls[-1] == ("unseal", {"who": "field:ann", "pin": "481516", "once_more": False})
    gate["opened_by"] = "custodians"
    assert "the custodians open this token" in bench.dialogue("keys", "pin", "", "0").text
    assert "the custodians' shares seal the PIN" in bench.dialogue("keys", "change", "", "0").text
    assert calls[-1][0] == "custody", "nothing was asked that would not be done"
    monkeypatch.setattr("appliance.field.keys_page.read_line", lambda n, typed: None)
    calls.clear()
    share = ("keys", "share", "one", "two", "three", "four", "")
    assert "1 of 2 shares are in" in bench.dialogue(*share, "0").text
    calls.append(("", {}))
    assert "The token is open." in bench.dialogue(*share, "0").text
    assert calls[-1] == ("unseal", {"who": "field:ann", "shares": True})
    gate["gate"] = "open"
    assert "there is nothing to open" in bench.dialogue("keys", "pin", "", "0").text


def test_a_ceremony_is_held_at_the_cable(bench: Bench) -> None:
    held: list[tuple[Any, ...]] = []

    class Room:
        def listed(self) -> list[tuple[str, str]]:
            return [("initialise", "The first keys"), ("back-up", "A copy for custodians")]

        def held(self, name: str, terminal: Any, idle_s: float, needed: int, custodians: int, rehearsal: bool) -> Any:
            held.append((name, needed, custodians, rehearsal))
            return name != "back-up", "/place"

    bench.hands.ceremonies = Room()
    assert "Held to its end" in bench.dialogue("keys", "ceremony", "1", "", "", "0").text
    assert "Stopped" in bench.dialogue("keys", "ceremony", "back-up", "hold", "", "0").text
    bench.dialogue("keys", "ceremony", "initialise", "hold", "2", "5", "", "0")
    bench.dialogue("keys", "ceremony", "another", "", "0")
    assert held == [("initialise", 2, 3, True), ("back-up", 0, 0, False), ("initialise", 2, 5, False)]


def test_an_administrator_gets_a_new_password(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(bench.settings, Passwords(8, 1))
    access.create_user("boss", PASSWORD)
    monkeypatch.setattr("appliance.field.hands.Access", lambda _: access)
    boss = access.user("boss")
    assert boss is not None
    assert access.confirm_totp(boss, totp(access.offer_totp(boss), NOW_MS // 30_000), NOW_MS)
    line = bench.dialogue("admin", "boss", "yes", "", "0")
    assert access.factors(boss).any
    shown_once = line.text.split("first sign-in:\n\n  ")[1].split("\n")[0]
    assert access.check_password("boss", shown_once) is not None and access.check_password("boss", PASSWORD) is None
    line = bench.dialogue("admin", "boss", "yes", "yes", "", "0")
    assert not access.factors(boss).any and bench.log.said[-1] == "console.factor_removed"
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


def test_a_factory_reset_erases_the_state_volume_after_the_keys(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "volume").mkdir()
    target, _ = resetting.box(tmp_path / "volume")
    bench.hands.disk = target
    monkeypatch.setattr("appliance.field.hands.state_device", lambda name: f"/dev/{name}8")
    told: list[str] = []
    monkeypatch.setattr("appliance.field.programs.ran", lambda what, *more: told.append(f"{what} {more[0]}") or [])
    line = bench.dialogue("reset", "SN-1", "", "0")
    assert told == ["erase /dev/disk8"] and "the next start makes a new one" in line.text
    with FileDisk(target, read_only=True) as disk:
        assert "casemate-state" not in [p.label for p in gpt.read(disk).partitions]


def test_nothing_is_reset_that_cannot_be_recorded(bench: Bench) -> None:
    keys = bench.home / "keys/keys.db"
    keys.parent.mkdir(parents=True)
    keys.write_bytes(b"wrapped key octets")
    bench.log.down = True
    assert "Not done: away" in bench.dialogue("reset", "SN-1", "", "0").text
    assert keys.exists()


def test_a_box_whose_log_does_not_answer_is_restarted_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry is kept: who is there is there to mend it, and after a reset nobody signs the log any more."""
    restarts: list[bool] = []
    monkeypatch.setattr("appliance.field.hands.restart", restarts.append)
    bench.log.down = True
    bench.dialogue("restart", "restart", "yes", "", "0")
    assert restarts == [False]
    (kept,) = [entry for _, entry in bench.hands.updates.book.kept_entries()]
    assert kept["what"] == "box.restarted" and kept["who"] == "field:ann"
    flushed: list[int] = []
    monkeypatch.setattr(bench.hands.updates, "flush", lambda: flushed.append(1))
    bench.dialogue("0")
    assert flushed, "and recorded by the next session that can"


@pytest.mark.parametrize(
    ("tracking", "words"),
    [
        (["System time     : 0.000000000 seconds fast of NTP time", "Leap status     : Not synchronised"], "NOT SYNC"),
        (["System time     : 0.000012345 seconds slow of NTP time", "Leap status     : Normal"], "0.000012345 s slow)"),
        ([], "UTC"),
    ],
)
def test_the_clock_is_told_on_one_line(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tracking: list[str], words: str
) -> None:
    """What chrony says of it, in fewer words."""
    monkeypatch.setattr("appliance.field.hands.programs.ran", lambda what, *_: tracking if what == "clock" else [])
    (line,) = [line for line in bench.hands.status() if line.startswith("clock")]
    assert words in line and len(line) <= COLUMNS


def test_a_whole_installation_by_cable_is_typed_in_25_answers(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From a stick in an empty machine to a message that was delivered: disk, restart, first account, network, an officer, a link's test, the
    recovery key. Links come with a settings file; what is counted is what a person types."""
    machine = installing.Bench(tmp_path / "live")
    machine.disk("sdb", 16, serial="WD-7")
    restarts: list[bool] = []
    monkeypatch.setattr("appliance.field.hands.LIVE", tmp_path)
    monkeypatch.setattr("appliance.field.hands.restart", restarts.append)
    monkeypatch.setattr("appliance.field.installing.gathered", lambda _: None)
    rows = [Finding("memory", "well", "2 GiB"), Finding("clock", "LOOK", "not synchronised yet " * 9)]
    bench.hands.installer = machine.installer
    bench.field.store.remove_account("ann")
    seat = {"state": "opening", "losses": 0}
    opening = STATES | {"keys": {"ready": False, "why": "hsm_unavailable: the HSM is being opened", "workers": [seat]}}
    monkeypatch.setattr(bench.hands, "asked", lambda process: opening[process])
    told: list[tuple[object, ...]] = []
    monkeypatch.setattr("appliance.field.installing.findings", lambda *given: told.append(given) or rows)
    live = bench.typed("install", "1", "yes", "yes", "")
    assert told[0][3] is True, "an HSM that is being opened is not wrong"
    monkeypatch.setattr(bench.hands, "asked", lambda process: STATES[process])
    assert "1 of 2 points are well" in live.text and "writing root: 100 %" in live.text and restarts == [False]
    assert machine.installed("sdb") and "Type   install" in live.text
    assert "Type   new" not in live.text, "an account made now would be gone after the restart"
    # The same machine started from its disk: the first start showed an administrator of the web console.
    monkeypatch.setattr("appliance.field.hands.LIVE", tmp_path / "nowhere")
    access = Access(bench.settings, Passwords(8, 1))
    access.create_user("admin", PASSWORD)
    monkeypatch.setattr("appliance.field.sessions.Access", lambda _: access)
    monkeypatch.setattr("secrets.token_bytes", lambda n: b"s" * n)
    bench.now += 60_000
    code = totp(b"s" * 20, bench.now // 30_000)
    from appliance.volume import Escrow, digest

    Escrow(digest(RECOVERY), NOW_MS).write(bench.home)
    answered = {"ok": True, "steps": [{"name": "message", "ok": True, "why": "", "hint": "", "took_ms": 3}]}
    monkeypatch.setattr(
        "appliance.field.hands.blocking_engines",
        lambda _: SimpleNamespace(call=lambda *_: answered, close=lambda: None),
    )
    monkeypatch.setitem(STATES, "engine", {**STATES["engine"], "links": STATES["engine"]["links"][:1]})
    line = bench.typed(
        *("new", "", PASSWORD, "eve", PASSWORD, PASSWORD, code),
        *("2", "", "10.9.9.9/24", "10.9.9.1", "10.9.0.1", "10.9.0.2", "yes", "confirm", ""),
        *("13", "officer", "olga", "0" * 52, ""),
        *("3", "+393331234567", ""),
        *("12", RECOVERY, ""),
    )
    assert "the link works" in line.text and bench.field.officers() == ["olga"] and "stays valid" in line.text
    assert live.lines + line.lines <= 25
    assert live.keys + line.keys <= 400, "with passwords, codes and the recovery key"
    assert (len(live.wire) + len(line.wire)) / 960 <= 30, "seconds that all of it takes at 9,600 baud"
    assert max(map(len, [*live.screens, *line.screens])) <= 1_900


def test_a_disk_that_is_not_empty_is_written_when_its_serial_number_was_typed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = installing.Bench(tmp_path / "live")
    machine.disk("sdb", 16, serial="WD-7")
    bench.hands.installer = machine.installer
    machine.installer.install("sdb", "", "field:ann", lambda *_: None)
    with FileDisk(tmp_path / "live/machine/dev/sdb") as disk:
        disk.pwrite(4 << 20, b"changed")
    for answers, said in (
        (("1", ""), "Nothing was done"),
        (("1", "WD-8"), "Not done: sdb: the disk is not empty"),
        (("sda",), "Not done: sda: the box was started from this disk"),
        (("1", "WD-7", "no"), "Nothing was done"),
        (("1", "WD-7", "yes", "no"), "Release"),
    ):
        assert said in bench.dialogue("install", *answers, "", "0").text, answers


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


def test_firmware_of_hardware_by_two_people_at_the_cable(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown, asked for by one, approved by another, written by the unit; then this entry shows how it went."""
    monkeypatch.setattr("firmware.cabinet.signer", lambda read, authority: VENDOR)
    assert "no cabinet (.cab) is in" in bench.dialogue("hardware", "0").text
    (bench.stick / "webcam.cab").write_bytes(plain())
    line = bench.dialogue("19", "1", "yes", "the vendor closed a hole", "0")
    for words in ("CN=Vendor firmware 2026", "Webcam: 1.2.2 -> 1.2.4", "power cut", "Request 1: another person"):
        assert words in line.text
    assert "who asked cannot approve" in bench.dialogue("hardware", "yes", "0").text
    line = bench.dialogue("hardware", "yes", "0", name="bob", secret=bench._account("bob", "administrator"))
    assert "It is approved." in line.text and (bench.home / "updates/hardware/approved").exists()
    bench.hands.cabinets.apply(1, "cli:root", lambda _: {})
    bench.stick.joinpath("webcam.cab").unlink()
    assert "Webcam: 1.2.2 -> 1.2.4" in bench.dialogue("hardware", "0").text
    bench.stick.joinpath("older.cab").write_bytes(plain("1.2.1"))
    refused = bench.dialogue("hardware", "1", "0").text
    assert "Refused: the device has a newer firmware already" in refused and "menu 4, hardware shows" in refused
    assert bench.fwupd.written and bench.log.said.count("hardware.applied") == 1
