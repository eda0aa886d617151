"""The arithmetic behind `casemate bench`."""

from __future__ import annotations

from appliance.bench.figures import (
    Sample,
    cpu_us,
    flat,
    growth,
    lives,
    percentile,
    rates,
    rss_mib,
    series,
    steady,
)


def samples(count: int, per_s: int = 5_000) -> list[Sample]:
    return [
        Sample(float(n), *([per_s * n] * 6), {"engine": 0.5 * n}, {"engine": 50_000_000})  # type: ignore[arg-type]
        for n in range(count)
    ]


def of(figures, name):
    return next(f.value for f in figures if f.name == name)


def test_a_steady_run() -> None:
    run = samples(61)
    told = steady(run, [0.01] * 99 + [0.5], "call")
    assert of(told, "receipt durable (a full life)") == of(told, "  its worst second") == 5_000
    assert (of(told, "call, p50"), of(told, "call, p99")) == (10.0, 500.0)
    assert of(told, "segments a message") == 1
    assert cpu_us(run[0], run[-1], lives(run[0], run[-1])) == {"engine": 100.0}
    assert rss_mib(run) == {"engine": 47.7}
    assert "flat" in growth(run)
    assert series(run)["full lives/s"][:2] == [(1.0, 5_000), (2.0, 5_000)]


def test_a_stall_shows_in_the_worst_second() -> None:
    run = samples(10)
    run[5:] = [s._replace(receipted=s.receipted - 5_000) for s in run[5:]]
    assert of(steady(run, [], "call"), "  its worst second") == 0


def test_a_process_that_came_later_is_counted_from_nothing() -> None:
    run = samples(3)
    run[-1].cpu_s["console"] = 1.0
    assert cpu_us(run[0], run[-1], 10_000)["console"] == 100.0


def test_lives_are_messages_not_segments() -> None:
    run = samples(3)
    run[-1] = run[-1]._replace(accepted=20_000, receipted=20_000)
    assert lives(run[0], run[-1]) == 10_000


def test_memory_that_grows_is_told() -> None:
    mib = 2**20
    assert flat([100 * mib] * 60)
    assert flat([100 * mib + n * 1000 for n in range(60)])
    assert not flat([100 * mib + n * mib for n in range(60)])
    assert flat([1, 10**9])
    run = [s._replace(rss={"engine": (100 + 10 * n) * mib}) for n, s in enumerate(samples(20))]
    assert "GROWING" in growth(run)
    assert growth([s._replace(rss={}) for s in run]) == ""


def test_percentiles_and_rates_of_nothing() -> None:
    assert percentile([], 0.5) == 0.0
    assert percentile([3.0], 0.99) == 3.0
    assert rates([], "accepted") == []
