"""The same load on the appliance and on another gateway, in turns within one run: the ratio, and what a `kill -9` leaves of each."""

from __future__ import annotations

import contextlib
import http.client
import json
import statistics
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from appliance.clock import monotonic_s
from appliance.errors import Error
from appliance.message import FINAL, STATUSES
from appliance.text import encode

from .box import Box
from .callbacks import Receipts
from .exchange import post
from .gateway import Gateway, Told
from .jasmin import jasmin, needed, told_jasmin
from .kannel import boxes, kannel, told_kannel
from .load import Load, told_single
from .marked import Marked, submitted
from .outcome import Figure, Outcome, Series
from .spending import LOAD, PEERS, Processes
from .started import begun, folder, killed, operator, own, ready
from .steady import DEFAULTS, DISTINCT_MESSAGES, SEED
from .texts import bodies_of, messages
from .timing import CONFIG

CONNECTIONS: Final = 50
BATCHING: Final = DEFAULTS["batch"].connections
IN_FLIGHT_MAX: Final = 10_000
WARM_S: Final = 2.0
DRAIN_S_MAX: Final = 60.0
#: Jasmin's: a receipt that it cannot place yet waits for 10 s, a message without a link and a call-back that failed for 30 s.
JASMIN_IN_FLIGHT_MAX, JASMIN_WARM_S, JASMIN_SETTLE_S = 1_000, 15.0, 45.0
PER_CALL: Final = 100
KILL_AFTER_S: Final = 4.0
#: What a caller may take as an end; `indeterminate` is one that says that nobody can know.
ENDS: Final = (*(STATUSES[status] for status in FINAL), "indeterminate")
SETTLE_S: Final = 8.0  # nothing changed for so long: what is missing will not come
OURS: Final = "casemate seals, syncs each commit to disk, logs for audit; its life ends when the receipt is on disk"


class Rival(NamedTuple):
    """Another gateway to compare with. `needed`: raises Error `not_found` when something is not installed; `opened`: starts it
    in a folder, bound to an operator; `told`: what its answers mean.
    """

    name: str
    needed: Callable[[], object]
    opened: Callable[[Path, str], AbstractContextManager[tuple[Gateway, Receipts]]]
    told: Told
    in_flight_max: int
    warm_s: float
    settle_s: float
    note: str


def rival(name: str, environment: Path) -> Rival:
    """`environment`: where Jasmin is installed. Raises Error `invalid` for one that is not driven."""
    if name == "kannel":
        return Rival(
            "Kannel", boxes, kannel, told_kannel, IN_FLIGHT_MAX, WARM_S, SETTLE_S,
            "Kannel keeps texts in clear, its store file is not synced, receipts are in memory; its life ends when the caller is called",
        )  # fmt: skip
    if name == "jasmin":
        return Rival(
            "Jasmin", partial(needed, environment), partial(jasmin, environment), told_jasmin,
            JASMIN_IN_FLIGHT_MAX, JASMIN_WARM_S, JASMIN_SETTLE_S,
            "Jasmin keeps texts in clear, in queues of RabbitMQ that are not durable (killed with it, they are gone), receipts in Redis"
            " and in such queues; its life ends when the caller is called",
        )  # fmt: skip
    raise Error("invalid", f"{name!r} is not driven here", "kannel or jasmin")


class Turn(NamedTuple):
    """One window of one gateway: accepted and full lives a second, processor time a message of everything but the load."""

    accepted: float
    lives: float
    cpu_us: float
    rss_mib: float


