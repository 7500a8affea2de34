"""What the library does when it records, corrects and deletes, done by a client: the tests of test_history.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import test_history
from client_service import Through, behaviour_in, client_of
from conftest import NOW

from timestrata import open_history

globals().update(behaviour_in(test_history, without={}))


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """One database: what differs between them is not seen from afar."""
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def history(store_url: str) -> Iterator[Any]:
    """An empty history, asked through the service."""
    with open_history(store_url, clock=lambda: NOW) as opened, client_of(opened) as client:
        yield Through(opened, client)
