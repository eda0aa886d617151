"""The report's verdict and the vendors' profiles: what makes a token unfit, and that every row says where it is from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hsm import PROFILES, installed
from hsm.commissioning import _verdict
from hsm.conformance import CASES
from hsm.profiles import profile_of
from hsm.wrapping import BY_NAME, ORDER, usage

README = (Path(__file__).parents[3] / "hsm" / "README.md").read_text(encoding="utf-8")


def report(**changed: Any) -> dict[str, Any]:
    cases = [{"case": n, "needed": needed, "outcome": "ok", "why": ""} for n, (needed, _) in CASES.items()]
    found = {w.name: "ok" for w in ORDER} | {"ed25519": "ok", "hmac-sha256": "ok", "random": "ok"}
    given = {"manufacturer": "SoftHSM", "token": {"manufacturer": "SoftHSM project"}, "measurable": ""}
    return {"cases": cases, "capabilities": found, **given, **changed}


def test_a_token_that_passes_is_fit() -> None:
    verdict = _verdict(report())
    assert (verdict["fit"], verdict["wrapping"], verdict["audit_key"], verdict["profile"]) == (
        True,
        "aes-gcm",
        "token",
        None,
    )


@pytest.mark.parametrize("name", CASES)
def test_only_what_is_needed_makes_a_token_unfit(name: str) -> None:
    made = report()
    case = next(c for c in made["cases"] if c["case"] == name)
    case.update(outcome="no", why="because")
    assert _verdict(made)["fit"] is not CASES[name][0]
    case.update(outcome="skipped")
    assert _verdict(made)["fit"] is True


def test_a_token_that_cannot_be_measured_is_unfit_and_says_why() -> None:
    verdict = _verdict(report(measurable="no throw-away keys"))
    assert (verdict["fit"], verdict["against"]) == (False, ["no throw-away keys"])


def test_a_token_without_ed25519_gets_a_derived_audit_key() -> None:
    made = report()
    made["capabilities"]["ed25519"] = "no: MECHANISM_INVALID"
    made["capabilities"]["aes-gcm"] = "no: MECHANISM_INVALID"
    verdict = _verdict(made)
    assert (verdict["audit_key"], verdict["wrapping"]) == ("derived", "aes-kw")


def test_every_profile_says_where_it_is_from_and_what_is_unproven() -> None:
    for key, row in PROFILES.items():
        assert row.modules and row.quirks and row.unproven and row.sources, key
        assert f"| `{key}` | {row.name} | `{row.modules[0]}` |" in README
        assert profile_of(f"{row.maker.title()} Ltd") is row
    assert profile_of("SoftHSM project") is None
    assert set(installed()) <= set(PROFILES)


def test_a_key_encryption_key_may_do_one_thing() -> None:
    for way in BY_NAME.values():
        allowed = [permit for permit, may in usage(way).items() if may]
        assert sorted(allowed) == sorted(way.permits)
