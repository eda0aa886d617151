"""Real faults on a real box, as the table in `tests/README.md` says: pressure is passed back, alarms are clear, it heals by itself, nothing is lost."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest

from tests.support.appliance import Appliance, wait_for
from tests.support.small_disk import SmallDisk, why_not

pytestmark = pytest.mark.stories

DISK_MIB = 192
LONG = bool(os.environ.get("CASEMATE_FAULTS_LONG"))
LOAD_S = 60.0 if LONG else 5.0
OPERATOR_PER_S = 100  # what the operator takes: ten times that is what a small machine can still offer
#: A bank's system is told one of these when it must wait, and nothing else.
PRESSURE = {"store_full", "overloaded", "engine_unavailable", "rate_limited", "peer_unavailable"}
#: What was under way to an operator that then said nothing stays so until a receipt or a person tells.
HELD = frozenset({"indeterminate"})
CONFIG = """
[engine]
indeterminate_otp = "resend"
"""


@pytest.fixture(scope="module")
def disk() -> Iterator[SmallDisk | None]:
    if why_not():
        yield None
        return
    with SmallDisk(DISK_MIB) as disk:
        yield disk


@pytest.fixture(scope="module")
def box(disk: SmallDisk | None) -> Iterator[Appliance]:
    home = disk.path / "home" if disk is not None else None
    with Appliance(CONFIG, home=home) as box:
        yield box


@pytest.fixture
def small(disk: SmallDisk | None) -> SmallDisk:
    if disk is None:
        pytest.skip(why_not())
    return disk


def sent(box: Appliance, count: int, word: str, first: int = 0) -> list[str]:
    """Ids of so many messages that were accepted, each to a number of its own."""
    rows = [{"to": f"+39347{first + n:07}", "text": f"{word} {n}"} for n in range(count)]
    answer = box.api.post("/v1/messages/batch", json={"messages": rows})
    assert answer.status_code == 202, answer.text
    return [row["id"] for row in answer.json()["accepted"]]


def attempt(box: Appliance, text: str = "x") -> tuple[int, str, str]:
    """(HTTP status, code, id) of one message."""
    answer = box.api.post("/v1/messages", json={"to": "+393471234567", "text": text}, timeout=15)
    told = answer.json()
    return answer.status_code, told.get("code", ""), told.get("id", "")


def refused(box: Appliance) -> tuple[int, str]:
    """What a bank's system is told once it has to wait. What is accepted before is remembered by the caller's own look."""

    def look() -> Any:
        status, code, _ = attempt(box)
        return (status, code) if status != 202 else None

    told: tuple[int, str] = wait_for("a refusal", look, 20, 0.2)
    return told


def heals(box: Appliance, ids: list[str], seconds: float = 40.0) -> None:
    """Without a hand: ready, taking messages, and what was accepted before has arrived."""
    box.until_ready(seconds)
    wait_for("a message to be taken", lambda: attempt(box)[0] == 202, seconds, 0.2)
    for id_ in (*ids[:2], *ids[-2:]):
        box.until(id_, "delivered", seconds=seconds)
    status = box.settled(seconds=seconds, also=HELD)
    lost = [id_ for id_ in ids if status.get(id_) != "delivered"]
    assert not lost, f"{len(lost)} of {len(ids)}: {Counter(status.get(i, 'nowhere') for i in lost)}"


def test_a_full_disk(box: Appliance, small: SmallDisk) -> None:
    ids = sent(box, 50, "Prima del pieno")
    with small.full():
        status, code = refused(box)
        assert (status, code) in {(503, "store_full"), (507, "store_full"), (503, "engine_unavailable")}, (status, code)
        wait_for("readyz to say so", lambda: box.api.get("/readyz").status_code == 503, 10, 0.2)
        assert box.ask("engine-0", "ping")["why"] == "store_full"
        told = box.casemate("status")
        assert told.returncode == 1 and "store_full" in told.stdout, told.stdout
    heals(box, ids)
    assert box.casemate("audit", "verify").returncode == 0


def test_a_disk_that_stalls(box: Appliance, small: SmallDisk) -> None:
    """Everything waits for it and nothing else happens: no refusal that is not pressure, no restart."""
    before = box.processes()
    ids = sent(box, 50, "Prima della lentezza")
    answers: Counter[str] = Counter()
    with small.slow():
        until = time.monotonic() + (20 if LONG else 4)
        while time.monotonic() < until:
            status, code, id_ = attempt(box)
            answers[code or str(status)] += 1
            ids += [id_] if id_ else []
    assert set(answers) <= PRESSURE | {"202"}, answers
    assert answers["202"], "a slow disk is no dead one"
    heals(box, ids)
    assert box.processes() == before


def test_an_operator_that_answers_nothing(box: Appliance) -> None:
    """A black hole: it connects, reads, and says nothing. Its segments are in doubt and say so; then it is back.

    What lay in its buffers it takes now, and its receipts, whose ids no answer brought, settle these: nobody has to decide.
    """
    pid = box.processes()["operator"] if "operator" in box.processes() else _operator(box)
    ids = sent(box, 20, "Prima del buio", 5_000)
    os.kill(pid, signal.SIGSTOP)
    try:
        late = sent(box, 20, "Nel buio", 6_000)  # it is taken all the same: that is what the queue is for
        link = wait_for(
            "the link to be down", lambda: next((x for x in _links(box) if x["state"] != "up"), None), 60, 0.2
        )
        assert link["last_error"], link
        wait_for("the metric of a link that is down", lambda: _up(box) == 0, 60, 0.2)
        assert box.ready(), "a dead operator is no reason to refuse messages"
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for("the link to be up", lambda: all(x["state"] == "up" for x in _links(box)), 60, 0.2)
    wait_for("the metric of a link that is up", lambda: _up(box) == 1, 60, 0.2)

    texts = {id_: f"Prima del buio {n}" for n, id_ in enumerate(ids)} | {
        id_: f"Nel buio {n}" for n, id_ in enumerate(late)
    }

    def unknown() -> list[str]:
        """Those that a handset shows and the box does not know as delivered."""
        shown = {m["text"] for m in box.received()}
        status = box.settled(seconds=60, also=HELD)
        assert texts.keys() <= status.keys()
        return [id_ for id_, text in texts.items() if text in shown and status[id_] != "delivered"]

    try:
        wait_for("what arrived to be known as delivered", lambda: not unknown(), 90, 1.0)
    except AssertionError:
        state, events = box.state(), box.message(unknown()[0])["events"]
        print(len(unknown()), {word: state[word] for word in ("parked", "held", "indeterminate")}, events)
        raise
    doubted = [id_ for id_ in late if any(e["status"] == "indeterminate" for e in box.message(id_)["events"])]
    assert doubted, "nothing was in doubt"


def _up(box: Appliance) -> float:
    """`casemate_link_up` of the demo's link; -1 while no metric says it."""
    text = httpx.get(f"{box.env['CASEMATE_API']}/metrics", headers=box.api.headers, trust_env=False).text
    found = re.search(r'^casemate_link_up\{link="simulated"\} (\S+)$', text, re.MULTILINE)
    return float(found.group(1)) if found else -1.0


