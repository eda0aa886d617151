"""A terminal or serial console as a ceremony uses it: lines of ASCII, 80 wide, 24 high; nothing moves but a screen that is wiped."""

from __future__ import annotations

import getpass
import sys
import textwrap
from typing import Final, Protocol

from appliance.errors import Error

WIDTH: Final = 78
HEIGHT: Final = 24
STOP: Final = "STOP"


class Stopped(Exception):
    """A person typed STOP, or the line went dead."""


class Terminal(Protocol):
    """What a person sees and types."""

    def say(self, text: str = "") -> None: ...

    def ask(self, prompt: str, hidden: bool = False) -> str:
        """What was typed, without blanks around it. Raises Stopped."""

    def wipe(self) -> None:
        """Nothing that was shown can be read any more, also by scrolling back."""


class Console:
    """The real one, on standard input and output."""

    def say(self, text: str = "") -> None:
        sys.stdout.write(plain(text) + "\n")
        sys.stdout.flush()

    def ask(self, prompt: str, hidden: bool = False) -> str:
        try:
            typed = getpass.getpass(prompt + " ") if hidden else input(prompt + " ")
        except (EOFError, KeyboardInterrupt):
            raise Stopped from None
        except UnicodeDecodeError:
            raise Error("invalid", "what was typed is not UTF-8") from None
        return heard(typed)

    def wipe(self) -> None:
        # Erase the screen and what was scrolled off it (xterm), home; then a screenful of lines, for terminals that know neither.
        sys.stdout.write("\x1b[2J\x1b[3J\x1b[H" + "\n" * HEIGHT + "\x1b[H")
        sys.stdout.flush()


def heard(typed: str) -> str:
    """Raises Stopped for the word STOP."""
    if typed.strip() == STOP:
        raise Stopped
    return typed.strip()


def plain(text: str) -> str:
    """In ASCII: a serial console may show nothing else."""
    return text.encode("ascii", "replace").decode()


def wrapped(text: str, indent: str = "") -> str:
    """A paragraph, folded."""
    return textwrap.fill(" ".join(text.split()), WIDTH, initial_indent=indent, subsequent_indent=indent)
