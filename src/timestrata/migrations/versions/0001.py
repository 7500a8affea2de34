"""The first schema: names, receipts, facts, cells, alerts, views."""

from timestrata.migrations import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    run_script(revision)
