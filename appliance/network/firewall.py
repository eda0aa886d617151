"""The nftables rules of a box: default drop both ways, each process to its own destinations. Pure: addresses are passed in.

Who may reach what is said by user: on the appliance each process has its own (nft(8), `meta skuid`). The whole set is one
transaction, so that there is no moment without rules.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any, Final, NamedTuple

from appliance.backup import place_of
from appliance.errors import Error
from appliance.settings import (
    LOOPBACK,
    Settings,
    address,
    directory_server,
    issuer_address,
    web_server,
    witness_address,
)

from .ssh import PORT as SSH

HTTPS: Final = 443
DNS: Final = 53
NTP: Final = 123
NTS: Final = 4460  # RFC 8915
LOGGED_A_MINUTE: Final = 10  # of what is dropped; all of it is counted
ASKED_A_SECOND: Final = 5  # pings and traces of a person at the serial console
TRACED: Final = "44444-44475"  # ports of tracepath(8), of iputils
TRIED: Final = "meta skuid . {0} daddr . meta l4proto . th dport"  # user, address, transport, port
#: What begins a connection, or asks: a late packet of an old one tries nothing.
BEGINS: Final = ("tcp flags & (syn | ack | rst) == syn", "meta l4proto udp ct state new")


class Reach(NamedTuple):
    """One destination that one process may open a connection to. `user` is the process's own on the appliance."""

    user: str
    host: str
    port: int
    transports: str = "tcp"


def reach_of(settings: Settings) -> list[Reach]:
    """Every destination that the settings name, by process: links' hosts for the engine; webhook hosts, operators' APIs, ENUM servers, the bank's
    directory and sign-on for the courier, the SIEM and witnesses for the auditor."""
    out = []
    for link in settings.links:
        out.append(Reach("casemate-engine", link.host, link.port))
        out += [Reach("casemate-engine", host, port) for host, port in link.more_hosts]
    if settings["network.proxy"]:
        out.append(Reach("casemate-courier", *address(settings["network.proxy"])))
    else:
        out += [Reach("casemate-courier", host, HTTPS) for host in settings["webhook.hosts"]]
        urls = [url for row in settings.camaras for url in (row.api, row.token_url)]
        out += [Reach("casemate-courier", *web_server(url, "camara")[1:]) for url in urls]
    out += [Reach("casemate-courier", *directory_server(url)[1:]) for url in settings["directory.urls"]]
    if settings["oidc.issuer"]:
        out.append(Reach("casemate-courier", *issuer_address(settings["oidc.issuer"])))
    for row in settings.enums:
        out += [Reach("casemate-courier", host, port, "tcp, udp") for host, port in row.servers]
    if settings["backup.target"]:
        target = place_of(settings["backup.target"])
        out.append(Reach("casemate-backup", target.host, target.port))
    if settings["siem.target"]:
        out.append(Reach("casemate-auditor", *address(settings["siem.target"])))
    out += [Reach("casemate-auditor", *witness_address(url)) for url in settings["audit.witness_urls"]]
    return sorted(set(out))


def networks(settings: Settings, name: str) -> list[str]:
    """The networks of a setting in their plain form. Raises Error `settings_invalid` naming the one that is none."""
    out = []
    for text in settings[name]:
        try:
            out.append(str(ip_network(text)))
        except ValueError as e:
            raise Error("settings_invalid", f"{name}: {e}", "write it like 10.20.0.0/16 or 2001:db8::/48") from None
    return out


