"""What becomes of name servers' answers, with the wire in place and no socket: good ones, none, wrong ones, late ones, loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest

from appliance import limits
from appliance.courier.naptr import Portability
from appliance.settings import Enum

NUMBER = "+393331234567"
NAME = "7.6.5.4.3.2.1.3.3.3.9.3.e164.example."
FOUND = '100 10 "u" "E2U+pstn:tel" "!^.*$!tel:+393331234567;npdi;rn=39123!" .'
ENUM = Enum("39", "e164.example", (("10.0.0.1", 53), ("10.0.0.2", 53)))
SOA = "ns.e164.example. host.e164.example. 1 2 3 4 900"


class World:
    """A clock that is told the time, and servers that answer as `zone` says: (records) or an exception or a code."""

    def __init__(self, *enums: Enum, **zone: Any) -> None:
        self.now = 1_000.0
        self.zone = zone
        self.sent: list[tuple[str, str]] = []
        self.gate: asyncio.Event | None = None
        self.portability = Portability(enums or (ENUM,), lambda: self.now, self.send)
        self.by_name: dict[str, Any] = {}
        self.by_server: dict[str, Any] = {}

    async def send(self, question: Any, server: str, port: int, timeout_s: float) -> Any:
        name = question.question[0].name.to_text()
        self.sent.append((server, name))
        if self.gate is not None:
            await self.gate.wait()
        said = self.by_server.get(server, self.by_name.get(name))
        if isinstance(said, Exception):
            raise said
        answer = dns.message.make_response(question)
        if isinstance(said, int):
            answer.set_rcode(said)  # type: ignore[arg-type]
        elif isinstance(said, bytes):
            return dns.message.from_wire(said)
        elif said:
            answer.answer.append(dns.rrset.from_text_list(name, 3_600, "IN", "NAPTR", said))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN if said is None else dns.rcode.NOERROR)
            answer.authority.append(dns.rrset.from_text("e164.example.", 900, "IN", "SOA", SOA))
        return dns.message.from_wire(answer.to_wire())

    def ask(self, *numbers: str, wait_s: float = 5.0) -> Coroutine[Any, Any, list[Any]]:
        return self.portability.codes(numbers or (NUMBER,), wait_s)


def run(story: Callable[[World], Coroutine[Any, Any, None]], *enums: Enum) -> None:
    async def whole() -> None:
        world = World(*enums)
        await story(world)
        await world.portability.stop()

    asyncio.run(whole())


def test_an_answer_is_believed_for_as_long_as_it_says_and_asked_once() -> None:
    async def story(w: World) -> None:
        w.by_name[NAME] = [FOUND]
        assert await asyncio.gather(w.ask(), w.ask()) == [[("39123", 3_600)]] * 2
        w.now += 3_599
        assert await w.ask() == [("39123", 1)] and len(w.sent) == 1
        w.now += 1
        assert await w.ask() == [("39123", 3_600)] and len(w.sent) == 2
        assert await w.ask("+44207") == [None], "no row is for it"

    run(story)


def test_what_is_remembered_of_an_erased_person_is_forgotten() -> None:
    async def story(w: World) -> None:
        w.by_name[NAME] = [FOUND]
        await w.ask()
        assert w.portability.known(NUMBER) == "39123"
        assert w.portability.forget(NUMBER) == 1 and w.portability.forget(NUMBER) == 0
        assert w.portability.known(NUMBER) is None
        w.gate = asyncio.Event()
        asking = asyncio.ensure_future(w.ask())
        await asyncio.sleep(0)
        assert w.portability.forget(NUMBER) == 1, "a question under way brings none any more"
        w.gate.set()
        assert await asking == [None] and w.portability.known(NUMBER) is None

    run(story)


@pytest.mark.parametrize("said", [None, ()])
def test_a_name_that_is_not_there_is_remembered_as_the_zone_says(said: Any) -> None:
    async def story(w: World) -> None:
        w.by_name[NAME] = said
        assert await w.ask() == [(None, 900)]
        w.now += 899
        await w.ask()
        assert len(w.sent) == 1

    run(story)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (int(dns.rcode.SERVFAIL), "servfail"),
        (int(dns.rcode.REFUSED), "refused"),
        (TimeoutError(), "timeout"),
        (ConnectionRefusedError(), "unreachable"),
        (b"\x00" * 7, "malformed"),
        (['100 10 "u" "E2U+pstn:tel" "!^.*$!tel" .'], "malformed"),
        (['100 10 "" "E2U+pstn" "" 7.6.5.4.3.2.1.3.3.3.9.3.e164.example.'], "loop"),
    ],
)
def test_no_usable_answer_is_nothing_known_and_asked_again_later(said: Any, why: str) -> None:
    async def story(w: World) -> None:
        w.by_name[NAME] = said
        assert await w.ask() == [None]
        asked = len(w.sent)
        assert asked == (1 if isinstance(said, list) else 2), "each server once"
        assert await w.ask() == [None] and len(w.sent) == asked
        assert w.portability._known[NUMBER].why == why
        w.now += limits.ENUM_FAILED_S
        w.by_name[NAME] = [FOUND]
        assert await w.ask() == [("39123", 3_600)]

    run(story)


def test_a_server_that_fails_gives_way_to_the_next() -> None:
    async def story(w: World) -> None:
        w.by_server["10.0.0.1"] = int(dns.rcode.SERVFAIL)
        w.by_name[NAME] = [FOUND]
        assert await w.ask() == [("39123", 3_600)]
        assert [server for server, _ in w.sent] == ["10.0.0.1", "10.0.0.2"]

    run(story)


def test_records_lead_on_and_no_further_than_five_names() -> None:
    async def story(w: World) -> None:
        w.by_name[NAME] = ['100 10 "" "E2U+pstn" "" one.example.']
        w.by_name["one.example."] = ['100 10 "" "E2U+pstn" "" two.example.']
        w.by_name["two.example."] = [FOUND]
        assert await w.ask() == [("39123", 3_600)]
        for n in range(9):
            w.by_name[f"n{n}.example."] = [f'100 10 "" "E2U+pstn" "" n{n + 1}.example.']
        w.by_name["8" + NAME[1:]] = ['100 10 "" "E2U+pstn" "" n0.example.']
        assert await w.ask("+393331234568") == [None]
        assert len(w.sent) == 3 + limits.ENUM_HOPS_MAX
        assert w.portability._known["+393331234568"].why == "hops"

    run(story)


def test_who_does_not_wait_long_enough_knows_it_the_next_time() -> None:
    async def story(w: World) -> None:
        w.by_name[NAME] = [FOUND]
        w.gate = asyncio.Event()
        assert await w.ask(wait_s=0.0) == [None]
        w.gate.set()
        assert await w.ask() == [("39123", 3_600)] and len(w.sent) == 1

    run(story)


def test_a_tree_whose_servers_are_dead_is_left_alone_for_a_while() -> None:
    async def story(w: World) -> None:
        numbers = [f"+39333123456{n}" for n in range(9)]
        w.by_server |= {"10.0.0.1": TimeoutError(), "10.0.0.2": TimeoutError()}
        for number in numbers[: limits.ENUM_FAILURES_MAX]:
            await w.ask(number)
        asked = len(w.sent)
        assert await w.ask(numbers[-1]) == [None] and len(w.sent) == asked
        assert w.portability.state()["trees"][0]["paused"]
        w.now += limits.ENUM_PAUSE_S
        w.by_server = {}
        assert await w.ask(numbers[-1]) == [(None, 900)]
        assert not w.portability.state()["trees"][0]["paused"] and w.portability.trees[0].failures == 0

    run(story)


def test_what_is_remembered_and_under_way_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    import appliance.courier.naptr as naptr

    monkeypatch.setattr(naptr, "ENUM_NUMBERS_MAX", 3)
    monkeypatch.setattr(naptr, "ENUM_UNDER_WAY_MAX", 2)

    async def story(w: World) -> None:
        numbers = [f"+39333123456{n}" for n in range(9)]
        w.gate = asyncio.Event()
        assert await w.ask(*numbers, wait_s=0.0) == [None] * 9
        assert w.portability.state()["under_way"] == 2
        w.gate.set()
        for number in numbers:
            await w.ask(number)
        assert w.portability.state()["known"] == 3

    run(story)


def test_the_longest_prefix_says_which_tree_and_times_to_live_are_bounded() -> None:
    async def story(w: World) -> None:
        w.by_name["7.6.5.4.3.2.1.3.3.3.9.3.private.example."] = [FOUND]
        assert await w.ask() == [("39123", 3_600)]
        assert w.sent == [("10.0.0.9", "7.6.5.4.3.2.1.3.3.3.9.3.private.example.")]

    run(story, Enum("39333", "private.example", (("10.0.0.9", 53),)), Enum("", "e164.arpa", (("10.0.0.1", 53),)))