class Side:
    """One gateway under one kind of load: makes a load, counts its full lives."""

    def __init__(
        self, name: str, load: Callable[[], Load], lives: Callable[[], int], ours: bool, warm_s: float = WARM_S
    ) -> None:
        self.name = name
        self._load, self._lives, self._ours, self._warm_s = load, lives, ours, warm_s
        self.turns: list[Turn] = []
        self.points: Series = []
        self._left = 0

    @property
    def late(self) -> str:
        """What is to be known of its windows: that one had no life at all, or did not begin idle."""
        if not all(turn.lives for turn in self.turns):
            return f"{self.name}: no full life in a window, so each ratio is at least what it says; take longer windows"
        what = "messages had no end when the next window began"
        return f"{self.name}: {self._left:,} {what}" if self._left > 0 else ""

    def turn(self, seconds: float, processes: Processes, start_s: float) -> None:
        """Warm up, measure, drain. Messages of one segment: a message is a life."""
        pause = threading.Event()
        load = self._load()
        before = self._lives()
        load.start()
        try:
            self._hold(load, before, self._warm_s, pause)
            began, accepted, lived = monotonic_s(), load.accepted, self._lives()
            spent = processes.spent()
            self._hold(load, before, seconds, pause)
            took, more, lives = monotonic_s() - began, load.accepted - accepted, self._lives() - lived
            after = processes.spent()
        finally:
            load.stop()
        self.points.append((round(began - start_s, 1), round(lives / took)))
        mine = [n for n in after.cpu_s if n != LOAD and (n in PEERS) != self._ours and n != "simulator"]
        cpu = sum(after.cpu_s[n] - spent.cpu_s.get(n, 0.0) for n in mine)
        rss = sum(after.rss.get(n, 0) for n in mine) / 2**20
        self.turns.append(Turn(more / took, lives / took, cpu / max(lives, 1) * 1e6, rss))
        until = monotonic_s() + DRAIN_S_MAX
        while self._lives() - before < load.accepted and monotonic_s() < until:
            pause.wait(0.1)
        self._left = max(self._left, load.accepted - (self._lives() - before))

    def _hold(self, load: Load, before: int, seconds: float, pause: threading.Event) -> None:
        until = monotonic_s() + seconds
        while monotonic_s() < until:
            load.final = self._lives() - before
            pause.wait(0.05)
            if not load.alive():
                raise Error("peer_unavailable", f"{self.name} takes no more messages", "see its log")

    def of(self, field: str) -> float:
        return statistics.median(getattr(turn, field) for turn in self.turns)


def compared(rival: Rival, seconds: float, rounds: int, kills: bool = True) -> Outcome:
    """The run with another gateway. `seconds`: of each window; `rounds`: windows of each side."""
    rival.needed()
    started_s = monotonic_s()
    rows = [row for row in messages(SEED, DISTINCT_MESSAGES, 0.0) if encode(row["text"])[2] == 1]
    with contextlib.ExitStack() as stack:
        where = stack.enter_context(folder())
        (where / "theirs").mkdir()
        first, _ = stack.enter_context(operator(where))
        second, _ = stack.enter_context(operator(where / "theirs"))
        host, _, port = first.rpartition(":")
        box = stack.enter_context(own(where, CONFIG.format(host=host, port=port, window=500)))
        peer, receipts = stack.enter_context(rival.opened(where / "theirs" / "gateway", second))
        sides = _sides(box, rival, peer, receipts, rows)
        processes = Processes(int(box.engine.call("ping", {})["pid"]))
        for _ in range(rounds):
            for side in sides:
                side.turn(seconds, processes, started_s)
    batch, single, theirs = sides
    figures = [
        Figure("full lives, batch against one a request", _ratio(batch, theirs), f"times {rival.name}'s"),
        Figure("full lives, one a request against the same", _ratio(single, theirs), f"times {rival.name}'s"),
    ]
    for side in sides:
        figures += [
            Figure(f"{side.name}: full lives", round(side.of("lives")), "messages/s"),
            Figure(f"{side.name}: accepted", round(side.of("accepted")), "messages/s"),
            Figure(f"{side.name}: processor time a message", round(side.of("cpu_us"), 1), "us", "less"),
            Figure(f"{side.name}: memory", round(side.of("rss_mib")), "MiB", "less"),
        ]
    if kills:
        figures += kill_figures(rival)
    return Outcome(
        f"peer-{rival.name.lower()}",
        f"{CONNECTIONS} keep-alive connections, windows of {seconds:.0f} s in turns, {rounds} each",
        round(monotonic_s() - started_s, 1),
        figures,
        series={f"{side.name}, full lives/s": side.points for side in sides},
        settings={"seconds": seconds, "rounds": rounds},
        notes=[OURS, rival.note, *(side.late for side in sides if side.late)],
    )


def _ratio(ours: Side, theirs: Side) -> float:
    pairs = zip(ours.turns, theirs.turns, strict=True)
    return round(statistics.median(a.lives / max(b.lives, 1.0) for a, b in pairs), 2)


def _sides(box: Box, rival: Rival, peer: Gateway, receipts: Receipts, rows: Sequence[dict[str, Any]]) -> list[Side]:
    batches = bodies_of(rows, PER_CALL)
    alone = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    theirs = [peer.request(n, row["to"], row["text"]) for n, row in enumerate(rows)]

    def receipted() -> int:
        return int(box.state()["segments"]["receipted"])

    return [
        Side("casemate batch", lambda: Load.batches(box.api, box.key, batches, BATCHING, IN_FLIGHT_MAX), receipted, True),
        Side("casemate single", lambda: Load.singles(box.api, box.key, alone, CONNECTIONS, IN_FLIGHT_MAX), receipted, True),
        Side(
            rival.name,
            lambda: Load(f"http://{peer.address}", theirs, CONNECTIONS, rival.in_flight_max, rival.told),
            lambda: receipts.delivered,
            False,
            rival.warm_s,
        ),
    ]  # fmt: skip


