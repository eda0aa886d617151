"""The sealed state volume of a box: made once, opened by the TPM or by its recovery key, never made anew."""

from .disk import root_disk
from .escrow import Escrow, digest, normal
from .opening import enrol, open_volume, state_device

__all__ = ["Escrow", "digest", "enrol", "normal", "open_volume", "root_disk", "state_device"]
