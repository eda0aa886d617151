"""A port that was free when the demo chose it and is another's when its process listens: told clearly, and chosen again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.errors import Error
from appliance.settings import parse
from appliance.supervisor.demo import lost_ports
from appliance.supervisor.watchman import _never_started

DOOR = "casemate: door.listen 127.0.0.1:2776 is taken [address_in_use]"


def died(name: str, *lines: str) -> Error:
    return _never_started(SimpleNamespace(name=name, shelf=SimpleNamespace(tail=lines)))  # type: ignore[arg-type]


def test_what_was_taken_is_said_not_the_hint_behind_it() -> None:
    error = died("door", DOOR, "  set door.listen to a free port")
    assert (error.code, error.detail["process"]) == ("address_in_use", "door")
    assert error.message == "door does not start: door.listen 127.0.0.1:2776 is taken"
    other = died("console", "OSError: [Errno 98] Address already in use", "")
    assert (other.code, other.detail["process"]) == ("address_in_use", "console")
    assert died("engine", "no reason to live").code == "peer_unavailable"


@pytest.mark.parametrize(
    ("config", "error", "names"),
    [
        ("", died("door", DOOR), ["door.listen"]),
        ('[door]\nlisten = "127.0.0.1:2776"\n', died("door", DOOR), []),
        ('[api]\nlisten = "127.0.0.1:1"\n', died("door", DOOR), ["door.listen"]),
        ("", died("gateway-1", DOOR), ["api.listen"]),
        ("", died("simulator", DOOR), ["simulator.listen", "simulator.control"]),
        ("", Error("address_in_use", "console.listen is taken", setting="console.listen"), ["console.listen"]),
        ("", died("door", "no reason to live"), []),
        ("", Error("token_missing", "no HSM"), []),
        ("", Error("address_in_use", "no free port"), []),
    ],
)
def test_only_what_the_demo_chose_is_chosen_again(tmp_path: Path, config: str, error: Error, names: list[str]) -> None:
    file = tmp_path / "c.toml"
    file.write_text(config, encoding="utf-8")
    settings = parse({}, tmp_path, "test")
    assert lost_ports(file, settings, error) == {name: settings[name] for name in names}
