"""A release installed while messages flow: asked for by one person, approved by another, written to the other slot, started, proved, left again."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from appliance.settings import load
from appliance.updates import Machine, Updates, gating
from firmware import building
from firmware.gate import CHECKS
from tests.support.appliance import Appliance
from tests.support.release_keys import NOW, YEAR, Issuer, parts, release, trusted
from tests.support.slots import Box

pytestmark = pytest.mark.stories


#: What the log says of it, in order; `approval.decided` twice: the one who asked tried it first.
WANTED = [
    "firmware.refused",
    "approval.asked",
    "approval.decided",
    "approval.decided",
    "firmware.install_begun",
    "firmware.installed",
    "firmware.blessed",
    "firmware.rolled_back",
]


def test_a_release_is_installed_while_messages_flow(tmp_path: Path) -> None:
    """No message is lost; the box comes back to the release before with one command; the log tells all of it."""
    vendor = Issuer("Vendor", tmp_path / "vendor")
    key = vendor.issued("Release", NOW - YEAR, NOW + 10 * YEAR)
    new = release("0.2.0")
    bundle = tmp_path / "stick/casemate-0.2.0.raucb"
    building.build(parts(tmp_path / "parts"), new, "verity", key, bundle)
    (tmp_path / "box").mkdir()
    box = Box(tmp_path / "box", release("0.1.0"))
    config = box.settings() + f'trust = "{trusted(tmp_path / "trust", vendor)}"\nserial = "SN-1"\n'
    for name in ("ann", "bob"):
        (tmp_path / name).write_text(f"{name} has four words here\n")
    with Appliance(config=config) as box_runs:
        run = box_runs.casemate
        for name in ("ann", "bob"):
            made = run("user", "create", name, "--password-file", str(tmp_path / name))
            assert made.returncode == 0, made.stderr
        box_runs.env["CASEMATE_CONFIG"] = str(box_runs.config)
        # Where the API listens is said too: the demo takes another port when another box on this machine has the usual one.
        told = tmp_path / "told.toml"
        told.write_text(f'{config}[api]\nlisten = "{box_runs.env["CASEMATE_API"].removeprefix("http://")}"\n')
        settings = load(told, box_runs.home)
        updates = Updates(settings, Machine(box.root))
        stop, sent = threading.Event(), list[str]()

        def sending() -> None:
            while not stop.wait(0.02):
                sent.append(box_runs.send(to="+393331234567", text="update under way", class_="alert")["id"])

        traffic = threading.Thread(target=sending)
        traffic.start()
        try:
            # This machine is no box of ours: `check` says so, as it does to a person with the wrong stick.
            refused = run("firmware", "check", str(bundle), "--json")
            assert json.loads(refused.stdout)["refused"] == "wrong_hardware"
            number = updates.ask(bundle, "release of November", "console:ann")
            own = run("firmware", "approve", str(number), "--user", "ann", "--password-file", str(tmp_path / "ann"))
            assert own.returncode == 1 and "another person has to" in own.stderr
            yes = run("firmware", "approve", str(number), "--user", "bob", "--password-file", str(tmp_path / "bob"))
            assert yes.returncode == 0, yes.stderr
            steps: list[tuple[str, int, int]] = []
            assert updates.install(bundle, "cli:root", lambda *told: steps.append(told), number) == "0.2.0"
            ends = {what: (octets, whole) for what, octets, whole in steps}
            assert {"checking the bundle", "writing root", "checking root", "writing kernel"} <= ends.keys()
            assert all(octets == whole > 0 for octets, whole in ends.values()), ends
            assert box.slots("a") == {"a": "good", "b": "written"}
            assert gating.leaving(settings, updates) == 1
            box.started(new)  # the boot loader starts it
            (box.esp / "casemate_0.2.0+3-0.efi").rename(box.esp / "casemate_0.2.0+2-1.efi")
            assert gating.looked(settings) == (dict.fromkeys(CHECKS, True), False)
            times = iter(range(0, 1_000, 30))
            word = gating.run(
                settings,
                updates,
                lambda _: None,
                lambda: gating.looked(settings),
                lambda: float(next(times)),
                lambda _: None,
            )
            assert word == "bless" and box.slots("b") == {"a": "good", "b": "good"}
            assert updates.roll_back("field:eve", "rehearsal") == "0.2.0"
            assert box.slots("a") == {"a": "good", "b": "bad"}
        finally:
            stop.set()
            traffic.join(30)
        statuses = box_runs.settled()
        assert len(sent) > 10
        assert {statuses[i] for i in sent} == {"delivered"}, "none was lost"
        assert _events(box_runs) == WANTED


def _events(box_runs: Appliance) -> list[str]:
    """What the log says, oldest first."""
    found = [what for name in sorted(set(WANTED)) for what in _named(box_runs, name)]
    return [what for _, what in sorted(found)]


def _named(box_runs: Appliance, what: str) -> list[tuple[int, str]]:
    rows = json.loads(box_runs.casemate("audit", "entries", "--what", what, "--json").stdout)
    rows = rows["entries"] if isinstance(rows, dict) else rows
    return [(row["index"], row["entry"]["what"]) for row in rows]
