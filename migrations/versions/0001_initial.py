"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _study()
    _series()
    _instance()
    _change()
    _study_version()
    _counter()
    op.execute("INSERT INTO counter (name, value) VALUES ('change', 0)")


def downgrade() -> None:
    for name in ("counter", "study_version", "change", "instance", "series", "study"):
        op.drop_table(name)


def _study() -> None:
    op.create_table(
        "study",
        sa.Column("id", ROW, primary_key=True),
        sa.Column("uid", TEXT, nullable=False, unique=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed_sequence", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.Double(), nullable=False),
        sa.Column("json", sa.LargeBinary(), nullable=False),
        sa.Column("extra", sa.LargeBinary(), nullable=False),
        sa.Column("modalities", sa.Text(), nullable=False),
        sa.Column("series_count", sa.Integer(), nullable=False),
        sa.Column("instance_count", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("study_date", TEXT, nullable=False, server_default=""),
        sa.Column("study_time", TEXT),
        sa.Column("accession_number", TEXT),
        sa.Column("referring_physician", TEXT),
        sa.Column("patient_name", TEXT),
        sa.Column("patient_id", TEXT),
        sa.Column("patient_birth_date", TEXT),
        sa.Column("patient_sex", TEXT),
        sa.Column("study_id", TEXT),
        sa.Column("study_description", TEXT),
    )
    op.create_index("study_by_accession", "study", ["accession_number"], unique=False)
    op.create_index("study_by_date", "study", ["study_date", "id"], unique=False)
    op.create_index("study_by_patient_id", "study", ["patient_id"], unique=False)
    op.create_index("study_by_patient_name", "study", ["patient_name"], unique=False)
    where = sa.text("sequence > sealed_sequence")
    op.create_index("study_unsealed", "study", ["changed"], unique=False, sqlite_where=where, postgresql_where=where)


def _series() -> None:
    op.create_table(
        "series",
        sa.Column("id", ROW, primary_key=True),
        sa.Column("study_id", sa.BigInteger(), sa.ForeignKey("study.id"), nullable=False),
        sa.Column("uid", TEXT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("json", sa.LargeBinary(), nullable=False),
        sa.Column("extra", sa.LargeBinary(), nullable=False),
        sa.Column("instance_count", sa.Integer(), nullable=False),
        sa.Column("modality", TEXT),
        sa.Column("series_number", sa.BigInteger()),
        sa.Column("series_description", TEXT),
        sa.Column("body_part", TEXT),
        sa.Column("series_date", TEXT),
        sa.Column("procedure_date", TEXT),
        sa.Column("procedure_time", TEXT),
        sa.UniqueConstraint("study_id", "uid", name="series_in_study"),
    )
    op.create_index("series_by_modality", "series", ["modality", "study_id"], unique=False)
    op.create_index("series_by_uid", "series", ["uid"], unique=False)


def _instance() -> None:
    op.create_table(
        "instance",
        sa.Column("id", ROW, primary_key=True),
        sa.Column("series_id", sa.BigInteger(), sa.ForeignKey("series.id"), nullable=False),
        sa.Column("uid", TEXT, nullable=False),
        sa.Column("sop_class", TEXT, nullable=False),
        sa.Column("instance_number", sa.BigInteger()),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("data_digest", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("transfer_syntax", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("received", sa.Boolean(), nullable=False),
        sa.Column("frames", sa.LargeBinary(), nullable=False),
        sa.Column("bulk", sa.Text(), nullable=False),
        sa.Column("json", sa.LargeBinary(), nullable=False),
        sa.Column("extra", sa.LargeBinary(), nullable=False),
        sa.Column("since_sequence", sa.BigInteger(), nullable=False),
        sa.Column("until_sequence", sa.BigInteger()),
        sa.Column("since_version", sa.Integer(), nullable=False),
        sa.Column("until_version", sa.Integer()),
    )
    op.create_index("instance_by_location", "instance", ["location"], unique=False)
    op.create_index("instance_by_uid", "instance", ["uid"], unique=False)
    where = sa.text("until_sequence IS NULL")
    op.create_index("instance_current", "instance", ["series_id", "uid"], unique=True, sqlite_where=where, postgresql_where=where)
    op.create_index("instance_of_series", "instance", ["series_id"], unique=False)
    op.create_index(
        "instance_received",
        "instance",
        ["since_sequence"],
        sqlite_where=sa.text("received = 1"),
        postgresql_where=sa.text("received"),
    )


def _change() -> None:
    op.create_table(
        "change",
        sa.Column("sequence", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("study", TEXT, nullable=False),
        sa.Column("series", TEXT, nullable=False),
        sa.Column("instance", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("record", sa.BigInteger(), nullable=False),
    )
    op.create_index("change_of_study", "change", ["study", "sequence"], unique=False)


def _study_version() -> None:
    op.create_table(
        "study_version",
        sa.Column("study_id", sa.BigInteger(), sa.ForeignKey("study.id"), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
    )


def _counter() -> None:
    op.create_table(
        "counter",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("value", sa.BigInteger(), nullable=False),
    )
