"""The ways of one run: channels that a caller named in an order of his own, in place of those that the workflow says. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from appliance.errors import Error
from appliance.limits import FLOW_WAIT_S_MAX
from appliance.settings import CHANNEL_NAME, Channel

from .definition import Definition, Send, Verify, Way

ChannelName = Annotated[
    str,
    Meta(
        pattern=CHANNEL_NAME,
        description="`sms`, or the name of a [[channel]] of the settings",
        examples=["sms"],
    ),
]


class AskedWay(msgspec.Struct, forbid_unknown_fields=True):
    """A channel that is tried when the one before it did not arrive: at once when that is told, else after so many seconds without a receipt."""

    channel: ChannelName
    after_s: Annotated[int, Meta(ge=1, le=FLOW_WAIT_S_MAX)] | None = None


def channel_of(name: str, channels: Mapping[str, Channel], field: str) -> Channel:
    """Raises Error `invalid`, which names those that there are."""
    found = channels.get(name)
    if found is None:
        raise Error("invalid", "there is no such channel", f"there are: {', '.join(channels)}", field=field)
    return found


def ways_of(asked: Sequence[str | AskedWay], channels: Mapping[str, Channel], field: str) -> list[Way]:
    """In their order; each waits as long as the next one says, else as its own row of the settings does. Raises Error `invalid`."""
    each = [AskedWay(one) if isinstance(one, str) else one for one in asked]
    if each and each[0].after_s is not None:
        raise Error("invalid", "the first channel is tried at once", "leave `after_s` out there", field=field)
    found = [channel_of(one.channel, channels, field) for one in each]
    if len({channel.name for channel in found}) != len(found):
        raise Error("invalid", "a channel is there twice", "each way is tried once", field=field)
    waits = [*(one.after_s for one in each[1:]), None][: len(each)]
    return [
        Way(channel.name, channel.sender or None, wait_s or channel.wait_s)
        for channel, wait_s in zip(found, waits, strict=True)
    ]


def laid(flow: Definition, ways: Sequence[Way]) -> Definition:
    """The workflow with these ways in the state that it begins with, where that sends something; the same when there are none."""
    state = flow.states[flow.start]
    if not ways or not isinstance(state, Send | Verify):
        return flow
    own = msgspec.structs.replace(state, ways=list(ways))
    return msgspec.structs.replace(flow, states=flow.states | {flow.start: own})
