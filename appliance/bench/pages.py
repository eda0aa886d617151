"""The scenario `pages`: how fast the console's pages come to people at work while messages flow and days of them are stored, and what looking on costs the engine.

Each person is a real session, signed in over HTTP, from an address of its own: opens a page, looks at it for a while with its live parts on, opens the next.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import re
import statistics
import threading
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Final
from urllib.parse import urlencode, urlsplit

from appliance.access import Access
from appliance.clock import monotonic_s, now_ms, rfc3339
from appliance.errors import Error
from appliance.message import STATUSES, id_ms, id_octets
from appliance.settings import parse

from . import turns
from .box import Box, read_env
from .figures import percentile
from .grow import built
from .load import Load
from .outcome import Figure, Outcome
from .spending import cpu_s
from .started import folder, own
from .steady import DISTINCT_MESSAGES, SEED
from .texts import bodies
from .watch import Watch

PASSWORD: Final = "four unrelated words here"
PER_CALL: Final = 100
NUMBER: Final = "+393331234567"
LIVE_S: Final = 1.0  # between two looks of the overview's chart; what htmx refreshes is asked for every second time
ASKED_MS: Final = 300
QUESTIONS: Final = 2_000
PEOPLE_MAX: Final = 200
#: What an administrator opens in a day, and how often of a hundred; every page of the console's list is among them.
VISITS: Final[dict[str, int]] = {
    "/": 16, "/messages": 14, "/messages?status=failed": 3, "by status": 3, "by time": 3, "by number": 6, "by reference": 2, "one message": 10, "/in-doubt": 3, "/inbound": 3, "/links": 6, "/links/simulated": 5,
    "/routes": 3, "/templates": 2, "/consent": 2, "/verifications": 2, "/erasure": 1, "/workflows": 1, "/usage": 2, "/webhooks": 2, "/evidence": 1, "/reports": 1, "/audit": 3,
    "/audit/review": 1, "/api-keys": 1, "/tokens": 1, "/door": 1, "/senders": 1, "/register": 1, "/approvals": 1, "/release": 1, "/settings": 1, "/system": 1, "/users": 1, "/help": 1, "/account": 1,
}  # fmt: skip
#: A page -> what it asks for by itself while it is open.
LIVE: Final[dict[str, tuple[str, ...]]] = {
    "/": ("/overview/live?after=0", "/overview/now"),
    "/links": ("/links/now",),
    "/links/simulated": ("/links/simulated/now",),
}


class Flow(Load):
    """A load that keeps a pace: what would be ahead of it waits."""

    rate = 0.0
    began_s = 0.0

    @property
    def in_flight_max(self) -> int:
        """What was missed for more than a second is not caught up: a burst would be another load than the one asked for."""
        behind = (monotonic_s() - self.began_s) * self.rate - self.accepted
        if behind > self.rate:
            self.began_s += (behind - self.rate) / self.rate
        return 20_000 if behind > 0 else -1

    @in_flight_max.setter
    def in_flight_max(self, most: int) -> None:
        """Given by the pace."""

    @classmethod
    def of(cls, box: Box, rate: float) -> Flow:
        made = cls.batches(box.api, box.key, bodies(SEED, DISTINCT_MESSAGES // PER_CALL, PER_CALL), 8, 0)
        assert isinstance(made, Flow)
        made.rate, made.began_s = rate, monotonic_s()
        return made


class Person:
    """One person's browser: a session, its CSRF token, one connection at a time."""

    def __init__(self, console: str, number: int) -> None:
        self.host = urlsplit(console).netloc
        self.address = f"127.0.{1 + number // 200}.{1 + number % 200}"
        self.cookies: dict[str, str] = {}
        self.csrf = ""
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, form: dict[str, str] | None = None, live: bool = False) -> tuple[int, str]:
        """Status and body. A connection that the console had closed meanwhile is opened again."""
        body = urlencode(form) if form is not None else None
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), "Accept-Language": "en"}
        if form is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{self.host}"}
        if live:
            headers["HX-Request"] = "true"
        for again in (True, False):
            if self._connection is None:
                self._connection = http.client.HTTPConnection(self.host, timeout=60, source_address=(self.address, 0))
            try:
                self._connection.request(method, path, body, headers)
                answer = self._connection.getresponse()
                text = answer.read().decode("utf-8", "replace")
            except (OSError, http.client.HTTPException):
                self._connection.close()
                self._connection = None
                if not again:
                    raise
                continue
            for each in answer.headers.get_all("Set-Cookie") or []:
                name, _, value = each.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status, text
        raise AssertionError

    def sign_in(self, name: str) -> None:
        """Raises Error `unauthorized`."""
        self.csrf = _token(self.ask("GET", "/sign-in")[1])
        status, _ = self.ask("POST", "/sign-in", {"csrf": self.csrf, "name": name, "password": PASSWORD, "next": "/"})
        if status != 303:
            raise Error("unauthorized", f"the console let nobody in: {status}")
        self.csrf = _token(self.ask("GET", "/account")[1])


