"""What a person does with a link by hand: look at its PDUs for some minutes, try it with a bind of its own. All on the record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from appliance import clock, limits
from appliance.audit import entry
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.numbering import normalise
from appliance.smpp import PduError, status_name

from .beat import Act, Beat
from .link import Link
from .link_test import LinkTest
from .trace import Taps, Trace

TEXT: Final = "Casemate link test"


class Workbench:
    """The operations `trace`, `trace_read` and `link_test` of one engine. `in_beat` makes what an act notes durable."""

    def __init__(self, links: dict[str, Link], beat: Beat, name: str, in_beat: Callable[[Act], Awaitable[Any]]) -> None:
        self._links = links
        self._beat = beat
        self._process = f"process:{name}"
        self._in_beat = in_beat
        self._taps = {each.name: Taps(each) for each in links.values()}
        self._traces: dict[str, Trace] = {}
        self._testing = False
        self.operations: dict[str, Callable[[Any, Peer], Awaitable[Any]]] = {
            "trace": lambda payload, peer: self.trace(payload),
            "trace_read": lambda payload, peer: self.trace_read(payload),
            "link_test": lambda payload, peer: self.link_test(payload),
        }

    def until_ms(self, name: str) -> int:
        """When the trace of a link ends; 0 without one."""
        trace = self._traces.get(name)
        return trace.until_ms if trace is not None and trace.until_ms > clock.now_ms() else 0

    async def trace(self, payload: Any) -> dict[str, Any]:
        """`{link, minutes, who}`: shows the link's PDUs for so long, anew when one is running; 0 ends it. `{until_ms}`."""
        link, who = self._asked(payload)
        minutes = payload.get("minutes")
        if not isinstance(minutes, int) or isinstance(minutes, bool) or not 0 <= minutes <= limits.TRACE_MINUTES_MAX:
            raise Error(
                "invalid", f"a trace runs for 1 to {limits.TRACE_MINUTES_MAX} minutes, 0 ends it", field="minutes"
            )
        now_ms = clock.now_ms()
        on = f"link:{link.name}"
        if not minutes:
            if self.until_ms(link.name):
                await self._recorded(entry(now_ms, who, "link.trace_off", on))
                self._end(link.name)
            return {"until_ms": 0}
        await self._recorded(entry(now_ms, who, "link.trace_on", on, minutes=minutes))
        self._end(link.name)
        trace = Trace(link.settings.tlv_names, clock.now_ms, now_ms + minutes * 60_000)
        self._traces[link.name] = trace
        self._taps[link.name].add(trace.hear)
        return {"until_ms": trace.until_ms}

    async def trace_read(self, payload: Any) -> dict[str, Any]:
        """`{link, after, limit}`: `{until_ms, last, skipped, pdus: [{number, at_ms, way, bind, name, octets, lines}]}`, in order.

        With `ids`, those that the operator gave to messages: only the PDUs of these, which of them in each PDU's `ids`.
        """
        link = self._link(payload)
        after, limit = payload.get("after", 0), payload.get("limit", limits.TRACE_READ_MAX)
        if not isinstance(after, int) or not isinstance(limit, int) or limit < 1:
            raise Error("invalid", "`after` and `limit` are numbers", field="after")
        trace = self._traces.get(link.name)
        if trace is None:
            return {"until_ms": 0, "last": 0, "skipped": 0, "pdus": []}
        ids = payload.get("ids")
        if ids is not None:
            if not isinstance(ids, list):
                raise Error("invalid", "`ids` is a list of texts", field="ids")
            wanted = {str(each) for each in ids[: limits.TRACE_READ_MAX]}
            of = trace.of(wanted, link.reader)[: limits.TRACE_READ_MAX]
            return {"until_ms": trace.until_ms, "last": trace.last, "skipped": trace.skipped, "pdus": of}
        return trace.read(after, min(limit, limits.TRACE_READ_MAX))

    async def link_test(self, payload: Any) -> dict[str, Any]:
        """`{link, to, text, from, who}`, the last three but `who` optional: see `LinkTest.run`. One at a time."""
        link, who = self._asked(payload)
        to, text, sender = (payload.get(name) or "" for name in ("to", "text", "from"))
        if not all(isinstance(each, str) for each in (to, text, sender)):
            raise Error("invalid", "`to`, `text` and `from` are texts", field="to")
        if self._testing:
            raise Error("overloaded", "a link is being tested now", "wait until that is done, a minute at most")
        if to:
            to, _ = normalise(to)
        try:
            test = LinkTest(link.settings, link.tls, to, text or TEXT, sender)
        except PduError as e:
            raise Error(
                "invalid", f"the message does not fit this link: {e.message} ({status_name(e.status)})"
            ) from None
        self._testing = True
        try:
            await self._recorded(entry(clock.now_ms(), who, "link.tested", f"link:{link.name}", message=bool(to)))
            return await test.run(self._taps[link.name])
        finally:
            self._testing = False

    def tick(self, now_ms: int) -> None:
        """Ends traces whose time is over, and forgets what they held some minutes later."""
        for name, trace in list(self._traces.items()):
            if now_ms >= trace.until_ms + limits.TRACE_KEPT_S * 1_000:
                del self._traces[name]
            elif now_ms >= trace.until_ms and not trace.ended:
                self._end(name)
                self._beat.notes.append(entry(now_ms, self._process, "link.trace_off", f"link:{name}"))

    def _end(self, name: str) -> None:
        trace = self._traces.get(name)
        if trace is not None:
            trace.until_ms = min(trace.until_ms, clock.now_ms())
            trace.ended = True
            self._taps[name].remove(trace.hear)

    async def _recorded(self, audit: dict[str, Any]) -> None:
        """Durable before anything is done."""
        await self._in_beat(lambda: self._beat.notes.append(audit))

    def _asked(self, payload: Any) -> tuple[Link, str]:
        link = self._link(payload)
        who = payload.get("who")
        if not isinstance(who, str) or not who:
            raise Error("invalid", "`who` is not empty", field="who")
        return link, who

    def _link(self, payload: Any) -> Link:
        name = payload.get("link") if isinstance(payload, dict) else None
        link = self._links.get(name) if isinstance(name, str) else None
        if link is None:
            raise Error("not_found", "there is no such link", "`casemate link list` names them", field="link")
        return link
