"""Who stands in front of a virtual machine with a serial cable: the dialogues that tests have there."""

from __future__ import annotations

import base64
import re

from appliance.access import totp
from appliance.clock import now_ms
from tests.hosts.machine import Machine


def opened(machine: Machine, admin: str, public: str) -> str:
    """An account of the serial console (the first time), then SSH for an hour to one key; what was shown last. `admin` is the password of the web console's."""
    password = "four words are enough"
    begin = len(machine.said())
    machine.type("")
    if not (machine.folder / "telephone").exists():
        told = (("name: ", "new"), ("showed): ", ""), ("password of admin: ", admin))
        for prompt, typed in (*told, ("name: ", "ann"), ("or more: ", password), ("the same again: ", password)):
            begin = machine.answer(prompt, typed, begin)
        (machine.folder / "telephone").write_text(telephone(machine.wait("code of your telephone: ", 600, begin)))
    else:
        for prompt, typed in (("name: ", "ann"), ("password: ", password)):
            begin = machine.answer(prompt, typed, begin)
    secret = base64.b32decode((machine.folder / "telephone").read_text())
    begin = machine.answer("code of your telephone: ", totp(secret, now_ms() // 30_000), begin)
    page = (("> ", "ssh"), ("open, close (empty to leave): ", "open"), ("paste   (empty to leave): ", "paste"))
    for prompt, typed in (*page, ("not shown): ", public), ("60): ", ""), ("Type yes to do it: ", "yes")):
        begin = machine.answer(prompt, typed, begin)
    said = machine.wait("Enter: menu: ", 1200, begin)
    assert "Open until" in said, said
    begin += len(said)
    machine.type("")
    machine.answer("> ", "out", begin)
    return said


def telephone(said: str) -> str:
    """The secret that the serial console shows for the telephone, in base32."""
    (found,) = re.findall(r"^\s+((?:[A-Z2-7]{4}-?){8})\s*$", said, re.M)
    return str(found).replace("-", "")
