"""Two tokens come to hold the same keys: born in both at once, or passed from one to the other. Each step in a worker of its own kind.

The receiver has a key before the giver keeps it, and what is half done wraps nothing yet: it is dropped and done again.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from . import wrapping
from .errors import HsmError
from .objects import AUDIT, MAC, root
from .pool import Pool
from .profiles import profile_of
from .visit import Visit

#: Told what is being done: step, of how many, in words.
Progress = Callable[[int, int, str], None]
_CLONE: Final = (
    "clone the partition with the vendor's own tools, under the same labels; then `casemate keys replicate --check`"
)


async def born(first: Pool, second: Pool, roots: Sequence[int], all_keys: bool) -> int:
    """Makes keys that are in both tokens: roots, and with `all_keys` those of a new box. How many; 0 when both had all of them.

    Raises HsmError: when one token is away, holds keys already, or passes none.
    """
    labels = [*map(root, roots), *((MAC, AUDIT) if all_keys else ())]
    async with _both(first, second) as (giver, receiver):
        a, b = await giver.ask("held", labels=labels), await receiver.ask("held", labels=labels)
        needed = [label for label in labels if label != AUDIT]
        whole = [all(label in seen["held"] for label in needed) for seen in (a, b)]
        if all(whole) or (all_keys and whole[0]):
            return 0  # an HSM that served alone before, or a rotation that was cut off after this
        if all_keys and (a["held"] or b["held"]):
            raise HsmError(
                "key_missing",
                "a token holds keys, and this box does not know them: another's, or of a first start that was cut off",
                "initialise both tokens anew if nothing was ever sealed under their keys",
            )
        for seat, seen in (
            (giver, a),
            (receiver, b),
        ):  # a new root in one token alone wraps nothing: its birth was cut off
            for label in seen["held"]:
                await seat.ask("drop", label=label)
        way = common_way(a["capabilities"], b["capabilities"])
        signs = all(seen["capabilities"].get("ed25519") == "ok" for seen in (a, b)) and not first.place.replicable
        wanted = [label for label in labels if label != AUDIT or signs]
        try:
            offer = await receiver.ask("offer")
            parcel = await giver.ask("give", **offer, labels=wanted, born=True, way=way)
            got = await receiver.ask("receive", parcel=parcel, way=way)
            kept = await giver.ask("keep", way=way, audit=got["audit"])
            if got["audit"] and not kept["audit"]:
                await receiver.ask("drop", label=AUDIT)
        except HsmError:
            for seat in (giver, receiver):
                with contextlib.suppress(HsmError):
                    for label in labels:
                        await seat.ask("drop", label=label)
            raise
        return len(got["labels"]) + kept["audit"]


async def passed(giving: Pool, receiving: Pool, roots: Sequence[int], told: Progress) -> int:
    """Passes to `receiving` what it lacks of the other's keys; how many. Raises HsmError `mechanism_missing` when they may not leave."""
    labels = [*map(root, roots), MAC, AUDIT]
    told(1, 4, "opening both HSMs")
    async with _both(giving, receiving) as (giver, receiver):
        a, b = await giver.ask("held", labels=labels), await receiver.ask("held", labels=labels)
        lacking = [label for label in labels if label in a["held"] and label not in b["held"]]
        if not lacking:
            return 0
        stay = [label for label in lacking if label not in a["leave"]]
        if stay:
            raise HsmError(
                "mechanism_missing",
                f"the {stay[0]} was made never to leave its HSM, so it cannot be passed by wrapping",
                cloning(a["manufacturer"]),
            )
        way = common_way(a["capabilities"], b["capabilities"])
        told(2, 4, "the receiving HSM makes a key pair")
        offer = await receiver.ask("offer")
        told(3, 4, f"passing {len(lacking)} keys")
        parcel = await giver.ask("give", **offer, labels=lacking, born=False, way=way)
        got = await receiver.ask("receive", parcel=parcel, way=way)
        return len(got["labels"])


def cloning(manufacturer: str) -> str:
    """What to do when keys do not leave: by the maker's own means."""
    profile = profile_of(manufacturer)
    return (
        f"{profile.name}: {profile.cloning}; then `casemate keys replicate --check`" if profile is not None else _CLONE
    )


def common_way(a: dict[str, str], b: dict[str, str]) -> str:
    """The first way of wrapping that both tokens know. Raises HsmError `mechanism_missing`."""
    found = next((w.name for w in wrapping.ORDER if a.get(w.name) == b.get(w.name) == "ok"), None)
    if found is None:
        raise HsmError("mechanism_missing", "the two HSMs know no common way of wrapping keys", "see hsm/README.md")
    return found


@contextlib.asynccontextmanager
async def _both(first: Pool, second: Pool) -> AsyncIterator[tuple[Visit, Visit]]:
    async with first.visit() as a, second.visit() as b:
        yield a, b
