"""The command report: what it writes where, what it refuses, and that a file is never half a report."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pypdf
import pytest
from conftest import NOW, reopened
from facts_made import made
from typer.testing import CliRunner, Result

from timestrata.cli import app

TODAY = "2024-06-15"


@dataclass(frozen=True)
class CommandLine:
    """Runs `timestrata report` in this process, on one database."""

    url: str

    def __call__(self, *args: str | Path, exit_code: int = 0) -> Result:
        command = ["report", *map(str, args), "--today", TODAY, "--database", self.url]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == exit_code, done.output
        assert "Traceback" not in done.output
        return done


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of whoever runs the tests out of them, and files in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("TIMESTRATA_DATABASE", raising=False)


@pytest.fixture
def cli(store_url: str) -> CommandLine:
    with reopened(store_url) as history:
        history.record([made(f"w{day}", 600, completed_at=NOW - timedelta(days=day)) for day in range(8)])
    return CommandLine(store_url)


@pytest.fixture
def file_cli(tmp_path: Path) -> CommandLine:
    """The command line on a store of a file, for what does not depend on the database."""
    with reopened(f"sqlite:///{tmp_path / 'store.db'}") as history:
        history.record([made(f"w{day}", 600, completed_at=NOW - timedelta(days=day)) for day in range(8)])
    return CommandLine(f"sqlite:///{tmp_path / 'store.db'}")


def files(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir() if not file.name.startswith("store.db")}


def test_the_ending_of_the_file_says_what_is_written(cli: CommandLine, tmp_path: Path) -> None:
    for ending in ("pdf", "html", "eml"):
        target = tmp_path / f"report.{ending}"
        assert cli("-o", target).stderr == f"report written to {target}\n"

    assert "Tickets completed\n8\n" in pypdf.PdfReader("report.pdf").pages[0].extract_text()
    assert '<data class="value" value="8">8</data>' in Path("report.html").read_text(encoding="utf-8")
    letter = message_from_bytes(Path("report.eml").read_bytes(), policy=policy.default)
    text = letter.get_body(("plain",))
    assert text is not None
    assert "Tickets completed: 8" in text.get_content().splitlines()


def test_the_options_choose_who_what_and_when(file_cli: CommandLine) -> None:
    file_cli("--output", "ADA.HTML", "--user", "ada", "--type", "Bug", "--from", "2024-06-10", "--to", "2024-06-12")

    page = Path("ADA.HTML").read_text(encoding="utf-8")
    assert '<data class="value" value="3">3</data>' in page
    assert '<p class="who"><bdi>ada</bdi></p>' in page
    assert "Only tickets of the type Bug." in page
    assert "(3 days)" in page
    assert "Made on 15 Jun 2024 (time zone UTC)." in page


def test_a_format_beside_the_file_goes_before_its_ending(file_cli: CommandLine) -> None:
    file_cli("-o", "report.txt", "--format", "html")

    assert Path("report.txt").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_standard_output_gets_the_report_and_nothing_else(file_cli: CommandLine) -> None:
    done = file_cli("-o", "-", "--format", "pdf")

    assert done.stderr == ""
    assert len(pypdf.PdfReader(io.BytesIO(done.stdout_bytes)).pages) >= 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["-o", "report.docx"], "--output: found 'report.docx', want a file that ends in one of .pdf, .html, .eml"),
        (["-o", "report"], "--output: found 'report', want a file that ends in one of .pdf, .html, .eml"),
        (["-o", "r.pdf", "--format", "doc"], "--format: found 'doc', want one of pdf, html, eml"),
        (["-o", "-"], "--format: found None, want one of pdf, html, eml, for standard output"),
        (["-o", "nowhere/r.html"], "--output: found 'nowhere/r.html', want a file that can be written (No such file"),
        (["-o", "r.html", "--from", "2024-06-02", "--to", "2024-06-01"], "a first day that is not after the last"),
        ([], "--output"),
    ],
    ids=["ending", "no ending", "format", "standard output", "folder", "dates", "nothing"],
)
def test_what_cannot_be_written_is_refused_in_a_sentence(
    file_cli: CommandLine, tmp_path: Path, args: list[str], message: str
) -> None:
    done = file_cli(*args, exit_code=2)

    assert message in done.stderr
    assert files(tmp_path) == set()


def test_a_report_that_fails_leaves_the_file_of_before(file_cli: CommandLine, tmp_path: Path) -> None:
    file_cli("-o", "report.html")
    before = Path("report.html").read_bytes()
    (tmp_path / "store.db").write_bytes(b"no database" * 100)

    file_cli("-o", "report.html", exit_code=3)

    assert Path("report.html").read_bytes() == before
    assert files(tmp_path) == {"report.html"}


def test_an_empty_period_is_written_and_told(file_cli: CommandLine) -> None:
    done = file_cli("-o", "report.html", "--user", "adda")

    assert "Nothing was ever recorded for the user adda; there are ada." in done.stderr
    assert "Nothing was completed or worked on in this period." in Path("report.html").read_text(encoding="utf-8")


def test_without_the_extra_it_says_what_to_install(file_cli: CommandLine, tmp_path: Path) -> None:
    program = "import sys; sys.modules['typst'] = None; from timestrata.cli import main; main()"
    command = [sys.executable, "-c", program, "report", "-o", "r.pdf", "--database", file_cli.url]

    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))

    assert done.returncode == 2
    assert done.stderr == (
        "error: report: found 'no package typst', want the packages of the report: pip install 'timestrata[report]'\n"
    )
    assert files(tmp_path) == set()
