"""A terminal as the kernel gives it: what is written arrives as it was written, and afterwards the terminal is as it was."""

from __future__ import annotations

import os
import termios

from appliance.field.terminal import Terminal


def test_lines_end_with_one_cr_and_one_lf_on_a_real_terminal() -> None:
    near, far = os.openpty()
    try:
        before = termios.tcgetattr(far)
        assert before[1] & termios.OPOST, "as a terminal comes"
        with Terminal(far, far) as terminal:
            terminal.say("one", "two")
            assert os.read(near, 100) == b"one\r\ntwo\r\n"
        assert termios.tcgetattr(far) == before
    finally:
        os.close(near)
        os.close(far)
