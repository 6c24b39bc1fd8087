"""Values to columns and back."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

from pacs.domain import layout
from pacs.domain.model import BulkValue, FrameTable, Identity, Incoming, Instance, Level
from pacs.domain.query import QueryLevel
from pacs.repository.tables import key_columns

_KEYS = {level: tuple(key_columns(level).items()) for level in QueryLevel}
_ROUND = 1 << 256


def encode_extra(extra: Mapping[str, bytes]) -> bytes:
    """Members by tag, compressed; nothing when there are none."""
    if not extra:
        return b""
    return zlib.compress(json.dumps({tag: member.decode() for tag, member in extra.items()}).encode(), 1)


def decode_extra(data: bytes) -> dict[str, bytes]:
    if not data:
        return {}
    members: dict[str, str] = json.loads(zlib.decompress(data))
    return {tag: member.encode() for tag, member in members.items()}


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


def integer(value: str | int | None) -> int | None:
    """The number, None for what is none or fits no column."""
    try:
        number = int(value) if value is not None else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < 1 << 63 else None


def _text(name: str, value: str | int | None) -> str | None:
    if value is None:
        return "" if name == "study_date" else None
    return str(value).replace("\0", "")


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
