"""The element walk over the bytes of a DICOM file (PS3.5 section 7, Annex A; PS3.10 section 7).

Nothing is copied: an element is its offsets. Every length is checked against
the input before it is used, so hostile bytes end in ``Refused`` and nothing else.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple, NoReturn

from pydicom._dicom_dict import DicomDictionary
from pydicom._private_dict import private_dictionaries
from pydicom.datadict import dictionary_VR

from pacs.dicom import charset as charsets
from pacs.dicom.syntax import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, syntax
from pacs.domain.errors import Refused

Buffer = bytes | bytearray | memoryview | mmap.mmap

UNDEFINED: Final = 0xFFFFFFFF
ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
PIXEL_TAGS: Final = frozenset((0x7FE00010, 0x7FE00008, 0x7FE00009))
_PIXEL_REPRESENTATION: Final = 0x00280103
_CHUNK: Final = 1 << 20

# PS3.5 table 7.1-1 (32-bit length) and 7.1-2 (16-bit length)
_LONG: Final = {
    vr.encode(): vr for vr in ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
}
_SHORT: Final = {
    vr.encode(): vr
    for vr in (
        "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO",
        "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US",
    )
}  # fmt: skip
_VRS: Final = {**_LONG, **_SHORT}
_FRAGMENTED: Final = frozenset(("OB", "OW", "OD", "OF", "OL", "OV"))
# bytes of one value (PS3.5 table 6.2-1)
WIDTH: Final[dict[str, int]] = {
    "AT": 4, "FD": 8, "FL": 4, "OD": 8, "OF": 4, "OL": 4, "OV": 8, "OW": 2,
    "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8,
}  # fmt: skip
_TABLE: Final[dict[int, str]] = {tag: entry[0] for tag, entry in DicomDictionary.items() if entry[0] != "NONE"}
_NUMBERS: Final[dict[str, str]] = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "SV": "q", "UV": "Q",
}  # fmt: skip
_PRIVATE: Final[dict[str, dict[str, tuple[str, str, str, str]]]] = private_dictionaries


class Element(NamedTuple):
    """One data element: offsets into the buffer of its file (PS3.5 section 7.1)."""

    tag: int
    vr: str
    start: int
    value: int
    length: int
    end: int
    items: tuple[Item, ...] | None
    fragments: tuple[tuple[int, int], ...] | None


class Item(NamedTuple):
    """One item of a sequence (PS3.5 section 7.5)."""

    start: int
    value: int
    end: int
    elements: list[Element]


@dataclass(frozen=True)
class Limits:
    """What a file may cost: nesting, elements (fragments and items count too), inflated bytes."""

    depth: int = 64
    elements: int = 2_000_000
    inflated: int = 536_870_912


@dataclass
class DicomFile:
    """A file that has been walked; all offsets refer to ``buffer``."""

    buffer: memoryview
    transfer_syntax: str
    meta: list[Element]
    elements: list[Element]
    data_start: int
    little: bool
    explicit: bool
    deflated: bool
    has_meta: bool
    has_preamble: bool
    _index: dict[int, Element] | None = field(default=None, repr=False)
    _charset: charsets.Charset | None = field(default=None, repr=False)

    def find(self, tag: int) -> Element | None:
        """The top-level element (or file meta element) of this tag; of duplicates the last."""
        index = self._index
        if index is None:
            index = {element[0]: element for element in self.meta}
            index.update({element[0]: element for element in self.elements})
            self._index = index
        return index.get(tag)

    def raw(self, element: Element) -> memoryview:
        """The bytes of its value."""
        return self.buffer[element.value : element.value + element.length]

    @property
    def charset(self) -> charsets.Charset:
        """The decoder of the top level (PS3.3 C.12.1.1.2)."""
        if self._charset is None:
            element = self.find(0x00080005)
            self._charset = charsets.charset(bytes(self.raw(element))) if element else charsets.DEFAULT
        return self._charset

    def text(self, tag: int, default: str = "") -> str:
        """The whole value as text without padding; backslashes stay."""
        element = self.find(tag)
        if element is None or element.items is not None:
            return default
        return self.charset.decode(bytes(self.raw(element)), element.vr).strip(" \0")

    def values(self, tag: int) -> list[str]:
        """The values of a string element; numbers of a binary one as their text."""
        element = self.find(tag)
        if element is None or not element.length or element.items is not None:
            return []
        if element.vr in _NUMBERS:
            return [str(value) for value in self._binary(element)]
        text = self.text(tag)
        return [value.strip(" \0") for value in text.split("\\")] if text else []

    def _binary(self, element: Element) -> tuple[int | float, ...]:
        """The values of a binary number VR."""
        code = _NUMBERS[element.vr]
        count = element.length // WIDTH[element.vr]
        return struct.unpack_from(f"{'<' if self.little else '>'}{count}{code}", self.buffer, element.value)

    def number(self, tag: int) -> float | None:
        """The first value as a finite number, or None."""
        values = self.values(tag)
        try:
            number = float(values[0]) if values else None
        except ValueError:
            return None
        return number if number is not None and abs(number) < float("inf") else None

    def integer(self, tag: int) -> int | None:
        """The first value as an integer, or None (a fraction is not one)."""
        values = self.values(tag)
        try:
            return int(values[0]) if values and len(values[0]) < 32 else None
        except ValueError:
            number = self.number(tag)
            return int(number) if number is not None and number.is_integer() else None


def _name(tag: int) -> str:
    """A tag as (gggg,eeee)."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _truncated(tag: int, pos: int) -> NoReturn:
    raise Refused(f"truncated: element {_name(tag)} at byte {pos} runs past the end")


