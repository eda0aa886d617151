"""Which lines the console is on, and how fast: `ttyS0`, the one that the firmware's SPCR table names, a screen where there is one, and those of
`field.lines`. Pure but for `found` and `set_speed`.

SPCR: Serial Port Console Redirection Table (Microsoft, with ACPI), what a board's BIOS or a BMC's serial-over-LAN says of its console.
"""

from __future__ import annotations

import re
import struct
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from appliance.errors import Error

FIRST: Final = "ttyS0"  # always there; the image's own unit
SCREEN: Final = "tty1"
SPEED: Final = 115_200
#: Bits a second -> what termios calls them.
SPEEDS: Final = {n: getattr(termios, f"B{n}") for n in (9_600, 19_200, 38_400, 57_600, SPEED)}
SERIAL_TABLE: Final = "sys/firmware/acpi/tables/SPCR"
_LINE: Final = re.compile(r"(tty[A-Za-z]{0,4}[0-9]{1,2}|hvc[0-9])(?:@([0-9]{1,6}))?")
_TABLE_OCTETS: Final = 80
_BAUD: Final = {3: 9_600, 4: 19_200, 6: 57_600, 7: SPEED}


class Port(NamedTuple):
    """A serial port by where the processor finds it. `speed` 0: as it is."""

    memory: bool  # else an I/O port
    address: int
    speed: int


def spcr(octets: bytes) -> Port | None:
    """What an SPCR table names; None for none, or one that is not for a port of this kind."""
    if len(octets) < _TABLE_OCTETS or octets[:4] != b"SPCR":
        return None
    space, address = octets[40], struct.unpack_from("<Q", octets, 44)[0]
    if space > 1 or not address:  # neither memory nor I/O, or disabled (address 0)
        return None
    return Port(space == 0, address, _BAUD.get(octets[58], 0))


def given(texts: Sequence[str]) -> dict[str, int]:
    """Lines of `field.lines`, NAME or NAME@SPEED -> speed. Raises Error `settings_invalid`."""
    out = {}
    for text in texts:
        fits = _LINE.fullmatch(text)
        speed = int(fits[2] or SPEED) if fits else 0
        if not fits or speed not in SPEEDS:
            hint = f"a line as ttyS1 or ttyS1@9600; speeds: {', '.join(map(str, SPEEDS))}"
            raise Error("settings_invalid", f"field.lines: {text} is no line", hint)
        out[fits[1]] = speed
    return out


def wanted(texts: Sequence[str], named: Port | None, ports: Mapping[str, Port], screen: bool) -> dict[str, int]:
    """Line -> speed of every line that the console is on. The settings say more than the firmware. Raises Error `settings_invalid`."""
    lines = {FIRST: SPEED} | ({SCREEN: SPEED} if screen else {})
    for name, port in ports.items():
        if named is not None and (port.memory, port.address) == (named.memory, named.address):
            lines[name] = named.speed or SPEED
    return lines | given(texts)


def found(texts: Sequence[str], root: Path = Path("/")) -> dict[str, int]:
    """`wanted` of this machine."""
    try:
        named = spcr((root / SERIAL_TABLE).read_bytes())
    except OSError:
        named = None
    ports = {}
    for place in sorted((root / "sys/class/tty").glob("ttyS*")):
        for file, memory in (("port", False), ("iomem_base", True)):
            try:
                address = int((place / file).read_text(), 16)
            except (OSError, ValueError):
                continue
            if address:
                ports[place.name] = Port(memory, address, 0)
    return wanted(texts, named, ports, (root / "sys/class/graphics/fb0").exists())


def set_speed(handle: int, speed: int) -> None:
    """8N1 at `speed`, no flow control by wires: three-wire cables are what is in the drawer. A screen or a pseudo-terminal takes it without effect."""
    try:
        mode = termios.tcgetattr(handle)
        mode[2] = mode[2] & ~(termios.CSIZE | termios.PARENB | termios.CSTOPB | termios.CRTSCTS)
        mode[2] |= termios.CS8 | termios.CLOCAL | termios.CREAD
        mode[4] = mode[5] = SPEEDS[speed]
        termios.tcsetattr(handle, termios.TCSANOW, mode)
    except termios.error:
        pass  # no terminal: pipes of a test
