"""Where a token is, and what is asked and told of it by whom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from .bounds import CALL_S_MAX, OPEN_S_MAX
from .softhsm import CREDENTIAL

FIRST: Final = "first"  # the HSM there always is
SECOND: Final = "second"

#: Told what happened: `token.initialised`, `hsm.login`, `hsm.lost`, `hsm.back`, with flat details.
Told = Callable[[str, dict[str, Any]], None]
#: Asked about each token that was opened; raises HsmError `key_missing` when it is not the one the keys were made in.
Admit = Callable[[dict[str, Any]], None]


class Place(NamedTuple):
    """Where the token is: folder of our own files, module (empty: the embedded SoftHSM), label, PIN file (empty: see softhsm.pin_path)."""

    folder: Path
    module: str = ""
    label: str = "casemate"
    pin_file: str = ""
    call_s_max: float = CALL_S_MAX
    init_string: str = ""  # passed to C_Initialize as pReserved: what NSS softokn needs
    open_s_max: float = OPEN_S_MAX
    credential: str = CREDENTIAL  # the systemd credential with the PIN when `pin_file` is empty
    replicable: bool = False  # keys are made so that they can be wrapped for another token
