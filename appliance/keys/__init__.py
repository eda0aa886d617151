"""Keys: the `keys` process, the only one that talks to the HSM, and what others hold of it: `Keyring`, `DataKey`, `blind_index`."""

from appliance.settings import Settings

from .datakey import DataKey, blind_index
from .keyring import BlockingKeyring, Keyring
from .permits import PURPOSES

__all__ = ["PURPOSES", "BlockingKeyring", "DataKey", "Keyring", "blind_index", "serve"]


async def serve(settings: Settings) -> None:
    """Runs the `keys` process until SIGTERM or SIGINT. Loaded only here: whoever holds a Keyring has no business with the HSM."""
    from .process import serve as run

    await run(settings)
