"""Asking a witness: what each of its answers leads to, and that what speaks against the log is told apart from the network."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance.audit import cosigning
from appliance.audit.cosigning import SIZE, Cosigning, Unfit, Witness
from appliance.errors import Error
from appliance.settings import parse

URL = "https://witness.example/w"


class Played:
    """A log of ten entries, and a witness that answers what it is told to."""

    def __init__(self, patch: pytest.MonkeyPatch, *answers: tuple[int, str, str]) -> None:
        self.answers, self.asked, self.recorded = list(answers), list[int | None](), list[tuple[Any, ...]]()
        self.posted: list[tuple[str, bytes]] = []
        patch.setattr(cosigning, "_posted", self._post)
        settings = parse({"audit": {"witness_urls": [URL]}}, Path("/nowhere"), "test")
        self.witness = Witness(URL, settings, Cosigning(self._request, self._take, self._record))

    async def _request(self, old: int | None) -> tuple[int, str, str]:
        self.asked.append(old)
        return 10, f"old {old or 0}\n\nnote\n", "note\n"

    async def _take(self, text: str) -> int:
        if "forged" in text:
            raise Error("invalid", "the cosignature is not one of w")
        assert text == "note\nline\n"
        return 10

    async def _record(self, what: str, on: str, outcome: str, **detail: Any) -> None:
        self.recorded.append((what, on, outcome, detail))

    async def _post(self, client: Any, url: str, body: bytes) -> tuple[int, str, str]:
        self.posted.append((url, body))
        return self.answers.pop(0)

    def ask(self) -> Unfit | None:
        try:
            asyncio.run(self.witness.ask())
        except Unfit as e:
            asyncio.run(self.witness._failed(e))
            return e
        return None


def test_a_cosignature_is_brought_in(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(monkeypatch, (200, "text/plain", "line\n"))
    assert played.ask() is None
    assert played.posted == [(f"{URL}/add-checkpoint", b"old 0\n\nnote\n")]
    assert (played.witness.state()["size"], played.witness.state()["why"]) == (10, "")


def test_a_witness_that_knows_another_size_is_asked_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(monkeypatch, (409, SIZE, "7\n"), (200, "text/plain", "line\n"))
    assert played.ask() is None
    assert played.asked == [None, 7]
    looping = Played(monkeypatch, (409, SIZE, "7\n"), (409, SIZE, "8\n"))
    why = looping.ask()
    assert why is not None and "another size each time" in why.why


@pytest.mark.parametrize(
    ("answer", "why", "against"),
    [
        ((409, SIZE, "11\n"), "entries are gone", True),
        ((422, "text/plain", ""), "does not continue", True),
        ((409, "text/plain", "7"), "another size, and not which", False),
        ((409, SIZE, "-1"), "another size, and not which", False),
        ((404, "", ""), "does not know this log", False),
        ((403, "", ""), "does not know the key", False),
        ((500, "", ""), "answered 500", False),
        ((200, "", "forged\n"), "its answer is refused", False),
    ],
)
def test_what_it_refuses(
    monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str, str], why: str, against: bool
) -> None:
    played = Played(monkeypatch, answer, answer)
    said = played.ask()
    assert said is not None and why in said.why and said.against is against
    assert why in played.witness.state()["why"]
    assert played.ask() is not None if played.answers else True
    assert [r[:3] for r in played.recorded] == [("audit.cosigned", "witness:witness.example", "refused")] * against


@pytest.mark.parametrize(
    "url", ["http://witness.example/w", "witness.example", "https://", "https://a:b@c/", "https://w/?x"]
)
def test_only_https_without_secrets_in_it(url: str) -> None:
    with pytest.raises(Error) as caught:
        parse({"audit": {"witness_urls": [url]}}, Path("/nowhere"), "test")
    assert caught.value.code == "settings_invalid"
