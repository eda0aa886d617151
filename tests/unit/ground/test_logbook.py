"""No log line holds what an exception said, whoever logged it."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from appliance.logbook import Plain, begin

NUMBER = "+393471234567"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a process that has begun its logbook writes."""
    page = io.StringIO()
    for name in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "stderr", page)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    begin()
    yield page
    root.handlers, root.level = handlers, level


def broken(number: str) -> None:
    try:
        raise KeyError(number)
    except KeyError as e:
        raise ValueError(f"what is {number}?") from e


def test_of_an_exception_stands_its_type_and_place(page: io.StringIO) -> None:
    try:
        broken(NUMBER)
    except ValueError:
        logging.getLogger("appliance.any").exception("an operation failed")
    written = page.getvalue()
    assert "an operation failed" in written and "builtins.ValueError" in written and "builtins.KeyError" in written
    assert "test_logbook.py" in written and " in broken" in written
    assert NUMBER not in written


@pytest.mark.parametrize("which", ["task", "callback", "uvloop callback"])
def test_what_asyncio_complains_of_is_not_quoted(page: io.StringIO, which: str) -> None:
    import uvloop

    loop = uvloop.new_event_loop() if "uvloop" in which else asyncio.new_event_loop()

    async def fails() -> None:
        broken(NUMBER)

    if which == "task":
        task = loop.create_task(fails())
        loop.run_until_complete(asyncio.sleep(0))
        del task
    else:
        loop.call_soon(broken, NUMBER)
        loop.run_until_complete(asyncio.sleep(0))
    import gc

    gc.collect()
    loop.close()
    written = page.getvalue()
    assert "xception" in written and "builtins.ValueError" in written
    assert NUMBER not in written


def test_what_nobody_caught(page: io.StringIO) -> None:
    thread = threading.Thread(target=broken, args=(NUMBER,))
    thread.start()
    thread.join()
    try:
        broken(NUMBER)
    except ValueError as e:
        sys.excepthook(type(e), e, e.__traceback__)
    assert page.getvalue().count("nobody caught") == 2 and NUMBER not in page.getvalue()


def test_a_foreign_word_cannot_pass_for_a_line(page: io.StringIO) -> None:
    logging.getLogger("x").warning("link down: %s", "gone\r\n2026-01-01T00:00:00.000 INFO audit: all is well\x1b[2J")
    lines = page.getvalue().splitlines()
    assert [line.startswith("20") for line in lines] == [True, False]
    assert "\x1b" not in page.getvalue()


def test_arguments_that_do_not_fit_stop_nothing() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 1, "%d and %d", ("one",), None)
    assert "%d and %d" in Plain().format(record)
