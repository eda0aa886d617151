"""The PIN of a real token changed while it is in use: made anew where a file holds it, typed by a person, and cut off between token and file."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from tests.stories.test_keys import MODULE, Keys, until

pytestmark = [pytest.mark.stories, pytest.mark.skipif(not MODULE, reason="softhsm2 is not installed")]


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    keys = Keys(tmp_path)
    yield keys
    if keys.process is not None:
        keys.stop()


def asked(keys: Keys, op: str, **payload: Any) -> dict[str, Any]:
    reply: dict[str, Any] = keys.client.call(op, {"who": "cli:ann", **payload}, 60.0)
    return reply


def refused(keys: Keys, op: str, **payload: Any) -> str:
    with pytest.raises(Error) as e:
        asked(keys, op, **payload)
    return e.value.code


def test_a_pin_file_has_another_pin_and_a_cut_between_token_and_file_is_mended(keys: Keys, tmp_path: Path) -> None:
    keys.start()
    path = tmp_path / "hsm/pin"
    before = path.read_text()
    assert refused(keys, "pin", old="typed", new="typed too") == "key_state", "nobody types it here"
    assert asked(keys, "pin")["hsms"] == ["first"]
    after = path.read_text()
    assert after != before and len(after) == 32 and path.stat().st_mode & 0o777 == 0o600
    assert keys.ping()["ready"], "messages flow"
    assert [w for w in keys.on_record() if w.startswith("hsm.pin")] == ["hsm.pin_change_begun", "hsm.pin_changed"]
    keys.stop()
    keys.start()  # with the new one
    keys.stop()
    # Power failed after the token had it and before the file did: the old one is tried once, then the one beside.
    path.write_text(before)
    (tmp_path / "hsm/pin.next").write_text(after)
    keys.start()
    assert path.read_text() == after and not (tmp_path / "hsm/pin.next").exists()


def test_a_person_changes_the_pin_that_people_type(keys: Keys, tmp_path: Path) -> None:
    keys.start()
    keys.stop()
    old = (tmp_path / "hsm/pin").read_text()
    (tmp_path / "hsm/pin").unlink()
    keys.config = '[hsm]\nopened_by = "person"\n'
    keys.start(ready=False)
    asked(keys, "unseal", pin=old)
    keys.wait_ready()
    assert refused(keys, "pin", old=old, new="short") == "invalid"
    assert refused(keys, "pin", old=old, new=old) == "invalid"
    assert refused(keys, "pin", old="not the old one", new="another PIN") == "pin_invalid"
    assert asked(keys, "custody")["wrong_pins"] == 1
    assert asked(keys, "pin", old=old, new="another PIN")["hsms"] == ["first"]
    assert asked(keys, "custody")["wrong_pins"] == 0
    pid = keys.wait_workers()[0]
    os.kill(pid, signal.SIGKILL)  # a worker that starts again logs in with the new one
    until(lambda: pid not in keys.wait_workers(), 90, "another worker")
    keys.stop()
    keys.start(ready=False)
    assert refused(keys, "unseal", pin=old) == "pin_invalid"
    asked(keys, "unseal", pin="another PIN")
    keys.wait_ready()
    told = [w for w in keys.on_record() if w.startswith("hsm.pin")]
    assert told == ["hsm.pin_change_begun", "hsm.pin_changed"] * 2, "what is no PIN at all is not begun"
