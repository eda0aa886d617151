"""The arithmetic behind `casemate bench`."""

from __future__ import annotations

from appliance.bench.figures import Sample, flat, page, percentile, rates, report


def samples(count: int, per_s: int = 5_000) -> list[Sample]:
    return [
        Sample(
            float(n),
            per_s * n,
            per_s * n,
            per_s * n,
            per_s * n,
            per_s * n,
            per_s * n,
            {"engine": 0.5 * n},
            {"engine": 50_000_000},
        )
        for n in range(count)
    ]


def test_a_steady_run() -> None:
    told = report(samples(61), [0.01] * 99 + [0.5], {"beats": 600, "commit_s": 12.0})
    assert told["stages"]["receipted"] == {"mean": 5000.0, "median": 5000.0, "min": 5000.0}
    assert told["cpu_s_per_1000_segments"] == {"engine": 0.1, "all": 0.1}
    assert told["call_ms"] == {"p50": 10.0, "p99": 500.0}
    assert told["engine"] == {"beats": 10.0, "commit_s": 0.2}
    assert told["engine_rss"]["flat"] and len(told["per_second"]) == 60
    shown = page({**told, "left": 3, "accepted": 10, "refusals": {"HTTP 503": 2}})
    assert "5,000" in shown and "flat" in shown and "3 of 10" in shown and "HTTP 503 x 2" in shown


def test_a_stall_shows_in_the_minimum() -> None:
    run = samples(10)
    run[5:] = [s._replace(receipted=s.receipted - 5_000) for s in run[5:]]
    assert report(run, [], {})["stages"]["receipted"]["min"] == 0.0


def test_a_process_that_came_later_is_counted_from_nothing() -> None:
    run = samples(3)
    run[-1].cpu_s["console"] = 1.0
    assert report(run, [], {})["cpu_s_per_1000_segments"]["console"] == 0.1


def test_memory_that_grows_is_told() -> None:
    mib = 2**20
    assert flat([100 * mib] * 60)
    assert flat([100 * mib + n * 1000 for n in range(60)])
    assert not flat([100 * mib + n * mib for n in range(60)])
    assert flat([1, 10**9])


def test_percentiles_and_rates_of_nothing() -> None:
    assert percentile([], 0.5) == 0.0
    assert percentile([3.0], 0.99) == 3.0
    assert rates([], "accepted") == []
