"""The settings file: every mistake is named with its place and what is allowed; nothing unknown is passed over."""

from pathlib import Path

import pytest

from appliance.errors import Error
from appliance.settings import SETTINGS, address, check_listen, load, parse

HOME = Path("/nowhere")


def refused(raw: dict[str, object]) -> Error:
    with pytest.raises(Error) as caught:
        parse(raw, HOME, "casemate.toml")
    assert caught.value.code == "settings_invalid"
    return caught.value


def test_defaults_pass_their_own_checks() -> None:
    settings = parse({}, HOME, "defaults")
    raw: dict[str, dict[str, object]] = {}
    for row in SETTINGS:
        room, _, name = row.name.partition(".")
        raw.setdefault(room, {})[name] = row.default
        assert settings[row.name] == row.default
        assert row.help and not row.help.endswith(".")
    parse(raw, HOME, "defaults")  # type: ignore[arg-type]


def test_an_unknown_setting_names_its_nearest() -> None:
    error = refused({"api": {"listn": "x"}})
    assert "api.listn" in error.message and "api.listen" in error.hint


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        ({"api": {"gateways": "2"}}, "type int"),
        ({"api": {"gateways": True}}, "type int"),
        ({"api": {"gateways": 0}}, "between"),
        ({"engine": {"indeterminate_otp": "maybe"}}, "resend, hold"),
        ({"webhook": {"hosts": [1]}}, "list of strings"),
        ({"link": {"name": "a"}}, "two brackets"),
        ({"link": [{"name": "a"}]}, "`host` is missing"),
        ({"link": [{"name": "a b", "host": "h"}]}, "name"),
        ({"link": [{"name": "a", "host": "h", "windwo": 1}]}, "windwo"),
        ({"link": [{"name": "a", "host": "h"}, {"name": "a", "host": "h"}]}, "same name"),
        ({"link": [{"name": "a", "host": "h", "password_file": "/no/such"}]}, "password_file"),
        ({"link": [{"name": "a", "host": "h"}], "route": [{"prefix": "+39", "links": ["a"]}]}, "not digits"),
        ({"link": [{"name": "a", "host": "h"}], "route": [{"links": ["b"]}]}, "unknown link"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_each_mistake_is_named(raw: dict[str, object], word: str) -> None:
    assert word in refused(raw).message


def test_links_without_routes_serve_everybody(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("pass\n")
    link = {"name": "tim", "host": "h", "password_file": "secret", "reference_bits": "8"}
    settings = parse({"link": [link]}, HOME, "f", tmp_path)
    assert settings.links[0].password == "pass" and settings.links[0].reference_bits == 8
    assert "pass" not in repr(settings.links[0])
    assert settings.routes[0].links == ("tim",)


def test_a_file_that_is_not_toml(tmp_path: Path) -> None:
    for n, octets in enumerate((b"\xff\xfe", b"[api", b"a = = 1")):
        path = tmp_path / f"{n}.toml"
        path.write_bytes(octets)
        with pytest.raises(Error) as caught:
            load(path, HOME)
        assert caught.value.code == "settings_invalid" and str(path) in caught.value.message
    with pytest.raises(Error):
        load(tmp_path / "missing.toml", HOME)


@pytest.mark.parametrize("text", ["", "host", "host:", "host:x", "host:70000", ":80", "host:-1", "host:٣"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(Error):
        address(text)


def test_clear_text_only_on_loopback() -> None:
    assert check_listen("127.0.0.1:80", "") == ("127.0.0.1", 80)
    assert check_listen("[::1]:80", "") == ("::1", 80)
    assert check_listen("0.0.0.0:80", "cert.pem") == ("0.0.0.0", 80)
    with pytest.raises(Error) as caught:
        check_listen("0.0.0.0:80", "")
    assert caught.value.code == "unsafe_listen"


def test_the_digest_follows_every_setting_and_no_password(tmp_path: Path) -> None:
    def of(raw: dict[str, object]) -> str:
        return parse(raw, tmp_path, "test").digest()

    link = {"name": "one", "host": "127.0.0.1"}
    (tmp_path / "a").write_text("first")
    (tmp_path / "b").write_text("second")
    assert of({}) == of({"api": {"listen": "127.0.0.1:8080"}}), "a default that is written out changes nothing"
    different = [{}, {"store": {"retention_days": 7}}, {"link": [link]}, {"link": [link | {"window": 7}]}]
    assert len({of(raw) for raw in different}) == len(different)
    secret = [of({"link": [link | {"password_file": str(tmp_path / name)}]}) for name in "ab"]
    assert secret[0] == secret[1]
