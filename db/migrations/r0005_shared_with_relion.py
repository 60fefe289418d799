"""Jobs that RELION has made in the same folder, and whether its files show ours as they are."""

import sqlalchemy as sa
from alembic import op

revision = "r0005"
down_revision = "r0004"

OPEN = sa.text("NOT is_exported")


def upgrade() -> None:
    """Add the columns. Jobs of before are shown to RELION when this program looks at them next."""
    for name in ("is_foreign", "is_exported"):
        column: sa.Column[bool] = sa.Column(
            name, sa.Boolean(), server_default=sa.false(), nullable=False
        )
        op.add_column("jobs", column)
    op.create_index(
        "ix_jobs_export", "jobs", ["project_id"], sqlite_where=OPEN, postgresql_where=OPEN
    )
