"""For which mask the FSC of an iteration is corrected, and the curve without any with its resolution."""

import sqlalchemy as sa
from alembic import op

revision = "r0007"
down_revision = "r0006"


def upgrade() -> None:
    """Add the columns; iterations of before have nothing in them."""
    mask: sa.Column[object] = sa.Column("fsc_mask", sa.String(length=20), nullable=True)
    resolution: sa.Column[object] = sa.Column("resolution_unmasked_A", sa.Double(), nullable=True)
    curve: sa.Column[object] = sa.Column("fsc_unmasked", sa.LargeBinary(), nullable=True)
    op.add_column("iterations", mask)
    op.add_column("iterations", resolution)
    op.add_column("iteration_curves", curve)
