"""The firewall that settings make: default drop both ways, each process to its own destinations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.network import Reach, firewall, reach_of, render
from appliance.network.files import clock_sources, front, hostname, instances, network_units
from appliance.settings import Settings, parse

LINK = {"name": "first", "host": "a.example", "port": 2775, "more_hosts": ["192.0.2.9:8775"], "system_id": "bank"}


def settings(tmp_path: Path, **tables: Any) -> Settings:
    return parse(tables, tmp_path, "test", tmp_path)


def test_each_process_reaches_what_its_settings_name_and_nothing_else(tmp_path: Path) -> None:
    said = settings(tmp_path, link=[LINK], webhook={"hosts": ["core.example"]})
    assert reach_of(said) == [
        Reach("casemate-courier", "core.example", 443),
        Reach("casemate-engine", "192.0.2.9", 8775),
        Reach("casemate-engine", "a.example", 2775),
    ]
    text = firewall(
        said, {"a.example": ["198.51.100.7", "2001:db8::7"], "192.0.2.9": ["192.0.2.9"], "core.example": ["10.0.0.8"]}
    )
    out = text.split("chain output", 1)[1]
    assert "meta skuid casemate-engine ip daddr 198.51.100.7 meta l4proto { tcp } th dport 2775 accept" in out
    assert "meta skuid casemate-engine ip6 daddr 2001:db8::7 meta l4proto { tcp } th dport 2775 accept" in out
    assert "meta skuid casemate-engine ip daddr 192.0.2.9 meta l4proto { tcp } th dport 8775 accept" in out
    assert "meta skuid casemate-courier ip daddr 10.0.0.8 meta l4proto { tcp } th dport 443 accept" in out
    assert {
        word
        for line in out.splitlines()
        if "skuid casemate" in line
        for word in line.split()
        if word.startswith("casemate-")
    } == {
        "casemate-engine",
        "casemate-courier",
    }


def test_who_is_at_the_serial_console_pings_and_traces_slowly_and_nobody_else_does(tmp_path: Path) -> None:
    lines = [line.strip() for line in firewall(settings(tmp_path), {}).split("chain output", 1)[1].splitlines()]
    echo = [line for line in lines if "echo-request" in line or "44444" in line]
    assert echo == [
        "meta skuid root icmp type echo-request limit rate 5/second accept",
        "meta skuid root icmpv6 type echo-request limit rate 5/second accept",
        "meta skuid root udp dport 44444-44475 limit rate 5/second accept",
    ]


def test_name_servers_of_enum_are_the_courier_s(tmp_path: Path) -> None:
    said = settings(tmp_path, enum=[{"apex": "e164.arpa", "servers": ["10.0.0.53:53"]}])
    line = "meta skuid casemate-courier ip daddr 10.0.0.53 meta l4proto { tcp, udp } th dport 53 accept"
    assert line in firewall(said, {"10.0.0.53": ["10.0.0.53"]})


def test_the_siem_is_the_auditor_s(tmp_path: Path) -> None:
    said = settings(tmp_path, siem={"target": "siem.example:6514"})
    assert Reach("casemate-auditor", "siem.example", 6514) in reach_of(said)


def test_both_ways_are_closed_and_the_last_word_is_drop(tmp_path: Path) -> None:
    text = firewall(settings(tmp_path), {})
    for chain in ("input", "output"):
        body = text.split(f"chain {chain} {{", 1)[1].split("    }", 1)[0]
        assert "policy drop;" in body
        assert body.rstrip().endswith(f"counter name dropped_{chain.removesuffix('put')} drop")
        assert f"counter dropped_{chain.removesuffix('put')} {{ }}" in text
    assert "chain forward { type filter hook forward priority filter; policy drop; }" in text


def test_who_tries_what_is_remembered_when_a_connection_begins(tmp_path: Path) -> None:
    text = firewall(settings(tmp_path), {})
    out = text.split("chain output {", 1)[1].split("    }", 1)[0]
    for version, key in ((4, "ip"), (6, "ip6")):
        fields = f"meta skuid . {key} daddr . meta l4proto . th dport"
        assert (
            f"set tried{version} {{ typeof {fields}; size 1024; flags dynamic,timeout; timeout 1h; counter; }}" in text
        )
        for begins in ("tcp flags & (syn | ack | rst) == syn", "meta l4proto udp ct state new"):
            assert f"{begins} add @tried{version} {{ {fields} }}" in out
    assert out.index("add @tried6") > out.rindex("accept"), "what is allowed was let through before"


def test_faces_are_open_to_the_named_networks_only(tmp_path: Path) -> None:
    said = settings(
        tmp_path,
        network={"api_from": ["10.1.0.0/16"], "console_from": ["10.2.0.0/24"], "door_from": []},
        door={"enabled": False},
    )
    incoming = [line.strip() for line in firewall(said, {}).splitlines() if "saddr" in line]
    assert incoming == [
        'ip saddr { 10.1.0.0/16 } tcp dport 443 accept comment "network.api_from"',
        'ip saddr { 10.2.0.0/24 } tcp dport 8443 accept comment "network.console_from"',
    ]


def test_a_host_without_an_address_is_reached_by_nobody(tmp_path: Path) -> None:
    assert "2775" not in firewall(settings(tmp_path, link=[LINK]), {})


@pytest.mark.parametrize("wrong", ["10.0.0.1/8", "anywhere", "10.0.0.0/33"])
def test_a_network_that_is_none_is_named(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(Error) as caught:
        firewall(settings(tmp_path, network={"api_from": [wrong]}), {})
    assert caught.value.code == "settings_invalid"
    assert "network.api_from" in caught.value.message


def test_time_is_asked_of_the_named_servers_with_nts(tmp_path: Path) -> None:
    said = settings(tmp_path, network={"time_servers": ["time.example"]})
    text = firewall(said, {"time.example": ["10.0.0.3"]})
    assert "meta skuid _chrony ip daddr 10.0.0.3 udp dport 123 accept" in text
    assert "meta skuid _chrony ip daddr 10.0.0.3 tcp dport 4460 accept" in text
    assert clock_sources(said) == "server time.example iburst nts\n"
    assert clock_sources(settings(tmp_path, network={"time_servers": ["t"], "nts": False})) == "server t iburst\n"


def test_an_address_of_its_own_or_one_that_is_given(tmp_path: Path) -> None:
    fixed = unit(settings(tmp_path, network={"address": "10.20.0.5/24", "gateway": "10.20.0.1", "dns": ["10.20.0.2"]}))
    assert "Address=10.20.0.5/24\nGateway=10.20.0.1\nDNS=10.20.0.2\n" in fixed
    given = unit(settings(tmp_path))
    assert "DHCP=ipv4" in given
    assert "UseDNS=no" in given
    with pytest.raises(Error, match=r"network\.address"):
        unit(settings(tmp_path, network={"address": "10.20.0"}))


def unit(said: Settings) -> str:
    """Of a box with one card."""
    (text,) = network_units(said).values()
    return text


def test_a_bond_and_a_vlan_are_named_from_the_cards_up(tmp_path: Path) -> None:
    said = settings(
        tmp_path,
        network={
            "bond": ["eno1", "eno2"],
            "bond_mode": "802.3ad",
            "vlan": 120,
            "address": "10.20.0.5/24",
            "gateway": "10.20.0.1",
            "routes": ["10.0.0.0/8 via 10.20.0.254", "2001:db8::/48 via 2001:db8:1::1"],
        },
    )
    made = network_units(said)
    assert sorted(made) == [
        "10-casemate-bond.netdev",
        "10-casemate-cards.network",
        "10-casemate-vlan.netdev",
        "10-casemate.network",
        "11-casemate-lower.network",
    ]
    assert "Kind=bond\n\n[Bond]\nMode=802.3ad\n" in made["10-casemate-bond.netdev"]
    assert made["10-casemate-cards.network"].startswith("[Match]\nName=eno1 eno2\n\n[Network]\nBond=bond0\n")
    assert "Id=120\n" in made["10-casemate-vlan.netdev"]
    assert made["11-casemate-lower.network"].startswith("[Match]\nName=bond0\n\n[Network]\nVLAN=vlan120\n")
    top = made["10-casemate.network"]
    assert top.startswith("[Match]\nName=vlan120\n") and "Address=10.20.0.5/24\nGateway=10.20.0.1\n" in top
    assert "[Route]\nDestination=10.0.0.0/8\nGateway=10.20.0.254\n" in top and "Gateway=2001:db8:1::1\n" in top


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"routes": ["10.0.0.0/8"]}, "is no route"),
        ({"routes": ["10.0.0.1/8 via 10.20.0.254"]}, "host bits"),
        ({"routes": ["10.0.0.0/8 via gateway"]}, "IPv4 or IPv6"),
        ({"bond": ["eno1", "-bad"]}, "no network card"),
    ],
)
def test_a_network_that_cannot_be_is_refused(tmp_path: Path, given: dict[str, Any], why: str) -> None:
    with pytest.raises(Error, match=why):
        network_units(settings(tmp_path, network={"address": "10.20.0.5/24", **given}))


def test_a_name_of_the_box(tmp_path: Path) -> None:
    assert hostname(settings(tmp_path)) == ""
    assert hostname(settings(tmp_path, network={"hostname": "casemate-1.bank.example"})) == "casemate-1.bank.example\n"
    with pytest.raises(Error, match="is no name"):
        hostname(settings(tmp_path, network={"hostname": "a b"}))


def test_behind_a_proxy_the_courier_reaches_the_proxy_alone(tmp_path: Path) -> None:
    said = settings(tmp_path, webhook={"hosts": ["core.example"]}, network={"proxy": "proxy.example:3128"})
    assert reach_of(said) == [Reach("casemate-courier", "proxy.example", 3128)]
    with pytest.raises(Error, match="ADDRESS:PORT"):
        settings(tmp_path, network={"proxy": "proxy.example"})


def test_a_store_for_backups_is_the_backup_s_alone(tmp_path: Path) -> None:
    said = settings(tmp_path, backup={"target": "s3://store.example:9000/vault"})
    assert reach_of(said) == [Reach("casemate-backup", "store.example", 9000)]


def test_files_of_a_network_that_is_no_more_go(tmp_path: Path) -> None:
    render(settings(tmp_path, network={"vlan": 7}), tmp_path / "out", tmp_path / "units")
    (tmp_path / "units/99-other.network").write_text("")
    render(settings(tmp_path), tmp_path / "out", tmp_path / "units")
    assert sorted(p.name for p in (tmp_path / "units").iterdir()) == ["10-casemate.network", "99-other.network"]


def test_the_front_has_both_ports_and_no_metrics(tmp_path: Path) -> None:
    text = front(settings(tmp_path, network={"api_port": 8443, "console_port": 9443}))
    assert "listen 8443 ssl" in text
    assert "listen 9443 ssl" in text
    assert "location = /metrics { return 404; }" in text


def test_files_are_written_whole(tmp_path: Path) -> None:
    said = settings(tmp_path, link=[{**LINK, "host": "192.0.2.7"}])
    assert render(said, tmp_path / "out", tmp_path / "units") == []
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()) == [
        "out/chrony.d/site.sources",
        "out/firewall.nft",
        "out/hostname",
        "out/instances",
        "out/names",
        "out/nginx.conf",
        "units/10-casemate.network",
    ]
    assert (tmp_path / "out/firewall.nft").stat().st_mode & 0o777 == 0o600


def test_a_door_on_this_machine_alone_is_not_opened(tmp_path: Path) -> None:
    assert "network.door_from" not in firewall(settings(tmp_path), {})
    given = {"listen": "0.0.0.0:2776", "tls_certificate": "server.pem", "tls_key": "server.key"}
    for name in ("server.pem", "server.key"):
        (tmp_path / name).write_text("x")
    assert 'tcp dport 2776 accept comment "network.door_from"' in firewall(settings(tmp_path, door=given), {})


def test_engines_and_gateways_beyond_the_first_have_units_of_their_own(tmp_path: Path) -> None:
    assert instances(settings(tmp_path)) == ""
    said = settings(tmp_path, engine={"shards": 3}, api={"gateways": 2})
    assert instances(said).split() == [
        "casemate-engine@1.service",
        "casemate-engine@2.service",
        "casemate-gateway@1.service",
    ]
