"""From what was found to what it means: a table of questions, each answered well, worth a look or wrong. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Final, NamedTuple

from appliance.settings import LOOPBACK, Settings, address

from .facts import Facts

REPORT: Final = "run/selftest.json"  # of the state folder: what the box found at its start, for the console
WELL: Final = "well"
LOOK: Final = "LOOK"  # it works; a person should know
WRONG: Final = "WRONG"  # not what was shipped, or not enough

WIDTH: Final = 75
PROCESSORS_MIN: Final = 2
MEMORY_MIB_MIN: Final = 1900  # of 2 GiB, what the kernel leaves
STATE_FREE_MIB_MIN: Final = 512
MEMORY_USED_MIB_MAX: Final = 700  # of a box that does nothing yet
ENTROPY_BITS_MIN: Final = 256
BUILT_MS_MIN: Final = 1_760_000_000_000  # no box is older than its first release: an earlier clock is an empty battery


class Finding(NamedTuple):
    """One answer: `what` was asked, how it is, in words."""

    what: str
    how: str
    words: str


def _at_least(there: int, least: int, unit: str) -> tuple[str, str]:
    return (WELL if there >= least else WRONG), f"{there} {unit}" + ("" if there >= least else f", needs {least}")


def _network(f: Facts) -> tuple[str, str]:
    said = ", ".join(f"{name} {'up' if up else 'down'}" for name, up in sorted(f.networks.items())) or "no card"
    return (WELL if any(f.networks.values()) else WRONG), said


def _clock(f: Facts) -> tuple[str, str]:
    if f.now_ms < BUILT_MS_MIN:
        return WRONG, "the clock is before the first release: set it, or look at its battery"
    return (
        (WELL, "synchronised")
        if f.synchronised
        else (LOOK, "not synchronised: name time servers in network.time_servers")
    )


def _root(f: Facts) -> tuple[str, str]:
    if f.root_written:
        return WRONG, "the root file system can be written"
    return (WELL, f"read-only, verified ({f.root_type})") if f.root_verified else (WRONG, "read-only, not verified")


def _secure_boot(f: Facts) -> tuple[str, str]:
    return (WELL, "on") if f.secure_boot else (WRONG, "off: enrol the keys of the release and switch it on")


def _signing_keys(f: Facts) -> tuple[str, str]:
    return (LOOK, "development keys: not for use in a bank") if f.development_keys else (WELL, "no development keys")


def _profiles(f: Facts) -> tuple[str, str]:
    said = f"{f.enforced} profiles enforced" + (f", {f.complaining} only complain" if f.complaining else "")
    return (WELL if f.enforced and not f.complaining else WRONG), said


def _lockdown(f: Facts) -> tuple[str, str]:
    return (WELL if f.lockdown in ("integrity", "confidentiality") else WRONG), f.lockdown or "off"


def _random(f: Facts) -> tuple[str, str]:
    return (
        WELL if f.entropy >= ENTROPY_BITS_MIN else WRONG
    ), f"{f.entropy} bits, source {f.hardware_random or 'the kernel'}"


def _memory_used(f: Facts) -> tuple[str, str]:
    return (WELL if f.memory_used <= MEMORY_USED_MIB_MAX else LOOK), f"{f.memory_used} MiB"


ASKED: Final[tuple[tuple[str, Callable[[Facts], tuple[str, str]]], ...]] = (
    ("processors", lambda f: _at_least(f.processors, PROCESSORS_MIN, "cores")),
    ("memory", lambda f: _at_least(f.memory, MEMORY_MIB_MIN, "MiB")),
    ("memory used", _memory_used),
    ("state volume", lambda f: _at_least(f.state_free, STATE_FREE_MIB_MIN, f"of {f.state_size} MiB free")),
    ("network", _network),
    ("clock", _clock),
    ("random numbers", _random),
    ("TPM", lambda f: (WELL, "2.0") if f.tpm == "2" else (WRONG, "none, or not 2.0")),
    ("Secure Boot", _secure_boot),
    ("signing keys", _signing_keys),
    ("root", _root),
    ("kernel lockdown", _lockdown),
    ("AppArmor", _profiles),
)


def _sockets(found: tuple[tuple[str, int], ...], named: set[int]) -> Finding:
    stray = [f"{host}:{port}" for host, port in found if port not in named]
    words = (
        f"{len({port for _, port in found})} ports named in the settings"
        if not stray
        else "not named: " + ", ".join(stray)
    )
    return Finding("open ports", WRONG if stray else WELL, words)


def named_ports(settings: Settings) -> set[int]:
    """Ports that are open to somebody outside, as the settings say; and the one where DHCP answers, when it is asked."""
    host, port = address(settings["door.listen"])
    faces = {settings["network.api_port"], settings["network.console_port"]}
    door = {port} if settings["door.enabled"] and host not in LOOPBACK else set()
    return faces | door | ({68} if settings["network.address"] == "dhcp" else set())


def findings(facts: Facts, named: set[int], hsm: str, opening: bool = False) -> list[Finding]:
    """Every answer. `named` are the ports that the settings open; `hsm` is what the keys process says is wrong, empty when it is ready;
    `opening`: it is logging in for the first time, and nothing is wrong so far."""
    out = [Finding(what, *answer(facts)) for what, answer in ASKED]
    out.append(_sockets(facts.listening, named))
    if opening:
        out.append(Finding("HSM", LOOK, "being opened: look again in a minute"))
    else:
        out.append(Finding("HSM", WRONG if hsm else WELL, hsm or "ready"))
    return out


def report(found: list[Finding]) -> list[str]:
    """For a screen of 80 columns on which it may be indented by four; what is longer goes on below its words."""
    return [
        line
        for row in found
        for line in textwrap.wrap(f"{row.how:5}  {row.what:15}  {row.words}", WIDTH, subsequent_indent=" " * 24)
    ]
