"""One gateway with stand-ins for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.api_alone import Alone


@pytest.fixture
def alone() -> Iterator[Alone]:
    made = Alone()
    yield made
    made.close()
