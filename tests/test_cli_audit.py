"""The commands verify, rebuild, backup and restore: what they print, and their exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from audited import OPEN, dump, fill, flip, opened, rows_of
from conftest import Fill
from sqlalchemy import Table, delete
from typer.testing import CliRunner, Result

from timestrata import History, schema
from timestrata.audit import Problem, Rebuild, Verification
from timestrata.cli import app
from timestrata.formats.results import result


@dataclass(frozen=True)
class CommandLine:
    """Runs commands in this process, on one database."""

    url: str

    def __call__(self, *args: str | Path, exit_code: int = 0) -> Result:
        done = CliRunner().invoke(app, [*map(str, args), "--database", self.url])
        assert done.exit_code == exit_code, done.output
        assert "Traceback" not in done.output
        return done

    def json(self, *args: str, exit_code: int = 0) -> Any:
        return json.loads(self(*args, "--json", exit_code=exit_code).stdout)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of whoever runs the tests out of them."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("TIMESTRATA_ARCHIVE", str(tmp_path / "archive"))
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.delenv("TIMESTRATA_DATABASE", raising=False)


@pytest.fixture
def url(copy_filled: Callable[[Fill, Path], str], tmp_path: Path) -> str:
    return copy_filled(fill, tmp_path / "archive")


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[History]:
    with opened(url, tmp_path / "archive") as history:
        yield history


@pytest.fixture
def cli(store: History, url: str) -> CommandLine:
    return CommandLine(url)


def damage(store: History, table: Table = schema.cell_step) -> tuple[int, int]:
    """Change an integer; return what it is, and was."""
    row = rows_of(store, table, OPEN)[0]
    changed, _ = flip(store, table, row, integer(table))
    place = table.columns.keys().index(integer(table))
    return changed[place], row[place]


def integer(table: Table) -> str:
    return "worked_seconds" if table is schema.cell_worked else "paused_seconds"


def test_verify_of_a_sound_store_says_so(cli: CommandLine) -> None:
    assert cli("verify").stdout.splitlines() == [
        "Everything is as the facts make it.",
        "Users       2",
        "Days        3 open, 3 sealed",
        "Workflows   5 in the database",
        "Aggregates  29",
    ]
    assert "5 in the database, 6 read from 1 file of the archive" in cli("verify", "--deep").stdout
    found = result(Verification, cli.json("verify", "--deep"))
    assert (found.ok, found.deep, found.problems) == (True, True, ())


def test_verify_names_what_is_wrong_and_exits_with_1(cli: CommandLine, store: History) -> None:
    now, was = damage(store)

    shown = cli("verify", exit_code=1).stdout

    assert shown.startswith("1 problem.\n")
    [line] = [line for line in shown.splitlines() if line.startswith("ts_cell_step")]
    for word in ("ada", "2024-06-12", "QA, step 0 Test, 300 to 301 s", "paused_seconds", str(now), str(was)):
        assert word in line
    [problem] = result(Verification, cli.json("verify", exit_code=1)).problems
    assert isinstance(problem, Problem)
    assert (problem.stored, problem.expected, problem.user_id) == (now, was, "ada")
    assert cli("verify", "--user", "bob").exit_code == 0
    assert "'nobody'" in cli("verify", "--user", "nobody", exit_code=1).stderr


def test_many_problems_are_cut_on_the_screen(cli: CommandLine, store: History) -> None:
    with store.engine.begin() as connection:
        connection.execute(delete(schema.cell_step))

    shown = cli("verify", exit_code=1).stdout

    assert "more. --json has the first" in shown
    assert len([line for line in shown.splitlines() if line.startswith("ts_")]) == 50


@pytest.mark.parametrize("table", [schema.cell_step, schema.cell_worked], ids=lambda table: table.name)
def test_rebuild_shows_what_it_changes(cli: CommandLine, store: History, table: Table) -> None:
    assert cli("rebuild").stdout == "Nothing to put right.\n"
    before = dump(store)
    now, was = damage(store, table)
    damaged = dump(store)

    tried = cli("rebuild", "--dry-run").stdout
    assert dump(store) == damaged
    done = cli("rebuild").stdout

    assert tried.startswith("1 value of 1 user day would change.\n")
    assert done.startswith("1 value of 1 user day changed.\n")
    for word in (table.name, "ada", "2024-06-12", integer(table), f"{now:,}", f"{was:,}"):
        assert word in tried
        assert word in done
    assert dump(store) == before
    damage(store, table)
    assert result(Rebuild, cli.json("rebuild", "--user", "bob")).changes == ()
    assert result(Rebuild, cli.json("rebuild", "--to", "2024-06-11")).changes == ()
    assert result(Rebuild, cli.json("rebuild", "--from", "2024-06-12", "--user", "ada")).change_count == 1
    assert dump(store) == before


def test_rebuild_names_what_it_has_to_leave_and_exits_with_1(cli: CommandLine, store: History, tmp_path: Path) -> None:
    row = next(row for row in rows_of(store, schema.cell_step) if row[1] < OPEN)
    flip(store, schema.cell_step, row, "paused_seconds")
    (tmp_path / "archive").rename(tmp_path / "gone")

    shown = cli("rebuild", exit_code=1).stdout

    assert shown.startswith("Nothing was put right.\n")
    assert "Left as it is:" in shown
    assert "the archive is needed" in shown


@pytest.mark.parametrize("command", [("verify",), ("rebuild",), ("backup", "copy.db")], ids=lambda command: command[0])
def test_a_store_that_is_not_there_exits_with_3(tmp_path: Path, command: tuple[str, ...]) -> None:
    CommandLine(f"sqlite:///{tmp_path / 'none.db'}")(*command, exit_code=3)


def test_backup_and_restore(cli: CommandLine, store: History, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    if store.engine.dialect.name == "postgresql":
        refused = cli("backup", copy, exit_code=1)
        assert "pg_dump --format=custom" in refused.stderr
        assert not copy.exists()
        return

    nowhere = cli("backup", tmp_path / "no" / "copy.db", exit_code=1).stderr
    assert "/no:" in "".join(nowhere.split())
    assert "No such file or directory" in " ".join(nowhere.split())
    shown = cli("backup", copy).stdout
    assert shown.startswith(f"{copy}: {copy.stat().st_size:,} bytes.\nIt needs 1 file of the archive")
    assert "it is there already" in cli("backup", copy, exit_code=1).stderr
    assert cli.json("backup", str(tmp_path / "again.db"))["archive_files"] == 1

    assert "move the store that is there away first" in cli("restore", copy, exit_code=1).stderr
    elsewhere = CommandLine(f"sqlite:///{tmp_path / 'new.db'}")
    assert "Everything is as the facts make it." in elsewhere("restore", copy).stdout
    assert elsewhere.json("verify", "--deep")["ok"]
    with opened(elsewhere.url, tmp_path / "archive") as restored:
        assert dump(restored) == dump(store)
        flip(restored, schema.cell_step, rows_of(restored, schema.cell_step)[0], "paused_seconds")
        cli_of_restored = CommandLine(elsewhere.url)
        cli_of_restored("backup", tmp_path / "wrong.db")
    third = CommandLine(f"sqlite:///{tmp_path / 'third.db'}")
    assert "1 problem." in third("restore", tmp_path / "wrong.db", exit_code=1).stdout