def _links(box: Appliance) -> list[dict[str, Any]]:
    links: list[dict[str, Any]] = box.state()["links"]
    return links


def _operator(box: Appliance) -> int:
    """The demo's simulated operator."""
    for child in psutil.Process(box._process.pid).children(recursive=True):  # type: ignore[union-attr]
        with contextlib.suppress(psutil.Error):
            if "simulate" in child.cmdline() or "simulator" in " ".join(child.cmdline()):
                return child.pid
    raise AssertionError("the demo has no operator")


@pytest.mark.parametrize("name", ["auditor", "courier", "door", "console"])
def test_kill_9_of_the_others(box: Appliance, name: str) -> None:
    """Engine, gateway and keys are killed in `test_kill.py`."""
    before = box.kill(name)
    ids = sent(box, 20, f"Senza {name}")
    try:
        wait_for(f"another {name}", lambda: box.processes().get(name, before) != before, 40, 0.2)
    except AssertionError:
        print(before, psutil.pid_exists(before), (box.home / "run" / "state.json").read_text(encoding="utf-8"))
        raise
    heals(box, ids)


@contextlib.contextmanager
def limited(pid: int, what: int, soft: int) -> Iterator[None]:
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (soft, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, what, before)


def test_no_more_file_descriptors_in_a_gateway(box: Appliance) -> None:
    """Who is connected is served; who comes waits or is turned away; then all is as before."""
    gateway = next(name for name in box.processes() if name.startswith("gateway"))
    pid = box.processes()[gateway]
    ids = sent(box, 5, "Prima dei descrittori")
    with limited(pid, resource.RLIMIT_NOFILE, psutil.Process(pid).num_fds() + 2):
        crowd = [httpx.Client(base_url=box.env["CASEMATE_API"], timeout=1.0, trust_env=False) for _ in range(12)]
        turned_away = 0
        for each in crowd:
            with contextlib.suppress(httpx.TransportError):
                turned_away -= each.get("/healthz").status_code == 200
            turned_away += 1
        assert turned_away, "the limit was not felt"
        ids += sent(box, 5, "Durante")  # on a connection that was there before
        for each in crowd:
            each.close()
    heals(box, ids)
    assert box.processes()[gateway] == pid


