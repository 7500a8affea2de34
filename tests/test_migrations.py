"""The schema: migrations build exactly what the code declares, and a database is opened only when it can be used."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from conftest import Server
from facts_made import at, dump, made, session
from processes import PROCESSES
from sqlalchemy import Connection, Engine, exc, inspect, make_url, select, text

from timestrata import (
    CompletedWorkflow,
    History,
    NewerSchema,
    SchemaNotReady,
    Settings,
    SettingsMismatch,
    StepTime,
    UnsupportedDatabase,
    migrations,
    open_history,
    schema,
)
from timestrata.dialects import engine_for


@pytest.fixture
def empty_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any schema; on SQLite the file is not there yet."""
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / uuid4().hex}.db"
        return
    server: Server = request.getfixturevalue(backend)
    url = server.create()
    yield url.render_as_string(hide_password=False)
    server.drop(url)


@pytest.fixture
def empty(empty_url: str) -> Iterator[Engine]:
    engine, _ = engine_for(empty_url)
    yield engine
    engine.dispose()


# -------------------------------------------------------------------------------------------- migrations and schema


def declare(engine: Engine) -> None:
    """Build the schema that the code declares, without migrations."""
    schema.metadata.create_all(engine)
    with engine.begin() as connection:
        for name, view in schema.VIEWS.items():
            query = str(view.compile(engine, compile_kwargs={"literal_binds": True})).replace("%%", "%")
            connection.exec_driver_sql(f"CREATE VIEW {name} AS {query}", execution_options={"no_parameters": True})


def structure(engine: Engine) -> dict[str, list[Any]]:
    """Return all that a database says about our tables and views."""
    with engine.connect() as connection:
        return _sqlite_structure(connection) if engine.dialect.name == "sqlite" else _postgresql_structure(connection)


def _sqlite_structure(connection: Connection) -> dict[str, list[Any]]:
    rows = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    found = {"objects": sorted((kind, name, of, _normal(sql)) for kind, name, of, sql in rows if _is_ours(of))}
    for _, name, _, _ in found["objects"]:
        found[name] = list(map(tuple, connection.exec_driver_sql(f"PRAGMA table_xinfo({name})").fetchall()))
    return found


def _normal(sql: str | None) -> str | None:
    """Return a statement without its layout, which SQLite keeps as it was written."""
    if sql is None:
        return None
    words = re.sub(r"\s+", " ", sql)
    return re.sub(r"\s*([(),=])\s*", r"\1", words).strip()


def _is_ours(name: str) -> bool:
    return name.startswith(("ts_", "time_")) and name != migrations.VERSION_TABLE


