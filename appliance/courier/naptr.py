"""Whom a number belongs to, asked at the name servers that the settings name and nowhere else; remembered for as long as they say.

Questions are few at a time and bounded in time; a number asked for twice is asked once. A tree whose servers fail again and again is
left alone for a while: whoever asks then goes by what is known without it. Numbers live in memory only and are never logged; the name
servers of a tree learn which numbers are asked for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from appliance.limits import (
    ENUM_FAILED_S,
    ENUM_FAILURES_MAX,
    ENUM_HOPS_MAX,
    ENUM_NUMBERS_MAX,
    ENUM_PAUSE_S,
    ENUM_QUERIES_MAX,
    ENUM_RECORDS_MAX,
    ENUM_TTL_S_MAX,
    ENUM_TTL_S_MIN,
    ENUM_UNDER_WAY_MAX,
)
from appliance.numbering import Naptr, domain_of, verdict
from appliance.settings import Enum

log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """`code`: as `numbering.Verdict`; `until_s`: when it is no longer believed; `why`: what went wrong, empty when nothing did."""

    code: str | None
    until_s: float
    why: str = ""


class Failed(Exception):
    """No usable answer; the text is one word for counts."""


#: Sends one question to one server: (question, address, port, seconds) -> answer. Raises what dnspython raises, OSError.
Ask = Callable[[dns.message.Message, str, int, float], Any]


async def ask(question: dns.message.Message, server: str, port: int, timeout_s: float) -> dns.message.Message:
    """By UDP, by TCP when the answer was cut; what comes from elsewhere or fits no question is passed over."""
    async with asyncio.timeout(2 * timeout_s):
        answer, _ = await dns.asyncquery.udp_with_fallback(
            question, server, timeout=timeout_s, port=port, ignore_unexpected=True, ignore_errors=True
        )
    return answer


class Tree:
    """How the servers of one row do."""

    def __init__(self, enum: Enum) -> None:
        self.enum = enum
        self.failures = 0  # numbers in a row
        self.paused_until_s = 0.0
        self._turn = 0

    def servers(self) -> Sequence[tuple[str, int]]:
        """In the order in which they are tried for one question; another begins when the first has failed."""
        n, most = self._turn % len(self.enum.servers), self.enum.tries
        turned = self.enum.servers[n:] + self.enum.servers[:n]
        return [turned[k % len(turned)] for k in range(most)]

    def failed(self, now_s: float) -> None:
        self.failures += 1
        self._turn += 1
        if self.failures >= ENUM_FAILURES_MAX:
            self.paused_until_s = now_s + ENUM_PAUSE_S

    def answered(self) -> None:
        self.failures = 0


class Portability:
    """Made once in the courier. `now_s`: the clock; `send`: see `Ask`."""

    def __init__(self, enums: Sequence[Enum], now_s: Callable[[], float], send: Ask = ask) -> None:
        self.trees = [Tree(enum) for enum in enums]
        self.now_s = now_s
        self.send = send
        self.counts = dict.fromkeys(("asked", "remembered", "found", "nothing", "failed", "paused", "queries"), 0)
        self._known: dict[str, Answer] = {}
        self._under_way: dict[str, asyncio.Task[Answer]] = {}
        self._room = asyncio.Semaphore(ENUM_QUERIES_MAX)

    def known(self, number: str) -> str | None:
        """Whom a number belongs to as far as is remembered; None: nothing is."""
        found = self._known.get(number)
        return found.code if found is not None else None

    def forget(self, number: str) -> int:
        """How many answers about a number are forgotten; a question under way brings none any more."""
        task = self._under_way.pop(number, None)
        if task is not None:
            task.cancel()
        return int(self._known.pop(number, None) is not None) + int(task is not None)

    async def codes(self, numbers: Sequence[str], wait_s: float) -> list[tuple[str | None, float] | None]:
        """For each number its code and for how many seconds that holds; None: not known within `wait_s`. Never raises.

        What is not known in time is asked on, and is known for the next who asks.
        """
        out: list[tuple[str | None, float] | None] = []
        tasks = [self._asked(number) for number in numbers]
        waiting = {task for task in tasks if isinstance(task, asyncio.Task)}
        if waiting:
            await asyncio.wait(waiting, timeout=wait_s)
        now_s = self.now_s()
        for task in tasks:
            found = task if isinstance(task, Answer) else None
            if isinstance(task, asyncio.Task) and task.done() and not task.cancelled():
                found = task.result()
            out.append((found.code, round(found.until_s - now_s, 3)) if found is not None and not found.why else None)
        return out

    def _asked(self, number: str) -> Answer | asyncio.Task[Answer] | None:
        now_s = self.now_s()
        known = self._known.get(number)
        if known is not None and known.until_s > now_s:
            self.counts["remembered"] += 1
            return known
        under_way = self._under_way.get(number)
        if under_way is not None:
            return under_way
        tree = next((t for t in self.trees if number[1:].startswith(t.enum.prefix)), None)
        if tree is None:
            return None
        if tree.paused_until_s > now_s or len(self._under_way) >= ENUM_UNDER_WAY_MAX:
            self.counts["paused"] += 1
            return None
        task = self._under_way[number] = asyncio.ensure_future(self._find(tree, number))
        return task

    async def _find(self, tree: Tree, number: str) -> Answer:
        self.counts["asked"] += 1
        try:
            async with self._room:
                code, ttl_s = await self._follow(tree, number)
        except Failed as e:
            self.counts["failed"] += 1
            tree.failed(self.now_s())
            answer = Answer(None, self.now_s() + ENUM_FAILED_S, str(e))
        else:
            tree.answered()
            self.counts["nothing" if code is None else "found"] += 1
            answer = Answer(code, self.now_s() + min(max(ttl_s, ENUM_TTL_S_MIN), ENUM_TTL_S_MAX))
        finally:
            self._under_way.pop(number, None)
        if len(self._known) >= ENUM_NUMBERS_MAX:
            del self._known[next(iter(self._known))]  # the oldest
        self._known.pop(number, None)
        self._known[number] = answer
        return answer

    async def _follow(self, tree: Tree, number: str) -> tuple[str | None, float]:
        """Code and seconds; through records that lead to another name. Raises Failed."""
        name = domain_of(number, tree.enum.apex)
        seen: set[str] = set()
        ttl_s = float(ENUM_TTL_S_MAX)
        for _ in range(ENUM_HOPS_MAX):
            if name in seen:
                raise Failed("loop")
            seen.add(name)
            records, ttl = await self._records(tree, name)
            ttl_s = min(ttl_s, ttl)
            said = verdict(records, number)
            if said.code is not None or not said.next:
                if said.code is None and said.broken:
                    raise Failed("malformed")
                return said.code, ttl_s
            name = said.next.lower()
        raise Failed("hops")

    async def _records(self, tree: Tree, name: str) -> tuple[list[Naptr], float]:
        """The NAPTR records of a name, none when it has none or is none; seconds they hold. Raises Failed."""
        try:
            question = dns.message.make_query(name, dns.rdatatype.NAPTR, use_edns=0, payload=1232)
        except dns.exception.DNSException:
            raise Failed("malformed") from None
        why = "timeout"
        for server, port in tree.servers():
            self.counts["queries"] += 1
            try:
                answer = await self.send(question, server, port, tree.enum.timeout_ms / 1000)
                if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                    why = dns.rcode.to_text(answer.rcode()).lower()
                    continue
                return _read(answer)
            except (TimeoutError, dns.exception.Timeout):
                why = "timeout"
            except OSError:
                why = "unreachable"
            except (dns.exception.DNSException, ValueError):
                why = "malformed"
        raise Failed(why)

    def state(self) -> dict[str, Any]:
        """For `state`: counts and how each tree does, without a number."""
        now_s = self.now_s()
        trees = [
            {"prefix": t.enum.prefix, "apex": t.enum.apex, "failures": t.failures, "paused": t.paused_until_s > now_s}
            for t in self.trees
        ]
        return {"trees": trees, "known": len(self._known), "under_way": len(self._under_way), **self.counts}

    async def stop(self) -> None:
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _read(answer: dns.message.Message) -> tuple[list[Naptr], float]:
    """Records of an answer and their time to live; of a name that is not there, the zone's (RFC 2308). Raises DNSException."""
    if not isinstance(answer, dns.message.QueryMessage):
        raise dns.exception.FormError
    chain = answer.resolve_chaining()
    if chain.answer is None:
        return [], float(min(chain.minimum_ttl, ENUM_TTL_S_MAX))
    out = []
    for record in list(chain.answer)[:ENUM_RECORDS_MAX]:
        words = (record.flags, record.service, record.regexp)
        flags, service, regexp = (word.decode("ascii", "replace") for word in words)
        target = record.replacement.to_text(omit_final_dot=True)
        out.append(Naptr(record.order, record.preference, flags, service, regexp, "" if target == "." else target))
    return out, float(chain.minimum_ttl)
