"""The HSM: PKCS#11 behind killable workers. A leaf: imports nothing from the appliance; `appliance.keys` is the only door to it."""

from .changing import change_filed, change_typed
from .commissioning import commission
from .errors import CODES, HsmError
from .pair import Pair
from .place import FIRST, SECOND, Place
from .pool import Pool
from .profiles import PROFILES, installed
from .shutters import close_shutters
from .softhsm import SECOND_CREDENTIAL, write_private
from .visit import Visit, visit

__all__ = [
    "CODES",
    "FIRST",
    "PROFILES",
    "SECOND",
    "SECOND_CREDENTIAL",
    "HsmError",
    "Pair",
    "Place",
    "Pool",
    "Visit",
    "change_filed",
    "change_typed",
    "close_shutters",
    "commission",
    "installed",
    "visit",
    "write_private",
]
