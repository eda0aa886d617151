"""SSH for a time: which keys are taken, what sshd reads, and that a shell is root's there and nowhere else."""

from __future__ import annotations

import base64
import hashlib
import os
from importlib import import_module
from pathlib import Path

import pytest

from appliance.errors import Error
from appliance.network import firewall, render, ssh
from appliance.settings import parse

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkEpFtNuZPoHLzRrLvPwXkSrdVqm2OaRc5vmd4rKmpB"
PASSWD = "root:x:0:0:root:/root:/usr/sbin/nologin\nother:x:0:0:root:/root:/usr/sbin/nologin\nrooted:x:1:1::/:/usr/sbin/nologin\n"


def blob(kind: str, octets: bytes = b"k" * 40) -> str:
    return base64.b64encode(len(kind).to_bytes(4, "big") + kind.encode() + octets).decode()


def test_a_key_is_shown_as_ssh_keygen_shows_it() -> None:
    key = ssh.key_of(f"{ED25519} olga@bank\n")
    assert key.name == "olga@bank"
    digest = hashlib.sha256(base64.b64decode(ED25519.split()[1])).digest()
    assert key.shown == "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
    assert key.digest.hex() == digest.hex()


@pytest.mark.parametrize("kind", ssh.KINDS)
def test_kinds_that_are_taken(kind: str) -> None:
    assert ssh.key_of(f"{kind} {blob(kind)}").kind == kind


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        f"ssh-rsa {blob('ssh-rsa')} old@bank",
        f"ssh-dss {blob('ssh-dss')}",
        f"ssh-ed25519 {blob('ssh-rsa')}",
        f'command="/bin/sh" {ED25519}',
        f"{ED25519} two words",
        f"{ED25519}!",
        f"{ED25519} a\n{ED25519} b",
        "ssh-ed25519 " + "A" * 43,
    ],
)
def test_what_is_no_key_is_refused(line: str) -> None:
    with pytest.raises(Error) as caught:
        ssh.key_of(line)
    assert caught.value.code == "invalid" and "ssh-keygen" in caught.value.hint


def test_a_file_of_keys() -> None:
    assert [k.name for k in ssh.keys_of(f"# administrators\n\n{ED25519} a\n{ED25519} b\n")] == ["a", "b"]
    with pytest.raises(Error, match="too many"):
        ssh.keys_of(f"{ED25519}\n" * 51)


def test_only_root_has_a_shell_and_only_what_sshd_sees() -> None:
    assert ssh.with_a_shell(PASSWD) == PASSWD.replace("root:/root:/usr/sbin/nologin", "root:/root:/bin/bash", 1)
    assert ssh.unlocked("root:!*:1:0:9:7:::\nx:!:1::::::\n") == "root:*:1:0:9:7:::\nx:!:1::::::\n"


def test_what_the_unit_reads(tmp_path: Path) -> None:
    etc, folder = tmp_path / "etc", tmp_path / "run"
    etc.mkdir()
    (etc / "passwd").write_text(PASSWD)
    (etc / "shadow").write_text("root:!*:1::::::\n")
    assert not ssh.is_open(folder) and ssh.until_ms(folder) == 0
    before = os.umask(0o007)  # the serial console's
    try:
        ssh.write(ssh.key_of(f"{ED25519} olga"), 600, 1_800_000_000_000, folder, etc)
    finally:
        os.umask(before)
    assert (folder / "keys").read_text() == f"{ED25519} olga\n"
    assert (folder / "seconds").read_text() == "SECONDS_OPEN=600\n"
    assert ssh.is_open(folder) and ssh.until_ms(folder) == 1_800_000_000_000
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {p.name: p.stat().st_mode & 0o777 for p in folder.iterdir() if p.stat().st_mode & 0o077} == {"passwd": 0o644}
    assert not ssh.by_a_person(folder)
    ssh.closing(folder)
    assert ssh.by_a_person(folder)
    ssh.write(ssh.key_of(ED25519), 600, 1, folder, etc)
    assert not ssh.by_a_person(folder)


def test_the_firewall_has_its_port_while_it_is_open_and_for_the_named_networks_alone(tmp_path: Path) -> None:
    said = parse({"network": {"ssh_from": ["10.9.0.0/24"]}}, tmp_path, "test", tmp_path)
    assert "dport 22 " not in firewall(said, {})
    assert 'ip saddr { 10.9.0.0/24 } tcp dport 22 accept comment "network.ssh_from"' in firewall(said, {}, ssh=True)
    assert "dport 22 " not in firewall(parse({}, tmp_path, "test", tmp_path), {}, ssh=True), "no network, nobody"


def test_a_name_server_that_does_not_answer_takes_no_way_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = {"name": "first", "host": "a.example", "port": 2775, "system_id": "bank"}
    said = parse({"link": [link]}, tmp_path, "test", tmp_path)
    out, units = tmp_path / "out", tmp_path / "units"
    answers = {"a.example": ["198.51.100.7", "198.51.100.8"]}
    monkeypatch.setattr(import_module("appliance.network.render"), "addresses_of", lambda host: answers.get(host, []))
    assert render(said, out, units) == []
    assert (out / "names").read_text() == "a.example 198.51.100.7 198.51.100.8\n"
    answers.clear()
    assert render(said, out, units) == []
    assert "ip daddr 198.51.100.8" in (out / "firewall.nft").read_text()
    answers["a.example"] = ["198.51.100.9"]
    render(said, out, units)
    assert "198.51.100.8" not in (out / "firewall.nft").read_text()
