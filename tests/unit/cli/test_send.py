"""`casemate send` against an API in memory: reading files, cutting them, waiting, summing up."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cli.lines import chunks_of, digest_of, lines_of
from appliance.cli.send import Sending, send
from appliance.errors import Error

module = sys.modules["appliance.cli.send"]  # the package offers the command under the module's own name
NUMBER = "+393331234567"


class Api:
    """Accepts what has a `to`; answers what `script` says first."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[dict[str, Any]]]] = []
        self.script: list[Callable[[], httpx.Response]] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.script:
            return self.script.pop(0)()
        messages = json.loads(request.content)["messages"]
        self.calls.append((request.headers["idempotency-key"], messages))
        accepted, rejected = [], []
        for at, message in enumerate(messages):
            if "to" in message:
                accepted.append({"index": at, "id": f"id-{message['text']}", "status": "accepted", "segments": 2})
            else:
                rejected.append(
                    {"index": at, "code": "number_invalid", "message": "the number is missing", "field": "to"}
                )
        return httpx.Response(202, json={"accepted": accepted, "rejected": rejected})

    def client(self) -> httpx.Client:
        return httpx.Client(base_url="http://box", transport=httpx.MockTransport(self), trust_env=False)

    def sending(self, path: Path, patience_s: float = 300) -> Sending:
        return Sending(self.client(), digest_of(path), patience_s, self.pauses.append)


def jsonl(path: Path, count: int) -> Path:
    path.write_text("".join(json.dumps({"to": NUMBER, "text": str(n)}) + "\n" for n in range(count)))
    return path


def test_a_file_goes_in_calls_of_a_thousand(tmp_path: Path) -> None:
    api, path = Api(), jsonl(tmp_path / "a.jsonl", 2_500)
    sending = api.sending(path)
    rows = [row for chunk in chunks_of(lines_of(path)) for row in sending.send(chunk)]
    assert [len(messages) for _, messages in api.calls] == [1000, 1000, 500]
    assert rows[0] == (1, "id-0") and rows[-1] == (2500, "id-2499")
    assert (sending.accepted, sending.segments) == (2500, 5000)
    assert [key for key, _ in api.calls] == [f"{digest_of(path)}-{n}" for n in range(3)]


def test_a_second_run_asks_with_the_same_keys_and_bodies(tmp_path: Path) -> None:
    path, first, second = jsonl(tmp_path / "a.jsonl", 1_200), Api(), Api()
    for api in (first, second):
        for chunk in chunks_of(lines_of(path)):
            api.sending(path).send(chunk)
    assert first.calls == second.calls


def test_lines_that_cannot_be_read_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = json.dumps({"to": NUMBER, "text": "x"}).encode()
    path.write_bytes(
        b"\xef\xbb\xbf"
        + good
        + b"\n{broken\n\n[1]\n\xff\xfe\n"
        + b'{"a":"'
        + b"x" * 70_000
        + b'"}\n'
        + b'{"text":"y"}\n'
        + good
    )
    api = Api()
    sending = api.sending(path)
    rows = dict(row for chunk in chunks_of(lines_of(path)) for row in sending.send(chunk))
    assert {n: r if isinstance(r, str) else r.code for n, r in rows.items()} == {
        1: "id-x",
        2: "malformed",
        4: "malformed",
        5: "malformed",
        6: "too_large",
        7: "number_invalid",
        8: "id-x",
    }
    assert sending.accepted == 2 and sum(sending.refused.values()) == 5


def test_a_line_with_a_member_twice_costs_only_itself(tmp_path: Path) -> None:
    # The API refuses a whole call for it: two meanings in one document.
    path, api = tmp_path / "a.jsonl", Api()
    good = json.dumps({"to": NUMBER, "text": "x"})
    path.write_text(f'{good}\n{{"to": "{NUMBER}", "text": "x", "text": "y"}}\n{good}\n')
    sending = api.sending(path)
    rows = dict(row for chunk in chunks_of(lines_of(path)) for row in sending.send(chunk))
    assert rows[1] == rows[3] == "id-x"
    assert "twice" in rows[2].message  # type: ignore[union-attr]
    assert len(api.calls[0][1]) == 2


