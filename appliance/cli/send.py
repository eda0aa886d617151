"""`casemate send`: a file of messages through the REST batch call, safe to run again after any interruption.

Never shows or writes a telephone number or a text: lines are named by their number in the file.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

import click
import httpx

from appliance.errors import Error
from appliance.settings import home_of

from .lines import Chunk, Line, Refusal, chunks_of, digest_of, lines_of

CALL_S_MAX: Final = 60.0
PAUSE_S_MAX: Final = 60.0  # the longest that one Retry-After is believed
REFUSALS_SHOWN_MAX: Final = 20


# --- the calls --------------------------------------------------------------------------------------------
class Sending:
    """One run over one file: what was accepted and what was refused so far."""

    def __init__(self, client: httpx.Client, digest: str, patience_s: float, pause: Callable[[float], Any]) -> None:
        self.client = client
        self.digest = digest
        self.patience_s = patience_s
        self.pause = pause
        self.accepted = 0
        self.segments = 0
        self.waited_s = 0.0
        self.refused: Counter[str] = Counter()
        self.shown: list[Refusal] = []

    def send(self, chunk: Chunk) -> list[tuple[int, str | Refusal]]:
        """Sends one chunk; for each of its lines the message's id or the refusal. Raises Error when it is no use to go on."""
        sent = [line for line in chunk.lines if line.refusal is None]
        results: dict[int, str | Refusal] = {line.number: line.refusal for line in chunk.lines if line.refusal}
        if sent:
            body = b'{"messages":[' + b",".join(line.octets for line in sent) + b"]}"
            answer = self._call(body, f"{self.digest}-{chunk.turn}")
            results.update(self._read(answer, sent))
        told = sorted(results.items())
        for _, outcome in told:
            if isinstance(outcome, Refusal):
                self.refused[outcome.code] += 1
                if len(self.shown) < REFUSALS_SHOWN_MAX:
                    self.shown.append(outcome)
            else:
                self.accepted += 1
        return told

    def _call(self, body: bytes, key: str) -> httpx.Response:
        """The answer to one chunk, however often it must be asked: the Idempotency-Key makes that safe."""
        headers = {"content-type": "application/json", "idempotency-key": key}
        waited, step = 0.0, 0.5
        while True:
            try:
                answer = self.client.post("/v1/messages/batch", content=body, headers=headers)
            except httpx.TransportError as e:
                wait, why = step, _unheard(e)
            else:
                if answer.status_code not in (429, 500, 502, 503, 504):
                    return answer
                wait, why = (
                    _asked_s(answer, step),
                    f"HTTP {answer.status_code} {_problem(answer).get('code', '')}".strip(),
                )
            if waited + wait > self.patience_s:
                raise Error(
                    "peer_unavailable",
                    f"the API at {self.client.base_url} does not take messages: {why}",
                    "run the same command again later",
                )
            self.pause(wait)
            waited += wait
            self.waited_s += wait
            step = min(step * 2, 15.0)

    def _read(self, answer: httpx.Response, sent: list[Line]) -> dict[int, str | Refusal]:
        if answer.status_code in (401, 403):
            raise Error("unauthorized", "the API does not accept this key", "see --key-file")
        if answer.status_code in (400, 409, 413, 422):
            told = _problem(answer)
            code, message = str(told.get("code", "invalid")), str(told.get("detail") or told.get("title") or "refused")
            field = str(told.get("field", ""))
            return {line.number: Refusal(line.number, code, message, field) for line in sent}
        told = _problem(answer)
        if answer.status_code != 202 or not isinstance(told.get("accepted"), list):
            raise Error("peer_unavailable", f"this is not the API: HTTP {answer.status_code}", "see --api")
        results: dict[int, str | Refusal] = {}
        refused = {int(r["index"]): r for r in told.get("rejected", ())}
        for at, r in refused.items():
            number = sent[at].number
            reason = str(r.get("message") or r.get("detail") or r.get("title") or "")
            results[number] = Refusal(number, str(r["code"]), reason, str(r.get("field") or ""))
        left = [line for at, line in enumerate(sent) if at not in refused]
        for line, accepted in zip(left, told["accepted"], strict=True):
            results[line.number] = str(accepted["id"])
            self.segments += int(accepted.get("segments", 0))
        return results


def _unheard(e: httpx.TransportError) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(e):
        return "its certificate is not trusted, see --ca"
    if isinstance(e, httpx.ConnectError | httpx.ConnectTimeout):
        return "it cannot be reached"
    return f"the connection failed ({type(e).__name__})"


def _asked_s(answer: httpx.Response, otherwise: float) -> float:
    text = answer.headers.get("retry-after", "")
    return min(float(text), PAUSE_S_MAX) if text.isascii() and text.isdigit() else otherwise


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        read = answer.json()
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


