"""Link profiles: a link's own keys win, what belongs to a bank is refused, every ready one fits and says where its facts come from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.settings import Link, find_profile, parse, parse_profile, profile_names
from appliance.settings.profile import NEVER

ABOUT = {"name": "x", "title": "X", "source": ["a page"]}
EXPECTED = {
    *(
        "smpp-3.4-plain",
        "smpp-3.3-hex-dec",
        "kaleyra",
        "infobip",
        "vodafone-csv",
        "clicksend",
        "gatewayapi",
        "india-dlt",
    ),
    *("smsportal", "8x8", "latin1", "message-payload", "sar", "packed", "simulator", "sinch"),
}


def link(folder: Path = Path("/nowhere"), **own: Any) -> Link:
    return parse({"link": [{"name": "a", "host": "h", **own}]}, folder, "test", folder).links[0]


def refused(raw: dict[str, Any]) -> Error:
    with pytest.raises(Error) as caught:
        parse_profile(raw, "x.toml")
    assert caught.value.code == "settings_invalid" and "x.toml" in caught.value.message
    return caught.value


def test_the_ready_ones_are_these() -> None:
    assert set(profile_names()) == EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_ready_one_fits_and_names_its_sources(name: str) -> None:
    profile = find_profile(name)
    assert profile.name == name and profile.title and profile.source and profile.link
    made = link(profile=name)
    assert made.profile == name
    assert not set(profile.link) & NEVER
    assert [doubt for doubt, _ in made.doubts if "has no value" not in doubt] == []


def test_what_is_not_proven_is_said() -> None:
    operators = EXPECTED - {"smpp-3.4-plain", "simulator", "latin1", "message-payload", "sar", "packed"}
    assert [name for name in sorted(operators) if "Not proven" not in find_profile(name).notes] == []


def test_a_links_own_keys_win() -> None:
    plain, given, own = link(), link(profile="clicksend"), link(profile="clicksend", window=3, port=1)
    assert (plain.window, given.window, own.window) == (100, 10, 3)
    assert (given.port, given.tls, own.port, own.tls) == (2776, True, 1, True)


def test_words_and_optional_parameters_are_merged_by_name() -> None:
    words = link(profile="kaleyra", receipt_words={"HELD": "sent"}).receipt_words
    assert words == {"FAILED": "failed", "HELD": "sent"}
    assert link(profile="kaleyra", receipt_words={"FAILED": "rejected"}).receipt_words == {"FAILED": "rejected"}
    mine = link(
        profile="india-dlt",
        tlvs=[{"name": "pe_id", "value": "1001"}, {"name": "template_id", "by_sender": {"MYBANK": "1007"}}],
    )
    assert [(t.name, t.tag, t.kind, t.value, t.by_sender) for t in mine.tlvs] == [
        ("pe_id", 0x1400, "string", b"1001", {}),
        ("template_id", 0x1401, "string", b"", {"MYBANK": b"1007"}),
    ]
    assert mine.tlv_names == {0x1400: "pe_id", 0x1401: "template_id", 0x1402: "tm_id"}


def test_the_same_tag_means_other_things_to_others() -> None:
    """Of one operator 0x1400 is an entity, of another a customer's reference: known by link, never by tag alone."""
    assert link(profile="india-dlt").tlv_names[0x1400] == "pe_id"
    assert link(profile="smsportal").tlv_names[0x1400] == "customer_reference"
    assert link(profile="smsportal").tlvs == ()


def test_a_profile_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[profile]\nname = "own"\ntitle = "T"\nsource = ["S"]\n[link]\nwindow = 7\n')
    assert link(tmp_path, profile="own.toml").window == 7
    assert link(tmp_path, profile=str(tmp_path / "own.toml")).window == 7
    assert link(tmp_path, profile="./own.toml", window=8).window == 8


def test_a_missing_profile_names_its_nearest(tmp_path: Path) -> None:
    for name, word in (("kaleira", "kaleyra"), ("nothing-like-it", "casemate link profiles")):
        with pytest.raises(Error) as caught:
            link(profile=name)
        assert caught.value.code == "settings_invalid" and word in caught.value.hint
    (tmp_path / "broken.toml").write_bytes(b"\xff[")
    for name in ("missing.toml", "broken.toml"):
        with pytest.raises(Error) as caught:
            link(tmp_path, profile=name)
        assert name in caught.value.message


@pytest.mark.parametrize("name", sorted(NEVER))
def test_what_belongs_to_a_bank_is_no_part_of_a_profile(name: str) -> None:
    assert "belongs to the link" in refused({"profile": ABOUT, "link": {name: "x"}}).message


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        ({"profile": ABOUT, "link": {"windwo": 1}}, "windwo"),
        ({"profile": ABOUT, "link": {"window": 0}}, "between"),
        ({"profile": ABOUT, "link": {"pace": float("nan")}}, "between"),
        ({"profile": ABOUT, "link": {"id_base": "octal"}}, "one of"),
        ({"profile": ABOUT, "links": {}}, "links"),
        ({"profile": [ABOUT], "link": {}}, "one bracket"),
        ({"profile": {**ABOUT, "titel": "x"}}, "titel"),
        ({"profile": {**ABOUT, "source": []}}, "source"),
        ({"profile": {**ABOUT, "source": [1]}}, "source"),
        ({"profile": {**ABOUT, "title": 1}}, "title"),
        ({"profile": {"name": "x", "title": "X"}}, "`source` is missing"),
        ({"link": {"window": 1}}, "`name` is missing"),
        ({"profile": ABOUT, "link": {"tlvs": [{"name": "A B", "tag": 0x1400}]}}, "small letters"),
        ({"profile": ABOUT, "link": {"tlvs": [{"name": "a", "tag": 0x1400, "kind": "float"}]}}, "kind"),
        ({"profile": ABOUT, "link": {"tlvs": [{"name": "a", "tag": 0x1400, "value": "1", "by_sender": {}}]}}, "give"),
    ],
)
def test_each_mistake_of_a_profile_is_named(raw: dict[str, Any], word: str) -> None:
    assert word in refused(raw).message


def test_a_near_match_is_offered() -> None:
    assert "`window`" in refused({"profile": ABOUT, "link": {"windwo": 1}}).hint
    assert "`title`" in refused({"profile": {**ABOUT, "titel": "x"}}).hint


def test_the_link_that_the_readme_shows_is_right(tmp_path: Path) -> None:
    readme = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", readme, re.S)
    (tmp_path / "first.password").write_text("geheim12")
    (made,) = parse(tomllib.loads(block), tmp_path, "README.md", tmp_path).links
    assert made.port == 8775 and made.tls and len(made.addresses()) == 2
