"""A data set in another encoding: explicit, implicit and big endian elements to explicit or implicit little endian ones.

Values stay as they are; where source and target are both explicit little endian, so do all bytes of the elements. Group
lengths (retired) are left out where elements are written anew.  Sequences and items keep their kind of length.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pacs.convert.frames import swap_pieces, swap_words
from pacs.dicom.elements import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, Element, Item
from pacs.dicom.reader import DicomFile
from pacs.dicom.vr import VRS
from pacs.domain.ports import Buffer
from pacs.domain.scratch import WINDOW, windows

_LONG = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
_TEXT = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"))
_SWAP = {
    "AT": 2, "US": 2, "SS": 2, "OW": 2, "UL": 4, "SL": 4, "FL": 4, "OL": 4, "OF": 4,
    "FD": 8, "OD": 8, "SV": 8, "UV": 8, "OV": 8,
}  # fmt: skip
_END_OF_ITEM = struct.pack("<HHI", ITEM_END >> 16, ITEM_END & 0xFFFF, 0)
END_OF_SEQUENCE = struct.pack("<HHI", SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF, 0)


class Value(NamedTuple):
    """A new value of a top-level element."""

    vr: str
    data: bytes


Changes = Mapping[int, Value | None]
"""Tag -> new value, None to leave the element out.  Elements that are not there yet are added."""


def head(tag: int, vr: str, length: int, explicit: bool) -> bytes:
    """The header of an element (PS3.5 7.1); a value too long for its VR is written as UN (6.2.2)."""
    group, number = tag >> 16, tag & 0xFFFF
    if not explicit:
        return struct.pack("<HHI", group, number, length)
    if vr in _LONG:
        return struct.pack("<HH2sHI", group, number, vr.encode(), 0, length)
    if length > 0xFFFF:
        return struct.pack("<HH2sHI", group, number, b"UN", 0, length)
    return struct.pack("<HH2sH", group, number, vr.encode(), length)


def item_head(length: int) -> bytes:
    """The header of an item or a fragment."""
    return struct.pack("<HHI", ITEM >> 16, ITEM & 0xFFFF, length)


class Rewriter:
    """Writes the elements of one file as little endian, explicit or not."""

    def __init__(self, file: DicomFile, explicit: bool) -> None:
        self._file, self._explicit = file, explicit
        self._verbatim = explicit and file.explicit and file.little

    def pieces(self, elements: Sequence[Element], changes: Changes) -> Iterator[Buffer]:
        """The top-level elements in order of tags, with ``changes``; runs of unchanged bytes are views of the file."""
        added = sorted((tag, value) for tag, value in changes.items() if value is not None)
        touched = {tag >> 16 for tag in changes}
        start = end = -1
        for element in elements:
            while added and added[0][0] < element.tag:
                if end > start:
                    yield self._file.buffer[start:end]
                start = end = -1
                yield self._changed(*added.pop(0))
            is_length = not element.tag & 0xFFFF and (not self._verbatim or element.tag >> 16 in touched)
            kept = element.tag not in changes and not is_length
            as_is = kept and self._verbatim and bytes(self._file.buffer[element.start + 4 : element.start + 6]) in VRS
            if as_is and end == element.start:
                end = element.end
                continue
            if end > start:
                yield self._file.buffer[start:end]
            start = end = -1
            if as_is:
                start, end = element.start, element.end
            elif kept:
                yield from self._top(element)
            elif added and added[0][0] == element.tag:
                yield self._changed(*added.pop(0))
        if end > start:
            yield self._file.buffer[start:end]
        for tag, value in added:
            yield self._changed(tag, value)

    def _changed(self, tag: int, value: Value | None) -> bytes:
        assert value is not None
        data = _even(value.data, value.vr)
        return head(tag, value.vr, len(data), self._explicit) + data

    def _top(self, element: Element) -> Iterator[Buffer]:
        """An element written anew; a long value in pieces."""
        little = self._file.little
        if element.length <= WINDOW or element.items is not None or element.fragments is not None:
            yield self._element(element, little)
            return
        yield head(element.tag, element.vr, element.length + element.length % 2, self._explicit)
        yield from turned(self._file, element.value, element.value + element.length, 0 if little else _SWAP.get(element.vr, 0))
        yield _padding(element.vr) * (element.length % 2)

    def _element(self, element: Element, little: bool) -> bytes:
        if element.items is not None:
            return self._sequence(element)
        if element.fragments is not None:
            fragments = [item_head(n) + bytes(self._file.buffer[at : at + n]) for at, n in element.fragments]
            return head(element.tag, element.vr, UNDEFINED, self._explicit) + b"".join(fragments) + END_OF_SEQUENCE
        data = bytes(self._file.raw(element))
        if not little and element.vr in _SWAP:
            data = swap_words(data, _SWAP[element.vr])
        data = _even(data, element.vr)
        return head(element.tag, element.vr, len(data), self._explicit) + data

    def _sequence(self, element: Element) -> bytes:
        body = b"".join(self._item(item) for item in element.items or ())
        if element.end - element.value == element.length:
            return head(element.tag, "SQ", len(body), self._explicit) + body
        return head(element.tag, "SQ", UNDEFINED, self._explicit) + body + END_OF_SEQUENCE

    def _item(self, item: Item) -> bytes:
        body = b"".join(self._element(element, item.little) for element in item.elements if element.tag & 0xFFFF)
        length = int.from_bytes(self._file.buffer[item.value - 4 : item.value], "little")
        if length == UNDEFINED:
            return item_head(UNDEFINED) + body + _END_OF_ITEM
        return item_head(len(body)) + body


def turned(file: DicomFile, start: int, end: int, size: int) -> Iterator[Buffer]:
    """Bytes of the file in pieces, the order of each word of ``size`` bytes reversed; a rest shorter than that as it is."""
    if size < 2:
        yield from windows(file.buffer, start, end)
        return
    whole = end - (end - start) % size
    yield from swap_pieces(windows(file.buffer, start, whole), size)
    yield file.buffer[whole:end]


def _even(data: bytes, vr: str) -> bytes:
    """Values have an even length (PS3.5 7.1.1); text is padded with a space, the rest with a zero."""
    return data + _padding(vr) if len(data) % 2 else data


def _padding(vr: str) -> bytes:
    return b" " if vr in _TEXT else b"\0"