def test_refusals_are_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "x"}\nbroken\n{"text": "y"}\nbroken\n')
    sending = Api().sending(path)
    for chunk in chunks_of(lines_of(path)):
        sending.send(chunk)
    assert [r.line for r in sending.shown] == [1, 2, 3, 4]


def test_a_spreadsheet_s_semicolons(tmp_path: Path) -> None:
    path, api = tmp_path / "a.csv", Api()
    path.write_text('to;text\n+1;"Ciao, Anna"\n', encoding="utf-8-sig")
    for chunk in chunks_of(lines_of(path)):
        api.sending(path).send(chunk)
    assert api.calls[0][1] == [{"to": "+1", "text": "Ciao, Anna"}]


def test_an_unknown_column_is_told_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("to,text,colour\n")
    with pytest.raises(Error, match="column 3 ") as caught:
        list(lines_of(path))
    assert "colour" not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (httpx.ConnectError("[Errno 111] refused"), "http://box does not take messages: it cannot be reached"),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] ..."), "certificate is not trusted, see --ca"),
        (httpx.ReadError("x"), "the connection failed"),
    ],
)
def test_an_api_that_is_not_heard_is_named_with_the_reason(tmp_path: Path, fault: Exception, says: str) -> None:
    def fail() -> httpx.Response:
        raise fault

    path, api = jsonl(tmp_path / "a.jsonl", 1), Api()
    api.script = [fail]
    with pytest.raises(Error, match=says):
        api.sending(path, patience_s=0.1).send(next(iter(chunks_of(lines_of(path)))))


def test_an_address_without_http_is_a_mistake(tmp_path: Path) -> None:
    result = CliRunner().invoke(send, ["--file", str(jsonl(tmp_path / "a.jsonl", 1)), "--api", "box:8080"])
    assert isinstance(result.exception, Error) and result.exception.code == "invalid"


def test_csv_with_quotes_empty_cells_and_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        'to,text,class,validity_s\n+1,"Ciao, ""Anna""\nriga due",otp,60\n+2,b,,\n+3,c,otp,soon\n+4,d\n\n+5,e,bulk,5\n',
        encoding="utf-8-sig",
    )
    api = Api()
    sending = api.sending(path)
    rows = dict(row for chunk in chunks_of(lines_of(path)) for row in sending.send(chunk))
    assert api.calls[0][1] == [
        {"to": "+1", "text": 'Ciao, "Anna"\nriga due', "class": "otp", "validity_s": 60},
        {"to": "+2", "text": "b"},
        {"to": "+5", "text": "e", "class": "bulk", "validity_s": 5},
    ]
    assert sorted(rows) == [2, 4, 5, 6, 8]
    assert rows[5].field == "validity_s" and rows[6].code == "malformed"  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["", "to\n+1\n", "to,text,colour\n", "to,text,text\n", "a;b\n1;2\n"])
def test_a_csv_without_a_known_header_is_refused_whole(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(Error, match="file_invalid"):
        list(lines_of(path))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"PK")
    with pytest.raises(Error, match="file_invalid"):
        list(lines_of(path))


@settings(max_examples=200)
@given(content=st.binary(max_size=400), suffix=st.sampled_from([".jsonl", ".csv"]))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str) -> None:
    path = tmp_path_factory.mktemp("any") / f"a{suffix}"
    path.write_bytes((b"to,text\n" if suffix == ".csv" else b"") + content)
    try:
        for line in lines_of(path):
            assert line.refusal is not None or isinstance(json.loads(line.octets), dict)
    except Error as e:
        assert e.code == "file_invalid"


def test_it_waits_as_long_as_it_is_asked_to(tmp_path: Path) -> None:
    api, path = Api(), jsonl(tmp_path / "a.jsonl", 3)

    def lost() -> httpx.Response:
        raise httpx.ConnectError("refused")

    api.script = [
        lambda: httpx.Response(429, headers={"retry-after": "7"}),
        lambda: httpx.Response(503, headers={"retry-after": "100000"}),
        lambda: httpx.Response(503),
        lost,
        lambda: httpx.Response(500),
    ]
    sending = api.sending(path)
    for chunk in chunks_of(lines_of(path)):
        sending.send(chunk)
    assert api.pauses == [7, 60, 2, 4, 8]
    assert sending.accepted == 3


