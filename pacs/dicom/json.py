"""DICOM JSON Model (PS3.18 Annex F), total: no value raises; what does not fit becomes a string or null."""

from __future__ import annotations

import math
import re
import struct
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import orjson

from pacs.dicom import charset as charsets
from pacs.dicom.charset import Charset
from pacs.dicom.elements import LARGE
from pacs.dicom.reader import WIDTH, DicomFile, Element, Item
from pacs.dicom.vr import VRS

BulkSink = Callable[[DicomFile, Element, str], str | None]
Memo = dict[bytes, bytes]

_MEMO_LIMIT: Final = 1024
_MEMO_MOST: Final = 50_000
_HELD: Final = 16384
_CHARACTER_SET: Final = 0x00080005
_UTF8: Final = b'"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'
_BINARY: Final = frozenset(("OB", "OW", "OD", "OF", "OL", "OV", "UN"))
_ONE_TEXT: Final = frozenset(("ST", "LT", "UT", "UR"))
_TRIMMED: Final = frozenset(("AE", "AS", "CS", "DA", "DT", "TM", "UI"))
_ENCODED: Final = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
_CODES: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "SV": "q", "UV": "Q"}
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}\Z")
_DECIMAL: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


def members(
    file: DicomFile,
    elements: Sequence[Element],
    charset: Charset,
    bulk: BulkSink | None,
    memo: Memo | None = None,
    path: str = "",
) -> list[tuple[int, bytes]]:
    """Members of one data set, ascending by tag; of duplicates the last (PS3.18 F.2.2)."""
    if memo is not None:
        keys, held, base = _key_ends(_context(file, charset)), *_start_of(file, elements)
    buffer, out, last, ascending = file.buffer, [], -1, True
    for element in elements:
        tag, vr, start, _, length, end, items, _ = element
        if not tag & 0xFFFF or tag < 0x00030000 or tag >= 0xFFFC0000:
            continue
        if tag <= last:
            ascending = False
        last = tag
        if memo is None or end - start > _MEMO_LIMIT or items is not None or (vr in _BINARY and bulk and length):
            out.append((tag, _member(file, element, charset, bulk, memo, path)))
            continue
        stop = end - base
        key = (held[start - base : stop] if stop <= _HELD else bytes(buffer[start:end])) + keys[vr]
        done = memo.get(key)
        if done is None:
            done = _member(file, element, charset, None, None, path)
            if len(memo) < _MEMO_MOST:
                memo[key] = done
        out.append((tag, done))
    return out if ascending else sorted(dict(out).items())


def _context(file: DicomFile, charset: Charset) -> bytes:
    """What a finished member depends on beside its bytes and its VR."""
    terms = "\\".join(charset.terms).encode("utf-8", "replace").replace(b"\0", b" ")
    return b"%d%d%b\0" % (file.little, file.explicit, terms)


@lru_cache(maxsize=64)
def _key_ends(context: bytes) -> dict[str, bytes]:
    """By VR, what ends the key of a member in the memo."""
    return {vr: b"\0" + vr.encode() + context for vr in VRS.values()}


def _start_of(file: DicomFile, elements: Sequence[Element]) -> tuple[bytes, int]:
    """Most elements lie close together: one copy of their bytes is cheaper to cut keys from than the file."""
    if not elements:
        return b"", 0
    base = elements[0].start
    return bytes(file.buffer[base : min(elements[-1].end, base + _HELD)]), base


def dataset_json(
    file: DicomFile, bulk: BulkSink | None, memo: Memo | None = None, replace: Mapping[int, bytes] = {}
) -> bytes:
    """The whole data set as one JSON object in UTF-8 (PS3.18 F.2).

    ``replace``: ready members by tag that stand for the file's own; empty ones take theirs out.
    """
    found = dict(members(file, file.elements, file.charset, bulk, memo))
    found.update(replace)
    body = b",".join([text for tag in sorted(found) if (text := found[tag])])
    if not body.isascii() and _CHARACTER_SET not in found:
        found[_CHARACTER_SET] = _UTF8
        body = b",".join([text for tag in sorted(found) if (text := found[tag])])
    return b"{" + body + b"}"


def member(file: DicomFile, tag: int) -> bytes | None:
    """The member of one top-level tag, or None where absent; binary values are inline."""
    element = file.find(tag)
    return _member(file, element, file.charset, None, None, "") if element is not None else None


def _member(
    file: DicomFile, element: Element, charset: Charset, bulk: BulkSink | None, memo: Memo | None, path: str
) -> bytes:
    """One member: name, VR and value, BulkDataURI or InlineBinary (PS3.18 F.2.2, F.2.6, F.2.7)."""
    tag, vr = element.tag, element.vr
    head = b'"%08X":{"vr":"%b"' % (tag, vr.encode())
    if element.items is not None:
        return head + _sequence(file, element.items, charset, bulk, memo, f"{path}{tag:08X}") + b"}"
    if not element.length:
        return head + b"}"
    if tag == _CHARACTER_SET:
        return _UTF8
    if vr in _BINARY or (element.length > LARGE and bulk is not None):
        uri = bulk(file, element, f"{path}{tag:08X}") if bulk is not None else None
        if uri is not None:
            return head + b',"BulkDataURI":' + _dump(uri) + b"}"
    if vr in _BINARY:
        return head + b',"InlineBinary":"' + b64encode(little_endian(file, element)) + b'"}'
    values = _values(file, element, charset)
    return head + b',"Value":' + _dump(values) + b"}" if values else head + b"}"


