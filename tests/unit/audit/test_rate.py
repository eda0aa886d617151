"""What `casemate bench audit` measures is a real log: everything taken is signed, proved and verifies."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.audit import Rate
from appliance.audit import rate as rates


def test_a_small_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "PROOFS", 50)
    rate = Rate(tmp_path)
    told = rate.sequence(1_200) | rate.prove() | rate.check()
    rate.close()
    assert told["entries"] == 1_200
    assert told["verifies"]
    assert told["sequenced_per_s"] > 0 and told["proof_ms_p50"] <= told["proof_ms_p99"] <= told["proof_ms_max"]
