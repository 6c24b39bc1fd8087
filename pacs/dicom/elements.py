"""Data elements as offsets into their file (PS3.5 section 7.1): nothing is copied."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Final, NamedTuple

Buffer = bytes | bytearray | memoryview | mmap.mmap

UNDEFINED: Final = 0xFFFFFFFF
ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
LARGE: Final = 1 << 20
"""Bytes over which a value of any VR is bulk data (PS3.18 F.2.2): as text or numbers it would fill memory."""
PIXEL_TAGS: Final = frozenset((0x7FE00010, 0x7FE00008, 0x7FE00009))


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
    """One item of a sequence (PS3.5 section 7.5); ``little``: the byte order of its values."""

    start: int
    value: int
    end: int
    elements: list[Element]
    little: bool = True


@dataclass(frozen=True)
class Limits:
    """What a file may cost: nesting, elements (fragments and items count too), inflated bytes."""

    depth: int = 64
    elements: int = 1_000_000
    inflated: int = 536_870_912
