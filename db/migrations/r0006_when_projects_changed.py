"""When each project got its newest job, and an index that counts jobs, so that lists of projects are quick."""

import sqlalchemy as sa
from alembic import op

revision = "r0006"
down_revision = "r0005"

TIME = sa.DateTime(timezone=True)
FROM_JOBS = """
UPDATE projects SET changed_at = coalesce(
    (SELECT max(jobs.created_at) FROM jobs WHERE jobs.project_id = projects.id), created_at
)
"""


def upgrade() -> None:
    """Add the column with the moment of the newest job, then let no project be without."""
    column: sa.Column[object] = sa.Column("changed_at", TIME, nullable=True)
    op.add_column("projects", column)
    op.execute(FROM_JOBS)
    last = _last_id()
    with op.batch_alter_table("projects", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.alter_column("changed_at", existing_type=TIME, nullable=False)
    _go_on_after(last)
    op.create_index("ix_jobs_counts", "jobs", ["project_id", "deleted_at", "state", "resolution_A"])


def _last_id() -> int | None:
    """The last id that SQLite has given to a project, deleted ones included; None on other databases."""
    if op.get_bind().dialect.name != "sqlite":
        return None
    query = sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'projects'")
    return op.get_bind().scalar(query) or 0


def _go_on_after(last: int | None) -> None:
    """Let the table that SQLite has made anew give no id again."""
    if last is not None:
        op.execute("DELETE FROM sqlite_sequence WHERE name LIKE '%projects'")
        op.execute(f"INSERT INTO sqlite_sequence (name, seq) VALUES ('projects', {last})")
