"""What a process says of its settings when it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.cli import running
from appliance.errors import Error
from appliance.settings import parse


class Recorder:
    log: list[tuple[str, str, dict[str, Any]]] = []
    down = False

    def __init__(self, settings: Any) -> None: ...
    def close(self) -> None: ...

    def record(self, who: str, what: str, on: str, **detail: Any) -> None:
        if self.down:
            raise Error("audit_unavailable", "the act was not recorded")
        self.log.append((who, what, detail))


@pytest.fixture(autouse=True)
def recorder(monkeypatch: pytest.MonkeyPatch) -> type[Recorder]:
    class Fresh(Recorder):
        log: list[tuple[str, str, dict[str, Any]]] = []

    monkeypatch.setattr(running, "BlockingRecorder", Fresh)
    return Fresh


def test_settings_are_recorded_and_their_changes(tmp_path: Path, recorder: type[Recorder]) -> None:
    (tmp_path / "run").mkdir()
    first, second = parse({}, tmp_path, "t"), parse({"store": {"retention_days": 3}}, tmp_path, "t")
    for settings in (first, first, second):
        with running._on_record(settings, "courier"):
            pass
    told = [what for _, what, _ in recorder.log]
    usual = ["process.start", "settings.loaded", "process.stop"]
    assert told == [*usual, *usual, "process.start", "settings.loaded", "settings.changed", "process.stop"]
    changed = next(detail for _, what, detail in recorder.log if what == "settings.changed")
    assert changed == {"before": first.digest(), "digest": second.digest()}


def test_the_engine_keeps_its_own_starts_and_stops(tmp_path: Path, recorder: type[Recorder]) -> None:
    (tmp_path / "run").mkdir()
    with running._on_record(parse({}, tmp_path, "t"), "engine"):
        pass
    assert [what for _, what, _ in recorder.log] == ["settings.loaded"]


def test_an_auditor_that_is_away_stops_no_process(tmp_path: Path, recorder: type[Recorder]) -> None:
    recorder.down = True
    with running._on_record(parse({}, tmp_path, "t"), "gateway-0"):
        pass
    assert not (tmp_path / "run" / "gateway-0.settings").exists(), "so that it is told at the next start"
