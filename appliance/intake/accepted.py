"""What a caller is told of each row: accepted, or refused and why."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType


class Accepted(msgspec.Struct, omit_defaults=True):
    """A message that was accepted, as the caller is told. `held_until`: it waits for the end of quiet hours, named in `rule`."""

    id: str
    status: str
    class_: str = msgspec.field(name="class")
    segments: int
    encoding: str
    index: int | UnsetType = UNSET
    reference: str | UnsetType = UNSET
    held_until: str | UnsetType = UNSET
    rule: str | UnsetType = UNSET


class Rejected(msgspec.Struct, omit_defaults=True):
    """A row of a batch that was refused, and why."""

    index: int
    code: str
    message: str
    hint: str
    field: str | UnsetType = UNSET
