"""Comments on projects as well, when the visit before the present one ended, and what users are told."""

import sqlalchemy as sa
from alembic import op

revision = "r0009"
down_revision = "r0008"

TIME = sa.DateTime(timezone=True)
OF_JOBS = """
UPDATE comments SET project_id = (SELECT jobs.project_id FROM jobs WHERE jobs.id = comments.job_id)
"""


def upgrade() -> None:
    """Change the tables; nobody has been told of anything yet."""
    ended: sa.Column[object] = sa.Column("last_visit_at", TIME, nullable=True)
    op.add_column("project_views", ended)
    _let_comments_be_on_projects()
    _make_notices()


def _let_comments_be_on_projects() -> None:
    """Each comment on a job gets the job's project."""
    project: sa.Column[object] = sa.Column("project_id", sa.Integer(), nullable=True)
    op.add_column("comments", project)
    op.execute(OF_JOBS)
    last = _last_id()
    with op.batch_alter_table("comments", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.alter_column("project_id", existing_type=sa.Integer(), nullable=False)
        table.alter_column("job_id", existing_type=sa.Integer(), nullable=True)
        table.create_foreign_key(
            op.f("fk_comments_project_id_projects"),
            "projects",
            ["project_id"],
            ["id"],
            ondelete="CASCADE",
        )
    if last is not None:
        op.execute("DELETE FROM sqlite_sequence WHERE name LIKE '%comments'")
        op.execute(f"INSERT INTO sqlite_sequence (name, seq) VALUES ('comments', {last})")
    op.create_index("ix_comments_project", "comments", ["project_id", "job_id", "id"])


def _last_id() -> int | None:
    """The last id that SQLite has given to a comment, deleted ones included; None on other databases."""
    if op.get_bind().dialect.name != "sqlite":
        return None
    query = sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'comments'")
    return op.get_bind().scalar(query) or 0


def _make_notices() -> None:
    keys = [
        ("user_id", "users", None),
        ("project_id", "projects", "CASCADE"),
        ("job_id", "jobs", "CASCADE"),
        ("comment_id", "comments", "CASCADE"),
        ("by_user_id", "users", None),
    ]
    news = ("finished", "stopped", "failed", "waits", "mentioned", "shared")
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column(
            "news",
            sa.Enum(*news, name="news", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("comment_id", sa.Integer(), nullable=True),
        sa.Column("by_user_id", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("read_at", TIME, nullable=True),
        *(
            sa.ForeignKeyConstraint(
                [column],
                [f"{table}.id"],
                name=op.f(f"fk_notices_{column}_{table}"),
                ondelete=what,
            )
            for column, table, what in keys
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notices_list", "notices", ["user_id", "read_at", "id"])
    for column in ("project_id", "job_id", "comment_id"):
        op.create_index(op.f(f"ix_notices_{column}"), "notices", [column])
