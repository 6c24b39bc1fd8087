"""Values to columns and back."""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from pacs.domain import layout
from pacs.domain.model import BulkValue, FrameTable, Identity, Incoming, Instance, Level
from pacs.domain.query import QueryLevel
from pacs.domain.values import LONGEST
from pacs.repository.tables import key_columns

_KEYS = {level: tuple(key_columns(level).items()) for level in QueryLevel}
_ROUND = 1 << 256


def encode_extra(extra: Mapping[str, bytes]) -> bytes:
    """Members by tag, compressed; nothing when there are none.  JSON text holds no bare NUL."""
    return zlib.compress(b"\0".join(tag.encode() + member for tag, member in extra.items()), 1) if extra else b""


def decode_extra(data: bytes) -> dict[str, bytes]:
    if not data:
        return {}
    plain = zlib.decompress(data)
    if plain.startswith(b"{"):  # written by an older program
        members: dict[str, str] = json.loads(plain)
        return {tag: member.encode() for tag, member in members.items()}
    return {one[:8].decode(): one[8:] for one in plain.split(b"\0")}


def encode_bulk(bulk: tuple[BulkValue, ...]) -> str:
    if not bulk:
        return ""
    rows = [[b.path, b.vr, b.sha256, b.length, b.offset, *([b.swap] if b.swap else [])] for b in bulk]
    return json.dumps(rows, separators=(",", ":"))


def decode_bulk(data: str) -> tuple[BulkValue, ...]:
    return tuple(BulkValue(*values) for values in json.loads(data)) if data else ()


def attributes(level: QueryLevel, values: Level) -> dict[str, Any]:
    """The columns of a level that its attributes fill."""
    columns: dict[str, Any] = {"json": values.json, "extra": encode_extra(values.extra)}
    for name, number in _KEYS[level]:
        value = values.keys.get(name)
        columns[name] = integer(value) if number else _text(name, value)
    return columns


def insert_once(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts what another has not inserted in the meantime."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)


def integer(value: str | int | None) -> int | None:
    """The number, None for what is none or fits no column."""
    try:
        number = int(value) if value is not None else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < 1 << 63 else None


def _text(name: str, value: str | int | None) -> str | None:
    """No longer than an index entry may be: a value out of a file must not upset the transaction of others."""
    text = str(value).replace("\0", "")[:LONGEST] if value is not None else ""
    return text or ("" if name == "study_date" else None)


def value_rows(level: QueryLevel, owner: int, values: Level) -> list[dict[str, Any]]:
    """The rows of the table of values for one row of a level."""
    return [
        {"path": path, "value": value[:LONGEST], "level": int(level), "owner": owner, "item": item}
        for path, pairs in values.values.items()
        for item, value in dict.fromkeys((item, value[:LONGEST]) for item, value in pairs)
    ]


def mark(series: str, sop: str, data_digest: str) -> int:
    """What an instance adds to the state of its series and study."""
    return int.from_bytes(hashlib.sha256(f"{series}/{sop}:{data_digest}".encode()).digest(), "big")


def moved(state: str, by: int) -> str:
    """The state after marks were added (or, negative, taken away)."""
    return f"{(int(state, 16) + by) % _ROUND:064x}"


def instance_columns(item: Incoming) -> dict[str, Any]:
    """The columns of an instance row that the instance alone decides."""
    return attributes(QueryLevel.INSTANCE, item.instance) | {
        "uid": item.identity.instance,
        "sop_class": item.sop_class,
        "digest": item.digest,
        "data_digest": item.data_digest,
        "size": item.size,
        "transfer_syntax": item.transfer_syntax,
        "location": item.location,
        "received": layout.is_incoming(item.location),
        "frames": item.frames.encode(),
        "bulk": encode_bulk(item.bulk),
    }


def encode_line(line: bytes) -> bytes:
    return zlib.compress(line, 1)


def decode_line(data: bytes) -> bytes:
    return zlib.decompress(data)


def instance(row: Any) -> Instance:
    """An instance from a row of the repository's instance query."""
    return Instance(
        row.id,
        Identity(row.study_uid, row.series_uid, row.uid),
        row.sop_class,
        row.transfer_syntax,
        row.digest,
        row.data_digest,
        row.size,
        row.location,
        FrameTable.decode(row.frames),
        decode_bulk(row.bulk),
        row.instance_number,
        row.since_sequence,
    )