def _token(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    return found[1] if found else ""


class People:
    """All of them at work, a thread each. `working`: pages are opened; `looking`: live parts refresh themselves."""

    def __init__(self, console: str, count: int, think_s: float) -> None:
        self.people = [Person(console, n) for n in range(count)]
        self.think_s = think_s
        self.working, self.looking, self._over = threading.Event(), threading.Event(), threading.Event()
        self.took: dict[str, list[float]] = defaultdict(list)
        self.live_ms: list[float] = []
        self.wrong: dict[str, int] = defaultdict(int)
        self.message, self.at_ms = "", 0
        self._threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(count)]

    def sign_in(self) -> None:
        for n, person in enumerate(self.people):
            person.sign_in(f"shift{n}")
        status, page = self.people[0].ask("GET", "/messages")
        found = re.search(r"/messages/([0-9a-f-]{36})", page)
        self.message = found[1] if status == 200 and found else ""
        self.at_ms = id_ms(id_octets(self.message) or bytes(16))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(70)

    def _work(self, number: int) -> None:
        dice, person = random.Random(number), self.people[number]
        page, paths, weights = "/", list(VISITS), list(VISITS.values())
        self._over.wait(
            dice.expovariate(1 / self.think_s)
        )  # nobody's first page is everybody's: they were at work before
        while not self._over.wait(dice.random() * 0.2):
            if self.working.is_set():
                page = dice.choices(paths, weights)[0]
                self._timed(person, page)
            until, turn = monotonic_s() + dice.expovariate(1 / self.think_s), 0
            while monotonic_s() < until and not self._over.is_set():
                turn += 1
                if self.looking.is_set():
                    for path in LIVE.get(page if self.working.is_set() else "/", ()):
                        if turn % 2 or "live" in path:
                            self._looked(person, path)
                self._over.wait(min(LIVE_S, max(0.01, until - monotonic_s())))

    def _timed(self, person: Person, page: str) -> None:
        before = monotonic_s()
        try:
            status, _ = person.ask(*self._request(page, person))
        except (OSError, http.client.HTTPException) as e:
            self.wrong[f"{page}: {type(e).__name__}"] += 1
            return
        self.took[page].append((monotonic_s() - before) * 1000)
        if status != 200:
            self.wrong[f"{page}: {status}"] += 1

    def _request(self, page: str, person: Person) -> tuple[str, str, dict[str, str] | None]:
        """Method, path and form. Searches: a number that was written to or not, a reference that nobody has, a minute before all this."""
        if page == "by number":
            return "POST", "/messages/by-number", {"csrf": person.csrf, "number": NUMBER}
        if page == "by reference":
            return "POST", "/messages/by-reference", {"csrf": person.csrf, "reference": "of-nobody"}
        if page == "by time":
            upto, minute = rfc3339(self.at_ms)[:16], rfc3339(self.at_ms - 60_000)[:16]
            return "GET", f"/messages?{urlencode({'from': minute, 'to': upto})}", None
        if page == "by status":
            return "GET", f"/messages?status={random.choice(STATUSES)}", None
        return "GET", f"/messages/{self.message}" if page == "one message" else page, None

    def _looked(self, person: Person, path: str) -> None:
        before = monotonic_s()
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, _ = person.ask("GET", path, live=True)
            self.live_ms.append((monotonic_s() - before) * 1000)
            if status != 200:
                self.wrong[f"{path.partition('?')[0]}: {status}"] += 1


