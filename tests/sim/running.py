"""One seed after the other, and what people are told of them."""

from __future__ import annotations

import gc
import logging
import os
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

from appliance import clock, limits
from appliance.store import opening

from .plan import Plan, plan_of
from .world import World

MEMORY: Final = Path("/dev/shm")


@contextmanager
def patched(world: World) -> Iterator[None]:
    """Time, chance, the disk and the bounds are the run's; everything is put back."""
    before = (clock.now_ms, clock.monotonic_s, opening.connect, os.urandom)
    bounds = (limits.QUEUE_MESSAGES_MAX, limits.QUEUE_PAGE_MESSAGES, limits.PENDING_BATCHES_MAX, opening.WAL_PAGES)
    octets = Random(world.plan.seed * 7 + 6)
    state = random.getstate()
    random.seed(world.plan.seed)
    clock.now_ms, clock.monotonic_s = world.now_ms, world.loop.time  # type: ignore[assignment]
    opening.connect = world.connect
    os.urandom = octets.randbytes  # type: ignore[assignment]
    plan = world.plan
    limits.QUEUE_MESSAGES_MAX, limits.QUEUE_PAGE_MESSAGES = plan.queue_messages, plan.queue_page  # type: ignore[misc]
    limits.PENDING_BATCHES_MAX, opening.WAL_PAGES = plan.pending_batches, plan.wal_pages  # type: ignore[misc]
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        clock.now_ms, clock.monotonic_s, opening.connect, os.urandom = before
        limits.QUEUE_MESSAGES_MAX, limits.QUEUE_PAGE_MESSAGES, limits.PENDING_BATCHES_MAX, opening.WAL_PAGES = bounds  # type: ignore[misc]
        random.setstate(state)
        if collecting:
            gc.enable()


def run(plan: Plan, look_each: int = 4) -> World:
    """Runs a plan in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="casemate-sim-", dir=MEMORY if MEMORY.is_dir() else None))
    try:
        for name in ("store", "run", "audit"):
            (folder / name).mkdir()
        world = World(plan, folder, look_each)
        with patched(world):
            world.run()
        world.loop.close()
        return world
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_seed(seed: int, **given: Any) -> World:
    """Runs one seed. Its violations, if any, are in the world that comes back."""
    logging.disable(logging.CRITICAL)
    unraisable, sys.unraisablehook = sys.unraisablehook, lambda _: None  # coroutines of dead processes
    warnings.simplefilter("ignore", RuntimeWarning)
    try:
        world = run(plan_of(seed), **given)
        world.loop.graves.clear()
        return world
    finally:
        sys.unraisablehook = unraisable
        logging.disable(logging.NOTSET)


def run_seeds(seeds: Iterable[int], told: bool = False, digest: bool = False) -> int:
    """Prints what was violated and how to repeat it; 1 if anything was."""
    began = time.process_time()
    bad: list[int] = []
    happened: Counter[str] = Counter()
    n = 0
    for seed in seeds:
        world = run_seed(seed)
        n += 1
        if told:
            print("\n".join(world.plan.told()))
            print("\n".join(world.lines))
        if digest:
            print(seed, world.digest())
        happened += world.happened()
        if world.violations:
            bad.append(seed)
            print(f"seed {seed}: {len(world.violations)} violations, the first: {world.violations[0]}")
            print(f"  repeat it: python -m tests.sim --seed {seed}", flush=True)
        del world
        if n % 20 == 0:
            gc.collect()
        if n % 200 == 0:
            print(f"{n} seeds, {len(bad)} with violations, {time.process_time() - began:.0f} s of CPU", flush=True)
    if not digest:
        print(f"{n} seeds, {len(bad)} with violations, {time.process_time() - began:.1f} s of CPU")
        print(f"happened: {', '.join(f'{what} {count}' for what, count in sorted(happened.items()))}")
    return 1 if bad else 0
