"""The serial console on a terminal of its own: first sign-in, status, a link's test, a network change that nobody confirms, break-glass; and what the log says of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from appliance.access import totp
from appliance.clock import now_ms
from tests.support.appliance import ROOT, Appliance
from tests.support.release_keys import Issuer

pytestmark = pytest.mark.stories

PASSWORD = "four words are enough here"
SECONDS = 90


class Cable:
    """`casemate field` on a pty of 80 by 24 that calls itself a vt100."""

    def __init__(self, box: Appliance, config: Path) -> None:
        env = {**box.environ(), "CASEMATE_CONFIG": str(config), "TERM": "vt100"}
        words = ["-m", "appliance.cli", "field"]
        self.child = pexpect.spawn(
            sys.executable, words, cwd=str(ROOT), env=env, dimensions=(24, 80), timeout=SECONDS, echo=False
        )

    def until(self, text: str) -> str:
        self.child.expect_exact(text)
        return str(self.child.before.decode("ascii"))

    def type(self, *lines: str) -> None:
        for line in lines:
            self.child.send(f"{line}\r")

    def end(self) -> None:
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert self.child.exitstatus == 0


def secret_in(text: str) -> bytes:
    import base64

    (found,) = re.findall(r"^\s+((?:[A-Z2-7]{4}-?){8})\s*$", text, re.M)
    return base64.b32decode(found.replace("-", ""))


def code(secret: bytes, later: int = 0) -> str:
    return totp(secret, now_ms() // 30_000 + later)


def test_a_field_engineer_at_the_cable(tmp_path: Path) -> None:
    """One dialogue after the other, as a person has them."""
    with Appliance(config='[firmware]\nserial = "SN-77"\n[field]\nconfirm_s = 20\n') as box:
        config = box.config
        made = subprocess.run(
            [sys.executable, "-c", MAKE, PASSWORD],
            cwd=ROOT,
            env={**box.environ(), "CASEMATE_CONFIG": str(config)},
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        )
        secret = secret_in(f"  {made.stdout}")
        cable = Cable(box, config)
        cable.until("Only for people whom the bank sent")
        cable.until("name: ")
        cable.type("eve")
        cable.until("password: ")
        cable.type(PASSWORD)
        cable.until("code of your telephone: ")
        cable.type(code(secret))
        cable.until("Sign out (out)")
        cable.type("status")
        said = cable.until("Enter: menu: ")
        assert (
            "serial SN-77" in said
            and "HSM         ready" in said
            and re.search(r"link +\w+: up", said)
            and "\x1b" not in said
        )
        cable.type("", "page")  # drawn by curses, until a key is pressed
        assert "SN-77" in cable.until("any key: menu")
        cable.child.send(" ")
        cable.until("Enter: menu: ")
        cable.type("", "logs")
        cable.until("to leave): ")
        cable.type("engine", "")
        assert "INFO" in cable.until("Enter: ")
        cable.child.send("\x03")
        cable.until("Sign out (out)")
        cable.type("link")
        cable.until("none is sent): ")  # there is one link: which is not asked
        cable.type("")
        said = cable.until("Enter: menu: ")
        assert "the link works" in said and "FAILED" not in said
        before = config.read_text()
        cable.type("", "network")
        for prompt, typed in (
            ("card: ", ""),
            ("dhcp: ", "10.9.9.9/24"),
            ("gateway: ", "10.9.9.1"),
            ("name servers: ", ""),
            ("time servers: ", ""),
            ("to do it: ", "yes"),
        ):
            cable.until(prompt)
            cable.type(typed)
        cable.until("Type confirm to keep it: ")
        assert "10.9.9.9/24" in config.read_text()
        cable.until("Not confirmed: the network is as it was before.")  # nobody typed anything
        assert config.read_text() == before
        # An officer is given his box key, and the envelope is sealed.
        key = Issuer("Bank", tmp_path / "bank").issued("olga", private=rsa.generate_private_key(65537, 2048)).key
        words = [sys.executable, "-m", "appliance.cli", "breakglass"]
        run = {
            "cwd": ROOT,
            "env": box.environ(),
            "capture_output": True,
            "text": True,
            "check": True,
            "timeout": SECONDS,
        }
        box_key = "".join(subprocess.run([*words, "enrol", "SN-77", "--key", str(key)], **run).stdout.split())  # type: ignore[call-overload]
        cable.until("Enter: menu: ")
        cable.type("", "accounts")
        cable.until("leave): ")
        cable.type("officer")
        cable.until("officer's name: ")
        cable.type("olga")
        cable.until("key: ")
        cable.type(box_key)
        cable.until("can answer challenges of this box")
        cable.type("", "0")
        cable.end()
        # Later: nobody with an account is there.
        cable = Cable(box, config)
        cable.until("name: ")
        cable.type("glass")
        cable.until("to leave): ")
        cable.type("sign-in")
        (nonce,) = re.findall(r"nonce +([0-9A-Z-]+)", cable.until("answer: "))
        cable.type("0000-0000-0000-0000")
        cable.until("That was not right.")
        cable.until("answer: ")
        answer = subprocess.run([*words, "answer", "SN-77", "sign-in", nonce, "--key", str(key), "--yes"], **run).stdout  # type: ignore[call-overload]
        cable.type(answer.strip())
        cable.until("Sign out (out)")
        cable.type("reset")
        cable.until("The officers let you in for sign-in")
        cable.type("", "0")
        cable.end()
        assert told(box) == [
            ("field.login", "ok", "field:eve"),
            ("link.tested", "ok", "field:eve"),
            ("network.changed", "ok", "field:eve"),
            ("network.reverted", "ok", "field:eve"),
            ("field.officer_enrolled", "ok", "field:eve"),
            ("field.logout", "ok", "field:eve"),
            ("field.breakglass_asked", "ok", "field:unknown"),
            ("field.breakglass", "refused", "field:breakglass"),
            ("field.breakglass", "ok", "field:breakglass"),
            ("field.logout", "ok", "field:breakglass"),
        ]


#: The first account of a box whose console has people already (the demo's) is made by root.
MAKE = """
import sys
from appliance.field import Field
from appliance.settings import home_of, load
print(Field(load(home=home_of()), "SN-77").create("eve", sys.argv[1], "administrator", "cli:root"))
"""


def told(box: Appliance) -> list[tuple[str, str, str]]:
    """Entries of the console, oldest first."""
    rows = json.loads(box.casemate("audit", "entries", "--limit", "200", "--json").stdout)
    rows = rows["entries"] if isinstance(rows, dict) else rows
    kept = [r["entry"] for r in sorted(rows, key=lambda r: r["index"])]
    return [(e["what"], e["outcome"], e["who"]) for e in kept if e["who"].startswith("field:")]