POSTGRESQL = {
    "columns": """
        SELECT table_name, ordinal_position, column_name, data_type, udt_name, is_nullable, column_default,
               collation_name, is_identity, is_generated, character_maximum_length
        FROM information_schema.columns WHERE table_schema = current_schema()""",
    "tables": """
        SELECT c.relname, c.relkind::text, c.relpersistence::text, c.reloptions::text, c.relrowsecurity, a.amname
        FROM pg_class c LEFT JOIN pg_am a ON a.oid = c.relam
        WHERE c.relnamespace = current_schema()::regnamespace""",
    "constraints": """
        SELECT r.relname, o.conname, o.contype::text, pg_get_constraintdef(o.oid), o.condeferrable
        FROM pg_constraint o JOIN pg_class r ON r.oid = o.conrelid
        WHERE r.relnamespace = current_schema()::regnamespace""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()",
    "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = current_schema()",
    "triggers": """
        SELECT r.relname, t.tgname FROM pg_trigger t JOIN pg_class r ON r.oid = t.tgrelid
        WHERE r.relnamespace = current_schema()::regnamespace""",
    "functions": "SELECT proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace",
    "sequences": "SELECT sequencename FROM pg_sequences WHERE schemaname = current_schema()",
}


def _postgresql_structure(connection: Connection) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for what, query in POSTGRESQL.items():
        rows = connection.exec_driver_sql(query).fetchall()
        found[what] = sorted((tuple(row) for row in rows if migrations.VERSION_TABLE not in str(row)), key=repr)
    return found


def test_the_migrations_build_the_declared_schema(history: History, empty: Engine) -> None:
    declare(empty)

    declared, migrated = structure(empty), structure(history.engine)

    assert declared.keys() == migrated.keys()
    for what, rows in declared.items():
        assert migrated[what] == rows, what
    assert sum(map(len, declared.values())) > 100


def test_every_table_and_view_is_declared(history: History) -> None:
    inspector = inspect(history.engine)

    assert set(inspector.get_table_names()) == {*schema.metadata.tables, migrations.VERSION_TABLE}
    assert set(inspector.get_view_names()) == set(schema.VIEWS)


def test_the_user_comes_first_in_every_key_of_a_users_table() -> None:
    """A store can be distributed by user only then."""
    names = {schema.setting, schema.user, schema.ticket_type, schema.template, schema.step, schema.template_version}
    of_the_store = {schema.token, schema.login, schema.request, schema.archive_file, schema.job}
    for table in schema.metadata.tables.values():
        if table not in names | of_the_store:
            assert next(iter(table.primary_key)).name == "user_id", table.name
            assert [one.name for one in table.indexes] == []


def test_nothing_in_the_schema_runs_by_itself(history: History) -> None:
    """No triggers, functions, sequences or defaults: a distributed database has none of them for shared tables."""
    if history.engine.dialect.name == "sqlite":
        with history.engine.connect() as connection:
            kinds = connection.exec_driver_sql("SELECT DISTINCT type FROM sqlite_master").scalars()
            assert set(kinds) <= {"table", "view", "index"}
        return
    found = structure(history.engine)
    assert found["triggers"] == found["functions"] == found["sequences"] == []
    assert {default for *_, default in (row[:7] for row in found["columns"])} == {None}


def script_chain() -> list[str]:
    """Return the revisions of Alembic's scripts, oldest first."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "timestrata:migrations")
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert len(scripts.get_heads()) == 1
    return [script.revision for script in reversed(list(scripts.walk_revisions()))]


def test_the_revisions_are_those_of_the_scripts() -> None:
    assert list(migrations.REVISIONS) == script_chain()


def test_every_revision_has_a_script_for_each_database() -> None:
    versions = files("timestrata.migrations").joinpath("versions")

    scripts = {entry.name for entry in versions.iterdir() if entry.name.endswith(".sql")}

    assert scripts == {
        f"{name}.{database}.sql" for name in migrations.REVISIONS for database in ("sqlite", "postgresql")
    }


def test_a_revision_says_what_it_does_itself() -> None:
    """A released revision stays as it is, so it may not follow the schema that the code declares today."""
    versions = files("timestrata.migrations").joinpath("versions")
    for entry in versions.iterdir():
        if entry.name.endswith((".py", ".sql")):
            source = entry.read_text(encoding="utf-8")
            assert "schema import" not in source
            assert "import schema" not in source
            assert "metadata" not in source


# ---------------------------------------------------------------------------------------------- stores from before

LATER_COLUMNS = {schema.completion.c.steps, schema.receipt.c.changed}
"""What the first schema did not have."""

OLD_STEPS = "user_id, day, number, step_id, active_seconds, paused_seconds, visits, estimated_seconds"


def varied() -> list[CompletedWorkflow]:
    """Facts with one step and many, with and without estimates, sessions, pauses, and steps gone back to."""
    again = (session("2024-05-06T01:00", 60), session("2024-05-06T03:00", 600))
    between = session("2024-05-06T02:00", 60)
    long = tuple(StepTime(index, f"Step {index}", 10**index, 10 * index) for index in range(7))
    return [
        made("none"),
        made("estimated", 601, estimated_seconds=500, attributes={"sprint": 7}),
        made("long", user_id="bob", template="Long", steps=long, completed_at=at("2024-05-07T09:00")),
        made("back", steps=(StepTime(0, "Test", sessions=again), StepTime(1, "Fix", 60, 7, sessions=(between,)))),
        *(made(f"w{number}", number, user_id=f"u{number % 3}") for number in range(300)),
    ]


def make_0001(empty: Engine, modern: Engine) -> None:
    """Build the first schema and fill it with all that a store of today holds, written as it was then."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "timestrata:migrations")
    config.set_main_option("path_separator", "os")
    with empty.begin() as old, modern.connect() as new:
        config.attributes["connection"] = old
        command.upgrade(config, "0001")
        for table in schema.metadata.tables.values():
            names = [column.name for column in table.columns if column not in LATER_COLUMNS]
            rows = [dict(row._mapping) for row in new.execute(select(*(table.c[name] for name in names)))]
            _put(old, table.name, ", ".join(names), rows)
        c = schema.completion.c
        steps = [
            dict(zip(OLD_STEPS.split(", "), (*key, *step), strict=True))
            for *key, packed in new.execute(select(c.user_id, c.day, c.number, c.steps))
            for step in json.loads(packed)
        ]
        assert len(steps) > 300
        _put(old, "ts_completion_step", OLD_STEPS, steps)


def _put(connection: Connection, table: str, names: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        values = ", ".join(f":{name}" for name in names.split(", "))
        connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), rows)


def test_a_store_of_the_first_schema_is_converted(history: History, empty_url: str, empty: Engine) -> None:
    history.record(varied())
    history.delete("ada", "estimated")
    make_0001(empty, history.engine)
    with empty.connect() as connection, pytest.raises(SchemaNotReady, match="has schema 0001, want"):
        migrations.require(connection)

    with open_history(empty_url) as converted:
        assert dump(converted) == dump(history)
        assert structure(converted.engine) == structure(history.engine)
        assert converted.workflow("ada", "back").workflow == history.workflow("ada", "back").workflow
        for each in (converted, history):
            each.correct(made("w299", 3, user_id="u2"))
            each.delete("u1", "w1")
        assert dump(converted) == dump(history)
    assert packed_steps(empty) == packed_steps(history.engine)


def packed_steps(engine: Engine) -> dict[tuple[Any, ...], list[list[int | None]]]:
    c = schema.completion.c
    with engine.connect() as connection:
        rows = connection.execute(select(c.user_id, c.day, c.number, c.steps)).fetchall()
    return {(user, day, number): sorted(json.loads(packed)) for user, day, number, packed in rows}


# ------------------------------------------------------------------------------------------------------------ opening


def stored_revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return migrations.revision(connection)


def test_a_database_is_migrated_on_opening(empty_url: str, empty: Engine) -> None:
    assert stored_revision(empty) is None

    with open_history(empty_url) as history:
        assert history.summary("all_time").completed == 0

    assert stored_revision(empty) == migrations.REVISIONS[-1]


def test_opening_twice_changes_nothing(empty_url: str, empty: Engine) -> None:
    with open_history(empty_url) as first, open_history(empty_url) as second:
        before = structure(empty)
        first.record(made())
        assert second.record(made()).status == "replayed"

    with open_history(empty_url) as third:
        assert third.summary("all_time").completed == 1
    assert structure(empty) == before


def test_a_missing_schema_is_left_alone_when_told_so(empty_url: str, empty: Engine) -> None:
    with pytest.raises(SchemaNotReady, match=r"no Timestrata schema, want .*: run `timestrata init`"):
        open_history(empty_url, migrate=False)

    assert inspect(empty).get_table_names() == []
    assert inspect(empty).get_view_names() == []


def test_asking_for_a_missing_file_without_migrating_does_not_make_it(tmp_path: Path) -> None:
    path = tmp_path / "typo.db"

    with pytest.raises((SchemaNotReady, UnsupportedDatabase)):
        open_history(f"sqlite:///{path}", migrate=False)

    assert not path.exists() or path.stat().st_size == 0


def test_a_migrated_store_opens_without_migrating(store_url: str) -> None:
    open_history(store_url).close()

    with open_history(store_url, migrate=False) as history:
        assert history.record(made()).status == "recorded"


@pytest.mark.parametrize("migrate", [True, False])
def test_a_newer_schema_is_refused_and_left_alone(history: History, store_url: str, migrate: bool) -> None:
    history.record(made())
    before = dump(history)
    with history.engine.begin() as connection:
        connection.execute(text(f"UPDATE {migrations.VERSION_TABLE} SET version_num = '9999'"))

    with pytest.raises(NewerSchema) as refused:
        open_history(store_url, migrate=migrate)

    assert (refused.value.found, refused.value.known) == ("9999", migrations.REVISIONS[-1])
    assert "upgrade Timestrata" in str(refused.value)
    assert dump(history) == before
    assert stored_revision(history.engine) == "9999"


def test_a_migration_that_fails_leaves_nothing(empty_url: str, empty: Engine) -> None:
    """A table of that name stands in the way half through."""
    with empty.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE ts_cell_worked (mine INTEGER)")

    with pytest.raises((UnsupportedDatabase, exc.SQLAlchemyError)):
        open_history(empty_url)

    assert inspect(empty).get_table_names() == ["ts_cell_worked"]
    with empty.begin() as connection:
        connection.exec_driver_sql("DROP TABLE ts_cell_worked")
    open_history(empty_url).close()


def test_other_tables_in_the_database_are_left_alone(empty_url: str, empty: Engine) -> None:
    with empty.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE tickets (id INTEGER)")
        connection.exec_driver_sql("INSERT INTO tickets VALUES (7)")

    with open_history(empty_url) as history:
        history.record(made())

    with empty.connect() as connection:
        assert connection.exec_driver_sql("SELECT id FROM tickets").scalar_one() == 7


def open_and_record(url: str, number: int) -> str:
    """Open a store, which may be empty yet, and record into it; run in another process."""
    with open_history(url) as history:
        return history.record(made(f"w{number}")).status


@pytest.mark.parametrize("processes", [2, 8])
def test_processes_open_an_empty_store_at_once(empty_url: str, empty: Engine, processes: int) -> None:
    with ProcessPoolExecutor(processes, PROCESSES) as pool:
        jobs = [pool.submit(open_and_record, empty_url, number) for number in range(processes)]
        assert [job.result() for job in jobs] == ["recorded"] * processes

    with open_history(empty_url, migrate=False) as history:
        assert history.summary("all_time").completed == processes
    with empty.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ts_setting")).scalar_one() == 3


# ---------------------------------------------------------------------------------------- what cannot be opened


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(UnsupportedDatabase, match="cannot open postgresql") as refused:
        open_history("postgresql://ada:secret@127.0.0.1:1/time?connect_timeout=2")

    assert "secret" not in str(refused.value)
    assert "secret" not in repr(refused.value)


def test_a_database_that_is_not_there(backend: str, store_url: str) -> None:
    if backend == "sqlite":
        pytest.skip("SQLite makes it")
    url = make_url(store_url).set(database="no_such_database").render_as_string(hide_password=False)

    with pytest.raises(UnsupportedDatabase, match="no_such_database"):
        open_history(url)


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "mysql://ada:secret@host/time", "http://ada:secret@host/", "oracle://x"],
)
def test_an_address_of_something_else(url: str) -> None:
    with pytest.raises(UnsupportedDatabase) as refused:
        open_history(url)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"\x1f\x8b" + bytes(5000)], ids=["text", "bytes"])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)

    with pytest.raises(UnsupportedDatabase, match=r"cannot open .*notes\.txt: file is not a database"):
        open_history(f"sqlite:///{path}")

    assert path.read_bytes() == content


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedDatabase, match="cannot open"):
        open_history(f"sqlite:///{tmp_path}")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedDatabase, match="cannot open"):
        open_history(f"sqlite:///{tmp_path / 'missing' / 'time.db'}")


def test_a_file_that_may_only_be_read(tmp_path: Path) -> None:
    """SQLite's own read-only mode: permissions would not keep root out."""
    path = tmp_path / "empty.db"
    sqlite3.connect(path).close()
    path.touch()

    with pytest.raises(UnsupportedDatabase, match=r"cannot open .*readonly"):
        open_history(f"sqlite:///file:{path}?mode=ro&uri=true")


# ------------------------------------------------------------------------------------------- the journal of a file


def journal(path: Path) -> str:
    connection = sqlite3.connect(path)
    [mode] = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()
    return str(mode)


def without_wal(path: Path, *statements: str) -> bytes:
    """Change a file with SQLite alone, in the mode that new files have; return what it holds then."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "time.db"


def test_a_file_is_kept_in_wal_once_it_is_ours(path: Path) -> None:
    open_history(f"sqlite:///{path}").close()
    assert journal(path) == "wal"

    without_wal(path)
    open_history(f"sqlite:///{path}", migrate=False).close()
    assert journal(path) == "wal"


def test_another_programs_file_is_left_as_it_is(path: Path) -> None:
    before = without_wal(path, "CREATE TABLE tickets (id INTEGER)")

    with pytest.raises(SchemaNotReady):
        open_history(f"sqlite:///{path}", migrate=False)

    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_another_programs_file_that_cannot_be_migrated_is_left_as_it_is(path: Path) -> None:
    before = without_wal(path, "CREATE TABLE ts_cell_worked (mine INTEGER)")

    with pytest.raises(UnsupportedDatabase):
        open_history(f"sqlite:///{path}")

    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("migrate", [True, False])
def test_a_file_of_a_newer_schema_is_left_as_it_is(path: Path, migrate: bool) -> None:
    open_history(f"sqlite:///{path}").close()
    before = without_wal(path, f"UPDATE {migrations.VERSION_TABLE} SET version_num = '9999'")

    with pytest.raises(NewerSchema):
        open_history(f"sqlite:///{path}", migrate=migrate)

    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_file_with_other_settings_is_left_as_it_is(path: Path) -> None:
    open_history(f"sqlite:///{path}").close()
    before = without_wal(path)

    with pytest.raises(SettingsMismatch):
        open_history(f"sqlite:///{path}", settings=Settings(timezone="Asia/Tokyo"))

    assert path.read_bytes() == before


# ------------------------------------------------------------------------------------------------------ strict tables


@pytest.mark.parametrize("value", ["'text'", "1.5", "x'00'", "9223372036854775807 + 1"])
def test_an_integer_column_takes_integers_only(history: History, value: str) -> None:
    """Without STRICT an overflowing sum would silently become a REAL on SQLite."""
    history.record(made())
    if value == "1.5" and history.engine.dialect.name == "postgresql":
        value = "1.5::text"  # PostgreSQL rounds a number, as it says it does

    with pytest.raises(exc.DBAPIError) as refused, history.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE ts_cell_completion SET active_squared = {value}")

    assert refused.value.orig is not None


def test_every_table_on_sqlite_is_strict_and_without_rowid(backend: str, history: History) -> None:
    if backend != "sqlite":
        pytest.skip("PostgreSQL knows no other kind")
    with history.engine.connect() as connection:
        rows = connection.exec_driver_sql("PRAGMA table_list").fetchall()

    ours = {name: (without_rowid, strict) for _, name, kind, _, without_rowid, strict in rows if kind == "table"}
    assert {name for name, how in ours.items() if how != (1, 1)} == {
        migrations.VERSION_TABLE,
        "sqlite_schema",
        "sqlite_temp_schema",
    }


def test_a_file_is_safe_against_a_loss_of_power(backend: str, history: History) -> None:
    if backend != "sqlite":
        pytest.skip("that is the server's matter")
    with history.engine.connect() as connection:
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()

    assert (journal, synchronous) == ("wal", 2)


def test_cells_on_postgresql_leave_room_on_their_pages(backend: str, history: History) -> None:
    if backend == "sqlite":
        pytest.skip("SQLite has no such setting")
    with history.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT relname, reloptions FROM pg_class WHERE starts_with(relname, 'ts_cell')"
        )
        options = {name: found for name, found in rows if not name.endswith("_pkey")}

    assert options == {name: ["fillfactor=85"] for name in ("ts_cell_completion", "ts_cell_step", "ts_cell_worked")}


def test_text_is_compared_code_point_by_code_point(history: History) -> None:
    names = ["a", "B", "é", "e\u0301", "Z", "ß", "ss", "🧪", "~", "\uffff"]
    history.record(made(name, user_id=name) for name in names)

    assert history.users() == tuple(sorted(names))
