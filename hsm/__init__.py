"""The HSM: PKCS#11 behind killable workers. A leaf: imports nothing from the appliance; `appliance.keys` is the only door to it."""

from .errors import CODES, HsmError
from .pool import Place, Pool
from .shutters import close_shutters

__all__ = ["CODES", "HsmError", "Place", "Pool", "close_shutters"]
