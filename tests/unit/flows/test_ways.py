"""Channels that a caller names: in order, each with its wait, unknown ones refused with those that there are; laid over a workflow's first state."""

from __future__ import annotations

import msgspec
import pytest

from appliance.errors import Error
from appliance.flows import AskedWay, Definition, End, Send, Verify, check, laid, shipped, ways_of
from appliance.flows.definition import Way
from appliance.settings import Channel

CHANNELS = {
    c.name: c for c in (Channel("sms"), Channel("second", "sms", "MYBANK2", 30), Channel("third", "sms", "", 40))
}


def refused(*asked: str | AskedWay) -> str:
    with pytest.raises(Error) as caught:
        ways_of(asked, CHANNELS, "channels")
    assert caught.value.code == "invalid" and caught.value.detail["field"] == "channels"
    return str(caught.value)


def test_each_waits_as_long_as_the_next_one_says_or_its_own_row() -> None:
    asked = ["sms", AskedWay("second", 5), "third"]
    assert ways_of(asked, CHANNELS, "channels") == [
        Way("sms", None, 5),
        Way("second", "MYBANK2", 30),
        Way("third", None, 40),
    ]
    assert ways_of([], CHANNELS, "channels") == []


def test_what_makes_no_sense_is_refused() -> None:
    assert "sms, second, third" in refused("sms", "pigeon")
    assert "twice" in refused("sms", "sms")
    assert "at once" in refused(AskedWay("sms", 5), "second")


def test_they_take_the_place_of_the_first_states_own_and_of_no_others() -> None:
    ways = ways_of(["sms", "second"], CHANNELS, "channels")
    for name, kind in (("message-fallback", Send), ("code-fallback", Verify), ("fraud-alert", Send)):
        flow = msgspec.json.decode(shipped()[name].encode(), type=Definition)
        state = laid(flow, ways).states[flow.start]
        assert isinstance(state, kind) and state.ways == ways
        assert {n: s for n, s in laid(flow, ways).states.items() if n != flow.start} == {
            n: s for n, s in flow.states.items() if n != flow.start
        }
        assert laid(flow, []) is flow
    nothing = Definition(name="nothing", start="end", states={"end": End(outcome="done")})
    assert laid(nothing, ways) is nothing


def test_a_definition_may_name_the_channels_that_there_are() -> None:
    text = shipped()["message-fallback"].replace('"channel": "sms"', '"channel": "second"', 1)
    flow, problems = check(text, channels=CHANNELS)
    assert flow is not None and problems == []
    flow, problems = check(text)
    assert flow is None and "there is no channel `second`" in str(problems[0]) and "there is: sms" in str(problems[0])
