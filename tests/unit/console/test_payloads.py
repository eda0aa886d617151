"""A few hundred of the payloads that `python -m tests.probe` tries by the ten thousand."""

from __future__ import annotations

import logging
from pathlib import Path

from tests.probe.console import Place, api_places, called, places, tried
from tests.probe.payloads import SEEDS, payloads
from tests.probe.running import Target, run

from .conftest import NOW


def test_payloads_are_only_text_on_every_parameter(tmp_path: Path) -> None:
    logging.disable(logging.CRITICAL)
    try:
        found = run(tmp_path, 300, 1)
    finally:
        logging.disable(logging.NOTSET)
    assert found.wrong == [] and found.places > 120 and found.kinds.keys() == SEEDS.keys()


def test_a_number_that_no_row_can_have_is_not_found(tmp_path: Path) -> None:
    target = Target(tmp_path)
    (client, csrf), token = target.session(), target.token()
    numbered = [p for p in (*places(target.app), *api_places()) if p.where == "path" and "number" in p.name]
    asked = {(p.method, p.path): p for p in numbered}.values()
    for place in asked:
        for text in ("9" * 19, "9" * 5_000):
            api = place.endpoint.startswith("admin.")
            found = called(client, token, place, text) if api else tried(client, csrf, place, "line", text)
            assert found == "", (place, len(text))
    assert len(asked) > 25


def test_there_are_ten_thousand_and_they_are_the_same_every_time() -> None:
    some = list(payloads(10_000))
    assert len({text for _, text in some}) == 10_000
    assert some[:500] == list(payloads(500)) and NOW


def test_a_page_that_does_not_escape_is_caught(tmp_path: Path) -> None:
    from flask import request

    from appliance.console.guard import needs

    target = Target(tmp_path)

    @needs("account.write")
    def leaky() -> str:
        return "<p>" + request.args.get("x", "")

    target.app.add_url_rule("/leaky", "account.leaky", leaky)
    client, csrf = target.session()
    place = Place("GET", "/leaky", "account.leaky", "query", "x")
    assert tried(client, csrf, place, "xss", "<cm7x>") == "not escaped"
    assert tried(client, csrf, place, "xss", "plain") == ""
