"""Frames: whole messages out of any cutting of the octets; a hostile peer gets an Error, never a surprise."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import Error
from appliance.intercom.frame import Frames, error_of, error_payload, pack
from appliance.limits import FRAME_OCTETS_MAX

payloads = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(payloads, max_size=6), st.lists(st.integers(1, 40), min_size=1, max_size=50))
def test_any_cutting_gives_the_same_messages(messages: list[object], cuts: list[int]) -> None:
    octets = b"".join(pack(m) for m in messages)
    frames, heard, at, k = Frames(), [], 0, 0
    while at < len(octets):
        step = cuts[k % len(cuts)]
        heard += frames.hear(octets[at : at + step])
        at, k = at + step, k + 1
    assert heard == messages


@settings(max_examples=400)
@given(st.binary(max_size=200))
def test_garbage_is_an_error_or_waits(octets: bytes) -> None:
    frames = Frames()
    try:
        frames.hear(octets)
    except Error as e:
        assert e.code in ("malformed", "too_large")


def test_a_length_beyond_the_bound_is_refused_before_it_is_read() -> None:
    with pytest.raises(Error) as caught:
        Frames().hear((FRAME_OCTETS_MAX + 1).to_bytes(4, "big"))
    assert caught.value.code == "too_large"


def test_errors_travel() -> None:
    there = Error("not_cancellable", "it left", "look", status="sent")
    back = error_of(error_payload(there))
    assert (back.code, back.message, back.hint, back.detail) == (
        "not_cancellable",
        "it left",
        "look",
        {"status": "sent"},
    )


def test_a_code_nobody_knows_becomes_internal() -> None:
    assert error_of(["no_such_code", "m", "h", {}]).code == "internal"
