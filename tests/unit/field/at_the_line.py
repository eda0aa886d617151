"""A box with a serial console in memory: its disk in files, its processes played, accounts of its own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.access import Passwords, totp
from appliance.field import PAGES, Console, Field, Hands
from appliance.settings import parse
from appliance.updates import Cabinets, Installer, Machine, Updates
from tests.support.line import Line, faults
from tests.support.release_keys import release
from tests.support.slots import Box
from tests.unit.updates.test_cabinets import Played
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
