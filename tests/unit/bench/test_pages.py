"""People at the console's pages: every page is visited, and the flow keeps its pace."""

from __future__ import annotations

from pathlib import Path

from appliance.bench.pages import LIVE, VISITS, Flow, People
from appliance.bench.turns import Window, beside
from appliance.console import create_app
from appliance.console.navigation import PLACES
from appliance.settings import parse


def test_every_page_of_the_list_is_visited(tmp_path: Path) -> None:
    listed = [place.endpoint for place in PLACES]
    app = create_app(parse({}, tmp_path, "test"))
    with app.test_request_context():
        paths = {app.url_for(endpoint) for endpoint in listed}
    assert len(listed) > 25 and paths <= VISITS.keys()
    assert LIVE.keys() <= VISITS.keys()


def test_each_person_comes_from_an_address_of_its_own() -> None:
    people = People("http://127.0.0.1:1", 200, 1.0).people
    assert len({p.address for p in people}) == 200 and all(p.address.startswith("127.0.") for p in people)


def test_the_flow_waits_when_it_is_ahead() -> None:
    flow = Flow("http://127.0.0.1:1", [b""], 1, 0, lambda status, body: None)
    flow.rate, flow.began_s = 100.0, 0.0
    assert flow.in_flight_max == 20_000
    assert flow.began_s > 0.0  # what was missed long ago is not caught up
    flow.accepted = 10**15
    assert flow.in_flight_max == -1


def test_processor_times_are_set_against_those_of_their_neighbours() -> None:
    """A machine that becomes slower through a run meets both states alike."""
    windows = [Window(name, 1.0, us) for name, us in (("quiet", 10), ("live", 11), ("quiet", 12), ("live", 13))]
    assert [(w.cpu_us, near) for w, near in beside(windows, "quiet")] == [(11, [10, 12]), (13, [12])]
