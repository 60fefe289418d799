"""An index by which the jobs that have failed lately are found without a look at all that ever failed."""

from alembic import op

revision = "r0010"
down_revision = "r0009"


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_jobs_ends", "jobs", ["state", "ended_at"])