@lru_cache(maxsize=65536)
def _public_vr(tag: int) -> str:
    """VR of a tag outside the plain table: group lengths, repeating groups (PS3.5 7.6)."""
    if not tag & 0xFFFF:
        return "UL"
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


@lru_cache(maxsize=65536)
def _private_vr(creator: str, tag: int) -> str:
    """VR of a private element by its creator (PS3.5 7.8), UN where not known."""
    entries = _PRIVATE.get(creator)
    if entries is None:
        return "UN"
    text = f"{tag:08X}"
    for key in (text, f"{text[:4]}xx{text[6:]}", f"{text[:2]}xxxx{text[6:]}"):
        if key in entries:
            return entries[key][0]
    return "UN"


class _Scope:
    """What a data set knows for its ambiguous elements: sign and private creators."""

    __slots__ = ("creators", "signed")

    def __init__(self, signed: bool) -> None:
        self.signed = signed
        self.creators: dict[int, str] = {}

    def resolve(self, buffer: memoryview, tag: int, value: int, length: int) -> str:
        """VR by the dictionaries (PS3.5 6.2.2 and Annex A.1)."""
        group, number = tag >> 16, tag & 0xFFFF
        vr = self._private(buffer, group, number, value, length) if group & 1 else _TABLE.get(tag) or _public_vr(tag)
        return _fit(self.plain(vr, tag), length)

    def _private(self, buffer: memoryview, group: int, number: int, value: int, length: int) -> str:
        if 0x10 <= number <= 0xFF:
            if length <= 64:
                text = bytes(buffer[value : value + length]).decode("latin-1").strip(" \0")
                self.creators[group << 8 | number] = text
            return "LO"
        if not number:
            return "UL"
        creator = self.creators.get(group << 8 | number >> 8)
        return _private_vr(creator, group << 16 | number) if creator else "UN"

    def plain(self, vr: str, tag: int) -> str:
        """One VR out of "US or SS" and its kin."""
        if len(vr) == 2:
            return vr
        if vr == "US or SS":
            return "SS" if self.signed else "US"
        if vr == "OB or OW" and tag != 0x7FE00010 and tag >> 24 != 0x60 and tag >> 16 != 0x5400:
            return "OB"
        return "OW" if "OW" in vr else "UN"


def _fit(vr: str, length: int) -> str:
    """The VR, or UN where the length is no multiple of its width."""
    width = WIDTH.get(vr)
    return "UN" if width and length != UNDEFINED and length % width else vr


