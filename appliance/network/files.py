"""What systemd-networkd, nginx and chrony read, from the settings. Pure."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Final

from appliance.errors import Error
from appliance.settings import Settings

BODY_MIB: Final = 8  # the largest request: a batch of 1,000 long messages


def network_unit(settings: Settings) -> str:
    """A systemd.network(5) file. Raises Error `settings_invalid` for an address that is none."""
    lines = [
        "[Match]",
        f"Name={settings['network.interface']}",
        "",
        "[Network]",
        "LLMNR=no",
        "MulticastDNS=no",
        "IPv6AcceptRA=no",
    ]
    given = settings["network.address"]
    if given == "dhcp":
        # Only an address and a way out: names and time come from the settings, not from whoever answers first.
        lines += [
            "DHCP=ipv4",
            *_each("DNS", settings["network.dns"]),
            "",
            "[DHCPv4]",
            "UseDNS=no",
            "UseNTP=no",
            "UseHostname=no",
        ]
        return "\n".join([*lines, ""])
    try:
        at = ip_interface(given)
    except ValueError as e:
        raise Error(
            "settings_invalid", f"network.address: {e}", 'write "dhcp" or an address like 10.20.0.5/24'
        ) from None
    lines.append(f"Address={at}")
    if settings["network.gateway"]:
        lines.append(f"Gateway={settings['network.gateway']}")
    return "\n".join([*lines, *_each("DNS", settings["network.dns"]), ""])


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