def _sequence(
    file: DicomFile,
    items: tuple[Item, ...],
    charset: Charset,
    bulk: BulkSink | None,
    memo: Memo | None,
    path: str,
) -> bytes:
    """The items of a sequence, each with its own character set (PS3.18 F.2.5; PS3.3 C.12.1.1.2)."""
    if not items:
        return b""
    parts: list[bytes] = []
    for number, item in enumerate(items):
        own = _own_charset(file, item, charset)
        found = members(file.within(item), item.elements, own, bulk, memo, f"{path}/{number}/")
        parts.append(b"{" + b",".join([text for _, text in found]) + b"}")
    return b',"Value":[' + b",".join(parts) + b"]"


def _own_charset(file: DicomFile, item: Item, charset: Charset) -> Charset:
    """The character set of an item, else that of what encloses it."""
    for element in item.elements:
        if element.tag >= _CHARACTER_SET:
            if element.tag == _CHARACTER_SET and element.length:
                return charsets.charset(bytes(file.raw(element)))
            break
    return charset


def little_endian(file: DicomFile, element: Element) -> bytes:
    """The value in little endian, as bulk data has to be (PS3.18 section 8.7.3.2)."""
    raw = bytes(file.raw(element))
    width = WIDTH.get(element.vr, 1)
    if file.little or width == 1 or element.fragments is not None:
        return raw
    out = bytearray(raw)
    whole = len(raw) - len(raw) % width
    for offset in range(width):
        out[offset:whole:width] = raw[width - 1 - offset : whole : width]
    return bytes(out)


def _values(file: DicomFile, element: Element, charset: Charset) -> list[object]:
    """The values of an element that is neither binary nor a sequence; empty for no value."""
    vr = element.vr
    if vr in _CODES:
        return _numbers(file, element)
    if vr == "AT":
        return _tags(file, element)
    raw = bytes(file.raw(element))
    text = (charset if vr in _ENCODED else charsets.DEFAULT).decode(raw, vr).rstrip(" \0")
    if not text:
        return []
    if vr in _ONE_TEXT:
        return [text]
    return [_one(vr, value) for value in text.split("\\")]


def _one(vr: str, text: str) -> object:
    """One value of a string VR; empty becomes null (PS3.18 F.2.5)."""
    text = text.strip(" \0") if vr in _TRIMMED else text.rstrip(" \0")
    if not text:
        return None
    if vr == "PN":
        return _person(text)
    if vr == "IS" or vr == "DS":
        return _number(vr, text)
    return text


def _number(vr: str, text: str) -> object:
    """An IS or DS as a number, what is none as the string."""
    bare = text.strip(" \0")
    if _INTEGER.match(bare):
        return int(bare)
    if not _DECIMAL.match(bare):
        return text
    number = float(bare)
    if not math.isfinite(number):
        return text
    if vr == "IS":
        return int(number) if number.is_integer() and abs(number) < 2**53 else text
    return number


def _person(text: str) -> object:
    """The component groups of a name, only those that are there (PS3.18 F.2.2)."""
    groups = [group.strip(" \0") for group in text.split("=")[:3]]
    found = {name: group for name, group in zip(_GROUPS, groups, strict=False) if group}
    return found or None


def _numbers(file: DicomFile, element: Element) -> list[object]:
    """Binary numbers; what JSON cannot say is a string."""
    vr = element.vr
    count = element.length // WIDTH[vr]
    mark = "<" if file.little else ">"
    values = struct.unpack_from(f"{mark}{count}{_CODES[vr]}", file.buffer, element.value)
    if vr[0] != "F":
        return list(values)
    return [value if math.isfinite(value) else _special(value) for value in values]


def _special(value: float) -> str:
    """NaN and the infinities."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _tags(file: DicomFile, element: Element) -> list[object]:
    """AT as GGGGEEEE."""
    count = element.length // 4 * 2
    mark = "<" if file.little else ">"
    words = struct.unpack_from(f"{mark}{count}H", file.buffer, element.value)
    return [f"{words[at]:04X}{words[at + 1]:04X}" for at in range(0, count, 2)]


def _dump(value: object) -> bytes:
    """JSON text; half surrogates, which JSON in UTF-8 cannot carry, become question marks."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return _replaced(value)


def _replaced(value: object) -> bytes:
    """The value with every string made encodable."""
    if isinstance(value, list):
        return b"[" + b",".join([_dump(entry) for entry in value]) + b"]"
    if isinstance(value, dict):
        value = {name: str(text).encode("utf-8", "replace").decode() for name, text in value.items()}
        return orjson.dumps(value)
    return orjson.dumps(str(value).encode("utf-8", "replace").decode())
