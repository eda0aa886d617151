"""A change of the network: the file keeps everything else, and what is not confirmed goes back."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from appliance.errors import Error
from appliance.network import Changing, edited

FILE = """\
# the bank's box
[api]
gateways = 2
[network]  # by the network people
address = "10.1.2.3/24"
dns = [
    "10.1.0.1",  # first
    "10.1.0.2",
]
nts = false

[[link]]
name = "one"
"""


def test_only_what_is_asked_for_changes() -> None:
    out = edited(FILE, {"dns": ["10.9.0.1"], "gateway": "10.1.2.1"})
    said = tomllib.loads(out)
    assert said["network"] == {"dns": ["10.9.0.1"], "gateway": "10.1.2.1", "address": "10.1.2.3/24", "nts": False}
    assert said["link"] == [{"name": "one"}] and "# the bank's box" in out
    assert tomllib.loads(edited("", {"address": "dhcp"})) == {"network": {"address": "dhcp"}}
    assert tomllib.loads(edited("[api]\ngateways = 1\n", {"nts": True}))["api"] == {"gateways": 1}


def test_a_file_that_is_written_otherwise_is_left_alone() -> None:
    with pytest.raises(Error, match="cannot be changed here"):
        edited('network = { address = "dhcp" }\n', {"address": "10.0.0.1/8"})


def test_applied_confirmed_undone(tmp_path: Path) -> None:
    path = tmp_path / "casemate.toml"
    path.write_text('[network]\naddress = "dhcp"\n')
    path.chmod(0o640)
    changing = Changing(path, tmp_path / "home")
    changing.apply({"address": "10.0.0.9/24"}, 5_000)
    assert changing.pending() == 5_000 and "10.0.0.9" in path.read_text() and path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(Error, match="waits to be confirmed"):
        changing.apply({"address": "10.0.0.10/24"}, 9_000)
    assert not changing.revert(now_ms=4_999)
    assert changing.revert(now_ms=5_000)
    assert path.read_text() == '[network]\naddress = "dhcp"\n' and changing.pending() is None
    changing.apply({"gateway": "10.0.0.1"}, 5_000)
    changing.confirm()
    assert not changing.revert() and "10.0.0.1" in path.read_text()
    with pytest.raises(Error, match="no change"):
        changing.confirm()


def test_a_change_that_the_settings_refuse_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "casemate.toml"
    path.write_text("")
    changing = Changing(path, tmp_path / "home")
    with pytest.raises(Error):
        changing.apply({"address": 7}, 1)
    assert path.read_text() == "" and changing.pending() is None
