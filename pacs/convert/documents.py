"""Documents of the tree: gzip files that say in their header what they show.

The gzip extra field (RFC 1952 2.3.1.1) carries the digest of the (UID, data) set shown, the sequence of the last change
in it and the format: a server checks a document without unpacking it, and a plain web server sends it as it is.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from pacs.domain.layout import FORMAT
from pacs.domain.model import Instance, Shown

_EXTRA = struct.Struct("<2sH32sQH")
_HEAD = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + struct.pack("<H", _EXTRA.size)
_START = len(_HEAD) + _EXTRA.size


class Document(NamedTuple):
    """What a document shows, and its lines."""

    shown: Shown
    lines: list[bytes]


def pack_document(body: bytes, shown: Shown) -> bytes:
    """gzip level 6, no time stamp."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    extra = _EXTRA.pack(b"SD", _EXTRA.size - 4, bytes.fromhex(shown.state), shown.sequence, FORMAT)
    tail = struct.pack("<II", zlib.crc32(body), len(body) & 0xFFFFFFFF)
    return b"".join((_HEAD, extra, packer.compress(body), packer.flush(), tail))


def shown_by(data: bytes) -> Shown | None:
    """What the document says it shows; None for one of another format."""
    if len(data) < _START or not data.startswith(_HEAD):
        return None
    name, _, state, sequence, version = _EXTRA.unpack_from(data, len(_HEAD))
    return Shown(state.hex(), sequence) if name == b"SD" and version == FORMAT else None


def unpack_document(data: bytes) -> bytes:
    """The body."""
    return zlib.decompress(data, 31)


def join_lines(lines: Iterable[bytes]) -> bytes:
    """A JSON array with one item a line."""
    return b"[\n" + b",\n".join(lines) + b"\n]\n"


def split_lines(body: bytes) -> list[bytes]:
    """The inverse of :func:`join_lines`; JSON text holds no bare line feed."""
    inner = body[2:-3]
    return inner.split(b",\n") if inner else []


def state_of(instances: Iterable[Instance]) -> str:
    """The digest of a set of (UID, data): a sum, so that the index keeps it without reading the set."""
    total = 0
    for one in instances:
        text = f"{one.identity.series}/{one.identity.instance}:{one.data_digest}"
        total += int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
    return f"{total % 2**256:064x}"


_BULK, _FRAMES = b'"BulkDataURI":"../../bulkdata/', b'"BulkDataURI":"instances/'


def relocate_uris(line: bytes, bulk: str, instances: str) -> bytes:
    """The line with its URIs under other prefixes (quotes inside JSON strings are escaped: only URIs match)."""
    line = line.replace(_BULK, b'"BulkDataURI":"' + bulk.encode() + b"bulkdata/")
    return line.replace(_FRAMES, b'"BulkDataURI":"' + instances.encode() + b"instances/")
