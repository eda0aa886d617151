"""The console's threads: who rested last works next, what comes while all work waits, and an end leaves nothing undone."""

from __future__ import annotations

import threading

import pytest

from appliance.console.warm import WarmThreads


def test_one_after_another_is_done_by_one_thread() -> None:
    """Its connections are open: the usual pool would begin a thread for each, up to its bound."""
    threads = WarmThreads(8)
    names = set()
    for _ in range(20):
        # Waited for by another than the future: it is told before the thread rests.
        names.add(threads.submit(lambda: threading.current_thread().name).result(60))
        _until_resting(threads, 1)
    assert len(names) == 1
    threads.shutdown()


def test_who_rested_last_works_next() -> None:
    threads = WarmThreads(3)
    gates = [threading.Event() for _ in range(3)]

    def held(n: int) -> str:
        gates[n].wait(60)
        return threading.current_thread().name

    futures = [threads.submit(held, n) for n in range(3)]
    names = []
    for n in (1, 2, 0):
        gates[n].set()
        names.append(futures[n].result(60))
        _until_resting(threads, len(names))
    assert threads.submit(lambda: threading.current_thread().name).result(60) == names[-1]
    threads.shutdown()


def test_what_comes_while_all_work_waits_its_turn_and_is_done_before_the_end() -> None:
    threads, gate, order = WarmThreads(1), threading.Event(), []
    first = threads.submit(gate.wait, 60)
    later = [threads.submit(order.append, n) for n in range(5)]
    dropped = threads.submit(order.append, 99)
    assert dropped.cancel()
    gate.set()
    threads.shutdown(wait=True)
    assert first.result(0) and all(each.done() for each in later) and order == list(range(5))
    with pytest.raises(RuntimeError):
        threads.submit(order.append, 1)


def test_an_exception_is_the_futures_and_the_thread_goes_on() -> None:
    threads = WarmThreads(1)
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result(60)
    assert threads.submit(lambda: 7).result(60) == 7
    waiting = threading.Event()
    threads.submit(waiting.wait, 60)
    never = threads.submit(lambda: 1)
    threads.shutdown(wait=False, cancel_futures=True)
    waiting.set()
    assert never.cancelled()


def _until_resting(threads: WarmThreads, n: int) -> None:
    for _ in range(600_000):
        with threads._lock:
            if len(threads._resting) >= n:
                return
        threading.Event().wait(0.0001)
    raise AssertionError("no thread came to rest")
