"""The corpus of receipts as operators write them, for whoever must match them: the wire, the engine, a restarted engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

CORPUS: Final = Path(__file__).resolve().parents[1] / "vectors" / "smpp" / "receipts.json"


class Row(NamedTuple):
    """A whole deliver_sm and the id that the same operator's submit_sm_resp gave; `expect` says what must come out.

    `receipt`: it is one; `match`: it is that submit's; `status`, `final`, `error` and, where they are named, the others.
    """

    name: str
    link: dict[str, Any]
    response_id: str
    pdu: bytes
    expect: dict[str, Any]


def corpus() -> list[Row]:
    rows = json.loads(CORPUS.read_text())
    return [Row(r["name"], r["link"], r["response_id"], bytes.fromhex(r["pdu"]), r["expect"]) for r in rows]