def test_its_patience_ends(tmp_path: Path) -> None:
    api, path = Api(), jsonl(tmp_path / "a.jsonl", 3)
    api.script = [lambda: httpx.Response(503, headers={"retry-after": "30"})] * 5
    with pytest.raises(Error, match="peer_unavailable"):
        api.sending(path, patience_s=60).send(next(chunks_of(lines_of(path))))
    assert api.pauses == [30, 30]


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "unauthorized"), (403, "unauthorized"), (404, "peer_unavailable"), (200, "peer_unavailable")],
)
def test_no_use_to_go_on(tmp_path: Path, status: int, code: str) -> None:
    api, path = Api(), jsonl(tmp_path / "a.jsonl", 3)
    api.script = [lambda: httpx.Response(status, text="<html>")]
    with pytest.raises(Error, match=code):
        api.sending(path).send(next(chunks_of(lines_of(path))))


def test_a_call_refused_whole_refuses_its_lines(tmp_path: Path) -> None:
    api, path = Api(), jsonl(tmp_path / "a.jsonl", 3)
    problem = {"title": "Invalid", "code": "invalid", "detail": "unknown field", "field": "messages[1].colour"}
    api.script = [lambda: httpx.Response(422, json=problem)]
    rows = api.sending(path).send(next(chunks_of(lines_of(path))))
    assert [(n, r.code, r.field) for n, r in rows] == [(n, "invalid", "messages[1].colour") for n in (1, 2, 3)]  # type: ignore[union-attr]


def run(api: Api, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.setenv("CASEMATE_API_KEY", "cm_x_y")
    monkeypatch.setattr(module, "client_for", lambda *given: api.client())
    return CliRunner().invoke(send, list(arguments))


def test_the_command_sums_up_by_line_and_writes_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, results = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    path.write_text(json.dumps({"to": NUMBER, "text": "geheim"}) + '\n{"text":"geheim2"}\nnonsense\n')
    done = run(Api(), monkeypatch, "--file", str(path), "--results", str(results))
    assert done.exit_code == 1
    assert "accepted 1 messages (2 segments), refused 2" in done.output
    assert "line 2: number_invalid (to): the number is missing" in done.output
    assert "line 3: malformed" in done.output
    assert NUMBER not in done.output and "geheim2" not in done.output
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert [r["line"] for r in rows] == [1, 2, 3] and rows[0]["id"] == "id-geheim" and rows[1]["field"] == "to"


def test_all_accepted_is_exit_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(Api(), monkeypatch, "--file", str(jsonl(tmp_path / "a.jsonl", 1_500)))
    assert done.exit_code == 0 and "accepted 1,500 messages" in done.output


def test_ctrl_c_says_what_was_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api()
    accept = api.__call__

    def interrupted(request: httpx.Request) -> httpx.Response:
        if len(api.calls) == 1:
            raise KeyboardInterrupt
        return accept(request)

    monkeypatch.setattr(
        Api, "client", lambda self: httpx.Client(base_url="http://box", transport=httpx.MockTransport(interrupted))
    )
    done = run(api, monkeypatch, "--file", str(jsonl(tmp_path / "a.jsonl", 1_500)))
    assert done.exit_code == 130
    assert "accepted 1,000 messages" in done.output and "Run the same command again" in done.output


def test_without_a_key_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path))
    monkeypatch.delenv("CASEMATE_API_KEY", raising=False)
    done = CliRunner().invoke(send, ["--file", str(jsonl(tmp_path / "a.jsonl", 1))])
    assert isinstance(done.exception, Error) and done.exception.code == "unauthorized"


def test_the_demo_s_key_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path))
    for name in ("CASEMATE_API_KEY", "CASEMATE_API"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "demo.env").write_text("CASEMATE_API='http://127.0.0.1:9999'\nCASEMATE_API_KEY=cm_a_b\n")
    assert module.access_to(None, None) == ("http://127.0.0.1:9999", "cm_a_b")
