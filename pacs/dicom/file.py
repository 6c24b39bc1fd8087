"""A walked file and the values of its elements."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

from pacs.dicom import charset as charsets
from pacs.dicom.elements import LARGE, Element, Item
from pacs.dicom.vr import NUMBERS, WIDTH


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

    def within(self, item: Item) -> DicomFile:
        """This file as the values of the item are to be read: those of a UN sequence are little endian (PS3.5 6.2.2)."""
        return self if item.little == self.little else replace(self, little=item.little)

    @property
    def charset(self) -> charsets.Charset:
        """The decoder of the top level (PS3.3 C.12.1.1.2)."""
        if self._charset is None:
            element = self.find(0x00080005)
            self._charset = charsets.charset(bytes(self.raw(element))) if element else charsets.DEFAULT
        return self._charset

    def text(self, tag: int, default: str = "") -> str:
        """The whole value as text without padding; backslashes stay.  One too large for text is as if absent."""
        element = self.find(tag)
        if element is None or element.items is not None or element.length > LARGE:
            return default
        return self.charset.decode(bytes(self.raw(element)), element.vr).strip(" \0")

    def values(self, tag: int) -> list[str]:
        """The values of a string element; numbers of a binary one as their text."""
        element = self.find(tag)
        if element is None or not 0 < element.length <= LARGE or element.items is not None:
            return []
        if element.vr in NUMBERS:
            return [str(value) for value in self._binary(element)]
        text = self.text(tag)
        return [value.strip(" \0") for value in text.split("\\")] if text else []

    def _binary(self, element: Element) -> tuple[int | float, ...]:
        """The values of a binary number VR."""
        code = NUMBERS[element.vr]
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
