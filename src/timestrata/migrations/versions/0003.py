"""Templates, live work, tokens, and the answers to repeated requests."""

from timestrata.migrations import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables."""
    run_script(revision)