class _Walker:
    """The recursive walk with its budget."""

    def __init__(self, buffer: memoryview, limits: Limits, little: bool) -> None:
        self.buffer = buffer
        self.limits = limits
        self.left = limits.elements
        self.order(little)

    def order(self, little: bool) -> None:
        """Choose the byte order (PS3.5 7.3)."""
        mark = "<" if little else ">"
        self.little = little
        self.head = struct.Struct(f"{mark}HH2sH").unpack_from
        self.plain = struct.Struct(f"{mark}HHI").unpack_from
        self.word = struct.Struct(f"{mark}I").unpack_from

    def spend(self, count: int) -> None:
        """Take from the budget of elements."""
        self.left -= count
        if self.left < 0:
            raise Refused(f"more than {self.limits.elements} elements")

    def walk(
        self, pos: int, end: int, depth: int, explicit: bool, open_end: bool, signed: bool, group: int = -1
    ) -> tuple[list[Element], int]:
        """Elements from pos; to end, to the item delimiter (open_end), or while in ``group``."""
        if depth > self.limits.depth:
            raise Refused(f"sequences nested deeper than {self.limits.depth}")
        out: list[Element] = []
        scope = _Scope(signed)
        step = self._explicit if explicit else self._implicit
        if group < 0:
            pos = step(pos, end, depth, open_end, scope, out)
        else:
            while pos + 2 <= end and self.buffer[pos] == group and self.buffer[pos + 1] == 0:
                if pos + 8 > end:
                    _truncated(group << 16, pos)
                pos = step(pos, end, depth, False, scope, out, True)
        return out, pos

    def _explicit(
        self, pos: int, end: int, depth: int, open_end: bool, scope: _Scope, out: list[Element], one: bool = False
    ) -> int:
        """Explicit VR elements (PS3.5 7.1.2)."""
        buffer, head, short = self.buffer, self.head, _SHORT
        append, new, element = out.append, tuple.__new__, Element
        last, room = end - 8, len(out) + self.left
        spent = len(out)
        while pos <= last:
            group, number, code, length = head(buffer, pos)
            vr = short.get(code)
            if vr is not None:
                value = pos + 8
                stop = value + length
                tag = group << 16 | number
                if stop > end:
                    _truncated(tag, pos)
                append(new(element, (tag, vr, pos, value, length, stop, None, None)))
                if group & 1:
                    if number < 0x100:
                        scope.resolve(buffer, tag, value, length)
                elif tag == _PIXEL_REPRESENTATION and length:
                    scope.signed = bool(buffer[value] | buffer[stop - 1])
                pos = stop
                if len(out) > room:
                    self.spend(len(out) - spent)
            else:
                self.spend(len(out) - spent)
                stop = self._special(pos, end, depth, open_end, scope, out, group << 16 | number, code)
                spent = len(out)
                room = spent + self.left
                if stop < 0:
                    return -stop
                pos = stop
            if one:
                break
        self.spend(len(out) - spent)
        return self._close(pos, end, open_end, one)

    def _implicit(
        self, pos: int, end: int, depth: int, open_end: bool, scope: _Scope, out: list[Element], one: bool = False
    ) -> int:
        """Implicit VR elements (PS3.5 7.1.3)."""
        buffer, plain, table, wide = self.buffer, self.plain, _TABLE, WIDTH
        append, new, element = out.append, tuple.__new__, Element
        last = end - 8
        while pos <= last:
            group, number, length = plain(buffer, pos)
            tag = group << 16 | number
            vr = table.get(tag)
            self.left -= 1
            if self.left < 0:
                self.spend(0)
            value = pos + 8
            stop = value + length
            if vr is None or stop > end or vr == "SQ" or len(vr) > 2:
                stop = self._implicit_special(pos, end, depth, open_end, scope, out, tag, length)
                if stop < 0:
                    return -stop
                pos = stop
            else:
                width = wide.get(vr)
                if width and length % width:
                    vr = "UN"
                append(new(element, (tag, vr, pos, value, length, stop, None, None)))
                if tag == _PIXEL_REPRESENTATION and length:
                    scope.signed = buffer[value] != 0
                pos = stop
            if one:
                break
        return self._close(pos, end, open_end, one)

    def _close(self, pos: int, end: int, open_end: bool, one: bool) -> int:
        """The end of a data set: nothing, or a few zero bytes of padding."""
        if one and pos <= end:
            return pos
        if open_end:
            raise Refused(f"truncated: an item at byte {pos} has no delimiter")
        if pos < end and any(self.buffer[pos:end]):  # fewer than eight bytes
            raise Refused(f"truncated: an element header at byte {pos} runs past the end")
        return end

    def _delimiter(self, tag: int, pos: int, end: int, open_end: bool) -> int | None:
        """Delimiters and trailing zeros: the next position, negative to end the data set."""
        if tag == ITEM_END:
            return -(pos + 8) if open_end else pos + 8
        if tag == SEQUENCE_END and not open_end:
            return pos + 8
        if tag >> 16 == 0xFFFE:
            raise Refused(f"a delimiter {_name(tag)} at byte {pos} where an element is due")
        if tag == 0:
            if open_end or bytes(self.buffer[pos:end]).strip(b"\0"):
                raise Refused(f"element (0000,0000) at byte {pos}: a data set has no group 0000")
            return -end
        return None

    def _special(
        self, pos: int, end: int, depth: int, open_end: bool, scope: _Scope, out: list[Element], tag: int, code: bytes
    ) -> int:
        """Explicit: 32-bit lengths, delimiters, VR letters that are none."""
        moved = self._delimiter(tag, pos, end, open_end)
        if moved is not None:
            return moved
        self.spend(1)
        vr = _LONG.get(code, "")
        if not vr:
            return self._unknown(pos, end, depth, scope, out, tag, code)
        if pos + 12 > end:
            _truncated(tag, pos)
        length = self.word(self.buffer, pos + 8)[0]
        return self._finish(tag, vr, pos, pos + 12, length, end, depth, True, scope, out)

    def _unknown(
        self, pos: int, end: int, depth: int, scope: _Scope, out: list[Element], tag: int, code: bytes
    ) -> int:
        """VR letters that are none: an implicit element, a later VR, or a 16-bit length (PS3.5 6.2.2)."""
        small = self.head(self.buffer, pos)[3]
        if not all(0x20 <= letter < 0x7F for letter in code):
            length = self.plain(self.buffer, pos)[2]
            if length == UNDEFINED or pos + 8 + length <= end:
                return self._finish(tag, "UN", pos, pos + 8, length, end, depth, False, scope, out)
        elif not small and pos + 12 <= end:
            length = self.word(self.buffer, pos + 8)[0]
            if pos + 12 + length <= end:
                return self._finish(tag, "UN", pos, pos + 12, length, end, depth, True, scope, out)
        return self._finish(tag, "UN", pos, pos + 8, small, end, depth, True, scope, out)

    def _implicit_special(
        self, pos: int, end: int, depth: int, open_end: bool, scope: _Scope, out: list[Element], tag: int, length: int
    ) -> int:
        """Implicit: delimiters, sequences, private and ambiguous elements, explicit ones that strayed in."""
        moved = self._delimiter(tag, pos, end, open_end)
        if moved is not None:
            return moved
        if length != UNDEFINED and pos + 8 + length > end and bytes(self.buffer[pos + 4 : pos + 6]) in _VRS:
            return self._explicit(pos, end, depth, False, scope, out, True)
        return self._finish(tag, "UN", pos, pos + 8, length, end, depth, False, scope, out)

    def _finish(
        self,
        tag: int,
        vr: str,
        pos: int,
        value: int,
        length: int,
        end: int,
        depth: int,
        explicit: bool,
        scope: _Scope,
        out: list[Element],
    ) -> int:
        """Add an element that may be a sequence, fragments or of a VR to resolve; its end."""
        if length != UNDEFINED and value + length > end:
            _truncated(tag, pos)
        unknown = vr == "UN"
        if unknown:
            vr = scope.resolve(self.buffer, tag, value, 0 if length == UNDEFINED else length)
            if not self.little and (vr in WIDTH or vr == "SQ"):
                vr = "UN"  # a UN value is little endian also in a big endian file (PS3.5 6.2.2)
        if length == UNDEFINED:
            return self._undefined(tag, vr, pos, value, end, depth, explicit and not unknown, scope, out)
        stop = value + length
        if vr == "SQ":
            return self._sized(tag, pos, value, stop, depth, explicit, unknown, scope, out)
        out.append(Element(tag, vr, pos, value, length, stop, None, None))
        return stop

    def _sized(
        self,
        tag: int,
        pos: int,
        value: int,
        stop: int,
        depth: int,
        explicit: bool,
        unknown: bool,
        scope: _Scope,
        out: list[Element],
    ) -> int:
        """A sequence with a length; one only guessed to be a sequence stays UN where it is none."""
        guessed = unknown and (explicit or bool(tag >> 16 & 1))
        try:
            items, _ = self.items(value, stop, depth, explicit and not unknown, False, scope.signed)
        except Refused:
            if not guessed or self.left < 0:
                raise
            out.append(Element(tag, "UN", pos, value, stop - value, stop, None, None))
            return stop
        out.append(Element(tag, "SQ", pos, value, stop - value, stop, items, None))
        return stop

    def _undefined(
        self,
        tag: int,
        vr: str,
        pos: int,
        value: int,
        end: int,
        depth: int,
        explicit: bool,
        scope: _Scope,
        out: list[Element],
    ) -> int:
        """Undefined length: fragments (PS3.5 A.4) or a sequence, UN too (PS3.5 6.2.2)."""
        if tag in PIXEL_TAGS or (explicit and vr in _FRAGMENTED):
            fragments, stop = self.fragments(tag, value, end)
            vr = vr if explicit and vr in _FRAGMENTED else "OB"
            out.append(Element(tag, vr, pos, value, stop - 8 - value, stop, None, fragments))
            return stop
        little = self.little
        if explicit is False and not little:
            self.order(True)
        try:
            items, stop = self.items(value, end, depth, explicit, True, scope.signed)
        finally:
            if self.little != little:
                self.order(little)
        out.append(Element(tag, "SQ", pos, value, stop - 8 - value, stop, items, None))
        return stop

    def items(
        self, pos: int, end: int, depth: int, explicit: bool, open_end: bool, signed: bool
    ) -> tuple[tuple[Item, ...], int]:
        """The items of a sequence (PS3.5 7.5.1, 7.5.2)."""
        out: list[Item] = []
        while pos + 8 <= end:
            group, number, length = self.plain(self.buffer, pos)
            tag = group << 16 | number
            if tag == SEQUENCE_END:
                if open_end:
                    return tuple(out), pos + 8
                pos += 8
                continue
            if tag != ITEM:
                raise Refused(f"{_name(tag)} at byte {pos} where an item of a sequence is due")
            self.spend(1)
            item = self._item(pos, length, end, depth, explicit, signed)
            out.append(item)
            pos = item.end
        if open_end or pos != end:
            raise Refused(f"truncated: a sequence at byte {pos} runs past the end")
        return tuple(out), pos

    def _item(self, pos: int, length: int, end: int, depth: int, explicit: bool, signed: bool) -> Item:
        """One item; items of an implicit sequence that hold explicit elements are read as such."""
        value = pos + 8
        if length != UNDEFINED and value + length > end:
            _truncated(ITEM, pos)
        if not explicit and value + 6 <= end and bytes(self.buffer[value + 4 : value + 6]) in _VRS:
            explicit = self._strays(value, end if length == UNDEFINED else value + length)
        if length == UNDEFINED:
            elements, stop = self.walk(value, end, depth + 1, explicit, True, signed)
        else:
            elements, stop = self.walk(value, value + length, depth + 1, explicit, False, signed)
        return Item(pos, value, stop, elements)

    def _strays(self, value: int, stop: int) -> bool:
        """True where VR letters cannot be a length."""
        return value + 8 <= stop and value + 8 + int(self.plain(self.buffer, value)[2]) > stop

    def fragments(self, tag: int, pos: int, end: int) -> tuple[tuple[tuple[int, int], ...], int]:
        """The fragments of encapsulated pixel data, the offset table first (PS3.5 A.4)."""
        out: list[tuple[int, int]] = []
        while pos + 8 <= end:
            group, number, length = self.plain(self.buffer, pos)
            found = group << 16 | number
            if found == SEQUENCE_END:
                return tuple(out), pos + 8
            if found != ITEM or length == UNDEFINED:
                raise Refused(f"{_name(found)} at byte {pos} where a fragment of {_name(tag)} is due")
            if pos + 8 + length > end:
                _truncated(tag, pos)
            self.spend(1)
            out.append((pos + 8, length))
            pos += 8 + length
        raise Refused(f"truncated: element {_name(tag)} runs past the end: no sequence delimiter")


