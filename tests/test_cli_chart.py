"""The command chart: what it draws, where it writes, what it refuses."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, reopened
from facts_made import made
from PIL import Image
from typer.testing import CliRunner, Result

from timestrata.charts import specs
from timestrata.cli import app

TODAY = "2024-06-15"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of whoever runs the tests out of them, and files in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIMESTRATA_DATABASE", raising=False)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('chart') / 'store.db'}"
    with reopened(url) as history:
        for day in range(40):
            kind = "Zebra" if day % 2 else "Ant"
            history.record(made(f"w{day}", 600, completed_at=NOW - timedelta(days=day), ticket_type=kind))
    return url


def run(url: str, *args: str, exit_code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["chart", *args, "--today", TODAY, "--database", url])
    assert done.exit_code == exit_code, done.output
    assert "Traceback" not in done.output
    return done


def drawn(url: str, *args: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(url, *args, "-o", "-", "--format", "json").stdout)
    return found


def test_a_specification_is_that_of_the_library(url: str) -> None:
    with reopened(url) as history:
        types = history.ticket_types()
        weeks = history.trend("last_90_days", "week", by="ticket_type", measure="worked_seconds")
        expected = {
            ("types",): specs.types(history.summary("last_30_days"), types=types),
            ("steps", "--template", "QA"): specs.steps(history.steps("last_30_days", "QA")),
            ("heatmap", "--user", "ada"): specs.heatmap(history.trend("last_30_days", "day", "ada")),
            ("trend", "--range", "last_90_days", "--bucket", "week", "--measure", "worked_seconds", "--theme", "dark"):
                specs.trend(weeks, types=types, theme="dark"),
        }  # fmt: skip

    assert types == ("Ant", "Zebra")
    for command, chart in expected.items():
        assert drawn(url, *command) == chart, command


def test_a_calendar_of_a_range_of_many_years_has_its_last_weeks(url: str) -> None:
    days = drawn(url, "heatmap", "--from", "1990-01-01", "--to", "2024-06-15")["datasets"]["days"]

    assert len(days) == 53 * 7
    assert days[-1]["day"] <= "2024-06-15"
    assert any(day["value"] for day in days)


def test_a_trend_takes_the_finest_bucket_that_fits(url: str) -> None:
    days = drawn(url, "trend", "--from", "2024-06-01", "--to", "2024-06-10")
    weeks = drawn(url, "trend", "--range", "last_12_months")

    assert {bar["bucket"] for bar in days["datasets"]["bars"]} == {f"2024-06-{day:02}" for day in range(1, 11)}
    assert "by week" in weeks["description"]


def test_the_ending_of_the_file_says_what_is_written(url: str) -> None:
    for ending, start in (("png", b"\x89PNG"), ("SVG", b"<svg"), ("pdf", b"%PDF"), ("json", b"{")):
        assert (
            run(url, "types", "-o", f"types.{ending}", "--width", "300").stderr == f"chart written to types.{ending}\n"
        )
        assert Path(f"types.{ending}").read_bytes().startswith(start)
    with Image.open(io.BytesIO(Path("types.png").read_bytes())) as image:
        assert abs(image.width - 600) <= 2


def test_the_filters_choose_what_is_drawn(url: str) -> None:
    chart = drawn(url, "types", "--type", "Ant", "--from", "2024-06-01", "--to", "2024-06-15")

    assert [(bar["name"], bar["value"]) for bar in chart["datasets"]["bars"]] == [("Ant", 8)]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("types", "-o", "types.gif"), "want a file that ends in one of .png, .svg, .pdf, .json"),
        (("types", "-o", "-"), "for standard output"),
        (("types", "-o", "types.png", "--format", "gif"), "--format"),
        (("types", "-o", "no/such/folder.png"), "a file that can be written"),
        (("steps", "--type", "Ant", "-o", "steps.png"), "step times are kept by template"),
    ],
    ids=["ending", "standard output", "format", "folder", "steps of a type"],
)
def test_what_cannot_be_drawn_is_refused(url: str, args: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = run(url, *args, exit_code=2)

    assert said in " ".join(done.stderr.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["trend", "types", "steps", "heatmap"])
def test_an_empty_chart_is_written_and_said_to_be_empty(url: str, kind: str) -> None:
    done = run(url, kind, "--from", "2020-01-01", "--to", "2020-01-31", "-o", "empty.svg")

    assert done.stderr.startswith("Nothing was completed or worked on, 2020-01-01 to 2020-01-31.")
    assert Path("empty.svg").read_bytes().startswith(b"<svg")
