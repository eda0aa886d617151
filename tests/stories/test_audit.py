"""The audit log with real processes: a real token signs, others verify, power cuts lose nothing, a lost HSM stops nobody."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.audit import BlockingRecorder, Outbox, Recorder, commands, forward
from appliance.audit.entry import canonical
from appliance.audit.journal import Call
from appliance.audit.tree import WIDTH, bundle
from appliance.audit.verify import Export, main, verify
from appliance.errors import Error
from appliance.intercom import BlockingClient, Client
from appliance.settings import Settings, parse
from appliance.store import open_store
from tests.support import go
from tests.support.auditlog import Log, sample
from tests.support.keystub import KeyStub
from tests.support.process import Running


@pytest.fixture
def settings() -> Iterator[Settings]:
    """A box in a folder with a short name: the path of a Unix socket has at most 107 characters."""
    home = Path(tempfile.mkdtemp(prefix="casemate-"))
    yield parse({}, home, "test")
    shutil.rmtree(home)


@pytest.fixture
def keys(settings: Settings) -> Iterator[KeyStub]:
    """A keys process in a thread of its own."""
    stub, loop = KeyStub(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(stub.start(settings.socket("keys")), loop).result(10)
    yield stub
    asyncio.run_coroutine_threadsafe(stub.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def gonote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if go.missing():
        pytest.skip(go.missing())
    folder = tmp_path_factory.getbasetemp() / "gonote"
    folder.mkdir(exist_ok=True)
    return go.build(folder)


def call(settings: Settings, op: str, payload: Any = None) -> Any:
    client = BlockingClient(settings.socket("auditor"))
    try:
        return client.call(op, payload, 60.0)
    finally:
        client.close()


def await_state(settings: Settings, wanted: Any, patience_s: float = 10.0) -> Any:
    until = time.monotonic() + patience_s
    while not wanted(state := call(settings, "state")):
        assert time.monotonic() < until, state
        time.sleep(0.02)
    return state


def test_a_real_token_signs_and_three_verifiers_agree(settings: Settings, gonote: Path, tmp_path: Path) -> None:
    """What the appliance recorded is exported and checked by its own verifier, alone, and by Go's checksum database code."""
    keys = Running("keys", "keys", settings)
    auditor = Running("audit", "auditor", settings)
    try:
        recorder = BlockingRecorder(settings)
        recorder.record("console:anna", "console.login", "console:session", role="viewer")
        old = tmp_path / "checkpoint-kept-by-the-officer"
        old.write_text(call(settings, "checkpoint")["checkpoint"])
        until = time.monotonic() + 10
        while not commands.entries(settings, what="token.initialised").lines:  # from the keys process's outbox
            assert time.monotonic() < until
            time.sleep(0.05)
        for n in range(600):
            recorder.record("console:anna", "message.viewed", f"message:{n}", why="the customer asks")
        recorder.close()
        proof = tmp_path / "7.tlog-proof"
        proof.write_text("\n".join(commands.proof(settings, 7).lines) + "\n")
        printed = commands.export(settings, tmp_path / "out")
        assert printed.result["unsigned"] == 0
        assert commands.verify_running(settings).ok
        whats = [found["entry"]["what"] for found in commands.entries(settings, limit=2).result["entries"]]
        assert whats == ["audit.verified", "audit.exported"]
        events = {found["entry"]["what"] for found in commands.entries(settings, limit=500).result["entries"]}
        assert "message.viewed" in events
    finally:
        assert auditor.stop() == 0
        assert keys.stop() == 0
    out = tmp_path / "out"
    vkey = (out / "verifier.vkey").read_text().strip()
    report = verify(out, vkey, [old.read_text()])
    assert report.ok, report
    assert main([str(proof), "--key", vkey]) == 0
    assert any(b'"token.initialised"' in e for n in range(2) for e in Export(out).entries(n, WIDTH))
    command = [sys.executable, "-I", str(out / "verify.py"), str(out), "--key", vkey, "--old", str(old)]
    alone = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert alone.returncode == 0, alone.stdout + alone.stderr
    code, said = go.run(gonote, out, vkey, old)
    assert code == 0, said
    assert said == f"VERIFIES casemate.local/audit {report.size} {report.root}\n"