def read(buffer: Buffer, limits: Limits = Limits()) -> DicomFile:  # noqa: B008 - frozen
    """Walk a whole file; raises ``Refused`` and nothing else."""
    try:
        return _read(memoryview(buffer), limits)
    except Refused:
        raise
    except RecursionError:
        raise Refused("sequences nested too deep") from None
    except MemoryError:
        raise Refused("the file needs more memory than there is") from None
    except (struct.error, ValueError, IndexError, OverflowError, TypeError, zlib.error) as error:
        raise Refused(f"not readable as DICOM: {error}") from None


def _read(buffer: memoryview, limits: Limits) -> DicomFile:
    """File meta information, then the data set (PS3.10 section 7.1)."""
    size = len(buffer)
    preamble = size >= 132 and bytes(buffer[128:132]) == b"DICM"
    start = 132 if preamble else 0
    if not size:
        raise Refused("not DICOM: the file is empty")
    walker = _Walker(buffer, limits, True)
    meta: list[Element] = []
    if bytes(buffer[start : start + 2]) == b"\x02\x00":
        meta, start = walker.walk(start, size, 0, True, False, False, 2)
    uid = _meta_syntax(buffer, meta)
    if start >= size:
        raise Refused("truncated: no data set after the file meta information" if preamble else "not DICOM")
    if not uid:
        uid = _guess(buffer, start, size)
    return _data_set(buffer, walker, limits, meta, uid, start, preamble)


