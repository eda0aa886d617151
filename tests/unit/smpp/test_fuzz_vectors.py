"""Every input that fuzzing found worth keeping, replayed without the fuzzer: nothing breaks, nothing hangs."""

import pytest

from tests.fuzz.corpus import VECTORS, kept, seeds
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_kept_inputs_break_nothing(target):
    inputs = kept(target) + seeds(target)
    assert inputs
    for octets in inputs:
        TARGETS[target](octets)


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_at_all_breaks_nothing(target):
    TARGETS[target](b"")


def test_every_file_of_kept_inputs_has_its_target():
    assert {path.stem for path in VECTORS.glob("*.hex")} <= set(TARGETS)


def test_a_target_notices_what_is_wrong(monkeypatch):
    from appliance.smpp import ClientSession

    monkeypatch.setattr(ClientSession, "disconnected", lambda self, now: [99])
    with pytest.raises(AssertionError):
        TARGETS["client"](b"\x80")
