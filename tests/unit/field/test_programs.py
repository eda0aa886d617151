"""The programs that the serial console runs are in the image."""

from __future__ import annotations

from pathlib import Path

from appliance.field.programs import BRINGS, PROGRAMS

ROOT = Path(__file__).resolve().parents[3]
#: Of packages that systemd or every Debian system has.
WITH_THE_SYSTEM = {"networkctl", "systemd-run", "systemctl", "journalctl"}
ELSEWHERE = {"cryptsetup": "cryptsetup-bin"}


def test_each_program_is_of_a_package_that_the_image_has() -> None:
    rows = (ROOT / "image/debian.lock").read_text(encoding="utf-8").splitlines()
    image = {row.split()[1] for row in rows if row.startswith("root ")}
    packages = {**BRINGS, **ELSEWHERE}
    programs = {program for program, _, _ in PROGRAMS.values()} - WITH_THE_SYSTEM
    assert {program for program in programs if packages.get(program) not in image} == set()