def _meta_syntax(buffer: memoryview, meta: list[Element]) -> str:
    """Transfer Syntax UID (0002,0010), empty where absent."""
    for element in meta:
        if element.tag == 0x00020010:
            raw = bytes(buffer[element.value : element.value + element.length])
            return raw.decode("latin-1").strip(" \0")
    return ""


def _data_set(
    buffer: memoryview, walker: _Walker, limits: Limits, meta: list[Element], uid: str, start: int, preamble: bool
) -> DicomFile:
    """The data set in its transfer syntax (PS3.5 Annex A)."""
    kind = syntax(uid)
    data = buffer
    if kind.deflated:
        data = _inflate(buffer, start, limits.inflated)
        walker.buffer = data
    walker.order(kind.little)
    explicit = kind.explicit or _looks_explicit(data, start)
    elements, _ = walker.walk(start, len(data), 0, explicit, False, False)
    if not elements:
        raise Refused("not DICOM: the data set is empty")
    return DicomFile(
        data, uid, meta, elements, start, kind.little, explicit, kind.deflated, bool(meta), preamble
    )


def _looks_explicit(buffer: memoryview, start: int) -> bool:
    """True where a data set said to be implicit begins with VR letters."""
    if start + 8 > len(buffer) or bytes(buffer[start + 4 : start + 6]) not in _VRS:
        return False
    return int.from_bytes(buffer[start + 4 : start + 8], "little") > len(buffer) - start - 8


