"""What every test shares: stories are marked as such, and no test ever sees the developer's own state folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import pytest

HERE = Path(__file__).parent
os.environ["CASEMATE_AUDIT_STRICT"] = (
    "1"  # before any import of the appliance, and for the processes that stories start
)

# A machine that is busy is no reason to fail, and what one run found out does not change the next one.
hypothesis.settings.register_profile(
    "casemate",
    deadline=None,
    database=None,
    # The same inputs at every run, so that a failure is somebody's change; HYPOTHESIS_FRESH=1 goes looking for new ones.
    derandomize="HYPOTHESIS_FRESH" not in os.environ,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("casemate")


def pytest_configure(config: pytest.Config) -> None:
    """SIGTERM ends a run as Ctrl-C does: every test's processes are stopped first."""
    if not hasattr(config, "workerinput"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE / "stories"):
            item.add_marker(pytest.mark.stories)


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that forgets to name its state folder gets an empty one, and no settings file of this machine."""
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path_factory.getbasetemp() / "home"))
    monkeypatch.delenv("CASEMATE_CONFIG", raising=False)
    monkeypatch.delenv("CASEMATE_API", raising=False)
    monkeypatch.delenv("CASEMATE_API_KEY", raising=False)
