"""Reports say what the store and the audit log say; the forms of DORA have every field, and the archive is bound to the log."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from appliance.access import Access
from appliance.clock import DAY_MS, day_of, rfc3339
from appliance.errors import Error
from appliance.evidence import checked as evidence_checked
from appliance.figures import FiguresBook
from appliance.reports import (
    Incident,
    Known,
    Report,
    Table,
    annexes,
    checked,
    daily,
    dora,
    monthly,
    report,
    review,
    sla,
    write,
)
from appliance.reports.incident import no_link_ms
from appliance.reports.operations import kept
from appliance.reports.sheet import csv_of, paper_of, percent
from appliance.reports.uptime import Outage, down_times
from appliance.settings import parse
from appliance.store import Readers
from tests.support.box import fill
from tests.unit.evidence.test_archive import Log

NOON = 20_780 * DAY_MS + DAY_MS // 2
LINKS = [{"name": "simulated", "host": "h"}, {"name": "backup", "host": "h"}]


class Auditor(Log):
    """An audit log in memory that is searched as the auditor searches."""

    def put(self, at_ms: int, what: str, on: str, **detail: Any) -> None:
        self.entries.append(
            {"at": rfc3339(at_ms), "who": "process:engine-0", "what": what, "on": on, "outcome": "ok", "detail": detail}
        )

    def call(self, op: str, payload: Any) -> Any:
        if op == "checkpoint":
            return {"checkpoint": "casemate.local/audit\n5\nAAAA\n", "size": 5, "root": b"r" * 32, "at_ms": 0}
        if op != "entries":
            found = super().call(op, payload)
            return found if op != "proof" else {"tlog_proof": found["tlog_proof"] + "\ncasemate.local/audit\n5\nAAAA\n"}
        before = payload.get("before")
        rows = [
            {"index": n, "entry": e}
            for n, e in enumerate(self.entries)
            if (before is None or n < before)
            and (not payload.get("what") or e["what"] == payload["what"])
            and (not payload.get("on") or e["on"] == payload["on"])
            and (not payload.get("since") or e.get("at", "9") >= payload["since"])
            and (not payload.get("until") or e.get("at", "0") < payload["until"])
        ]
        return {"entries": rows[::-1][: payload["limit"]]}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """A store that is filled once."""
    home = tmp_path_factory.mktemp("filled")
    return home, fill(parse({}, home, "test").store, at_ms=NOON)


@pytest.fixture
def known(filled: tuple[Path, list[bytes]], tmp_path: Path) -> Known:
    home, ids = filled
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    settings = parse({"link": LINKS, "bank": {"name": "Banca Prova"}}, tmp_path, "test")
    log = Auditor()
    newest = Readers(settings.stores).message(ids[-1])
    assert newest
    return Known(
        settings,
        FiguresBook(settings, lambda: newest.accepted_ms),
        log.call,
        {1: "core-banking"},
        newest.accepted_ms + 1,
    )


def log_of(known: Known) -> Auditor:
    return known.call.__self__  # type: ignore[attr-defined, no-any-return]


def table(of: Report, name: str) -> list[dict[str, str]]:
    found = next(t for t in of.tables if t.name == name)
    return list(csv.DictReader(io.StringIO(csv_of(found).decode())))


def test_a_day(known: Known) -> None:
    day = day_of(known.now_ms)
    log_of(known).put(known.now_ms - 500, "link.down", "link:backup", why="refused")
    made = daily(known, day)
    statuses = Readers(known.settings.stores).totals(day)
    summary = {row["figure"]: row["this day"] for row in table(made, "summary")}
    assert {f"now {name}": str(n) for name, n in statuses.items()}.items() <= summary.items()
    assert summary["messages accepted"] == "130" == str(sum(int(r["messages"]) for r in table(made, "hours")))
    (caller,) = table(made, "callers")
    assert caller["caller"] == "core-banking" and int(caller["delivered"]) == statuses["delivered"]
    assert [row["on"] for row in table(made, "trouble")] == ["link:backup"]
    assert {row["taken: 50 % within"] for row in table(made, "times")} == {"0.04 s"}
    assert "+39347" not in str(made) and made.said[0] == "Banca Prova."


def test_a_month_is_by_operator_country_class_and_day(known: Known) -> None:
    at = rfc3339(known.now_ms)
    made = monthly(known, int(at[:4]), int(at[5:7]))
    rows = {row["link"]: row for row in table(made, "operators")}
    counted = known.figures.day(day_of(known.now_ms)).counted
    assert int(rows["simulated"]["segments"]) == sum(counted.segments.values())
    for name in ("countries", "classes", "days"):
        assert sum(int(row["segments"]) for row in table(made, name)) == sum(counted.segments.values())
    assert {row["country"] for row in table(made, "countries")} >= {"IT +39", "GR +30"}


def test_promises_kept_and_broken(known: Known) -> None:
    day = day_of(known.now_ms)
    log_of(known).put(known.now_ms - 60_000, "link.down", "link:simulated", why="unbound")
    log_of(known).put(known.now_ms - 30_000, "link.up", "link:simulated")
    made = sla(known, day, day)
    assert {row["kept"] for row in table(made, "taken")} == {"yes"}
    assert {row["kept"] for row in table(made, "delivered")} <= {"yes", "NO"}
    assert [(row["link"], row["seconds"]) for row in table(made, "outages")] == [("simulated", "30")]
    assert [row["times down"] for row in table(made, "links")] == ["1", "0"]
    slow = parse({"link": LINKS, "sla": {"otp_s": 1, "delivered_percent": 100}}, known.settings.home, "test")
    assert "NO" in {row["kept"] for row in table(sla(known._replace(settings=slow), day, day), "delivered")}


def test_who_may_do_what(known: Known) -> None:
    access = Access(known.settings)
    access.add_user("carlo", "compliance", "x", known.now_ms)
    access.create_api_key("cards")
    log_of(known).put(known.now_ms - 5, "console.user_created", "user:carlo", role="compliance")
    made = review(known, access, day_of(known.now_ms), day_of(known.now_ms))
    (carlo,) = table(made, "people")
    assert carlo["role"] == "compliance" and carlo["last sign-in"] == "never"
    roles = {row["role"]: row for row in table(made, "roles")}
    assert roles["compliance"]["people"] == "carlo" and "messages.reveal" in roles["compliance"]["permissions"]
    assert [row["about"] for row in table(made, "did")] == ["people"]


def test_an_incident_fills_in_what_the_box_knows(known: Known) -> None:
    began = known.now_ms - 50_000
    for link in ("simulated", "backup"):
        log_of(known).put(began + 10_000, "link.down", f"link:{link}", why="connection reset")
    log_of(known).put(began + 40_000, "link.up", "link:backup")
    log_of(known).put(began + 45_000, "link.drained", "link:simulated")
    told = checked(Incident("INC-7", began, known.now_ms, began + 20_000, began + 30_000), known.now_ms)
    made = report(known, told)
    initial, final = ({r["field"]: r for r in table(made, f"dora-{s}")} for s in ("initial", "final"))
    assert initial.keys() == {n for n in annexes.FIELDS if n[0] in "12"} and final.keys() == annexes.FIELDS.keys()
    assert final["1.5"]["value"] == "Banca Prova" and final["2.1"]["value"] == "INC-7"
    assert final["3.28"]["value"] == "Yes" and final["3.29"]["value"].startswith("link:backup; link:simulated; ")
    assert "operators were lost" in final["2.8"]["value"] and final["2.7"]["value"] == "monitoring systems"
    assert final["3.3"]["value"] == "" == final["4.8"]["value"], "one link is still down"
    assert final["4.1"]["who fills it in"] == "the bank's"
    assert final["3.34"]["value"].count("link.drained") == 1 and final["3.33"]["value"] == "Yes"
    assert final["3.2"]["value"] == dora.time_text(began + 10_000) and final["3.15"]["value"] == "00:00:00"
    assert final["3.4"]["value"].isdecimal() and re.fullmatch(r"\d{1,3}\.\d", final["3.5"]["value"])
    assert final["3.9"]["value"] == "" and "of 50 messages" in final["3.9"]["who fills it in"]
    assert {final["3.12"]["value"], final["2.7"]["value"], final["3.17"]["value"]} <= {
        r["answer"] for r in table(made, "dora-answers")
    }
    found = known.figures.of_time(began, known.now_ms, day_of)
    assert sum(int(r["messages"]) for r in table(made, "impact")) == sum(found.counted.messages.values()) == 50
    machine = json.loads(made.more["dora.json"])
    assert machine["forms"]["initial"]["1.1"] == "initial notification" and machine["forms"]["final"]["2.1"] == "INC-7"


def test_what_is_no_incident(known: Known) -> None:
    at = known.now_ms
    for wrong in (
        Incident("", at, at - 1, at, at),
        Incident("", at - 40 * DAY_MS, at, at, at),
        Incident("", at - 10, at + 10, at + 5, at),
        Incident("", at - 10, at, at - 11, at),
        Incident("x" * 33, at - 10, at, at - 5, at),
    ):
        with pytest.raises(Error, match=r"invalid|before|hours|come|order|reference"):
            checked(wrong, at)


def test_until_when_the_forms_are_due() -> None:
    classified = 1_769_860_800_000  # 2026-01-31T12:00Z
    due = dora.limits(classified - 3_600_000, classified)
    assert [rfc3339(at)[:16] for at in due] == ["2026-01-31T16:00", "2026-02-03T16:00", "2026-03-03T16:00"]
    assert dora.limits(classified - 23 * 3_600_000, classified).initial_ms == classified + 3_600_000
    assert rfc3339(dora.month_later(classified))[:10] == "2026-02-28"
    late = dora.limits(classified - 30 * 3_600_000, classified)  # not within a day: Article 5(2)
    assert late.initial_ms == classified + 4 * 3_600_000


def test_an_archive_is_bound_and_a_change_is_found(known: Known, tmp_path: Path) -> None:
    made, out = daily(known, day_of(known.now_ms)), tmp_path / "r.zip"
    manifest = write(out, made, known, log_of(known), "console:carlo")
    assert log_of(known).entries[-1]["on"] == "report:daily"
    assert evidence_checked(out)[2] == [] and {"report.pdf", "summary.csv"} <= manifest["files"].keys()
    with zipfile.ZipFile(out) as archive:
        octets = {name: archive.read(name) for name in archive.namelist()}
    assert octets["checkpoint"].startswith(b"casemate.local/audit\n5\n") and octets["report.pdf"].startswith(b"%PDF")
    octets["summary.csv"] = octets["summary.csv"].replace(b"130", b"131")
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in octets.items():
            archive.writestr(name, content)
    assert evidence_checked(out)[2] == ["summary.csv is not what the manifest says"]


def test_down_times() -> None:
    turns = [(10, False, "a"), (20, True, ""), (30, False, "b")]
    assert down_times("x", False, turns, 0, 40) == [Outage("x", 10, 20, "a"), Outage("x", 30, 40, "b")]
    assert down_times("x", True, [(5, True, "")], 0, 40) == [Outage("x", 0, 5, "was down before")]
    assert down_times("x", True, [], 0, 40) == [Outage("x", 0, 40, "was down before")]
    both = {"x": [Outage("x", 0, 10, ""), Outage("x", 20, 30, "")], "y": [Outage("y", 5, 25, "")]}
    assert no_link_ms(both) == 10 and no_link_ms(both | {"z": []}) == 0


def test_a_share_is_never_rounded_up() -> None:
    assert percent(99_999, 100_000) == "99.99 %" and percent(0, 0) == "-"
    assert [kept(99, 100, 99), kept(989, 1000, 99), kept(0, 0, 99)] == ["yes", "NO", "-"]


def test_wide_tables_fit_the_paper_and_the_same_report_is_the_same_octets() -> None:
    wide = Table("t", "T", tuple(f"column {n}" for n in range(9)), [("x" * 70,) * 8 + (1_234_567,)])
    made = Report("t", "T", 0, 1, ("said",), (wide, Table("none", "N", ("a",), [])))
    assert paper_of(made, "covered") == paper_of(made, "covered")