def _guess(buffer: memoryview, start: int, size: int) -> str:
    """The syntax of a bare data set by its first element header."""
    head = bytes(buffer[start : start + 8])
    if len(head) < 8:
        raise Refused("not DICOM: too short")
    group = int.from_bytes(head[:2], "little")
    if head[4:6] in _VRS:
        if group < 0x100:
            return EXPLICIT_LITTLE
        if head[0] == 0:
            return EXPLICIT_BIG
    tag = group << 16 | int.from_bytes(head[2:4], "little")
    length = int.from_bytes(head[4:], "little")
    known = tag in _TABLE or not tag & 0xFFFF
    if 4 <= group < 0x100 and known and (length == UNDEFINED or start + 8 + length <= size):
        return IMPLICIT_LITTLE
    raise Refused("not DICOM: no DICM prefix and no data set at its start")


def _inflate(buffer: memoryview, start: int, limit: int) -> memoryview:
    """The meta bytes and the inflated data set (PS3.5 A.5), never more than the limit."""
    zipped = int(buffer[start]) & 0x0F == 8 and int.from_bytes(buffer[start : start + 2], "big") % 31 == 0
    for window in (-15, 15) if zipped else (-15,):
        try:
            return _inflate_with(zlib.decompressobj(window), buffer, start, limit)
        except zlib.error as error:
            reason = str(error)
    raise Refused(f"the deflated data set is damaged: {reason}")


def _inflate_with(inflater: zlib._Decompress, buffer: memoryview, start: int, limit: int) -> memoryview:
    """Inflate in pieces so that no step can outgrow the limit."""
    out = bytearray(buffer[:start])
    pos = start
    while not inflater.eof:
        fed = inflater.unconsumed_tail or bytes(buffer[pos : pos + _CHUNK])
        if not inflater.unconsumed_tail:
            pos += len(fed)
        piece = inflater.decompress(fed, _CHUNK)
        if not fed and not piece:
            raise Refused("truncated: the deflated data set has no end")
        out += piece
        if len(out) - start > limit:
            raise Refused(f"the deflated data set is larger than {limit} bytes")
    return memoryview(out)
