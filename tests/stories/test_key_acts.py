"""Two people and a token: a root rotated and left, a day destroyed, a hold, a compromised key; on every token there is, by the commands."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest

from appliance.access import Access
from appliance.cli.program import main
from appliance.settings import parse
from tests.stories.test_keys import Keys, refused, today
from tests.support.auditor_alone import AuditorAlone
from tests.support.tokens import TOKENS

pytestmark = pytest.mark.stories
PASSWORD = "correct horse battery staple"


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


class Office:
    """A keys process on its own token, and two people with console accounts."""

    def __init__(self, home: Path, make: Any) -> None:
        self.keys = Keys(home)
        self.auditor = AuditorAlone(home).start()
        made = make(home / "token")
        self.keys.config = made.settings
        self.keys.environment = made.environment
        self.password = home / "password"
        self.password.write_text(PASSWORD)
        access = Access(parse({}, home, "test"))
        for name, role in (("ann", "administrator"), ("bob", "compliance"), ("eve", "viewer")):
            access.create_user(name, PASSWORD, role)

    def casemate(self, *words: str, user: str = "") -> Done:
        """The command as a person gives it, within this process: twenty of them would mostly be imports."""
        signed = ["--user", user, "--password-file", str(self.password)] if user else []
        home = self.keys.home
        environment = {**self.keys.environment, "CASEMATE_HOME": str(home), "CASEMATE_CONFIG": str(home / "test.toml")}
        out, err = io.StringIO(), io.StringIO()
        with patch.dict(os.environ, environment), redirect_stdout(out), redirect_stderr(err):
            code = main(["keys", *words, *signed])
        return Done(code, out.getvalue(), err.getvalue())

    def told(self, *words: str, user: str = "") -> Any:
        done = self.casemate(*words, "--json", user=user)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def both(self, act: str, on: int = 0) -> Any:
        """Asked for by ann, approved by bob, done by ann; straight at the process, as the commands ask it."""
        call, reason = self.keys.client.call, {"reason": "drill", "who": "console:ann"}
        number = call("ask", {"act": act, "on": on, **reason}, 120.0)["request"]
        call("decide", {"request": number, "yes": True, "who": "console:bob"}, 120.0)
        return call("do", {"request": number, "who": "console:ann"}, 120.0)


@pytest.fixture(params=TOKENS)
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path, TOKENS[request.param])
    made.keys.start()
    yield made
    if made.keys.process is not None:
        made.keys.stop(signal.SIGTERM)
    made.auditor.stop()


@pytest.mark.timeout(300)
def test_a_root_is_rotated_and_a_day_erased_by_two_people(office: Office) -> None:
    keys = office.keys
    key = keys.client.call("data_key", {"day": today()})
    sealed = keys.ring.for_day(today()).seal(b"text", b"n")

    # one alone gets nowhere
    number = str(office.told("ask", "rotate-root", "--reason", "yearly", user="ann")["request"])
    for words, user in ((("do", number), "ann"), (("approve", number), "ann"), (("approve", number), "eve")):
        done = office.casemate(*words, user=user)
        assert (done.returncode, "[forbidden]" in done.stderr) == (1, True), done.stderr

    # both: the new root is proven from a cold start, then the old one is destroyed
    office.told("approve", number, user="bob")
    assert office.told("do", number, user="ann") == {"root": 2, "before": 1, "keys": 1}
    assert keys.client.call("data_key", {"key_id": key["key_id"]}) == key
    assert office.both("destroy-root", 1) == {"root": 1, "state": "destroyed"}
    keys.stop()
    keys.start()
    assert keys.client.call("data_key", {"day": today()}) == key, "from a cold start, by the new root alone"
    assert office.told("list")["roots"] == {"1": "destroyed", "2": "active"}

    # a compromised tenant key: its days are wrapped anew, the data keys stay
    tenant = next(k["key_id"] for k in office.told("list")["keys"] if k["purpose"] == "tenant")
    assert office.both("compromised-key", tenant)["wrapped_anew"] >= 1
    assert office.both("destroy-key", tenant)["state"] == "destroyed"
    keys.stop()
    keys.start()
    assert keys.client.call("data_key", {"day": today()}) == key

    # a hold keeps the day; lifted, its key is destroyed, and an old copy of the sealed text opens no more
    day = next(k for k in office.told("list")["keys"] if k["key_id"] == key["key_id"])
    assert office.told("hold", "2020-01-01", "2030-01-01", "--reason", "case 7", user="bob") == {"hold": 1}
    assert today() in keys.client.call("held", {})["days"]
    assert refused(lambda: office.both("destroy-key", day["key_id"])).code == "key_state"
    office.both("lift-hold", 1)
    assert office.both("destroy-key", day["key_id"])["state"] == "destroyed"
    keys.stop()
    keys.start()
    assert refused(lambda: keys.client.call("data_key", {"key_id": key["key_id"]})).code == "key_destroyed"
    other = keys.ring.for_day(today())
    assert other.key_id != key["key_id"]
    assert refused(lambda: other.open(sealed, b"n")).code == "key_refused"
    record = office.auditor.what() + keys.on_record()
    assert {"root.changed", "key.rewrapped", "key.destroyed", "key.hold_set", "key.hold_lifted"} <= set(record)
    assert record.count("approval.used") == 7
    assert PASSWORD not in "".join(f.read_text(errors="replace") for f in keys.home.glob("*.toml"))