def pages(
    days: int, per_day: int, times: int, people: int, rate: float, seconds: float, think_s: float, home: Path | None
) -> Outcome:
    """Pages timed for `seconds`, then windows with and without live parts in turns, a flow of `rate` segments a second all the while."""
    with contextlib.ExitStack() as stack:
        where = home if home is not None else stack.enter_context(folder())
        built(where, days, per_day, times)
        box = stack.enter_context(own(where))
        _made(where, people)
        at_work = People(read_env(where / "demo.env")["CASEMATE_CONSOLE"], people, think_s)
        at_work.sign_in()
        flow = Flow.of(box, rate)
        watch = Watch(box, flow)
        flow.start()
        stack.callback(flow.stop)
        at_work.start()
        stack.callback(at_work.stop)
        at_work.working.set()
        at_work.looking.set()
        samples = watch.through(seconds)
        at_work.working.clear()

        def take(name: str) -> None:
            at_work.looking.set() if name == "live" else at_work.looking.clear()

        windows = turns.taken(watch, ("quiet", "live"), take, 2 * seconds, max(3.0, seconds / 15), ("engine",))
        at_work.stop()
        flow.stop()
        watch.until_final()
        asked_us = _asked_us(box)
    flowed = (samples[-1].submitted - samples[0].submitted) / (samples[-1].at_s - samples[0].at_s)
    return _told(at_work, windows, asked_us, flowed, days * per_day, people, seconds)


def _asked_us(box: Box) -> float:
    """Processor time of the engine for one question of how it is: what the console asks once a second, however many look on."""
    pid = int(box.engine.call("ping", {})["pid"])
    before = cpu_s(pid)
    for _ in range(QUESTIONS):
        box.engine.call("state", {})
    return (cpu_s(pid) - before) / QUESTIONS * 1e6


def _made(home: Path, people: int) -> None:
    """Accounts as an administrator makes them; one password, hashed once."""
    access = Access(parse({}, home, "bench"))
    hashed = access.hashed_password(PASSWORD)
    for n in range(people):
        if access.user(f"shift{n}") is None:
            access.add_user(f"shift{n}", "administrator", hashed, now_ms())
    access.close()


def _told(
    at_work: People,
    windows: list[turns.Window],
    asked_us: float,
    flowed: float,
    stored: int,
    people: int,
    seconds: float,
) -> Outcome:
    p95 = {page: percentile(took, 0.95) for page, took in sorted(at_work.took.items())}
    every = [ms for took in at_work.took.values() for ms in took]
    slow = [page for page, ms in p95.items() if ms > ASKED_MS]
    each = [w.cpu_us / fmean(near) for w, near in turns.beside(windows, "quiet")]
    cost = {name: statistics.median(w.cpu_us for w in windows if w.name == name) for name in ("quiet", "live")}
    figures = [
        Figure("pages opened", len(every), "pages", ""),
        Figure("all pages, p50", round(percentile(every, 0.5), 1), "ms", "less"),
        Figure("all pages, p95", round(percentile(every, 0.95), 1), "ms", "less"),
        Figure("slowest page, p95", round(max(p95.values(), default=0.0), 1), "ms", "less"),
        Figure(f"pages above {ASKED_MS} ms at p95", len(slow), "pages", "less"),
        Figure("live parts, p95", round(percentile(at_work.live_ms, 0.95), 1), "ms", "less"),
        Figure("flow", round(flowed), "segments/s", ""),
        Figure("engine's processor time a segment, live parts off", round(cost["quiet"], 1), "us", "less"),
        Figure("engine's processor time a segment, live parts on", round(cost["live"], 1), "us", "less"),
        Figure("what live parts cost the engine", round((statistics.median(each or [1.0]) - 1) * 100, 2), "%", "less"),
        Figure("a question to the engine, one a second", round(asked_us), "us", "less"),
        Figure("of its time, that is", round(asked_us / max(1.0, cost["live"] * flowed) * 100, 2), "%", "less"),
        *[Figure(f"{page}, p95 of {len(at_work.took[page])}", round(ms, 1), "ms", "less") for page, ms in p95.items()],
    ]
    title = f"{people} people at work, {stored:,} messages stored, live parts on and off in {len(windows)} windows"
    faults = [f"{what}, {n} times" for what, n in sorted(at_work.wrong.items())]
    return Outcome("pages", title, round(seconds, 1), figures, faults=faults, settings={"people": people})
