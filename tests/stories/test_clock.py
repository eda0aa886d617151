"""The wall clock set forth and back under a real box while messages flow (in every process), as the table in `tests/README.md` says.

Expected, written down first: nobody is refused for it and no process ends; what was accepted arrives, whatever the hour says. A clock that
leaps ahead beyond the retention is told (`clock_doubted`, exit code 1 of `casemate status`, `clock.doubted` on the audit log) and erases
nothing; when it is set back all is well again, and when a person confirms it instead, what is past its retention goes.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.support.appliance import Appliance, wait_for
from tests.support.set_clock import SetBox, why_not

pytestmark = pytest.mark.stories

HOUR_S, DAY_S = 3_600, 86_400
CONFIG = """
[store]
retention_days = 10
[door]
keep_days = 10
"""
EACH_S = 0.2
PER_CALL = 5


@pytest.fixture(scope="module")
def box() -> Iterator[SetBox]:
    if why_not():
        pytest.skip(why_not())
    with SetBox(CONFIG) as box:
        yield box


class Flow(threading.Thread):
    """A bank's system that hands in messages without a pause and counts what it is told."""

    def __init__(self, box: Appliance) -> None:
        super().__init__(daemon=True)
        self.client = box.client()
        self.accepted: list[str] = []
        self.refusals: Counter[str] = Counter()
        self.over = threading.Event()
        self.ended: Exception | None = None

    def run(self) -> None:
        try:
            while not self.over.wait(EACH_S):
                rows = [
                    {"to": f"+39347{n:07}", "text": f"Ora esatta {len(self.accepted)} {n}"} for n in range(PER_CALL)
                ]
                answer = self.client.post("/v1/messages/batch", json={"messages": rows}, timeout=30)
                told = answer.json()
                if answer.status_code == 202:
                    self.accepted += [row["id"] for row in told["accepted"]]
                    self.refusals.update(row["code"] for row in told["rejected"])
                else:
                    self.refusals[told["code"]] += 1
        except (httpx.HTTPError, ValueError, KeyError) as e:
            self.ended = e

    def more(self, count: int) -> None:
        """So many more are taken from now on."""
        least = len(self.accepted) + count
        wait_for(f"{count} more messages", lambda: self.ended or len(self.accepted) >= least, 90)
        assert self.ended is None, self.ended

    def finished(self) -> list[str]:
        self.over.set()
        self.join(60)
        assert not self.is_alive() and self.ended is None, self.ended
        assert not self.refusals, self.refusals
        return self.accepted


def arrived(box: Appliance, ids: list[str]) -> None:
    status = box.settled(seconds=120)
    lost = Counter(status.get(id_, "nowhere") for id_ in ids if status.get(id_) != "delivered")
    assert not lost, f"of {len(ids)} accepted: {lost}"


def days(box: Appliance) -> set[str]:
    return {path.name for path in (box.home / "store").glob("messages-*.db")}


def test_set_forth_and_back_while_messages_flow(box: SetBox) -> None:
    before = box.processes()
    flow = Flow(box)
    flow.start()
    flow.more(20)
    for ahead_s in (HOUR_S, -HOUR_S, 20 * HOUR_S, 5, 0):
        box.set_clock(ahead_s)
        flow.more(40)
    arrived(box, flow.finished())
    assert box.processes() == before, "a process ended for it"
    told = box.casemate("status")
    assert told.returncode == 0, told.stdout
    assert box.casemate("audit", "verify").returncode == 0


def test_far_ahead_nothing_is_erased_until_it_is_set_back_or_confirmed(box: SetBox) -> None:
    old = box.send(to="+393471234567", text="Prima del salto")["id"]
    box.until(old, "delivered", seconds=60)
    kept, before = days(box), box.processes()
    box.set_clock(40 * DAY_S)
    wait_for("the clock to be doubted", lambda: "clock_doubted" in box.casemate("status").stdout, 90, 1.0)
    assert box.casemate("status").returncode == 1
    new = box.send(to="+393471234567", text="Dopo il salto")["id"]
    box.until(new, "delivered", seconds=60)
    assert kept < days(box), "the day that the clock says has a partition, and those before it are there"
    assert box.message(old)["text"] == "Prima del salto"

    box.set_clock(0)
    wait_for("the clock to be believed", lambda: box.casemate("status").returncode == 0, 90, 1.0)
    assert box.message(new)["text"] == "Dopo il salto"
    again = box.send(to="+393471234567", text="Di nuovo oggi")["id"]
    box.until(again, "delivered", seconds=60)
    assert box.processes() == before

    box.set_clock(40 * DAY_S)
    wait_for("the clock to be doubted", lambda: box.casemate("status").returncode == 1, 90, 1.0)
    password = box.base / "password"
    password.write_text(box.env["CASEMATE_CONSOLE_PASSWORD"], encoding="utf-8")
    confirmed = box.casemate(
        "keys", "confirm-clock", "--user", box.env["CASEMATE_CONSOLE_USER"], "--password-file", str(password)
    )
    assert confirmed.returncode == 0, confirmed.stderr
    # The keys of days past their retention are destroyed at the next look: that is what a person has confirmed.
    wait_for("the old day to be erased", lambda: box.message(old)["text"] is None, 90, 1.0)
    assert box.casemate("status").returncode == 0
    entries = box.casemate("audit", "verify")
    assert entries.returncode == 0, entries.stdout + entries.stderr
    box.set_clock(0)
