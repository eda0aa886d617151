"""Lines of the serial console: what SPCR tables say, what the settings say over it, and a terminal that is set to a speed."""

from __future__ import annotations

import os
import struct
import termios
from pathlib import Path

import pytest

from appliance.errors import Error
from appliance.field import lines
from appliance.field.lines import Port

COM2 = Port(False, 0x2F8, 0)


def table(space: int = 1, address: int = 0x2F8, baud: int = 3) -> bytes:
    """An SPCR table of revision 2: header of 36 octets, type, address structure of 12, interrupts, speed."""
    octets = bytearray(80)
    octets[:4] = b"SPCR"
    octets[40] = space
    struct.pack_into("<Q", octets, 44, address)
    octets[58] = baud
    return bytes(octets)


@pytest.mark.parametrize(
    ("octets", "port"),
    [
        (table(), Port(False, 0x2F8, 9_600)),
        (table(0, 0xFE03_2000, 7), Port(True, 0xFE03_2000, 115_200)),
        (table(baud=0), Port(False, 0x2F8, 0)),
        (table(address=0), None),
        (table(space=10), None),
        (b"DSDT" + table()[4:], None),
        (table()[:60], None),
        (b"", None),
    ],
)
def test_what_the_firmware_says_of_its_console(octets: bytes, port: Port | None) -> None:
    assert lines.spcr(octets) == port


def test_the_line_of_the_firmware_a_screen_and_those_of_the_settings() -> None:
    ports = {"ttyS0": Port(False, 0x3F8, 0), "ttyS1": COM2, "ttyS4": Port(True, 0xFE03_2000, 0)}
    assert lines.wanted([], None, ports, False) == {"ttyS0": 115_200}
    assert lines.wanted([], Port(False, 0x2F8, 9_600), ports, True) == {
        "ttyS0": 115_200,
        "tty1": 115_200,
        "ttyS1": 9_600,
    }
    assert lines.wanted([], Port(True, 0xFE03_2000, 0), ports, False)["ttyS4"] == 115_200
    assert lines.wanted([], Port(True, 0x2F8, 0), ports, False) == {"ttyS0": 115_200}, "memory is no I/O port"
    said = lines.wanted(["ttyS0@9600", "ttyS1@19200", "hvc0"], Port(False, 0x2F8, 9_600), ports, False)
    assert said == {"ttyS0": 9_600, "ttyS1": 19_200, "hvc0": 115_200}, "the settings say more"


@pytest.mark.parametrize("text", ["ttyS1@1200", "ttyS1@", "sda", "../tty", "ttyS1@9600@9600", "-tty", ""])
def test_what_is_no_line(text: str) -> None:
    with pytest.raises(Error, match="is no line"):
        lines.given([text])


def test_a_machine_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "sys/firmware/acpi/tables").mkdir(parents=True)
    (tmp_path / lines.SERIAL_TABLE).write_bytes(table())
    for name, port in (("ttyS0", "0x3F8"), ("ttyS1", "0x2F8"), ("ttyS2", "0x0")):
        (tmp_path / "sys/class/tty" / name).mkdir(parents=True)
        (tmp_path / "sys/class/tty" / name / "port").write_text(port + "\n")
    assert lines.found([], tmp_path) == {"ttyS0": 115_200, "ttyS1": 9_600}
    (tmp_path / "sys/class/graphics/fb0").mkdir(parents=True)
    assert lines.found([], tmp_path)["tty1"] == 115_200
    assert lines.found([], tmp_path / "nothing") == {"ttyS0": 115_200}


def test_a_line_is_set_to_its_speed_and_to_three_wires() -> None:
    near, far = os.openpty()
    try:
        lines.set_speed(far, 9_600)
        mode = termios.tcgetattr(far)
        assert mode[4] == mode[5] == termios.B9600
        assert mode[2] & termios.CSIZE == termios.CS8 and mode[2] & termios.CLOCAL
        assert not mode[2] & (termios.PARENB | termios.CSTOPB | termios.CRTSCTS)
        lines.set_speed(os.open(os.devnull, os.O_RDONLY), 9_600)  # no terminal: nothing happens
    finally:
        os.close(near)
        os.close(far)
