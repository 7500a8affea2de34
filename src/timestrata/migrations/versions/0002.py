"""The steps of a completion in one column of it, where they had a table of their own."""

from timestrata.migrations import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Pack the steps, completion by completion inside the database, and drop their table."""
    run_script(revision)
