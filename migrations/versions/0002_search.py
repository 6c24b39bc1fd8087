"""Searches: values inside sequences and words of names, extra searchable tags, narrower indexes."""

import json
import zlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from pacs.domain.values import fold, indexed, name_values

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
PART = 1000
NAMES = {"patient_name": "00100010", "referring_physician": "00080090"}
INDEXES = {
    "study": ("referring_physician", "study_description", "study_id", "patient_birth_date"),
    "series": ("series_description", "procedure_date"),
}
NAMED = {
    "referring_physician": "study_by_referring",
    "study_description": "study_by_description",
    "study_id": "study_by_study_id",
    "patient_birth_date": "study_by_birth_date",
    "series_description": "series_by_description",
    "procedure_date": "series_by_procedure_date",
}


def upgrade() -> None:
    op.add_column("study", sa.Column("issuer", TEXT))
    op.add_column("series", sa.Column("series_time", TEXT))
    op.create_table(
        "search_value",
        sa.Column("path", TEXT, primary_key=True),
        sa.Column("value", TEXT, primary_key=True),
        sa.Column("level", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("owner", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("item", sa.Integer(), primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_index("search_value_of", "search_value", ["level", "owner"])
    op.create_table(
        "search_tag",
        sa.Column("path", TEXT, primary_key=True),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("vr", sa.Text(), nullable=False),
        sa.Column("creator", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
    )
    _indexes()
    _studies(op.get_bind())
    _series(op.get_bind())


def _indexes() -> None:
    shown = sa.text("instance_count > 0")
    op.drop_index("study_by_date", "study")
    op.create_index("study_by_date", "study", ["study_date", "id"], sqlite_where=shown, postgresql_where=shown)
    op.drop_index("study_by_patient_id", "study")
    op.create_index("study_by_patient_id", "study", ["patient_id", "study_date"])
    op.create_index("instance_by_class", "instance", ["sop_class", "series_id"])
    for table, columns in INDEXES.items():
        for column in columns:
            op.create_index(NAMED[column], table, [column])


def downgrade() -> None:
    for table, columns in INDEXES.items():
        for column in columns:
            op.drop_index(NAMED[column], table)
    op.drop_index("instance_by_class", "instance")
    op.drop_index("study_by_patient_id", "study")
    op.create_index("study_by_patient_id", "study", ["patient_id"])
    op.drop_index("study_by_date", "study")
    op.create_index("study_by_date", "study", ["study_date", "id"])
    op.drop_table("search_tag")
    op.drop_table("search_value")
    op.drop_column("series", "series_time")
    op.drop_column("study", "issuer")


def _table(name: str, *columns: str) -> Any:
    return sa.table(name, *(sa.column(one) for one in columns))


VALUE = ("path", "value", "level", "owner", "item")


def _rows(bind: Any, table: Any) -> Iterator[list[Any]]:
    """All rows by id, in parts."""
    after = -1
    while rows := bind.execute(sa.select(table).where(table.c.id > after).order_by(table.c.id).limit(PART)).all():
        yield rows
        after = rows[-1].id


def _members(row: Any) -> dict[str, Any]:
    """The attributes of a row: those answered by default and those on request."""
    found: dict[str, Any] = json.loads(b"{" + bytes(row.json) + b"}")
    extra = json.loads(zlib.decompress(bytes(row.extra))) if row.extra else {}
    return found | json.loads("{" + ",".join(extra.values()) + "}")


def _first(members: dict[str, Any], tag: str) -> str:
    """The first value as text."""
    value = (members.get(tag, {}).get("Value") or [""])[0]
    if isinstance(value, dict):
        return "=".join(str(value.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic"))
    return "" if value is None else str(value)


def _studies(bind: Any) -> None:
    table = _table("study", "id", "json", "extra", "study_time", "issuer", *NAMES)
    values = _table("search_value", *VALUE)
    for part in _rows(bind, table):
        found = []
        for row in part:
            members = _members(row)
            new = {column: fold(_first(members, tag)) for column, tag in NAMES.items()}
            for column, tag in NAMES.items():
                for path, pairs in name_values(tag, new[column]).items():
                    found += [dict(zip(VALUE, (path, text[:512], 1, row.id, item), strict=True)) for item, text in pairs]
            time, issuer = indexed("TM", _first(members, "00080030")), indexed("LO", _first(members, "00100021"))
            changed = {"study_time": time, "issuer": issuer} | {name: text[:512] or None for name, text in new.items()}
            bind.execute(sa.update(table).where(table.c.id == row.id).values(changed))
        if found:
            bind.execute(sa.insert(values), found)


def _series(bind: Any) -> None:
    table = _table("series", "id", "json", "extra", "series_time", "procedure_time")
    values = _table("search_value", *VALUE)
    for part in _rows(bind, table):
        found = set()
        for row in part:
            members = _members(row)
            times = {"series_time": "00080031", "procedure_time": "00400245"}
            changed = {column: indexed("TM", _first(members, tag)) for column, tag in times.items()}
            bind.execute(sa.update(table).where(table.c.id == row.id).values(changed))
            for item, inner in enumerate(members.get("00400275", {}).get("Value") or []):
                for tag in ("00400009", "00401001"):
                    text = indexed("SH", _first(inner, tag))
                    found |= {(f"00400275.{tag}", text, 2, row.id, item)} if text else set()
        if found:
            bind.execute(sa.insert(values), [dict(zip(VALUE, one, strict=True)) for one in sorted(found)])
