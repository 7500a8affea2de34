"""Live work tracked by a client: the tests of test_tracking.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import test_tracking
from client_service import Through, behaviour_in, client_of

from timestrata import open_history
from timestrata.tracked import TemplateStep

globals().update(
    behaviour_in(
        test_tracking,
        without={
            "test_the_same_key_of_another_user_is_another_key": "over HTTP a key belongs to a token",
            "test_a_call_under_its_key_is_carried_out_once_and_answered_as_it_was": "its answer is kept",
            "test_another_call_under_the_same_key_is_refused": "a session is always named",
            "test_names_are_kept_as_they_are": "over HTTP a key is ASCII",
            "test_a_failure_at_any_change_leaves_before_or_after": "the faults are those of the library's own database",
        },
    )
)


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """One database: what differs between them is not seen from afar."""
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def history(store_url: str, clock: test_tracking.Clock) -> Iterator[Any]:
    """A history with two templates and no facts, asked through the service."""
    with open_history(store_url, clock=clock) as opened, client_of(opened) as client:
        through = Through(opened, client)
        through.tracking.put_template("QA", "Bug", [TemplateStep("Analyse", 600), TemplateStep("Test", 1200)])
        through.tracking.put_template("Release", "Feature", ["Build", "Test", "Ship"])
        yield through


@pytest.fixture
def tracking(history: Any) -> Any:
    """The tracking of that history."""
    return history.tracking
