"""The HSM: PKCS#11 behind killable workers. A leaf: imports nothing from the appliance; `appliance.keys` is the only door to it."""

from .commissioning import commission
from .errors import CODES, HsmError
from .pool import Place, Pool
from .profiles import PROFILES, installed
from .shutters import close_shutters
from .visit import Visit, visit

__all__ = [
    "CODES",
    "PROFILES",
    "HsmError",
    "Place",
    "Pool",
    "Visit",
    "close_shutters",
    "commission",
    "installed",
    "visit",
]
