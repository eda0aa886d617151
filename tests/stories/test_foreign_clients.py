"""Clients that nobody here wrote bind to the door, in clear text and over TLS: one message, a long one, receipts, a customer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.appliance import Appliance, wait_for
from tests.support.certificate import self_signed
from tests.support.kannel import Kannel
from tests.support.peers import SENDER, Aiosmpplib, Door, Smpp34, Smpplib, bound

pytestmark = pytest.mark.stories
PEERS = (Smpplib, Smpp34, Aiosmpplib, Kannel)
LONG = "Gentile cliente, il bonifico di 1.250 EUR a favore di Rossi e stato eseguito. " * 6
GREEK = "Η πληρωμή 12 € ολοκληρώθηκε."


@pytest.fixture(scope="module", params=["clear", "tls"])
def box(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Appliance, Door]]:
    config, ca = "", ""
    if request.param == "tls":
        folder = tmp_path_factory.mktemp("tls")
        certificate, key = self_signed(folder)
        config = f'[door]\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n'
        ca = str(folder / "authority.pem")
    with Appliance(config) as box:
        host, _, port = box.env["CASEMATE_DOOR"].rpartition(":")
        yield box, Door(host, int(port), box.env["CASEMATE_DOOR_SYSTEM_ID"], box.env["CASEMATE_DOOR_PASSWORD"], ca)


@pytest.mark.parametrize("kind", PEERS)
def test_a_client_sends_and_hears(box: tuple[Appliance, Door], kind: Any, tmp_path: Path) -> None:
    appliance, door = box
    number = f"+39347{PEERS.index(kind)}00000"
    with bound(kind, door, tmp_path / "peer") as peer:
        for n, text in enumerate(("Il codice e 123456", GREEK, LONG), 1):
            to = f"{number}{n}"
            peer.send(to, text)
            shown = wait_for(
                "the handset to show it",
                lambda to=to: appliance.operator.get("/received", params={"to": to}).json(),
            )
            assert [(m["from"], m["text"]) for m in shown] == [(SENDER, text)]
            wait_for("its receipt", lambda n=n: peer.delivered() >= n)
        answer = appliance.operator.post("/inbound", json={"from": f"{number}9", "to": "43210", "text": "STOP grazie"})
        assert answer.status_code == 202
        wait_for("what the customer wrote", lambda: peer.heard() == ["STOP grazie"])
