"""A few rounds of tests/kill_retention.py, which kills two hundred."""

from __future__ import annotations

from pathlib import Path

import kill_retention


def test_a_run_that_is_killed_loses_nothing_and_doubles_nothing(store_url: str, tmp_path: Path) -> None:
    report = kill_retention.rounds(store_url, tmp_path, kills=3)

    assert report.problems == []
    assert report.kills == 3
    assert report.purged > 0