def change_entry(out: Path, size: int) -> None:
    path = out / "tile/entries/000"
    path.write_bytes(path.read_bytes().replace(b'"ok"', b'"no"', 1))


def swap_entries(out: Path, size: int) -> None:
    entries = Export(out).entries(0, WIDTH)
    entries[1], entries[2] = entries[2], entries[1]
    (out / "tile/entries/000").write_bytes(bundle(entries))


def cut_off(out: Path, size: int) -> None:
    note = (out / "checkpoint").read_text()
    (out / "checkpoint").write_text(note.replace(f"\n{size}\n", f"\n{size - 1}\n"))


def flip_hash(out: Path, size: int) -> None:
    path = out / "tile/0/000"
    data = bytearray(path.read_bytes())
    data[100] ^= 4
    path.write_bytes(bytes(data))


def lose_tile(out: Path, size: int) -> None:
    (out / "tile/0/001").unlink()


def lose_bundle(out: Path, size: int) -> None:
    (out / "tile/entries/001").unlink()


def another_key(out: Path, size: int) -> None:
    note = (out / "checkpoint").read_text()
    head, line = note.split("\n\n")
    (out / "checkpoint").write_text(f"{head}\n\n{line[:-8]}AAAAAA=\n")


@pytest.fixture
def exported(settings: Settings, keys: KeyStub, tmp_path: Path) -> Path:
    auditor = Running("audit", "auditor", settings)
    call(settings, "append", {"source": "engine-0", "first": 1, "entries": [sample(n) for n in range(700)]})
    commands.export(settings, tmp_path / "out")
    assert auditor.stop() == 0
    return tmp_path / "out"


def test_both_verifiers_refuse_the_same_tampering(exported: Path, gonote: Path, tmp_path: Path) -> None:
    vkey = (exported / "verifier.vkey").read_text().strip()
    size = verify(exported, vkey).size
    assert go.run(gonote, exported, vkey)[0] == 0
    for change in (change_entry, swap_entries, cut_off, flip_hash, lose_tile, lose_bundle, another_key):
        out = Path(shutil.copytree(exported, tmp_path / change.__name__))
        change(out, size)
        assert not verify(out, vkey).ok, change
        code, said = go.run(gonote, out, vkey)
        assert code == 1, (change, said)


def test_every_entry_is_signed_within_a_second(settings: Settings, keys: KeyStub) -> None:
    auditor = Running("audit", "auditor", settings)
    recorder = BlockingRecorder(settings)
    for _ in range(3):
        index, _ = recorder.record("cli:anna", "routes.explained", "routes:active")
        start = time.monotonic()
        await_state(settings, lambda s, size=index + 1: s["checkpoint_size"] >= size)
        assert time.monotonic() - start < 1.0
    recorder.close()
    assert auditor.stop() == 0
    assert b"process.stop" in Export(settings.home / "audit/log").entries(0, 5)[-1]  # signed before it ended
    assert verify(settings.home / "audit/log").size == 5


def test_a_checkpoint_covers_whatever_came_before_it_was_asked_for(settings: Settings, keys: KeyStub) -> None:
    """Before an export, before an act with keys: what was sent on other connections is under it, or the act does not happen."""
    auditor = Running("audit", "auditor", settings)
    recorder = BlockingRecorder(settings)
    entries = [sample(n) for n in range(3_000)]

    async def ask() -> tuple[int, list[Any]]:
        others, asking = [Client(settings.socket("auditor")) for _ in range(4)], Recorder(settings)
        sent = [asyncio.create_task(c.call("append", {"source": "", "first": 0, "entries": entries})) for c in others]
        while call(settings, "state")["size"] < 2:
            await asyncio.sleep(0.01)
        size = await asking.checkpoint()
        indexes = [(await task)["index"] for task in sent]
        for each in (*others, asking):
            each.close()
        return size, indexes

    covered, indexes = asyncio.run(ask())
    assert sum(index < covered for index in indexes) >= 1
    index, _ = recorder.record("cli:anna", "routes.explained", "routes:active")
    assert recorder.checkpoint() >= index + 1
    assert call(settings, "state")["unsigned"] == 0
    keys.down = True
    recorder.record("cli:anna", "routes.explained", "routes:active")
    with pytest.raises(Error) as caught:
        recorder.checkpoint()
    assert (caught.value.code, caught.value.detail["cause"]) == ("audit_unavailable", "hsm_unavailable")
    recorder.close()
    assert auditor.stop() == 0


