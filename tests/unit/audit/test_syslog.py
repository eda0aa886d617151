"""What the SIEM gets: read back with the grammar of RFC 5424, and as CEF, whatever an entry holds."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.audit.details import DETAIL
from appliance.audit.entry import canonical, entry
from appliance.audit.forwarding import reason, tls_context
from appliance.audit.syslog import cef, frame, hostname_of, message
from appliance.errors import Error
from appliance.settings import parse

AT_MS = 1_763_836_207_123
SD_NAME = r"[!#-<>-\\^-~]{1,32}"
ELEMENT = rf'\[({SD_NAME})((?: {SD_NAME}="(?:[^"\\\]]|\\["\\\]])*")*)\]'
SYSLOG = re.compile(
    rf"<(\d{{1,3}})>1 (\S+) ([!-~]{{1,255}}) ([!-~]{{1,48}}) ([!-~]{{1,128}}) ([!-~]{{1,32}}) ((?:{ELEMENT})+|-)(?: (.*))?"
)


def read_back(octets: bytes) -> tuple[re.Match[str], dict[str, dict[str, str]]]:
    found = SYSLOG.fullmatch(octets.decode())
    assert found, octets
    elements = {}
    for name, fields in re.findall(ELEMENT, found[7]):
        pairs = re.findall(rf' ({SD_NAME})="((?:[^"\\\]]|\\["\\\]])*)"', fields)
        elements[name] = {key: re.sub(r'\\(["\\\]])', r"\1", value) for key, value in pairs}
    return found, elements


def test_rfc5424_says_all_of_an_entry_and_holds_its_octets() -> None:
    text = canonical(entry(AT_MS, "console:anna", "console.login", "console:session", "refused", reason="locked"))
    found, elements = read_back(message("rfc5424", "box-1", 7, text, 8192))
    assert found.group(1, 2, 3, 4, 5, 6) == (
        "108",
        "2025-11-22T18:30:07.123Z",
        "box-1",
        "casemate",
        "auditor",
        "console.login",
    )
    assert elements == {
        "casemate@32473": {
            "index": "7",
            "who": "console:anna",
            "what": "console.login",
            "on": "console:session",
            "outcome": "refused",
        },
        "detail@32473": {"reason": "locked"},
        "meta": {"sequenceId": "8"},
    }
    assert found.group(found.re.groups) == text.decode()


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Nd"]), min_size=1, max_size=60).map(lambda t: f"x{t}")


@given(on=WORDS, why=WORDS)
def test_whatever_stands_in_it_is_read_back(on: str, why: str) -> None:
    text = canonical(entry(AT_MS, "process:engine-0", "link.down", f"link:{on}", why=why))
    found, elements = read_back(message("rfc5424", "box", 0, text, 8192))
    assert elements["casemate@32473"]["on"] == f"link:{on}"
    assert elements["detail@32473"] == {"why": why}
    assert found.group(found.re.groups) == text.decode()
    line = message("cef", "box", 0, text, 8192).decode()
    pairs = dict(re.findall(r"(\w+)=((?:[^=\\]|\\[=\\])*)(?= \w+=|$)", line.split("|", 7)[7], re.S))
    assert re.sub(r"\\([=\\])", r"\1", pairs["cs1"]) == f"link:{on}"
    assert msgspec.json.decode(re.sub(r"\\([=\\])", r"\1", pairs["cs2"])) == {"why": why}


def test_cef_says_the_event_and_how_grave_it_is() -> None:
    made = entry(AT_MS, "process:keys", "hsm.lost", "hsm:a=b", "failed", code="hsm_unavailable")
    said = cef(3, made)
    assert re.fullmatch(
        r"CEF:0\|Casemate\|Casemate\|[\d.]+\|hsm\.lost\|the HSM stopped answering\|8\|externalId=3 rt=1763836207123 "
        r'suser=process:keys outcome=failed cs1Label=on cs1=hsm:a\\=b cs2Label=detail cs2=\{"code":"hsm_unavailable"\}',
        said,
    ), said


@pytest.mark.parametrize(("letters", "kept"), [(1_000, "detail msg"), (2_500, "msg"), (9_000, "")])
def test_a_long_entry_is_cut_by_whole_parts(letters: int, kept: str) -> None:
    text = canonical(entry(AT_MS, "process:engine-0", "link.down", "link:a", why="y" * letters))
    octets = message("rfc5424", "box", 1, text, 4096)
    found, elements = read_back(octets)
    assert len(octets) <= 4096
    assert ("detail@32473" in elements) is ("detail" in kept)
    assert (found.group(found.re.groups) == text.decode()) is ("msg" in kept)
    assert (elements["casemate@32473"].get("whole") == "0") is (not kept)
    assert len(message("cef", "box", 1, text, 4096)) <= 4096


def test_every_event_fits_a_msgid() -> None:
    assert [what for what in DETAIL if not re.fullmatch(r"[!-~]{1,32}", what)] == []


def test_frames_count_octets() -> None:
    assert frame("ä".encode()) == b"2 \xc3\xa4"


def test_a_host_name_is_printable() -> None:
    assert hostname_of("box 1ü") == "box-1-"
    assert hostname_of("") == "-"


def test_certificates_that_are_not_there_are_said(tmp_path) -> None:  # type: ignore[no-untyped-def]
    settings = parse({"siem": {"target": "siem.bank.example:6514", "tls_ca": "none.pem"}}, tmp_path, "test")
    with pytest.raises(Error, match="TLS files of the SIEM") as refused:
        tls_context(settings)
    assert reason(refused.value) == "the TLS files of the SIEM cannot be used: FileNotFoundError"


def test_a_target_without_a_port_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Error, match="not ADDRESS:PORT"):
        parse({"siem": {"target": "siem.bank.example"}}, tmp_path, "test")
