"""How soon entries are in the log and signed: by the oldest entry of each call, the oldest entry without a checkpoint."""

from __future__ import annotations

from appliance.audit.entry import canonical, entry
from appliance.audit.journal import Call
from appliance.audit.promptness import BUCKETS_MS, Promptness, at_ms

T = 1_763_836_207_123


def call(source: str, *times: int) -> Call:
    return Call(source, 1, [canonical(entry(t, "process:keys", "hsm.back", "token:hsm", "ok")) for t in times])


def test_the_time_of_an_entry_is_read_from_its_octets() -> None:
    assert at_ms(call("keys/a", T).entries[0]) == T


def test_a_call_of_an_outbox_counts_once_by_its_oldest_entry() -> None:
    prompt = Promptness()
    prompt.sequenced([call("keys/a", T, T + 400), call("", T - 9_000), call("engine-0/b")], T + 700)
    told = prompt.state()["sequencing"]
    assert (told["count"], told["late"], told["max_ms"], told["sum_ms"]) == (1, 0, 700, 700)
    prompt.sequenced([call("keys/a", T)], T + 1_001)
    told = prompt.state()["sequencing"]
    assert (told["count"], told["late"], told["max_ms"]) == (2, 1, 1_001)
    assert told["counts"][BUCKETS_MS.index(1_000)] == told["counts"][BUCKETS_MS.index(2_000)] == 1


def test_a_checkpoint_counts_from_the_oldest_entry_that_it_covers() -> None:
    prompt = Promptness()
    prompt.sequenced([call("keys/a", T)], T + 10)
    prompt.sequenced([call("keys/a", T + 300)], T + 310)
    prompt.signed(None, T + 510)
    assert prompt.state()["signing"]["max_ms"] == 500
    prompt.signed(None, T + 900)
    assert prompt.state()["signing"]["count"] == 1, "there was nothing new"
    prompt.sequenced([call("keys/a", T + 1_000)], T + 1_000)
    prompt.signed(T + 1_400, T + 1_500)  # entries came while it was made
    prompt.signed(None, T + 1_600)
    told = prompt.state()["signing"]
    assert (told["count"], told["sum_ms"]) == (3, 500 + 500 + 200)


def test_a_clock_that_was_set_back_makes_no_wait_negative() -> None:
    prompt = Promptness()
    prompt.sequenced([call("keys/a", T)], T - 5_000)
    assert prompt.state()["sequencing"]["sum_ms"] == 0
