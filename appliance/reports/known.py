"""What a report is made of: the figures, the audit log, who the callers are. Asked once, handed to the pure parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from appliance.audit import written
from appliance.clock import rfc3339
from appliance.figures import FiguresBook
from appliance.numbering import country_of
from appliance.settings import Settings

Call = Callable[[str, dict[str, Any]], Any]


class Known(NamedTuple):
    """`call` asks the auditor; `callers` names API keys by number."""

    settings: Settings
    figures: FiguresBook
    call: Call
    callers: dict[int, str]
    now_ms: int

    def caller(self, number: object) -> str:
        return self.callers.get(int(str(number)), f"API key {number}")

    def entries(self, events: Iterable[str], from_ms: int, to_ms: int) -> list[dict[str, Any]]:
        """Entries of these events in a time, oldest first. Raises Error `peer_unavailable`."""
        sought = {"since": rfc3339(from_ms)[:19], "until": rfc3339(to_ms)[:19]}
        found = [each for event in events for each in written.found(self.call, {**sought, "what": event})]
        return sorted(found, key=lambda each: int(each["index"]))

    def last_before(self, event: str, on: str, before_ms: int) -> str:
        """When this was recorded of something for the last time before; "" for never."""
        asked = {"what": event, "on": on, "until": rfc3339(before_ms)[:19], "limit": 1, "before": None}
        found = self.call("entries", asked)["entries"]
        return str(found[0]["entry"]["at"]) if found else ""


def country(code: object) -> str:
    """`IT +39`."""
    region = country_of(int(str(code)))
    return f"{region} +{code}" if region else f"+{code}"


def link_name(name: object) -> str:
    return str(name) or "(none yet)"
