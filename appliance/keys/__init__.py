"""Keys: the `keys` process, the only one that talks to the HSM, and what others hold of it: `Keyring`, `DataKey`, `blind_index`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.settings import Settings

from . import approvals
from .custody import read_line, signed_text
from .datakey import DataKey, blind_index, blind_indexer
from .keyring import BlockingKeyring, Keyring
from .permits import PURPOSES
from .resealing import Resealing
from .sealed_file import clear_key, key_path, open_text, seal_text

__all__ = [
    "PURPOSES",
    "BlockingKeyring",
    "DataKey",
    "Keyring",
    "Resealing",
    "approvals",
    "blind_index",
    "blind_indexer",
    "clear_key",
    "commission",
    "hosted",
    "key_path",
    "open_text",
    "profiles",
    "read_line",
    "seal_text",
    "serve",
    "signed_text",
    "unwrapped_rate",
]


async def serve(settings: Settings) -> None:
    """Runs the `keys` process until SIGTERM or SIGINT. Loaded only here: whoever holds a Keyring has no business with the HSM."""
    from .process import serve as run

    await run(settings)


@contextmanager
def hosted(settings: Settings) -> Iterator[None]:
    """The `keys` process within this program, while there is none of its own: before a box's first start, for a rehearsal."""
    from .process import Hosted

    hosting = Hosted(settings)
    hosting.start()
    try:
        yield
    finally:
        hosting.stop()


def commission(settings: Settings, seconds: float, told: Callable[[str], None], second: bool = False) -> dict[str, Any]:
    """Tries and measures the token of `settings`, or the second one, with throw-away keys; the report. Raises Error."""
    import asyncio

    import hsm
    from appliance.errors import Error

    from .process import place_of, second_place_of

    place = second_place_of(settings) if second else place_of(settings)
    if place is None:
        raise Error("invalid", "there is one HSM", "hsm.second_token_label names the second one's token")
    try:
        return asyncio.run(hsm.commission(place, seconds, told))
    except hsm.HsmError as e:
        raise Error(e.code, e.message, e.hint) from None


def unwrapped_rate(folder: Path, seconds: float, callers: int, two: bool) -> dict[str, Any]:
    """How many keys a second embedded tokens in `folder` unwrap, asked as the keys process asks. Raises Error."""
    from .measured import unwrapped_rate as rate

    return rate(folder, seconds, callers, two)


def profiles() -> list[dict[str, Any]]:
    """HSMs of vendors: what is publicly known of each, and where its library was found on this machine."""
    import hsm

    found = hsm.installed()
    return [{"profile": key, **row._asdict(), "installed": found.get(key, "")} for key, row in hsm.PROFILES.items()]
