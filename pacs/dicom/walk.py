"""The element walk (PS3.5 sections 7.1 to 7.5, 6.2.2, Annex A).

Every length is checked against the input before it is used, so hostile bytes end in ``Refused`` and nothing else.
"""

from __future__ import annotations

import struct
from typing import Final, NoReturn

from pacs.dicom.elements import ITEM, ITEM_END, PIXEL_TAGS, SEQUENCE_END, UNDEFINED, Element, Item, Limits
from pacs.dicom.vr import FRAGMENTED, LONG, SHORT, TABLE, VRS, WIDTH, Scope
from pacs.domain.errors import Refused
from pacs.domain.scratch import forget, windows

_PIXEL_REPRESENTATION: Final = 0x00280103
_PAGE: Final = 4096
_JUMPS: Final = 256
"""Long values passed before the pages that their headers touched are given back."""

Fragments = tuple[tuple[int, int], ...]


def tag_name(tag: int) -> str:
    """A tag as (gggg,eeee)."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _truncated(tag: int, pos: int) -> NoReturn:
    raise Refused(f"truncated: element {tag_name(tag)} at byte {pos} runs past the end")


class _DataSet(Scope):
    """A data set being walked: where it may end, how deep it is, and its elements so far."""

    __slots__ = ("depth", "elements", "end", "open_end", "single")

    def __init__(self, end: int, depth: int, open_end: bool, signed: bool, single: bool = False) -> None:
        super().__init__(signed)
        self.end = end
        self.depth = depth
        self.open_end = open_end
        self.single = single
        self.elements: list[Element] = []

    def add(self, tag: int, vr: str, start: int, value: int, stop: int) -> int:
        """Append a plain element; its end."""
        self.elements.append(Element(tag, vr, start, value, stop - value, stop, None, None))
        return stop


class Walker:
    """The recursive walk with its budget of elements.

    The methods that read an element append to its data set and return where the next one starts,
    or that position negated where a delimiter ended the data set.
    """

    def __init__(self, buffer: memoryview, limits: Limits, little: bool) -> None:
        self.buffer = buffer
        self.limits = limits
        self.left = limits.elements
        self._jumps = 0
        self.order(little)

    def order(self, little: bool) -> None:
        """Choose the byte order (PS3.5 7.3)."""
        mark = "<" if little else ">"
        self.little = little
        self.head = struct.Struct(f"{mark}HH2sH").unpack_from
        self.plain = struct.Struct(f"{mark}HHI").unpack_from
        self.word = struct.Struct(f"{mark}I").unpack_from

    def meta(self, pos: int) -> tuple[list[Element], int]:
        """The elements of group 0002, explicit little endian (PS3.10 7.1), and where they end."""
        buffer, found = self.buffer, _DataSet(len(self.buffer), 0, False, False, single=True)
        while bytes(buffer[pos : pos + 2]) == b"\x02\x00":
            if pos + 8 > found.end:
                _truncated(0x00020000, pos)
            pos = self._explicit(pos, found)
        return found.elements, pos

    def data_set(
        self, pos: int, end: int, depth: int, explicit: bool, open_end: bool, signed: bool = False
    ) -> tuple[list[Element], int]:
        """Elements from pos to end, or to the item delimiter (``open_end``), and where they end."""
        if depth > self.limits.depth:
            raise Refused(f"sequences nested deeper than {self.limits.depth}")
        found = _DataSet(end, depth, open_end, signed)
        pos = self._explicit(pos, found) if explicit else self._implicit(pos, found)
        return found.elements, pos

    def _spend(self, count: int) -> None:
        """Take from the budget of elements."""
        self.left -= count
        if self.left < 0:
            raise Refused(f"more than {self.limits.elements} elements")

    def _jumped(self, length: int) -> None:
        """Each header behind a long value makes pages of a mapped file resident: give them back in time."""
        if length >= _PAGE:
            self._jumps += 1
            if self._jumps >= _JUMPS:
                self._jumps = 0
                forget(self.buffer)

    def _explicit(self, pos: int, found: _DataSet) -> int:
        """Explicit VR elements (PS3.5 7.1.2)."""
        buffer, head, short = self.buffer, self.head, SHORT
        out, end, single = found.elements, found.end, found.single
        append, new, element = out.append, tuple.__new__, Element
        last, spent = end - 8, len(out)
        room = spent + self.left
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
                        found.resolve(buffer, tag, value, length)
                elif tag == _PIXEL_REPRESENTATION and length:
                    found.signed = bool(buffer[value] | buffer[stop - 1])
                pos = stop
                if len(out) > room:
                    self._spend(len(out) - spent)
            else:
                self._spend(len(out) - spent)
                stop = self._special(pos, found, group << 16 | number, code)
                if stop < 0:
                    return -stop
                pos, spent = stop, len(out)
                room = spent + self.left
            if single:
                break
        self._spend(len(out) - spent)
        return self._close(pos, found)

    def _implicit(self, pos: int, found: _DataSet) -> int:
        """Implicit VR elements (PS3.5 7.1.3)."""
        buffer, plain, table, wide = self.buffer, self.plain, TABLE, WIDTH
        out, end = found.elements, found.end
        append, new, element = out.append, tuple.__new__, Element
        last = end - 8
        while pos <= last:
            group, number, length = plain(buffer, pos)
            tag = group << 16 | number
            vr = table.get(tag)
            self.left -= 1
            if self.left < 0:
                self._spend(0)
            value = pos + 8
            stop = value + length
            if vr is None or stop > end or vr == "SQ" or len(vr) > 2:
                stop = self._implicit_special(pos, found, tag, length)
                if stop < 0:
                    return -stop
                pos = stop
            else:
                width = wide.get(vr)
                if width and length % width:
                    vr = "UN"
                append(new(element, (tag, vr, pos, value, length, stop, None, None)))
                if tag == _PIXEL_REPRESENTATION and length:
                    found.signed = buffer[value] != 0
                pos = stop
        return self._close(pos, found)

    def _close(self, pos: int, found: _DataSet) -> int:
        """The end of a data set: nothing, or a few zero bytes of padding."""
        if found.single and pos <= found.end:
            return pos
        if found.open_end:
            raise Refused(f"truncated: an item at byte {pos} has no delimiter")
        if pos < found.end and any(self.buffer[pos : found.end]):  # fewer than eight bytes
            raise Refused(f"truncated: an element header at byte {pos} runs past the end")
        return found.end

    def _delimiter(self, pos: int, found: _DataSet, tag: int) -> int | None:
        """Delimiters and trailing zeros: the next position, negated to end the data set."""
        if tag == ITEM_END:
            return -(pos + 8) if found.open_end else pos + 8
        if tag == SEQUENCE_END and not found.open_end:
            return pos + 8
        if tag >> 16 == 0xFFFE:
            raise Refused(f"a delimiter {tag_name(tag)} at byte {pos} where an element is due")
        if tag == 0:
            if found.open_end or not self._zeros(pos, found.end):
                raise Refused(f"element (0000,0000) at byte {pos}: a data set has no group 0000")
            return -found.end
        return None

    def _zeros(self, start: int, end: int) -> bool:
        """Whether nothing but zeros is left."""
        return not any(bytes(piece).strip(b"\0") for piece in windows(self.buffer, start, end))

    def _special(self, pos: int, found: _DataSet, tag: int, code: bytes) -> int:
        """Explicit: 32-bit lengths, delimiters, VR letters that are none."""
        moved = self._delimiter(pos, found, tag)
        if moved is not None:
            return moved
        self._spend(1)
        vr = LONG.get(code, "")
        if not vr:
            return self._unknown(pos, found, tag, code)
        if pos + 12 > found.end:
            _truncated(tag, pos)
        return self._finish(pos, found, tag, vr, pos + 12, self.word(self.buffer, pos + 8)[0], True)

    def _unknown(self, pos: int, found: _DataSet, tag: int, code: bytes) -> int:
        """VR letters that are none: an implicit element, a later VR, or a 16-bit length (PS3.5 6.2.2)."""
        small = self.head(self.buffer, pos)[3]
        if not all(0x20 <= letter < 0x7F for letter in code):
            length = self.plain(self.buffer, pos)[2]
            if length == UNDEFINED or pos + 8 + length <= found.end:
                return self._finish(pos, found, tag, "UN", pos + 8, length, False)
        elif not small and pos + 12 <= found.end:
            length = self.word(self.buffer, pos + 8)[0]
            if pos + 12 + length <= found.end:
                return self._finish(pos, found, tag, "UN", pos + 12, length, True)
        return self._finish(pos, found, tag, "UN", pos + 8, small, True)

    def _implicit_special(self, pos: int, found: _DataSet, tag: int, length: int) -> int:
        """Implicit: delimiters, sequences, private and ambiguous elements, explicit ones that strayed in."""
        moved = self._delimiter(pos, found, tag)
        if moved is not None:
            return moved
        if length != UNDEFINED and pos + 8 + length > found.end and bytes(self.buffer[pos + 4 : pos + 6]) in VRS:
            return self._stray(pos, found)
        return self._finish(pos, found, tag, "UN", pos + 8, length, False)

    def _stray(self, pos: int, found: _DataSet) -> int:
        """One explicit element among implicit ones."""
        open_end, found.open_end, found.single = found.open_end, False, True
        try:
            return self._explicit(pos, found)
        finally:
            found.open_end, found.single = open_end, False

    def _finish(
        self, pos: int, found: _DataSet, tag: int, vr: str, value: int, length: int, explicit: bool
    ) -> int:
        """Add an element that may be a sequence, fragments or of a VR to resolve (UN)."""
        stop = value + length
        if length != UNDEFINED and stop > found.end:
            _truncated(tag, pos)
        self._jumped(length)
        unknown = vr == "UN"
        if unknown:
            vr = found.resolve(self.buffer, tag, value, 0 if length == UNDEFINED else length)
            if not self.little and vr in WIDTH:
                vr = "UN"  # its bytes are little endian whatever the file is (PS3.5 6.2.2)
        if length == UNDEFINED:
            return self._undefined(pos, found, tag, vr, value, explicit, unknown)
        if vr == "SQ":
            return self._sized(pos, found, tag, value, stop, explicit, unknown)
        return found.add(tag, vr, pos, value, stop)

    def _sized(
        self, pos: int, found: _DataSet, tag: int, value: int, stop: int, explicit: bool, unknown: bool
    ) -> int:
        """A sequence with a length; one only guessed to be a sequence stays UN where it is none."""
        guessed = unknown and (explicit or bool(tag >> 16 & 1))
        inside = _DataSet(stop, found.depth, False, found.signed)
        try:
            items, _ = self._sequence(value, inside, explicit, unknown)
        except Refused:
            if not guessed or self.left < 0:
                raise
            return found.add(tag, "UN", pos, value, stop)
        found.elements.append(Element(tag, "SQ", pos, value, stop - value, stop, items, None))
        return stop

    def _undefined(
        self, pos: int, found: _DataSet, tag: int, vr: str, value: int, explicit: bool, unknown: bool
    ) -> int:
        """Undefined length: fragments (PS3.5 A.4) or a sequence, UN too (PS3.5 6.2.2)."""
        binary = explicit and not unknown and vr in FRAGMENTED
        if tag in PIXEL_TAGS or binary:
            fragments, stop = self._fragments(tag, value, found.end)
            vr = vr if binary else "OB"
            found.elements.append(Element(tag, vr, pos, value, stop - 8 - value, stop, None, fragments))
            return stop
        inside = _DataSet(found.end, found.depth, True, found.signed)
        items, stop = self._sequence(value, inside, explicit, unknown)
        found.elements.append(Element(tag, "SQ", pos, value, stop - 8 - value, stop, items, None))
        return stop

    def _sequence(self, pos: int, inside: _DataSet, explicit: bool, unknown: bool) -> tuple[tuple[Item, ...], int]:
        """The items of a sequence; one that came as UN is implicit little endian (PS3.5 6.2.2)."""
        if not unknown or self.little:
            return self._items(pos, inside, explicit and not unknown)
        self.order(True)
        try:
            return self._items(pos, inside, False)
        finally:
            self.order(False)

    def _items(self, pos: int, inside: _DataSet, explicit: bool) -> tuple[tuple[Item, ...], int]:
        """Items to the sequence delimiter or to the end (PS3.5 7.5.1, 7.5.2)."""
        out: list[Item] = []
        end, open_end = inside.end, inside.open_end
        while pos + 8 <= end:
            group, number, length = self.plain(self.buffer, pos)
            tag = group << 16 | number
            if tag == SEQUENCE_END:
                if open_end:
                    return tuple(out), pos + 8
                pos += 8
                continue
            if tag != ITEM:
                raise Refused(f"{tag_name(tag)} at byte {pos} where an item of a sequence is due")
            self._spend(1)
            item = self._item(pos, length, inside, explicit)
            out.append(item)
            pos = item.end
        if open_end or pos != end:
            raise Refused(f"truncated: a sequence at byte {pos} runs past the end")
        return tuple(out), pos

    def _item(self, pos: int, length: int, inside: _DataSet, explicit: bool) -> Item:
        """One item; items of an implicit sequence that hold explicit elements are read as such."""
        value, open_end = pos + 8, length == UNDEFINED
        stop = inside.end if open_end else value + length
        if stop > inside.end:
            _truncated(ITEM, pos)
        if not explicit and value + 6 <= inside.end and bytes(self.buffer[value + 4 : value + 6]) in VRS:
            explicit = value + 8 <= stop and value + 8 + int(self.plain(self.buffer, value)[2]) > stop
        elements, stop = self.data_set(value, stop, inside.depth + 1, explicit, open_end, inside.signed)
        return Item(pos, value, stop, elements, self.little)

    def _fragments(self, tag: int, pos: int, end: int) -> tuple[Fragments, int]:
        """The fragments of encapsulated pixel data, the offset table first (PS3.5 A.4)."""
        out: list[tuple[int, int]] = []
        while pos + 8 <= end:
            group, number, length = self.plain(self.buffer, pos)
            found = group << 16 | number
            if found == SEQUENCE_END:
                return tuple(out), pos + 8
            if found != ITEM or length == UNDEFINED:
                raise Refused(f"{tag_name(found)} at byte {pos} where a fragment of {tag_name(tag)} is due")
            if pos + 8 + length > end:
                _truncated(tag, pos)
            self._spend(1)
            self._jumped(length)
            out.append((pos + 8, length))
            pos += 8 + length
        raise Refused(f"truncated: element {tag_name(tag)} runs past the end: no sequence delimiter")