def test_no_more_memory_in_the_engine(box: Appliance) -> None:
    """It takes no more than it may have: it refuses, or dies of it as of any kill and is started again; nothing accepted is lost."""
    name = next(name for name in box.processes() if name.startswith("engine"))
    pid = box.processes()[name]
    ids = sent(box, 50, "Prima della memoria")
    box.behave(answers_per_s=20)  # so that what comes has to be kept
    bound = psutil.Process(pid).memory_info().vms + (1 << 20)
    felt = ""
    with limited(pid, resource.RLIMIT_AS, bound):
        for n in range(40):
            rows = [{"to": f"+39347{k:07}", "text": f"Molta memoria {n} {k} " + "x" * 600} for k in range(500)]
            try:
                answer = box.api.post("/v1/messages/batch", json={"messages": rows}, timeout=30)
            except httpx.TransportError as e:
                felt = type(e).__name__
                break
            if answer.status_code != 202:
                felt = answer.json()["code"]
                assert felt in PRESSURE | {"internal"}, felt
                break
            ids += [row["id"] for row in answer.json()["accepted"]]
            with contextlib.suppress(psutil.NoSuchProcess):
                assert psutil.Process(pid).memory_info().vms <= bound
            if box.processes().get(name, pid) != pid:
                felt = "started again"
                break
    assert felt, "the limit was not felt"
    box.behave(answers_per_s=0)
    box.until_ready(60)
    status = box.settled(seconds=120, also=HELD)
    lost = Counter(status.get(id_, "nowhere") for id_ in ids if status.get(id_) not in ("delivered", *HELD))
    assert not lost, f"of {len(ids)} accepted: {lost}"
    print(f"{felt} after {len(ids)} messages")
    heals(box, sent(box, 5, "Dopo la memoria"))


def test_ten_times_the_load(box: Appliance) -> None:
    """Every call is answered: taken, or told to wait. What was taken arrives; codes are not kept behind bulk."""
    box.behave(answers_per_s=OPERATOR_PER_S)
    over = threading.Event()
    answers: Counter[str] = Counter()
    ids: list[str] = []
    keep = threading.Lock()

    def flood(n: int) -> None:
        client = box.client()
        rows = [{"to": f"+39347{k:07}", "text": f"Carico {n} {k}", "class": "bulk"} for k in range(100)]
        while not over.is_set():
            try:
                answer = client.post("/v1/messages/batch", json={"messages": rows}, timeout=20)
            except httpx.TransportError as e:
                answers[type(e).__name__] += 1
                continue
            with keep:
                if answer.status_code == 202:
                    answers["202"] += 1
                    ids.extend(row["id"] for row in answer.json()["accepted"])
                else:
                    answers[answer.json()["code"]] += 1
                    over.wait(float(answer.headers.get("retry-after", "1")))

    threads = [threading.Thread(target=flood, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(LOAD_S / 2)
    code = box.send(to="+393470000001", text="Codice 123456", class_="otp")
    box.until(code["id"], "delivered", seconds=60)
    behind = sum(box.state()["queues"].values())
    time.sleep(LOAD_S / 2)
    wait_for("ten times the load", lambda: sum(answers.values()) * 100 >= 10 * OPERATOR_PER_S * LOAD_S, 120)
    over.set()
    for thread in threads:
        thread.join(30)
    assert set(answers) <= PRESSURE | {"202"}, answers
    assert behind > 0, "the code had nothing to overtake"
    box.behave(answers_per_s=0)
    status = box.settled(seconds=200 if LONG else 60, also=HELD)
    assert not [id_ for id_ in ids if status.get(id_) != "delivered"]
    print(f"{LOAD_S:.0f} s: {dict(answers)}, {len(ids)} messages taken, {behind} waited behind the code")


def test_a_disk_that_becomes_read_only(box: Appliance, small: SmallDisk) -> None:
    """Refusals and an alarm until a person has mended the disk; after a new start everything accepted is there. Last: it ends the box."""
    ids = sent(box, 20, "Prima della sola lettura")
    box.settled(seconds=40, also=HELD)
    small.fail()
    status, code = refused(box)
    assert code in PRESSURE, (status, code)
    wait_for("an alarm", lambda: box.casemate("status").returncode == 1, 20, 0.5)
    process = box._process
    assert process is not None
    box._remember()
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    small.mend()
    (box.home / "demo.env").unlink(missing_ok=True)
    box.start()
    heals(box, ids)
    assert box.casemate("audit", "verify").returncode == 0
