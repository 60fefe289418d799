"""The tables of iterations with their curves, events, and how far jobs are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "r0003"
down_revision = "r0002"

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Make the tables."""

    op.create_table(
        "progress",
        sa.Column("job_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", TIME, nullable=True),
        sa.Column("phase", sa.String(length=100), nullable=False),
        sa.Column("phase_began_at", TIME, nullable=True),
        sa.Column("iteration", sa.Integer(), nullable=True),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("seconds_left", sa.Double(), nullable=True),
        sa.Column("memory_GB", sa.Double(), nullable=True),
        sa.Column("cpu_percent", sa.Double(), nullable=True),
        sa.Column("warnings", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_progress_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_progress")),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=False),
        sa.Column("time", TIME, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("code", sa.String(length=20), nullable=True),
        sa.Column("data", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["attempts.id"],
            name=op.f("fk_events_attempt_id_attempts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_events_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_events_attempt_id"), "events", ["attempt_id"], unique=False)
    op.create_index("ix_events_job", "events", ["job_id", "id"], unique=False)
    op.create_table(
        "iterations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=False),
        sa.Column("is_superseded", sa.Boolean(), nullable=False),
        sa.Column("time", TIME, nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("resolution_fsc05_A", sa.Double(), nullable=True),
        sa.Column("resolution_fsc0143_A", sa.Double(), nullable=True),
        sa.Column("best_resolution_A", sa.Double(), nullable=True),
        sa.Column("is_solvent_corrected", sa.Boolean(), nullable=False),
        sa.Column("has_dip", sa.Boolean(), nullable=False),
        sa.Column("resolution_after_dip_A", sa.Double(), nullable=True),
        sa.Column("iterations_without_gain", sa.Integer(), nullable=False),
        sa.Column("change_angles_deg", sa.Double(), nullable=True),
        sa.Column("change_offsets_A", sa.Double(), nullable=True),
        sa.Column("iterations_without_change", sa.Integer(), nullable=False),
        sa.Column("accuracy_angles_deg", sa.Double(), nullable=True),
        sa.Column("accuracy_offsets_A", sa.Double(), nullable=True),
        sa.Column("healpix_order", sa.Integer(), nullable=True),
        sa.Column("coarse_step_deg", sa.Double(), nullable=True),
        sa.Column("fine_step_deg", sa.Double(), nullable=True),
        sa.Column("required_step_deg", sa.Double(), nullable=True),
        sa.Column("is_local_search", sa.Boolean(), nullable=False),
        sa.Column("offset_range_A", sa.Double(), nullable=True),
        sa.Column("coarse_offset_step_A", sa.Double(), nullable=True),
        sa.Column("fine_offset_step_A", sa.Double(), nullable=True),
        sa.Column("oversampling", sa.Integer(), nullable=True),
        sa.Column("coarse_orientations", sa.BigInteger(), nullable=True),
        sa.Column("coarse_translations", sa.BigInteger(), nullable=True),
        sa.Column("fine_orientations", sa.BigInteger(), nullable=True),
        sa.Column("fine_translations", sa.BigInteger(), nullable=True),
        sa.Column("current_size", sa.Integer(), nullable=True),
        sa.Column("coarse_size", sa.Integer(), nullable=True),
        sa.Column("mean_pmax", sa.Double(), nullable=True),
        sa.Column("median_significant_samples", sa.Double(), nullable=True),
        sa.Column("mean_norm_correction", sa.Double(), nullable=True),
        sa.Column("scale_min", sa.Double(), nullable=True),
        sa.Column("scale_max", sa.Double(), nullable=True),
        sa.Column("sigma_offset_A", JSON, nullable=False),
        sa.Column("log_likelihood", sa.Double(), nullable=True),
        sa.Column("is_fine_enough", sa.Boolean(), nullable=False),
        sa.Column("has_converged", sa.Boolean(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("phase_seconds", JSON, nullable=False),
        sa.Column("peak_memory_GB", JSON, nullable=False),
        sa.Column("peak_gpu_memory_GB", JSON, nullable=False),
        sa.Column("extent_A", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["attempts.id"],
            name=op.f("fk_iterations_attempt_id_attempts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_iterations_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_iterations")),
        sa.UniqueConstraint(
            "attempt_id", "iteration", name=op.f("uq_iterations_attempt_id_iteration")
        ),
    )
    op.create_index("ix_iterations_table", "iterations", ["job_id", "iteration"], unique=False)
    op.create_table(
        "iteration_curves",
        sa.Column("iteration_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fsc", sa.LargeBinary(), nullable=False),
        sa.Column("ssnr", sa.LargeBinary(), nullable=False),
        sa.Column("noise_power", sa.LargeBinary(), nullable=False),
        sa.Column("orientability", sa.LargeBinary(), nullable=False),
        sa.Column("orientations", sa.LargeBinary(), nullable=True),
        sa.Column("orientation_files", JSON, nullable=False),
        sa.Column("files", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["iteration_id"],
            ["iterations.id"],
            name=op.f("fk_iteration_curves_iteration_id_iterations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("iteration_id", name=op.f("pk_iteration_curves")),
    )
