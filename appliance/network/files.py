"""What systemd-networkd, nginx and chrony read, from the settings. Pure."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_interface, ip_network
from typing import Final

from appliance.errors import Error
from appliance.settings import Settings

BOND: Final = "bond0"
CARD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
HOSTNAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")
QUIET: Final = ("LLMNR=no", "MulticastDNS=no", "IPv6AcceptRA=no")
BODY_MIB: Final = 8  # the largest request: a batch of 1,000 long messages


def network_units(settings: Settings) -> dict[str, str]:
    """Name -> systemd.network(5) and systemd.netdev(5) files: card or bond, VLAN, address. Raises Error `settings_invalid`."""
    cards, vlan = settings["network.bond"], settings["network.vlan"]
    out = {}
    lower = settings["network.interface"]
    if cards:
        mode = settings["network.bond_mode"]
        how = ["LACPTransmitRate=fast", "TransmitHashPolicy=layer3+4"] if mode == "802.3ad" else []
        out["10-casemate-bond.netdev"] = _text(
            "[NetDev]", f"Name={BOND}", "Kind=bond", "", "[Bond]", f"Mode={mode}", "MIIMonitorSec=100ms", *how
        )
        names = " ".join(_card(name) for name in cards)
        out["10-casemate-cards.network"] = _text("[Match]", f"Name={names}", "", "[Network]", f"Bond={BOND}", *QUIET)
        lower = BOND
    if vlan:
        upper = f"vlan{vlan}"
        out["10-casemate-vlan.netdev"] = _text("[NetDev]", f"Name={upper}", "Kind=vlan", "", "[VLAN]", f"Id={vlan}")
        plain = ["[Network]", f"VLAN={upper}", "LinkLocalAddressing=no", *QUIET]
        out["11-casemate-lower.network"] = _text("[Match]", f"Name={lower}", "", *plain)
        lower = upper
    out["10-casemate.network"] = _text("[Match]", f"Name={lower}", "", *_addressed(settings))
    return out


def _text(*lines: str) -> str:
    return "\n".join([*lines, ""])


def _card(name: str) -> str:
    if not CARD.fullmatch(name):
        raise Error("settings_invalid", f"network.bond: {name!r} is no network card", "as `ip link` shows them: eno1")
    return name


def _addressed(settings: Settings) -> list[str]:
    """[Network] and what follows it."""
    lines = ["[Network]", *QUIET]
    given = settings["network.address"]
    if given == "dhcp":
        # Only an address and a way out: names and time come from the settings, not from whoever answers first.
        lines += ["DHCP=ipv4", *_each("DNS", settings["network.dns"])]
        return [*lines, "", "[DHCPv4]", "UseDNS=no", "UseNTP=no", "UseHostname=no", *_routes(settings)]
    try:
        at = ip_interface(given)
    except ValueError as e:
        raise Error(
            "settings_invalid", f"network.address: {e}", 'write "dhcp" or an address like 10.20.0.5/24'
        ) from None
    lines.append(f"Address={at}")
    if settings["network.gateway"]:
        lines.append(f"Gateway={settings['network.gateway']}")
    return [*lines, *_each("DNS", settings["network.dns"]), *_routes(settings)]


def _routes(settings: Settings) -> list[str]:
    out = []
    for text in settings["network.routes"]:
        words = text.split()
        try:
            if len(words) != 3 or words[1] != "via":
                raise ValueError(f"{text!r} is no route")
            to, via = ip_network(words[0]), ip_address(words[2])
        except ValueError as e:
            raise Error(
                "settings_invalid", f"network.routes: {e}", 'write it like "10.0.0.0/8 via 10.20.0.254"'
            ) from None
        out += ["", "[Route]", f"Destination={to}", f"Gateway={via}"]
    return out


def _each(key: str, values: list[str]) -> list[str]:
    return [f"{key}={value}" for value in values]


def front(settings: Settings) -> str:
    """The servers of nginx: API and console, each on its port; who may come is the firewall's."""
    api, console = settings["network.api_port"], settings["network.console_port"]
    return f"""\
server {{
    listen {api} ssl reuseport;
    client_max_body_size {BODY_MIB}m;
    limit_conn addresses 1000;
    location / {{ proxy_pass http://api; proxy_read_timeout 60s; }}
    location = /metrics {{ return 404; }}
}}
server {{
    listen {console} ssl reuseport;
    client_max_body_size {BODY_MIB}m;
    limit_conn addresses 100;
    location / {{ proxy_pass http://console; proxy_read_timeout 120s; }}
}}
"""


def clock_sources(settings: Settings) -> str:
    """chrony's sources: the site's own servers; `nts` authenticates them (RFC 8915)."""
    authenticated = " nts" if settings["network.nts"] else ""
    return "".join(f"server {host} iburst{authenticated}\n" for host in settings["network.time_servers"])


def instances(settings: Settings) -> str:
    """The units of the second and further engines and gateways, a line each."""
    counts = {"engine": settings["engine.shards"], "gateway": settings["api.gateways"]}
    return "".join(f"casemate-{name}@{n}.service\n" for name, count in counts.items() for n in range(1, count))


def hostname(settings: Settings) -> str:
    """The name of the box, "" for the image's own. Raises Error `settings_invalid`."""
    given = str(settings["network.hostname"])
    if given and not HOSTNAME.fullmatch(given):
        raise Error("settings_invalid", f"network.hostname: {given!r} is no name", "letters, digits, dashes and dots")
    return f"{given}\n" if given else ""
