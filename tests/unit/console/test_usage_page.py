"""Usage and the overview's days: what the figures say, cut as asked, the same in the CSV; nothing is counted for a page."""

from __future__ import annotations

import csv
import io
from collections import Counter

import pytest
from flask import Flask
from flask.testing import FlaskClient

from appliance.access import Access
from appliance.clock import day_of
from appliance.console.desk import Desk
from appliance.figures import Figures
from appliance.figures.book import FORMAT, packed
from appliance.message import DELIVERED, FAILED, QUEUED
from appliance.store import Counted

from .conftest import NOW, sign_in

TODAY = day_of(NOW)


@pytest.fixture
def counted(app: Flask, access: Access) -> Figures:
    """Today and the day before, as if the watch had counted them."""
    key, _ = access.create_api_key("cards", at_ms=NOW)
    figures = Figures(
        Counted(
            Counter({(key.id, 0, "simulated", 39, DELIVERED): 90, (key.id, 3, "simulated", 49, FAILED): 7, (9, 3, "", 49, QUEUED): 3}),
            Counter({(key.id, 0, "simulated", 39): 91, (key.id, 3, "simulated", 49): 14}),
            Counter({(key.id, 0, "simulated", 39): 91, (key.id, 3, "simulated", 49): 13}),
            sent_ms=Counter({(0, "simulated", 40): 90}),
            delivered_ms=Counter({(0, "simulated", 1_200): 90}),
        ),
        NOW,
    )  # fmt: skip
    book: Desk = app.extensions["casemate"]
    with book.figures.writing() as conn:
        for day in (TODAY, TODAY - 1):
            conn.execute("INSERT INTO counted VALUES (?, '', ?, ?, ?)", (day, NOW, FORMAT, packed(figures.counted)))
    return figures


def rows(client: FlaskClient, query: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(client.get(f"/usage.csv?{query}").text)))


def test_usage_is_cut_as_asked(client: FlaskClient, counted: Figures) -> None:
    sign_in(client, "vera")
    assert [r["segments"] for r in rows(client, "by=caller")] == ["210", "0"]
    assert [r["caller"] for r in rows(client, "by=caller")] == ["cards", "API key 9"]
    by_day = rows(client, "by=day&by=class")
    assert [(r["day"], r["class"], r["taken"]) for r in by_day][:2] == [("2023-11-14", "otp", "91"), ("2023-11-14", "bulk", "13")]  # fmt: skip
    assert [r["country"] for r in rows(client, "by=country&first=2023-11-14")] == ["IT +39", "DE +49"]
    page = client.get("/usage").text
    assert "One-time codes" in page and ">208<" in page and "no link yet" not in page
    assert client.get("/usage?first=2023-11-14&last=2023-11-01").status_code == 422
    assert client.get("/usage?first=soon").status_code == 422 and client.get("/usage.csv?first=x").status_code == 422


def test_a_new_box_has_none(client: FlaskClient) -> None:
    sign_in(client, "vera")
    assert "counts its first day within a minute" in client.get("/usage").text
    assert "not counted yet" in client.get("/overview/days").text


def test_the_overview_says_how_the_week_went_and_how_long_it_took(client: FlaskClient, counted: Figures) -> None:
    sign_in(client, "vera")
    page = client.get("/overview/days").text
    assert "40 ms / 40 ms / 40 ms" in page and page.count("1.2 sec") == 3
    row = page.partition('<th scope="row">simulated</th>')[2].partition("</tr>")[0]
    assert [cell.partition("<")[0] for cell in row.split('<td class="number">')[1:]] == ["97", "97", "90", "7", "194", "194", "180", "14"]  # fmt: skip
    assert page in client.get("/").text