# --- the command ------------------------------------------------------------------------------------------
def access_to(api: str | None, key_file: Path | None) -> tuple[str, str]:
    """Address and key: from the options, else the environment, else the demo's own file."""
    demo: dict[str, str] = {}
    if api is None or key_file is None:
        written = home_of() / "demo.env"
        if written.exists():
            pairs = (
                line.removeprefix("export ").split("=", 1) for line in written.read_text().splitlines() if "=" in line
            )
            demo = {name: value.strip("'\"") for name, value in pairs}
    try:
        key = key_file.read_text(encoding="utf-8").strip() if key_file else ""
    except (OSError, UnicodeDecodeError):
        raise Error("file_invalid", "the key file cannot be read", "one line with the API key") from None
    key = key or os.environ.get("CASEMATE_API_KEY", "") or demo.get("CASEMATE_API_KEY", "")
    address = api or os.environ.get("CASEMATE_API") or demo.get("CASEMATE_API") or "http://127.0.0.1:8080"
    if not address.startswith(("http://", "https://")):
        raise Error("invalid", "the address of the API is not http://HOST:PORT or https://HOST:PORT", "see --api")
    if not key:
        raise Error(
            "unauthorized",
            "no API key was given",
            "--key-file FILE or CASEMATE_API_KEY; make one with `casemate apikey create`",
        )
    return address, key


def client_for(address: str, key: str, ca: Path | None) -> httpx.Client:
    """Calls to the REST API: the system's authorities or the named ones, no proxies."""
    return httpx.Client(
        base_url=address,
        headers={"authorization": f"Bearer {key}"},
        timeout=CALL_S_MAX,
        trust_env=False,
        verify=ssl.create_default_context(cafile=str(ca) if ca else None),
    )


def _write(results: IO[str] | None, rows: list[tuple[int, str | Refusal]]) -> None:
    if results is None:
        return
    for number, outcome in rows:
        row: dict[str, Any] = {"line": number}
        if isinstance(outcome, Refusal):
            row |= {"code": outcome.code, "message": outcome.message}
            row |= {"field": outcome.field} if outcome.field else {}
        else:
            row["id"] = outcome
        results.write(json.dumps(row, ensure_ascii=False) + "\n")
    results.flush()


def _summary(sending: Sending) -> None:
    refused = sum(sending.refused.values())
    click.echo(f"accepted {sending.accepted:,} messages ({sending.segments:,} segments), refused {refused:,}")
    if sending.waited_s >= 1:
        click.echo(f"waited {sending.waited_s:.0f} s for the appliance")
    for code, count in sending.refused.most_common():
        click.echo(f"  {code}: {count:,}")
    for r in sending.shown:
        click.echo(f"  line {r.line}: {r.code}{f' ({r.field})' if r.field else ''}: {r.message}")
    if refused > len(sending.shown):
        click.echo(f"  ... and {refused - len(sending.shown):,} more; --results FILE has them all")
    if refused:
        click.echo(
            "Put mended lines into a file of their own: a changed file is a new file, and all of it would be sent."
        )


@click.command("send")
@click.option(
    "--file",
    "path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="messages: .jsonl (one JSON object a line) or .csv (with a header)",
)
@click.option("--api", help="address of the REST API  [default: CASEMATE_API, else the demo's]")
@click.option(
    "--key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="file with the API key  [default: CASEMATE_API_KEY, else the demo's]",
)
@click.option(
    "--ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM authorities of the API's certificate  [default: the system's]",
)
@click.option(
    "--results",
    type=click.File("w", encoding="utf-8"),
    help="write one JSON object a line: line and id, or line and code",
)
@click.option(
    "--patience", default=300.0, show_default=True, help="seconds to wait for an appliance that does not take messages"
)
@click.pass_context
def send(
    ctx: click.Context,
    path: Path,
    api: str | None,
    key_file: Path | None,
    ca: Path | None,
    results: IO[str] | None,
    patience: float,
) -> None:
    """Send a file of messages; refusals are summed up by line.

    Running the same command again within a day sends nothing twice: lines accepted before get the same ids.
    Exits with 0 when every line was accepted, 1 when some were refused, 130 after Ctrl-C.
    """
    address, key = access_to(api, key_file)
    client = client_for(address, key, ca)
    sending = Sending(client, digest_of(path), patience, threading.Event().wait)
    # The lines are counted first: cheap next to sending them, and the bar then tells the truth.
    total = sum(1 for _ in lines_of(path))
    try:
        with client, click.progressbar(length=total, label="sending", file=sys.stderr) as bar:
            for chunk in chunks_of(lines_of(path)):
                _write(results, sending.send(chunk))
                bar.update(len(chunk.lines))
    except KeyboardInterrupt:
        _summary(sending)
        click.echo("Stopped. Run the same command again to go on: nothing is sent twice within a day.")
        ctx.exit(130)
    except Error:
        _summary(sending)
        raise
    _summary(sending)
    ctx.exit(1 if sending.refused else 0)
