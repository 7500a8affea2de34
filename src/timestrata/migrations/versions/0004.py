"""The archive's manifest, the schedule, and when a workflow was last changed."""

from timestrata.migrations import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables and add the column."""
    run_script(revision)
