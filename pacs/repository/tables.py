"""The tables of the index."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

from pacs.domain.query import ATTRIBUTES, VALUES, QueryLevel

metadata = MetaData()

_SEPARATE = {"uid", "modalities", "sop_class", "sop_classes", "series_count", "instance_count", VALUES, ""}


def ordered_text() -> TypeEngine[str]:
    """Text that compares by bytes on every database."""
    return Text().with_variant(Text(collation="C"), "postgresql")


def row_id() -> TypeEngine[int]:
    """64 bits; on SQLite the row id itself."""
    return BigInteger().with_variant(Integer, "sqlite")


def key_columns(level: QueryLevel) -> dict[str, bool]:
    """Search columns of a level that come from ``Level.keys``: name -> whether it is a number."""
    return {a.column: a.vr == "IS" for a in ATTRIBUTES if a.level == level and a.column not in _SEPARATE}


def _search_columns(level: QueryLevel) -> list[Column[object]]:
    found: list[Column[object]] = []
    for name, number in key_columns(level).items():
        if name == "study_date":
            found.append(Column(name, ordered_text(), nullable=False, server_default=""))
        else:
            found.append(Column(name, BigInteger() if number else ordered_text()))
    return found


study = Table(
    "study",
    metadata,
    Column("id", row_id(), primary_key=True),
    Column("uid", ordered_text(), nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("sealed_sequence", BigInteger, nullable=False),
    Column("published", Integer, nullable=False, server_default="0"),
    Column("changed", Double, nullable=False),
    Column("json", LargeBinary, nullable=False),
    Column("extra", LargeBinary, nullable=False),
    Column("modalities", Text, nullable=False),
    Column("series_count", Integer, nullable=False),
    Column("instance_count", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    *_search_columns(QueryLevel.STUDY),
)
_shown = text("instance_count > 0")
Index("study_by_date", study.c.study_date, study.c.id, sqlite_where=_shown, postgresql_where=_shown)
Index("study_by_patient_id", study.c.patient_id, study.c.study_date)
Index("study_by_patient_name", study.c.patient_name)
Index("study_by_referring", study.c.referring_physician)
Index("study_by_accession", study.c.accession_number)
Index("study_by_description", study.c.study_description)
Index("study_by_study_id", study.c.study_id)
Index("study_by_birth_date", study.c.patient_birth_date)
_unsealed = text("sequence > sealed_sequence")
Index("study_unsealed", study.c.changed, sqlite_where=_unsealed, postgresql_where=_unsealed)
_unpublished = text("published < version")
Index("study_unpublished", study.c.changed, sqlite_where=_unpublished, postgresql_where=_unpublished)

series = Table(
    "series",
    metadata,
    Column("id", row_id(), primary_key=True),
    Column("study_id", BigInteger, ForeignKey("study.id"), nullable=False),
    Column("uid", ordered_text(), nullable=False),
    Column("state", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("json", LargeBinary, nullable=False),
    Column("extra", LargeBinary, nullable=False),
    Column("instance_count", Integer, nullable=False),
    *_search_columns(QueryLevel.SERIES),
    UniqueConstraint("study_id", "uid", name="series_in_study"),
)
Index("series_by_uid", series.c.uid)
Index("series_by_modality", series.c.modality, series.c.study_id)
Index("series_by_description", series.c.series_description)
Index("series_by_procedure_date", series.c.procedure_date)

instance = Table(
    "instance",
    metadata,
    Column("id", row_id(), primary_key=True),
    Column("series_id", BigInteger, ForeignKey("series.id"), nullable=False),
    Column("uid", ordered_text(), nullable=False),
    Column("sop_class", ordered_text(), nullable=False),
    Column("instance_number", BigInteger),
    Column("revision", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("data_digest", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("transfer_syntax", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("received", Boolean, nullable=False),
    Column("frames", LargeBinary, nullable=False),
    Column("bulk", Text, nullable=False),
    Column("json", LargeBinary, nullable=False),
    Column("extra", LargeBinary, nullable=False),
    Column("since_sequence", BigInteger, nullable=False),
    Column("until_sequence", BigInteger),
    Column("since_version", Integer, nullable=False),
    Column("until_version", Integer),
)
_current = text("until_sequence IS NULL")
Index(
    "instance_current",
    instance.c.series_id,
    instance.c.uid,
    unique=True,
    sqlite_where=_current,
    postgresql_where=_current,
)
Index("instance_of_series", instance.c.series_id)
Index("instance_by_uid", instance.c.uid)
Index("instance_by_class", instance.c.sop_class, instance.c.series_id)
Index("instance_by_location", instance.c.location)
Index(
    "instance_received",
    instance.c.since_sequence,
    sqlite_where=text("received = 1"),
    postgresql_where=text("received"),
)

change = Table(
    "change",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("time", Double, nullable=False),
    Column("action", Text, nullable=False),
    Column("study", ordered_text(), nullable=False),
    Column("series", ordered_text(), nullable=False),
    Column("instance", ordered_text(), nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("record", BigInteger, nullable=False),
)
"""``record``: the sequence of the log record that holds the change."""
Index("change_of_study", change.c.study, change.c.sequence)

waiting_line = Table(
    "waiting_line",
    metadata,
    Column("instance_id", BigInteger, ForeignKey("instance.id"), primary_key=True, autoincrement=False),
    Column("line", LargeBinary, nullable=False),
)
"""Metadata of instances that no document shows yet, so that the first document opens none of them."""

study_version = Table(
    "study_version",
    metadata,
    Column("study_id", BigInteger, ForeignKey("study.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("time", Double, nullable=False),
)

counter = Table(
    "counter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

search_value = Table(
    "search_value",
    metadata,
    Column("path", ordered_text(), primary_key=True),
    Column("value", ordered_text(), primary_key=True),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("owner", BigInteger, primary_key=True, autoincrement=False),
    Column("item", Integer, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""Values of attributes that have no column: inside sequences (``item``: which), of several values, of the configuration;
the words (``path`` ends in ``~``) and component groups (``=``) of names.  ``owner``: the row of that ``level``."""
Index("search_value_of", search_value.c.level, search_value.c.owner)

search_tag = Table(
    "search_tag",
    metadata,
    Column("path", ordered_text(), primary_key=True),
    Column("level", Integer, nullable=False),
    Column("vr", Text, nullable=False),
    Column("creator", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("done", Boolean, nullable=False),
)
"""Extra searchable tags of the configuration; ``position``: the last row of its level whose file was read for it."""
