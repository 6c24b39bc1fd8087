"""Part 10 bytes from DICOM JSON and the bulk data it refers to (PS3.18 F.2 and 10.5.1; PS3.5 7.1, A.2, A.4).

Written in Explicit VR Little Endian, text in UTF-8.  Bulk data is passed through in pieces, never held.
"""

import struct
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, Protocol

from pacs.convert import part10
from pacs.dicom.syntax import EXPLICIT_BIG, EXPLICIT_LITTLE, OCTETS, syntax
from pacs.domain.cause import Cause
from pacs.domain.errors import Refused
from pacs.domain.uid import parse_uid

DEPTH: Final = 64
_PIXELS: Final = 0x7FE00010
_LONG: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
_TEXT: Final = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"))
_CODES: Final = {"US": "<H", "SS": "<h", "UL": "<I", "SL": "<i", "UV": "<Q", "SV": "<q", "FL": "<f", "FD": "<d"}
_VRS: Final = _LONG | _TEXT | frozenset(_CODES) | {"AT", "PN"}
_SPECIAL: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_UTF8: Final = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 192"
_DEFAULTS: Final = {
    "image/dicom-rle": "5", "image/jls": "4.80", "image/jp2": "4.90", "image/jpx": "4.92", "image/jphc": "4.201",
    "image/jxl": "4.110", "video/mpeg": "4.100", "video/mp4": "4.102",
}  # fmt: skip
_JPEG: Final = {0xC0: "4.50", 0xC1: "4.51", 0xC3: "4.70"}