# --- kill -9 ------------------------------------------------------------------------------------------------


def kill_figures(rival: Rival) -> list[Figure]:
    """What each accepted, lost, sent twice, and never told the caller, when it is killed under load and started again."""
    return [*_killed_box(), *_killed_rival(rival)]


def _under_load(load: Marked, kill: Callable[[], None]) -> None:
    """Loads for a while, then kills in the middle of it."""
    load.start()
    threading.Event().wait(KILL_AFTER_S)
    kill()
    load.stop()


def _settled(count: Callable[[], int], settle_s: float = SETTLE_S) -> int:
    """The count, once it has not changed for so long."""
    pause = threading.Event()
    last, since = count(), monotonic_s()
    until = since + DRAIN_S_MAX * 2 + settle_s
    while monotonic_s() - since < settle_s and monotonic_s() < until:
        pause.wait(0.25)
        now = count()
        if now != last:
            last, since = now, monotonic_s()
    return last


def _killed_box() -> list[Figure]:
    with folder() as where, operator(where, journal=where / "journal") as (smpp, _):
        host, _, port = smpp.rpartition(":")
        config = CONFIG.format(host=host, port=port, window=500)
        process = begun(where, config)
        try:
            box = ready(process, where)
            load = Marked(
                box.api, CONNECTIONS, IN_FLIGHT_MAX * 10, told_single,
                lambda n, to, text: post("bench", "/v1/messages", box.key, json.dumps({"to": to, "text": text, "from": "MYBANK", "class": "otp"}).encode()),
            )  # fmt: skip
            _under_load(load, lambda: killed(process))
            (where / "demo.env").unlink(missing_ok=True)
            process = begun(where, config)
            box = ready(process, where)
            _settled(lambda: int(box.state()["segments"]["receipted"]))
            # Identity by text: the statuses that callers see, and whether a message was ever in doubt.
            seen = submitted(where / "journal")
            unfinal, marked = _statuses(box, load, [d for d, n in seen.items() if n > 1])
        finally:
            killed(process)
    twice = {digest for digest, n in seen.items() if n > 1}
    return _kill_rows("casemate", load, seen, len(twice & marked), len(twice - marked), unfinal)


def _killed_rival(rival: Rival) -> list[Figure]:
    with (
        folder() as where,
        operator(where, journal=where / "journal") as (smpp, _),
        rival.opened(where / "gateway", smpp) as (peer, receipts),
    ):
        load = Marked(f"http://{peer.address}", CONNECTIONS, IN_FLIGHT_MAX * 10, rival.told, peer.request)
        _under_load(load, peer.kill)
        peer.start()
        _settled(lambda: receipts.delivered + sum(submitted(where / "journal").values()), rival.settle_s)
        seen = submitted(where / "journal")
        missing = sum(1 for turn in load.taken if not receipts.ends[turn])
    twice = sum(1 for n in seen.values() if n > 1)
    return _kill_rows(rival.name, load, seen, 0, twice, missing)


def _statuses(box: Box, load: Marked, twice: Sequence[bytes]) -> tuple[int, set[bytes]]:
    """How many accepted messages have no end, and which of those sent twice say so in their events."""
    parts = urlsplit(box.api)
    wire = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
    endless, marked = 0, set[bytes]()
    for turn, message_id in load.ids.items():
        wire.request("GET", f"/v1/messages/{message_id}", headers={"authorization": f"Bearer {box.key}"})
        octets = wire.getresponse().read()
        endless += json.loads(octets)["status"] not in ENDS
        if load.digests[turn] in twice and b"indeterminate" in octets:
            marked.add(load.digests[turn])
    wire.close()
    return endless, marked


def _kill_rows(
    name: str, load: Marked, seen: dict[bytes, int], marked: int, unmarked: int, missing: int
) -> list[Figure]:
    accepted = {load.digests[turn] for turn in load.taken}
    lost = len([digest for digest in accepted if digest not in seen])
    return [
        Figure(f"kill -9, {name}: accepted", len(accepted), "messages", ""),
        Figure(f"kill -9, {name}: lost", lost, "messages", "less"),
        Figure(f"kill -9, {name}: sent twice and marked so", marked, "messages", ""),
        Figure(f"kill -9, {name}: sent twice in silence", unmarked, "messages", "less"),
        Figure(f"kill -9, {name}: without an end at the caller", missing, "messages", "less"),
    ]
