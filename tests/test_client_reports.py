"""What the library answers, asked for by a client: the tests of test_reports.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import test_reports
from client_service import Through, behaviour_in, client_of
from conftest import NOW

from timestrata import open_history

globals().update(
    behaviour_in(
        test_reports,
        without={
            "test_a_week_is_whole_however_it_is_split": "the trend beside it has too many buckets",
        },
    )
)


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """One database: what differs between them is not seen from afar."""
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def history(store_url: str) -> Iterator[Any]:
    """An empty history, asked through the service."""
    with open_history(store_url, clock=lambda: NOW) as opened, client_of(opened) as client:
        yield Through(opened, client)
