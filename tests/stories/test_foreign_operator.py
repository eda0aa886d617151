"""An operator that nobody here wrote: the server of PyPI `smpp34` (Rust) takes our bind, our messages, and sends receipts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tests.support.appliance import Appliance, wait_for

smpp34 = pytest.importorskip("smpp34")
pytestmark = pytest.mark.stories

RECEIPT = "id:{id} sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:{stat} err:{err} text:"
CONFIG = """
[[link]]
name = "foreign"
host = "127.0.0.1"
port = {port}
system_id = "bank"
password_file = "operator.password"
window = 20
reconnect_s_max = 1.0
enquire_s = 1.0
"""


class Foreign:
    """The operator in a thread of its own. `fate(n, event)` gives (command_status, receipt's word) of the n-th submit."""

    def __init__(self) -> None:
        self.fate: Callable[[int, Any], tuple[int, str]] = lambda n, event: (0, "DELIVRD")
        self.heard: list[Any] = []
        self.binds: list[str] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._esmes: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.start()

    def _do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(20)

    def start(self) -> None:
        self._do(self._start())

    async def _start(self) -> None:
        self._server = smpp34.Server(host="127.0.0.1", port=self.port, system_id="FOREIGN")
        await self._server.start()
        self._serving = asyncio.ensure_future(self._serve())

    async def _serve(self) -> None:
        while True:
            event = await self._server.next()
            if isinstance(event, smpp34.Esme):
                self.binds.append(event.system_id)
                self._esmes[event.session_id] = event
            elif isinstance(event, smpp34.SubmitSmEvent):
                self._taken(event)

    def _taken(self, event: Any) -> None:
        status, word = self.fate(len(self.heard), event)
        self.heard.append(event)
        if status:
            event.reject(status)
            return
        message_id = f"f{len(self.heard):08}"
        event.accept(message_id=message_id)
        if word:
            task = asyncio.ensure_future(self._receipt(event, message_id, word))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _receipt(self, event: Any, message_id: str, word: str) -> None:
        await asyncio.sleep(0.05)
        text = RECEIPT.format(id=message_id, stat=word, err="000" if word == "DELIVRD" else "034")
        await self._esmes[event.session_id].deliver_sm(
            source_addr=event.destination_addr,
            destination_addr=event.source_addr,
            esm_class=0x04,
            short_message=text.encode(),
        )

    def stop(self) -> None:
        self._do(self._stop())

    async def _stop(self) -> None:
        """Unbinds who is bound (its own stop leaves sessions alone), then listens no more."""
        for esme in self._esmes.values():
            with contextlib.suppress(Exception):
                async with asyncio.timeout(2):
                    await esme.unbind()
        self._esmes.clear()
        self._serving.cancel()
        await self._server.stop()

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


@pytest.fixture(scope="module")
def operator() -> Iterator[Foreign]:
    operator = Foreign()
    yield operator
    operator.close()


@pytest.fixture(scope="module")
def box(operator: Foreign) -> Iterator[Appliance]:
    box = Appliance(CONFIG.format(port=operator.port))
    (box.base / "operator.password").write_text("geheim12")
    with box:
        wait_for("the bind", lambda: operator.binds)
        yield box


def test_it_binds_with_the_name_of_the_settings(operator: Foreign, box: Appliance) -> None:
    assert operator.binds[-1] == "bank"
    (link,) = box.state()["links"]
    assert link["name"] == "foreign"


def test_a_message_arrives_and_its_receipt_counts(operator: Foreign, box: Appliance) -> None:
    told = box.send(to="+393471234567", text="Ciao {mondo} €", from_="MYBANK", class_="otp")
    found = box.until(told["id"], "delivered")
    event = operator.heard[-1]
    assert (event.destination_addr, event.dest_addr_ton, event.dest_addr_npi) == ("393471234567", 1, 1)
    assert (event.source_addr, event.source_addr_ton) == ("MYBANK", 5)
    assert (event.data_coding, event.registered_delivery & 3) == (0, 1)
    assert event.short_message == b"Ciao \x1b(mondo\x1b) \x1be"
    assert found["link"] == "foreign"


def test_a_long_message_is_joined_by_its_headers(operator: Foreign, box: Appliance) -> None:
    text = "Ωmega 字 " * 60
    before = len(operator.heard)
    told = box.send(to="+4915112345678", text=text)
    box.until(told["id"], "delivered")
    parts = operator.heard[before:]
    assert len(parts) == told["segments"] > 5 and all(p.esm_class & 0x40 and p.data_coding == 8 for p in parts)
    bodies = {p.short_message[p.short_message[0]]: p.short_message[p.short_message[0] + 1 :] for p in parts}
    assert b"".join(bodies[n] for n in sorted(bodies)).decode("utf-16-be") == text


@pytest.mark.parametrize(
    ("word", "status"),
    [("UNDELIV", "undelivered"), ("EXPIRED", "expired"), ("REJECTD", "rejected"), ("DELETED", "failed")],
)
def test_what_the_receipt_says_is_the_status(operator: Foreign, box: Appliance, word: str, status: str) -> None:
    operator.fate = lambda n, event: (0, word)
    told = box.send(to="+393471234567", text="x")
    found = box.until(told["id"], status, "undelivered", "expired", "rejected", "failed")
    operator.fate = lambda n, event: (0, "DELIVRD")
    assert found["status"] == status


def test_a_refusal_for_good_is_final(operator: Foreign, box: Appliance) -> None:
    operator.fate = lambda n, event: (0x0B, "")  # ESME_RINVDSTADR
    told = box.send(to="+393471234567", text="x")
    found = box.until(told["id"], "rejected")
    operator.fate = lambda n, event: (0, "DELIVRD")
    assert "RINVDSTADR" in found["error"]


def test_throttling_is_waited_out(operator: Foreign, box: Appliance) -> None:
    refusals = iter([0x58, 0x14])  # ESME_RTHROTTLED, ESME_RMSGQFUL
    operator.fate = lambda n, event: (next(refusals, 0), "DELIVRD")
    told = box.send(to="+393471234567", text="x")
    box.until(told["id"], "delivered", seconds=60)
    operator.fate = lambda n, event: (0, "DELIVRD")


def test_a_few_hundred_at_once(operator: Foreign, box: Appliance) -> None:
    rows = [{"to": f"+3934700{n:05}", "text": f"Avviso {n}"} for n in range(500)]
    before = len(operator.heard)
    answer = box.api.post("/v1/messages/batch", json={"messages": rows})
    ids = [a["id"] for a in answer.json()["accepted"]]
    assert len(ids) == 500
    status = box.settled(seconds=60)
    assert {status[i] for i in ids} == {"delivered"}
    heard = operator.heard[before:]
    assert sorted(e.destination_addr for e in heard) == sorted(r["to"][1:] for r in rows)


def test_an_operator_that_goes_away_and_comes_back(operator: Foreign, box: Appliance) -> None:
    binds = len(operator.binds)
    operator.stop()
    told = box.send(to="+393471234567", text="Aspetta")
    wait_for("the link to be seen down", lambda: box.state()["links"][0]["state"] != "up")
    operator.start()
    wait_for("a new bind", lambda: len(operator.binds) > binds, 15)
    box.until(told["id"], "delivered", seconds=60)
