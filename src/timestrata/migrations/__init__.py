"""Schema migrations: which there are, which one a database has, and how it gets the rest.

A revision is a pair of SQL scripts in versions/, one a database, run by Alembic; released ones are never edited.
"""

from __future__ import annotations

from importlib.resources import files

from sqlalchemy import Connection, inspect, text

from timestrata.errors import NewerSchema, SchemaNotReady

VERSION_TABLE = "ts_schema_version"

REVISIONS = ("0001", "0002", "0003", "0004")
"""Every revision, oldest first. Kept here so that opening a store need not load Alembic's scripts."""


def revision(connection: Connection) -> str | None:
    """Return the schema revision of a database, None when it has no Timestrata schema."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()


def check(connection: Connection) -> bool:
    """Tell whether a database has the newest schema. Raises NewerSchema when it has one we do not know."""
    found = revision(connection)
    if found is not None and found not in REVISIONS:
        raise NewerSchema(found, REVISIONS[-1])
    return found == REVISIONS[-1]


def require(connection: Connection) -> None:
    """Raise SchemaNotReady or NewerSchema unless a database has the newest schema."""
    if not check(connection):
        found = revision(connection)
        raise SchemaNotReady(
            f"the database has {f'schema {found}' if found else 'no Timestrata schema'}, want {REVISIONS[-1]}: "
            "run `timestrata init`, or open it without migrate=False"
        )


def upgrade(connection: Connection) -> None:
    """Bring a database to the newest schema, in the connection's transaction."""
    from alembic import command  # costs 0.2 s to load, and most openings need no migration
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "timestrata:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, REVISIONS[-1])


def run_script(name: str) -> None:
    """Run the SQL script of a revision for the database at hand: statements end with a semicolon at a line's end."""
    from alembic import op

    dialect = op.get_bind().dialect.name
    script = files("timestrata.migrations").joinpath(f"versions/{name}.{dialect}.sql").read_text(encoding="utf-8")
    for statement in script.split(";\n"):
        if statement.strip():
            # no_parameters: a % in a view is an operator, not a placeholder of the driver.
            op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})
