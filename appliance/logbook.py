"""What processes write to their logs, whoever speaks: ours, a library's, or the interpreter about a mistake nobody caught.

The text of an exception and the reprs in asyncio's complaints may hold a number or a text, so neither is ever written: of an exception
stands its type and where it was. What a foreign word brings along cannot pass for a line of its own.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, Final

FORMAT: Final = "%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s"
TIME: Final = "%Y-%m-%dT%H:%M:%S"
PLACES_MAX: Final = 12  # of a traceback, the innermost

_CONTROL: Final = {n: f"\\x{n:02x}" for n in (*range(32), 127, 0x85, 0x2028, 0x2029) if n != 10} | {10: "\n    "}


class Plain(logging.Formatter):
    """One record in one line; the traceback in lines that are set in."""

    def __init__(self) -> None:
        super().__init__(FORMAT, TIME)

    def format(self, record: logging.LogRecord) -> str:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit: a mistake of whoever logged
            text = str(record.msg)
        if record.name == "asyncio":
            # "Exception in callback f(arguments)", then a line for each object concerned: all but the first words are reprs.
            text = text.partition("\n")[0].partition("(")[0].partition("<")[0][:120].rstrip()
        plain = logging.makeLogRecord({**record.__dict__, "msg": text.translate(_CONTROL), "args": None})
        plain.exc_info, plain.exc_text, plain.stack_info = None, None, None
        line = super().format(plain)
        error = record.exc_info[1] if record.exc_info else None
        return f"{line}\n{places(error)}" if error is not None else line


def places(error: BaseException) -> str:
    """The types of an exception and of what caused it, each with the lines it came through; never their texts."""
    out: list[str] = []
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        kind = type(following)
        out.append(f"    {kind.__module__}.{kind.__qualname__}")
        steps = traceback.extract_tb(following.__traceback__)[-PLACES_MAX:]
        out += [f"      {step.filename}:{step.lineno} in {step.name}" for step in steps]
        following = following.__cause__ or following.__context__
    return "\n".join(out)


def begin(level: str = "INFO") -> None:
    """From now on this process logs to its standard error like this, uncaught exceptions included."""
    to_error = logging.StreamHandler(sys.stderr)
    to_error.setFormatter(Plain())
    logging.basicConfig(level=level, handlers=[to_error], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log every call with its address
    log = logging.getLogger("casemate")

    def uncaught(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.critical("nobody caught", exc_info=(kind, error, where))

    def in_thread(given: threading.ExceptHookArgs) -> None:
        if given.exc_value is not None:
            uncaught(given.exc_type, given.exc_value, given.exc_traceback)

    def unraisable(given: Any) -> None:
        if given.exc_value is not None:
            log.error("nobody could be told", exc_info=(given.exc_type, given.exc_value, given.exc_traceback))

    sys.excepthook = uncaught
    threading.excepthook = in_thread
    sys.unraisablehook = unraisable
