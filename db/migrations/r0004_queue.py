"""The tables of leases, machines and what jobs hold of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "r0004"
down_revision = "r0003"

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Make the tables."""

    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=True),
        sa.Column("host", sa.String(length=255), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("term", sa.Integer(), nullable=False),
        sa.Column("taken_at", TIME, nullable=True),
        sa.Column("expires_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "machines",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("cores", sa.Integer(), nullable=False),
        sa.Column("memory_GB", sa.Double(), nullable=True),
        sa.Column("gpus", JSON, nullable=False),
        sa.Column("load", JSON, nullable=False),
        sa.Column("seen_at", TIME, nullable=True),
        sa.CheckConstraint("cores > 0", name=op.f("ck_machines_cores_positive")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_machines")),
    )
    op.create_table(
        "queue_pauses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_queue_pauses_user_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_pauses")),
    )
    op.create_table(
        "holds",
        sa.Column("job_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("machine", sa.String(length=255), nullable=False),
        sa.Column("cores", sa.Integer(), nullable=False),
        sa.Column("memory_GB", sa.Double(), nullable=True),
        sa.Column("since", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_holds_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["machine"], ["machines.name"], name=op.f("fk_holds_machine_machines")
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_holds")),
    )
    op.create_index(op.f("ix_holds_machine"), "holds", ["machine"], unique=False)
    op.create_table(
        "gpu_holds",
        sa.Column("machine", sa.String(length=255), nullable=False),
        sa.Column("gpu", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["holds.job_id"], name=op.f("fk_gpu_holds_job_id_holds"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["machine"], ["machines.name"], name=op.f("fk_gpu_holds_machine_machines")
        ),
        sa.PrimaryKeyConstraint("machine", "gpu", name=op.f("pk_gpu_holds")),
    )
    op.create_index(op.f("ix_gpu_holds_job_id"), "gpu_holds", ["job_id"], unique=False)
