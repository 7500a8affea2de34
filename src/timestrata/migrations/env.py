"""Run by Alembic: migrates through the connection that upgrade() hands over, inside its transaction."""

from alembic import context

from timestrata.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], version_table=VERSION_TABLE, transactional_ddl=True
)
context.run_migrations()
