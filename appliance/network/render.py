"""The hand that asks for addresses and writes the files; each is replaced whole."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from appliance import atomic
from appliance.settings import Settings

from .files import clock_sources, front, hostname, instances, network_units
from .firewall import firewall, reach_of
from .ssh import is_open

NAMES: Final = "names"


def addresses_of(host: str) -> list[str]:
    """A host's addresses, sorted; none when nobody knows it now. An address is its own."""
    if _is_address(host):
        return [str(ip_address(host))]
    try:
        return sorted({str(row[4][0]) for row in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
    except OSError:
        return []


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def known(folder: Path) -> dict[str, list[str]]:
    """The addresses of each name as they were rendered last, since the box started."""
    try:
        lines = (folder / NAMES).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {words[0]: words[1:] for words in map(str.split, lines) if words}


def render(settings: Settings, folder: Path, units: Path) -> list[str]:
    """Writes firewall.nft, nginx.conf, instances, hostname, names and chrony.d/site.sources into `folder`, the files of the network into `units`; the hosts without an address."""
    hosts = sorted({reach.host for reach in reach_of(settings)} | set(settings["network.time_servers"]))
    before = known(folder)
    # A name server that does not answer takes nobody's way away: what was known stays until there is another answer.
    resolved = {host: addresses_of(host) or before.get(host, []) for host in hosts}
    _write(folder / "firewall.nft", firewall(settings, resolved, is_open()), 0o600)
    _write(folder / NAMES, "".join(f"{host} {' '.join(resolved[host])}\n" for host in hosts if not _is_address(host)))
    _write(folder / "nginx.conf", front(settings))
    _write(folder / "chrony.d" / "site.sources", clock_sources(settings))
    _write(folder / "instances", instances(settings))
    _write(folder / "hostname", hostname(settings))
    made = network_units(settings)
    for path in units.glob("1?-casemate*.net*"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        _write(units / name, text)
    return [host for host in hosts if not resolved[host]]


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o755)
    atomic.write(path, text, mode, durable=False)