def test_without_the_keys_process_entries_are_durable_and_signed_later(settings: Settings, keys: KeyStub) -> None:
    keys.down = True
    auditor = Running("audit", "auditor", settings)
    recorder = BlockingRecorder(settings)
    recorder.record("cli:anna", "routes.explained", "routes:active")
    state = await_state(settings, lambda s: s["unsigned_since_ms"] is not None)
    assert (state["ready"], state["unsigned"], state["unsigned_why"]) == (True, 2, "hsm_unavailable")
    with pytest.raises(Error) as caught:
        call(settings, "checkpoint")
    assert caught.value.code == "hsm_unavailable"
    with pytest.raises(Error) as caught:
        commands.export(settings, settings.home / "out")
    assert caught.value.code == "audit_unavailable"
    auditor.kill()
    auditor = Running("audit", "auditor", settings)
    keys.down = False
    state = await_state(settings, lambda s: s["unsigned"] == 0)
    assert state["unsigned_since_ms"] is None
    recorder.close()
    assert auditor.stop() == 0
    assert verify(settings.home / "audit/log").ok


def test_power_cuts_under_load_lose_nothing_and_record_nothing_twice(settings: Settings, keys: KeyStub) -> None:
    """An outbox and interactive acts, while the auditor is killed seven times at seeded moments."""
    seed = 20261122
    rolls = random.Random(seed)
    conn = open_store(settings.home / "engine.db")
    Outbox.create(conn)
    outbox = Outbox(conn, "engine-0")
    told: list[int] = []  # interactive acts that were said to be durable
    put = 0
    done = threading.Event()

    async def outward(client: Client) -> None:
        nonlocal put
        while not done.is_set() or outbox.pending(1)[1]:
            if not done.is_set():
                conn.execute("BEGIN IMMEDIATE")
                outbox.put([sample(put + i) for i in range(20)])
                conn.execute("COMMIT")
                put += 20
            try:
                await forward(outbox, client, 50)
            except Error:
                await asyncio.sleep(0.02)

    async def interactive(recorder: Recorder, who: int) -> None:
        n = 0
        while not done.is_set():
            n += 1
            try:
                await recorder.record(f"api:k{who}", "message.viewed", f"message:{who}-{n}", why="case 7")
                told.append(who * 100_000 + n)
            except Error as e:
                assert e.code == "audit_unavailable"
                await asyncio.sleep(0.02)

    async def load() -> None:
        client, recorders = Client(settings.socket("auditor")), [Recorder(settings) for _ in range(4)]
        await asyncio.gather(outward(client), *(interactive(r, i) for i, r in enumerate(recorders)))
        for each in (client, *recorders):
            each.close()

    auditor = Running("audit", "auditor", settings)
    thread = threading.Thread(target=lambda: asyncio.run(load()))
    thread.start()
    try:
        for _ in range(7):
            time.sleep(rolls.uniform(0.05, 0.9))
            auditor.kill()
            auditor = Running("audit", "auditor", settings)
    finally:
        done.set()
        thread.join(60)
    assert call(settings, "verify")["problems"] == []
    assert auditor.stop() == 0
    report = verify(settings.home / "audit/log")
    assert report.ok, report
    log = open_store(settings.home / "audit/audit.db", read_only=True)
    batches = [
        r[0] for r in log.execute("SELECT entry ->> '$.on' FROM entry WHERE what = 'batch.committed' ORDER BY place")
    ]
    assert batches == [f"batch:{n:x}" for n in range(put)], seed
    rows = log.execute("SELECT entry ->> '$.on' FROM entry WHERE what = 'message.viewed'")
    pairs = [row[0].removeprefix("message:").split("-") for row in rows]
    acts = {int(by) * 100_000 + int(n) for by, n in pairs}
    assert set(told) <= acts, seed
    assert len(told) > 100
    log.close()
    conn.close()


