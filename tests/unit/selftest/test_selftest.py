"""The self-test: what is wrong with a box is said, and nothing is called well that was not looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from appliance.selftest import Facts, findings, gathered, report
from appliance.selftest.facts import PROBE, profiles, written

GOOD = Facts(
    processors=4,
    memory=3900,
    memory_used=512,
    state_size=8000,
    state_free=7000,
    networks={"ens3": True, "ens4": False},
    now_ms=1_770_000_000_000,
    synchronised=True,
    entropy=256,
    hardware_random="tpm-rng-0",
    secure_boot=True,
    development_keys=False,
    tpm="2",
    root_type="erofs",
    root_verified=True,
    root_written=False,
    lockdown="integrity",
    enforced=9,
    complaining=0,
    listening=(("0.0.0.0", 443), ("0.0.0.0", 8443)),
    up_s=20.0,
)
NAMED = {443, 8443}


def hows(facts: Facts, hsm: str = "", opening: bool = False) -> dict[str, str]:
    return {row.what: row.how for row in findings(facts, NAMED, hsm, opening)}


def test_a_box_as_it_was_shipped_is_well() -> None:
    assert set(hows(GOOD).values()) == {"well"}
    assert all(len(line) < 80 for line in report(findings(GOOD, NAMED, "")))


def test_what_is_longer_than_a_line_goes_on_below_it() -> None:
    lines = report(findings(replace(GOOD, synchronised=False), NAMED, "the token says no " * 5))
    assert all(len(line) <= 75 for line in lines), "a greeting indents them by four"
    (clock,) = [n for n, line in enumerate(lines) if " clock " in line]
    assert lines[clock + 1] == " " * 24 + "network.time_servers"


@pytest.mark.parametrize(
    ("change", "what", "how"),
    [
        ({"processors": 1}, "processors", "WRONG"),
        ({"memory": 900}, "memory", "WRONG"),
        ({"memory_used": 701}, "memory used", "LOOK"),
        ({"state_free": 100}, "state volume", "WRONG"),
        ({"networks": {}}, "network", "WRONG"),
        ({"networks": {"ens3": False}}, "network", "WRONG"),
        ({"now_ms": 0}, "clock", "WRONG"),
        ({"synchronised": False}, "clock", "LOOK"),
        ({"entropy": 10}, "random numbers", "WRONG"),
        ({"secure_boot": False}, "Secure Boot", "WRONG"),
        ({"secure_boot": None}, "Secure Boot", "WRONG"),
        ({"development_keys": True}, "signing keys", "LOOK"),
        ({"tpm": ""}, "TPM", "WRONG"),
        ({"tpm": "1"}, "TPM", "WRONG"),
        ({"root_written": True}, "root", "WRONG"),
        ({"root_verified": False}, "root", "WRONG"),
        ({"lockdown": "none"}, "kernel lockdown", "WRONG"),
        ({"enforced": 0}, "AppArmor", "WRONG"),
        ({"complaining": 1}, "AppArmor", "WRONG"),
        ({"listening": (("0.0.0.0", 22),)}, "open ports", "WRONG"),
    ],
)
def test_each_thing_that_is_wrong_is_the_only_one_said(change: dict[str, object], what: str, how: str) -> None:
    found = hows(replace(GOOD, **change))  # type: ignore[arg-type]
    assert {name: said for name, said in found.items() if said != "well"} == {what: how}


def test_an_hsm_that_is_not_ready_is_said() -> None:
    assert hows(GOOD, "the token is not there")["HSM"] == "WRONG"
    assert hows(GOOD, "the HSM is being opened", opening=True)["HSM"] == "LOOK", "a box that was just started"


def test_profiles_are_counted_by_how_they_are_held() -> None:
    assert profiles("casemate-keys (enforce)\nnginx (enforce)\nx (complain)\n") == (2, 1)


def test_a_root_that_can_be_written_is_found_out_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    assert written(tmp_path)
    assert not (tmp_path / PROBE).exists()


def test_this_machine_is_read_without_an_error(tmp_path: Path) -> None:
    found = gathered(tmp_path, tmp_path)
    assert found.processors > 0
    assert found.memory > 0
    assert (found.secure_boot, found.tpm, found.root_verified, found.lockdown) == (None, "", False, "")
    place = tmp_path / "sys/kernel/security"
    place.mkdir(parents=True)
    (place / "lockdown").write_text("none [integrity] confidentiality\n")
    assert gathered(tmp_path, tmp_path).lockdown == "integrity"