class Blob(Protocol):
    """Bytes that lie somewhere else."""

    length: int

    def pieces(self) -> Iterator[bytes]:
        """The bytes, a bounded piece at a time."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """What came for one BulkDataURI: one value, or the frames of pixel data in order.

    ``media`` and ``syntax``: the media type and its transfer-syntax parameter, empty where none was given.
    """

    blobs: tuple[Blob, ...]
    media: str = OCTETS
    syntax: str = ""


Piece = bytes | Blob


def part10_pieces(members: Any, bulk: Mapping[str, Bulk]) -> Iterator[bytes]:
    """A whole Part 10 file, piece by piece.

    ``members``: one data set of DICOM JSON, as parsed and as untrusted.  ``bulk``: by BulkDataURI.  :class:`Refused` says
    which attribute is wrong, before the first piece.
    """
    writer = _Writer(bulk, _transfer_syntax(members, bulk))
    pieces = writer.data_set(members, 0)
    sop_class, instance = _uid(members, "00080016", "SOPClassUID"), _uid(members, "00080018", "SOPInstanceUID")
    return _flat([part10.make_meta(writer.syntax, sop_class, instance), *pieces])


def _flat(pieces: Sequence[Piece]) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            yield from piece.pieces()


def _uid(members: Mapping[str, Any], tag: str, name: str) -> str:
    values = members.get(tag, {}).get("Value") or [""]
    return parse_uid(str(values[0]), name)


def _transfer_syntax(members: Any, bulk: Mapping[str, Bulk]) -> str:
    """Of the pixel data as it came; native is Explicit VR Little Endian whatever the metadata says."""
    if not isinstance(members, dict):
        raise Refused("the metadata of an instance is a JSON object (PS3.18 F.2.1)")
    pixels = members.get("7FE00010")
    uri = pixels.get("BulkDataURI") if isinstance(pixels, dict) else None
    found = bulk.get(uri) if isinstance(uri, str) else None
    named = members.get("00020010")
    values = named.get("Value") if isinstance(named, dict) else None
    stated = str(values[0]) if isinstance(values, list) and values else ""
    uid = (_of_bulk(found) if found is not None else "") or stated or EXPLICIT_LITTLE
    uid = parse_uid(uid, "the transfer syntax")
    if uid == EXPLICIT_BIG:
        raise Refused("bulk data is little endian, and the transfer syntax says Explicit VR Big Endian (PS3.18 8.7.3.2)")
    return uid if syntax(uid).encapsulated else EXPLICIT_LITTLE


def _of_bulk(bulk: Bulk) -> str:
    """The transfer syntax a part states, else the one its media type stands for (PS3.18 8.7.3)."""
    if bulk.syntax:
        return bulk.syntax
    end = _jpeg_process(bulk.blobs[0]) if bulk.media == "image/jpeg" else _DEFAULTS.get(bulk.media, "")
    return f"1.2.840.10008.1.2.{end}" if end else ""


def _jpeg_process(blob: Blob) -> str:
    """By the frame header of the code stream (ISO/IEC 10918-1 B.2.2)."""
    data = next(blob.pieces(), b"")
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _JPEG.get(marker, "4.70")
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return "4.70"


class _Writer:
    """Writes the elements of one instance."""

    def __init__(self, bulk: Mapping[str, Bulk], uid: str) -> None:
        self.syntax = uid
        self._bulk = bulk
        self._encapsulated = syntax(uid).encapsulated
        self._wide = False

    def data_set(self, members: Any, depth: int) -> list[Piece]:
        """One data set or item; what its character set was is of no matter any more."""
        if not isinstance(members, dict):
            raise Refused("an item of a sequence is a JSON object (PS3.18 F.2.1)")
        if depth > DEPTH:
            raise Refused(f"sequences nested deeper than {DEPTH}")
        found: dict[int, list[Piece]] = {}
        for name, member in members.items():
            tag = _tag(name)
            if 2 < tag >> 16 < 0xFFFC and tag & 0xFFFF and tag != 0x00080005:
                found[tag] = self._element(tag, name, member, depth)
        if depth == 0 and (self._wide or "00080005" in members):
            found[0x00080005] = [_UTF8]
        return [piece for _, pieces in sorted(found.items()) for piece in pieces]

    def _element(self, tag: int, name: str, member: Any, depth: int) -> list[Piece]:
        vr = member.get("vr") if isinstance(member, dict) else None
        if not isinstance(vr, str) or vr not in _VRS:
            raise Refused(f"{name}: no vr that there is (PS3.18 F.2.2)")
        kinds = [kind for kind in ("Value", "InlineBinary", "BulkDataURI") if kind in member]
        if len(kinds) > 1:
            raise Refused(f"{name}: {' and '.join(kinds)} exclude each other (PS3.18 F.2.2)")
        content = member[kinds[0]] if kinds else []
        if kinds == ["BulkDataURI"]:
            return self._of_uri(tag, name, vr, content)
        if kinds == ["InlineBinary"]:
            return self._binary(tag, vr, [_inline(name, content)], depth == 0)
        if not isinstance(content, list):
            raise Refused(f"{name}: Value is an array (PS3.18 F.2.2)")
        if vr == "SQ":
            return self._sequence(tag, content, depth)
        data = self._values(name, vr, content)
        return [_header(tag, vr, len(data)), data]

    def _sequence(self, tag: int, items: Sequence[Any], depth: int) -> list[Piece]:
        pieces: list[Piece] = []
        for item in items:
            inner = self.data_set({} if item is None else item, depth + 1)
            pieces += [struct.pack("<HHI", 0xFFFE, 0xE000, _size(inner)), *inner]
        return [_header(tag, "SQ", _size(pieces)), *pieces]

    def _of_uri(self, tag: int, name: str, vr: str, uri: Any) -> list[Piece]:
        found = self._bulk.get(uri) if isinstance(uri, str) else None
        if found is None:
            raise Refused(f"{name}: no part has the Content-Location {str(uri)[:100]!r}", Cause.MISSING_BULK)
        if tag != _PIXELS and len(found.blobs) > 1:
            raise Refused(f"{name}: {len(found.blobs)} parts have the Content-Location {str(uri)[:100]!r}")
        return self._binary(tag, vr, list(found.blobs), True)

    def _binary(self, tag: int, vr: str, blobs: list[Piece], top: bool) -> list[Piece]:
        if tag != _PIXELS or not top or not self._encapsulated:
            length = _size(blobs)
            return [_header(tag, vr, length + length % 2), *blobs, b"\0" * (length % 2)]
        pieces: list[Piece] = [_header(tag, "OB", 0xFFFFFFFF), struct.pack("<HHI", 0xFFFE, 0xE000, 0)]
        for blob in blobs:
            length = _size([blob])
            pieces += [struct.pack("<HHI", 0xFFFE, 0xE000, length + length % 2), blob, b"\0" * (length % 2)]
        return [*pieces, struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)]

    def _values(self, name: str, vr: str, values: Sequence[Any]) -> bytes:
        try:
            if vr in _CODES:
                return b"".join(struct.pack(_CODES[vr], _number(vr, value)) for value in values)
            if vr == "AT":
                return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in map(_tag, values))
            if values and vr not in _TEXT and vr != "PN":
                raise Refused(f"{name}: VR {vr} has InlineBinary or BulkDataURI (PS3.18 F.2.2)")
            text = "\\".join(_person(value) if vr == "PN" else _string(vr, value) for value in values)
            data = text.encode("utf-8", "replace")
        except (struct.error, ArithmeticError, AttributeError, TypeError, ValueError):
            raise Refused(f"{name}: a value is none of VR {vr}") from None
        self._wide = self._wide or not data.isascii()
        return data + (b"\0" if vr == "UI" else b" ") * (len(data) % 2)


def _size(pieces: Sequence[Piece]) -> int:
    total = sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in pieces)
    if total >= 0xFFFFFFFE:
        raise Refused("a value is longer than an element can be (4 GiB)")
    return total


def _header(tag: int, vr: str, length: int) -> bytes:
    """Tag, VR and length; what is too long for a VR of short length goes as UN (PS3.5 6.2.2)."""
    vr = vr if vr in _LONG or length < 0x10000 else "UN"
    form = "<HH2sHI" if vr in _LONG else "<HH2sH"
    return struct.pack(form, tag >> 16, tag & 0xFFFF, vr.encode(), *([0, length] if vr in _LONG else [length]))


def _tag(name: Any) -> int:
    if not isinstance(name, str) or len(name) != 8 or not set(name) <= set("0123456789abcdefABCDEF"):
        raise Refused(f"{str(name)[:40]!r} is not a tag of eight hexadecimal digits (PS3.18 F.2.2)")
    return int(name, 16)


def _inline(name: str, content: Any) -> bytes:
    try:
        return b64decode(content, validate=True)
    except (NotBase64, ValueError, TypeError):
        raise Refused(f"{name}: InlineBinary is not base64") from None


def _number(vr: str, value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        raise ValueError
    if vr in ("FL", "FD"):
        return _SPECIAL[value] if isinstance(value, str) and value in _SPECIAL else float(value)
    number = int(value)
    if number != (float(value) if isinstance(value, str) else value):
        raise ValueError
    return number


def _string(vr: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or vr not in ("DS", "IS") or not isfinite(value):
        raise ValueError
    if vr == "IS" and value != int(value):
        raise ValueError
    return str(int(value)) if vr == "IS" else _decimal(value)


def _decimal(value: int | float) -> str:
    """At most 16 characters (PS3.5 6.2), as near as they allow."""
    text = repr(value)
    precision = 16
    while len(text) > 16:
        precision -= 1
        text = f"{value:.{precision}g}"
    return text


def _person(value: Any) -> str:
    """The component groups of a name (PS3.18 F.2.2)."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    groups = [value.get(group) or "" for group in _GROUPS]
    return "=".join(groups).rstrip("=")