def test_a_full_disk_refuses_and_breaks_nothing(settings: Settings, keys: KeyStub) -> None:
    auditor = Running("audit", "auditor", settings, file_octets_max=400_000)
    taken, codes = 0, set()
    for n in range(40):
        try:
            call(settings, "append", {"source": "", "first": 0, "entries": [sample(n, text="x" * 20_000)]})
            taken += 1
        except Error as e:
            codes.add(e.code)
    assert codes == {"store_full"}
    assert call(settings, "ping")["why"].startswith("store_full: ")
    assert "NOTHING IS RECORDED" in auditor.log.read_text()
    auditor.kill()
    auditor = Running("audit", "auditor", settings)
    assert call(settings, "verify")["problems"] == []
    assert len(call(settings, "entries", {"what": "batch.committed", "limit": 500})["entries"]) == taken
    assert auditor.stop() == 0


def test_a_changed_store_is_not_added_to_and_stays_readable(settings: Settings, keys: KeyStub, tmp_path: Path) -> None:
    auditor = Running("audit", "auditor", settings)
    call(settings, "append", {"source": "", "first": 0, "entries": [sample(n) for n in range(300)]})
    assert auditor.stop() == 0
    conn = open_store(settings.home / "audit/audit.db")
    conn.execute("UPDATE entry SET entry = replace(entry, '\"ok\"', '\"failed\"') WHERE place = 17")
    conn.close()
    auditor = Running("audit", "auditor", settings, ready=False)
    assert call(settings, "ping")["why"].startswith("audit_invalid: ")
    recorder = BlockingRecorder(settings)
    with pytest.raises(Error) as caught:
        recorder.record("cli:anna", "routes.explained", "routes:active")
    assert (caught.value.code, caught.value.detail["cause"]) == ("audit_unavailable", "audit_invalid")
    recorder.close()
    result = call(settings, "verify")
    assert not result["ok"]
    assert "audit.db entry 17" in {p["place"] for p in result["problems"]}
    assert call(settings, "entries", {"limit": 1})["entries"]
    commands.export(settings, tmp_path / "evidence")
    assert verify(tmp_path / "evidence").ok  # the published log is still the one that was signed
    assert auditor.stop() == 0


def test_without_an_auditor_nothing_privileged_happens(settings: Settings) -> None:
    recorder = BlockingRecorder(settings)
    with pytest.raises(Error) as caught:
        recorder.record("cli:anna", "routes.explained", "routes:active")
    assert (caught.value.code, caught.value.detail["cause"]) == ("audit_unavailable", "peer_unavailable")


def test_malformed_calls_are_refused_and_the_process_lives(settings: Settings, keys: KeyStub) -> None:
    auditor = Running("audit", "auditor", settings)
    for op, payload, code in [
        ("append", {"entries": [{**sample(1), "what": "made.up"}]}, "invalid"),
        ("append", {"entries": [{**sample(1), "detail": {"to": "+393331234567"}}]}, "invalid"),
        ("append", "x", "invalid"),
        ("proof", {"index": 10**9}, "not_found"),
        ("proof", {"index": "x"}, "invalid"),
        ("entries", {"limit": "x"}, "invalid"),
        ("export", {"path": "relative"}, "invalid"),
        ("export", {"path": str(settings.home)}, "file_invalid"),
        ("nonsense", {}, "not_found"),
    ]:
        with pytest.raises(Error) as caught:
            call(settings, op, payload)
        assert caught.value.code == code, (op, payload)
    assert call(settings, "ping") == {"process": "auditor", "pid": auditor.pid, "ready": True, "why": ""}
    assert auditor.stop() == 0


