"""Kannel (C; Debian's package) to be measured beside the appliance: bearerbox and smsbox, one operator link, its file store.

Its receipts are heard as a caller hears them: by HTTP. Kannel 1.4.5 user guide, chapters 3, 6 and 8.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from appliance.errors import Error
from appliance.text import GSM7, encode

from .callbacks import Receipts
from .gateway import Gateway, free, got

PASSWORD: Final = "bench"  # on loopback, for as long as a run lasts
#: Type 1 of chapter 8: delivered.
DELIVERED: Final = re.compile(rb"GET /r\?i=(\d+)&s=1 ")

CONFIG: Final = """
group = core
admin-port = {admin}
admin-password = {password}
admin-interface = 127.0.0.1
smsbox-port = {box}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
log-file = {folder}/bearerbox.log
log-level = 3
dlr-storage = internal
store-type = file
store-location = {folder}/kannel.store

group = smsc
smsc = smpp
smsc-id = operator
host = {host}
port = {port}
transceiver-mode = true
smsc-username = bank
smsc-password = bench
system-type = ""
source-addr-autodetect = true
max-pending-submits = {window}
enquire-link-interval = 30
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
log-file = {folder}/smsbox.log
log-level = 3

group = sendsms-user
username = bank
password = {password}
max-messages = 10
concatenation = true
"""


def boxes() -> list[str]:
    """Its two programs. Raises Error `not_found`."""
    found = [shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("bearerbox", "smsbox")]
    if None in found:
        raise Error("not_found", "Kannel is not installed", "apt-get install kannel")
    return [str(path) for path in found]


class Boxes(Gateway):
    """bearerbox and smsbox, running by a configuration."""

    name = "Kannel"
    start_s_max = 30.0

    def __init__(self, folder: Path, config: str, **given: Any) -> None:
        """`config` has places for `admin`, `box`, `sendsms`, `password`, `folder` and what else is `given`. Raises Error `not_found`."""
        super().__init__(folder)
        self._programs = boxes()
        self._admin, box, self._sendsms = free(3)
        self.address = f"127.0.0.1:{self._sendsms}"
        self._config = folder / "kannel.conf"
        self._config.write_text(
            config.format(admin=self._admin, box=box, sendsms=self._sendsms, folder=folder, password=PASSWORD, **given)
        )
        self.start()

    def _begin(self) -> None:
        for name, word in zip(self._programs, ("(online", "smsbox"), strict=True):
            self._program([name, str(self._config)], "kannel.out")
            self._until(partial(self._says, word), word)
        self._until(self._takes, "sendsms")

    def _says(self, word: str) -> bool:
        return word in got(self._admin, f"/status.txt?password={PASSWORD}")

    def _takes(self) -> bool:
        return bool(got(self._sendsms, "/cgi-bin/sendsms"))


class Kannel(Boxes):
    """Bound to an operator."""

    def __init__(self, folder: Path, operator: str, receipts: Receipts, window: int) -> None:
        self._receipts = receipts
        host, _, port = operator.rpartition(":")
        super().__init__(folder, CONFIG, host=host, port=port, window=window)

    def request(self, number: int, to: str, text: str) -> bytes:
        """A message whose receipt comes back under `number`."""
        coding = "0" if encode(text)[0] == GSM7 else "2"
        called = quote(f"http://127.0.0.1:{self._receipts.port}/r?i={number}&s=%d", safe="")
        path = (
            f"/cgi-bin/sendsms?username=bank&password={PASSWORD}&from=MYBANK&to={quote(to, safe='')}&charset=UTF-8"
            f"&coding={coding}&text={quote(text, safe='')}&dlr-mask=3&dlr-url={called}"
        )
        return f"GET {path} HTTP/1.1\r\nHost: {self.address}\r\n\r\n".encode()


def told_kannel(status: int, body: bytes) -> tuple[int, int, int] | None:
    """What an answer of sendsms means, as a load wants it."""
    return (1, 1, 0) if status == 202 else None


@contextlib.contextmanager
def kannel(folder: Path, operator: str, window: int = 500) -> Iterator[tuple[Kannel, Receipts]]:
    receipts = Receipts(DELIVERED)
    receipts.start()
    try:
        peer = Kannel(folder, operator, receipts, window)
        try:
            yield peer, receipts
        finally:
            peer.close()
    finally:
        receipts.close()