def firewall(settings: Settings, resolved: dict[str, list[str]], ssh: bool = False) -> str:
    """The file that `nft -f` reads. `resolved` gives each host's addresses; one without any is reached by nobody. `ssh`: it is open for a time."""
    host, port = address(settings["door.listen"])
    door = [("network.door_from", port)] if settings["door.enabled"] and host not in LOOPBACK else []
    faces = [
        ("network.api_from", settings["network.api_port"]),
        ("network.console_from", settings["network.console_port"]),
        *door,
        *([("network.ssh_from", SSH)] if ssh else []),
    ]
    lines = [
        "#!/usr/sbin/nft -f",
        "# Written from the settings; see the page of appliance/network.",
        "table inet casemate",
        "delete table inet casemate",
    ]
    lines += ["table inet casemate {"]
    lines += [f"    counter dropped_{way} {{ }}" for way in ("in", "out")]
    lines += [
        f"    set tried{version} {{ typeof {TRIED.format(key)}; size 1024; flags dynamic,timeout; timeout 1h; counter; }}"
        for version, key in ((4, "ip"), (6, "ip6"))
    ]
    lines += _input(settings, faces)
    lines += ["    chain forward { type filter hook forward priority filter; policy drop; }"]
    lines += _output(settings, resolved)
    return "\n".join([*lines, "}", ""])


def _input(settings: Settings, faces: list[tuple[str, int]]) -> list[str]:
    out = ["    chain input {", "        type filter hook input priority filter; policy drop;"]
    out += ["        iif lo accept", "        ct state established,related accept", "        ct state invalid drop"]
    out += ["        icmp type echo-request limit rate 10/second accept"]
    out += [
        "        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, echo-request } limit rate 50/second accept"
    ]
    for name, port in faces:
        for version, key in ((4, "ip"), (6, "ip6")):
            allowed = [n for n in networks(settings, name) if ip_network(n).version == version]
            if allowed:
                out.append(f'        {key} saddr {{ {", ".join(allowed)} }} tcp dport {port} accept comment "{name}"')
    return [*out, *_dropped("in"), "    }"]


def _output(settings: Settings, resolved: dict[str, list[str]]) -> list[str]:
    out = ["    chain output {", "        type filter hook output priority filter; policy drop;"]
    out += ["        oif lo accept", "        ct state established,related accept"]
    out += ["        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept"]
    # Whoever is at the serial console may ping and trace (as root, slowly): nothing is carried but that somebody asked.
    out += [
        f"        meta skuid root icmp type echo-request limit rate {ASKED_A_SECOND}/second accept",
        f"        meta skuid root icmpv6 type echo-request limit rate {ASKED_A_SECOND}/second accept",
        f"        meta skuid root udp dport {TRACED} limit rate {ASKED_A_SECOND}/second accept",
    ]
    if settings["network.address"] == "dhcp":
        out.append("        meta skuid systemd-network udp sport 68 udp dport 67 accept")
    for server in settings["network.dns"]:
        out.append(
            f"        meta skuid systemd-resolve {_to(server)} meta l4proto {{ tcp, udp }} th dport {DNS} accept"
        )
    for host in settings["network.time_servers"]:
        for place in resolved.get(host, []):
            out.append(f"        meta skuid _chrony {_to(place)} udp dport {NTP} accept")
            if settings["network.nts"]:
                out.append(f"        meta skuid _chrony {_to(place)} tcp dport {NTS} accept")
    for reach in reach_of(settings):
        for place in resolved.get(reach.host, []):
            transport = f"meta l4proto {{ {reach.transports} }} th"
            out.append(f"        meta skuid {reach.user} {_to(place)} {transport} dport {reach.port} accept")
    out += [
        f"        {begins} add @tried{version} {{ {TRIED.format(key)} }}"
        for begins in BEGINS
        for version, key in ((4, "ip"), (6, "ip6"))
    ]
    return [*out, *_dropped("out"), "    }"]


def _to(place: str) -> str:
    at: Any = ip_address(place)
    return f"{'ip' if at.version == 4 else 'ip6'} daddr {at}"


def _dropped(way: str) -> list[str]:
    return [
        f'        limit rate {LOGGED_A_MINUTE}/minute log prefix "casemate dropped {way}: " flags skuid',
        f"        counter name dropped_{way} drop",
    ]