def test_the_daily_review_and_an_officers_mark(settings: Settings, keys: KeyStub) -> None:
    """A day ends (the store says that the last review was of another day): the review comes by itself, once; an officer marks it."""
    auditor = Running("audit", "auditor", settings)
    recorder = BlockingRecorder(settings)
    recorder.record("cli:anna", "apikey.created", "apikey:1", name="bank")
    recorder.close()
    assert auditor.stop() == 0
    conn = open_store(settings.home / "audit/audit.db")
    conn.execute("UPDATE said SET value = '1 0 0' WHERE name = 'reviewed'")
    conn.close()
    for _ in range(2):  # the second start finds it made
        auditor = Running("audit", "auditor", settings)
        until = time.monotonic() + 10
        while not (found := commands.entries(settings, what="audit.review").result["entries"]):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert auditor.stop() == 0
    (review,) = found
    assert review["entry"]["detail"]["credentials"] == 1
    auditor = Running("audit", "auditor", settings)
    shown = commands.review(settings, None, None)
    assert shown.result["high"] == review["entry"]["detail"]["upto_index"]
    assert [(f["rule"], f["who"]) for f in shown.result["findings"]] == [("credentials", "cli:anna")]
    commands.reviewed(settings, shown.result["high"])
    (mark,) = commands.entries(settings, what="audit.reviewed").result["entries"]
    assert mark["entry"]["detail"] == {"upto_index": shown.result["high"]} and mark["entry"]["who"].startswith("cli:")
    with pytest.raises(Error, match="the log has"):
        commands.reviewed(settings, 10_000)
    report = commands.report(settings, "pci-dss", "2020-01-01", "2120-01-01").result["rows"]
    assert [row["who"] for row in report if row["requirement"] == "10.2.1.5"] == ["cli:anna"]
    assert [row["event"] for row in report if row["requirement"] == "10.2.1.3"] == ["audit.reported", "audit.reviewed"]
    assert auditor.stop() == 0


def test_what_reached_the_end_of_its_retention_is_pruned_by_the_daily_job(
    settings: Settings, keys: KeyStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reviewed first, never under a legal hold; the box goes on with the rest, and an export of it verifies."""
    (settings.home / "casemate.toml").write_text("[audit]\nkeep_days = 400\n")
    made = Log(settings.home, origin="casemate.local/audit")  # years ago, by the same key
    old = [canonical({**sample(n), "at": "2020-01-01T00:00:00.000Z"}) for n in range(1_000)]
    made.size = made.journal.commit(0, [Call("", 0, old)])[-1].size
    made.publish()
    made.journal.say(reviewed="1 0 0")
    made.close()
    auditor = Running("audit", "auditor", settings)
    with pytest.raises(Error):  # not unless the settings say for how long
        commands.prune(settings, True)
    assert auditor.stop() == 0
    conn = open_store(settings.home / "audit/audit.db")
    conn.execute("UPDATE said SET value = '1 0 0' WHERE name = 'reviewed'")
    conn.close()
    monkeypatch.setenv("CASEMATE_CONFIG", str(settings.home / "casemate.toml"))
    keys.held = [18_000]  # a day of 2019: what came after it stays
    auditor = Running("audit", "auditor", settings)
    with pytest.raises(Error):  # not in force before two people have agreed to it
        commands.prune(settings, True)
    keys.approved.add(("weaken-audit", commands.weaker(settings, 0).result["number"]))
    commands.weaker(settings, 1)
    assert auditor.stop() == 0
    auditor = Running("audit", "auditor", settings)
    until = time.monotonic() + 60
    while len(commands.entries(settings, what="audit.review").lines) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert commands.prune(settings, True).lines == ["nothing to prune; the log begins at entry 0"]
    keys.held = []
    dry = commands.prune(settings, False)
    assert dry.lines == ["entries 0 to 767 may go: `casemate audit prune --now`"]
    assert call(settings, "state")["minimum"] == 0
    assert auditor.stop() == 0
    conn = open_store(settings.home / "audit/audit.db")
    conn.execute("UPDATE said SET value = '1 0 0' WHERE name = 'reviewed'")
    conn.close()
    auditor = Running("audit", "auditor", settings)
    await_state(settings, lambda s: s["minimum"] == 768, 60.0)
    (pruned,) = commands.entries(settings, what="audit.pruned").result["entries"]
    assert pruned["entry"]["detail"] == {"from_index": 0, "upto_index": 768}
    with pytest.raises(Error) as caught:
        commands.proof(settings, 7)
    assert "were pruned" in caught.value.message
    assert commands.verify_running(settings).ok
    commands.export(settings, tmp_path / "out.tar", "archive")
    assert auditor.stop() == 0
    report = verify(tmp_path / "out.tar")
    assert report.ok and "entries 0 to 767 were pruned: only their hashes are checked" in report.remarks
    conn = open_store(settings.home / "audit/audit.db", read_only=True)
    assert conn.execute("SELECT count(*) FROM entry WHERE place < 768").fetchone()[0] == 0
    conn.close()
