"""What a simulated operator can be told, and what it refuses to be told."""

from dataclasses import fields
from random import Random

import pytest

from appliance.errors import Error
from appliance.simulator.options import Delay, Options


def test_every_option_says_what_it_means():
    assert all(f.metadata["help"] for f in fields(Options))
    assert Options().live().keys() >= {"fail_rate", "latency_ms", "receipt_format"}
    assert Options().live().keys().isdisjoint({"listen", "seed", "password_file", "keep", "journal"})


@pytest.mark.parametrize(
    "given",
    [{"fail_rate": 1.5}, {"fail_rate": -0.1}, {"fail_rate": "1"}, {"fail_rate": True}, {"fail_rate": float("nan")}, {"keep": 0},
     {"id_form": "octal"}, {"receipt_format": 3}, {"latency_ms": "soon"}, {"latency_ms": 5}, {"receipt_delay_ms": "9..3"},
     {"latency_ms": "-1"}, {"latency_ms": "nan"}, {"latency_ms": "inf"}, {"latency_ms": "lognormal:0..5"}, {"latency_ms": "normal:5"}],
)  # fmt: skip
def test_wrong_options_are_refused(given):
    with pytest.raises(Error) as e:
        Options(**given)
    assert e.value.code == "invalid"


def test_changes_are_all_or_nothing():
    options = Options()
    assert options.changed({"fail_rate": 1, "id_form": "hex"}).fail_rate == 1
    for wrong in ({"fail_rate": 0.5, "nonsense": 1}, {"listen": "127.0.0.1:1"}, {"keep": 5}):
        with pytest.raises(Error):
            options.changed(wrong)


@pytest.mark.parametrize(
    ("text", "least", "most"), [("20", 0.02, 0.02), ("fixed:20", 0.02, 0.02), ("5..50", 0.005, 0.05), ("0", 0, 0)]
)
def test_delays_stay_within_their_bounds(text, least, most):
    chance = Random(1)
    drawn = [Delay(text).draw(chance) for _ in range(1000)]
    assert least <= min(drawn) <= max(drawn) <= most


def test_a_lognormal_delay_has_its_median_and_its_tail():
    chance = Random(1)
    drawn = sorted(Delay("lognormal:20..200").draw(chance) for _ in range(10_000))
    assert 0.018 < drawn[5_000] < 0.022
    assert 0.17 < drawn[9_900] < 0.23
