"""Who tried to open what the firewall lets nobody open: read from what nft lists, told once an hour each. Pure.

Everything that is dropped is counted, some of it logged by the kernel. This is about what left a program of the box and went nowhere: the box tries
nothing by itself that its settings do not name, so each is worth somebody's look.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, NamedTuple

from appliance.errors import Error
from appliance.limits import TRIED_AGAIN_S, TRIED_TOLD_MAX

SETS: Final = ("tried4", "tried6")  # of the table; nft(8), dynamic sets
PREFIX: Final = "casemate-"  # of the users of the box's processes


class Tried(NamedTuple):
    """One user of the system, and one place. `packets`: how many since the rules were loaded, or for an hour."""

    user: str
    address: str
    port: int
    transport: str
    packets: int

    @property
    def key(self) -> str:
        return f"{self.user} {self.address} {self.port} {self.transport}"

    @property
    def place(self) -> dict[str, str | int]:
        return {"address": self.address, "port": self.port, "transport": self.transport}

    @property
    def on(self) -> str:
        """As the audit log names it."""
        if self.user.startswith(PREFIX):
            return f"process:{self.user.removeprefix(PREFIX)}"
        return f"user:{self.user}"


def listed(text: str, named: Callable[[int], str]) -> list[Tried]:
    """What `nft -j list sets` says; `named` gives a user's name. Raises Error `file_invalid` for something else."""
    try:
        sets = [row["set"] for row in json.loads(text)["nftables"] if row.get("set", {}).get("name") in SETS]
        elements = [element["elem"] for found in sets for element in found.get("elem", ())]
        rows = [(*element["val"]["concat"], element["counter"]["packets"]) for element in elements]
        return sorted(
            Tried(named(user) if isinstance(user, int) else user, address, int(port), str(transport), packets)
            for user, address, transport, port, packets in rows
        )
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise Error(
            "file_invalid",
            f"what nft lists is not understood: {type(e).__name__}",
            "nft -j list sets table inet casemate",
        ) from None


def due(tried: list[Tried], told: dict[str, int], at_ms: int) -> tuple[list[Tried], dict[str, int]]:
    """Those to be told now, so many at a time that nobody floods the log; and what of `told` (key -> when) is still worth keeping."""
    kept = {key: when for key, when in told.items() if 0 <= at_ms - when < TRIED_AGAIN_S * 1_000}
    return [row for row in tried if row.key not in kept][:TRIED_TOLD_MAX], kept
