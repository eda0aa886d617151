"""SSH for a time at the serial console: who may, which key, how long; recorded first, closed by a person or replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.field import PAGES, Console
from appliance.field.sessions import Person
from appliance.network import ssh
from appliance.settings import parse
from tests.support.line import Line
from tests.unit.field.at_the_line import NOW_MS, Bench
from tests.unit.network.test_ssh import ED25519, PASSWD


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path, monkeypatch)
    made.hands.opened = tmp_path / "run"
    etc = made.box.root / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "passwd").write_text(PASSWD)
    (etc / "shadow").write_text("root:!*:1::::::\n")
    made.config.write_text('[network]\naddress = "10.1.2.3/24"\nssh_from = ["10.1.0.0/24", "10.2.0.0/24"]\n')
    (made.config.parent / "ssh_keys").write_text(f"{ED25519} olga@bank\n")
    monkeypatch.setattr("appliance.field.programs.ran", ran(made))
    yield made


def ran(bench: Bench):  # type: ignore[no-untyped-def]
    def program(what: str, *more: str) -> list[str]:
        if what == "ssh close":
            for path in bench.hands.opened.iterdir():
                path.unlink()
        return {"ssh": ["active"], "ssh open": [], "ssh close": []}.get(what, [what])

    return program


def test_it_is_opened_to_one_key_for_minutes_and_recorded_first(bench: Bench) -> None:
    line = bench.dialogue("ssh", "open", "1", "30", "yes", "", "status", "", "0")
    key = ssh.key_of(ED25519)
    assert key.shown in line.text and "from 10.1.0.0/24, 10.2.0.0/24" in line.text
    assert "UTC: ssh root@10.1.2.3\n" in line.text and "SSH         OPEN UNTIL" in line.text
    assert bench.log.said[-1] == "ssh.opened"
    assert (bench.hands.opened / "seconds").read_text() == "SECONDS_OPEN=1800\n"
    assert (bench.hands.opened / "passwd").read_text().startswith("root:x:0:0:root:/root:/bin/bash\n")
    assert ssh.until_ms(bench.hands.opened) - NOW_MS >= 1_800_000
    line = bench.dialogue("ssh", "close", "", "ssh", "close", "", "0")
    assert "Closed." in line.text and "It is closed." in line.text and bench.log.said.count("ssh.closed") == 1


def test_a_key_from_the_stick_or_typed_replaces_the_one_before(bench: Bench) -> None:
    (bench.stick / "ann.pub").write_text(ED25519.replace("IHkEpFtN", "IHkEpFtM") + " ann\n")
    (bench.stick / "bad.pub").write_text("ssh-rsa AAAA\n")
    line = bench.dialogue("ssh", "open", "2", "", "yes", "", "0")
    assert "bad.pub: that is no SSH key" in line.text and " ann  for 60 minutes" in line.text.replace("\nann", "\n ann")
    bench.dialogue("ssh", "open", "paste", f"{ED25519} eve", "5", "yes", "", "0")
    assert bench.log.said[-3:] == ["ssh.opened", "ssh.closed", "ssh.opened"]
    assert (bench.hands.opened / "keys").read_text().endswith(" eve\n")


def test_no_key_is_said_in_place_of_an_empty_list(bench: Bench) -> None:
    (bench.config.parent / "ssh_keys").unlink()
    assert "No key is in the site file or on the stick: paste one." in bench.dialogue("ssh", "", "", "0").text


def test_what_is_refused_changes_nothing(bench: Bench) -> None:
    for answers in (("1", "0"), ("1", "241"), ("7",), ("paste", "ssh-rsa x"), ("1", "", "no"), ("",)):
        bench.dialogue("ssh", "open", *answers, "", "0")
        assert not ssh.is_open(bench.hands.opened) and "ssh.opened" not in bench.log.said
    bench.config.write_text("[network]\n")
    assert "no network may come by SSH" in bench.dialogue("ssh", "open", "", "0").text


def test_only_an_administrator_and_nobody_whom_officers_let_in(bench: Bench) -> None:
    secret = bench._account("fay", "field")
    assert "The role field does not include this" in bench.dialogue("ssh", "", "0", name="fay", secret=secret).text
    line = Line(["ssh", "", "0"])
    console = Console(line, bench.field, bench.hands, PAGES)
    console.person = Person("breakglass", "administrator", 0, "sign-in")
    console._menu()
    line.close()
    assert "The officers let you in for sign-in" in line.text


def test_one_that_does_not_start_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "appliance.field.programs.ran", lambda what, *_: {"ssh": ["failed"]}.get(what, ["see the journal"])
    )
    assert "SSH did not start: see the journal" in bench.dialogue("ssh", "open", "1", "", "yes", "", "0").text


def test_settings_name_the_networks(tmp_path: Path) -> None:
    assert parse({}, tmp_path, "test", tmp_path)["network.ssh_from"] == [], "off until a network is named"
