"""What is done about the state volume at a start, as a table. Pure.

Only a disk that has no state volume at all gets one. One that is there and does not open waits for a person with its recovery key: nothing leads
from there to making another. A USB stick without one is the medium of an installation: its state is in memory and ends with the start.
"""

from __future__ import annotations

from typing import Final

LOOKING: Final = "looking"  # whether the disk has a state volume
LIVING: Final = "living"  # the disk is an installation's medium: state in memory, under a key that nobody keeps
MAKING: Final = "making"  # on what the disk has beyond the slots
OPENING: Final = "opening"  # by the TPM
ASKING: Final = "asking"  # for the recovery key, on screen and serial line
BINDING: Final = "binding"  # the recovery key opened it: its key is sealed to the TPM as it is now
OPEN: Final = "open"
STUCK: Final = "stuck"  # a person has to look at the disk

#: {(state, heard): state}
STEPS: Final[dict[tuple[str, str], str]] = {
    (LOOKING, "failed"): STUCK,
    (LOOKING, "absent"): MAKING,
    (LOOKING, "live"): LIVING,
    (LOOKING, "there"): OPENING,
    (LIVING, "done"): OPEN,
    (LIVING, "failed"): STUCK,
    (MAKING, "done"): OPENING,
    (MAKING, "failed"): STUCK,
    (OPENING, "done"): OPEN,
    (OPENING, "failed"): ASKING,
    (ASKING, "done"): BINDING,
    (ASKING, "failed"): ASKING,
    (BINDING, "done"): OPEN,
    (BINDING, "failed"): OPEN,
}
ENDS: Final = {OPEN, STUCK}
