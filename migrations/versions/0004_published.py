"""Which version of a study its documents were written for."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("study", sa.Column("published", sa.Integer(), nullable=False, server_default="0"))
    where = sa.text("published < version")
    op.create_index("study_unpublished", "study", ["changed"], unique=False, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    op.drop_index("study_unpublished", "study")
    op.drop_column("study", "published")
