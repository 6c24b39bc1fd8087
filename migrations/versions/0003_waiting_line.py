"""Metadata lines of instances that no document shows yet."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "waiting_line",
        sa.Column("instance_id", sa.BigInteger(), sa.ForeignKey("instance.id"), primary_key=True, autoincrement=False),
        sa.Column("line", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("waiting_line")
