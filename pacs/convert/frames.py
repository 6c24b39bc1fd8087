"""Frames as they are sent, out of the object that holds them."""

from collections.abc import Callable

from pacs.dicom.pixels import PixelLayout
from pacs.domain.model import FrameTable

Read = Callable[[int, int], bytes]


def table_of(layout: PixelLayout, deflated: bool) -> FrameTable:
    """The frame table of a received file; ``inflated`` ranges count in the inflated data set."""
    if layout.count == 0:
        return FrameTable()
    kind = "inflated" if deflated else "ranges"
    if layout.kind == "encapsulated":
        return FrameTable(layout.count, kind, spans=layout.fragments)
    return FrameTable(layout.count, kind, layout.start, layout.size, swap=layout.swap, bits=layout.bits)


def cut_frame(table: FrameTable, number: int, read: Read) -> bytes:
    """Frame ``number`` (from 1), little endian and byte aligned; ``read(offset, length)`` reads the object."""
    if table.bits:
        return _bits(table, number, read)
    if table.swap:
        return _swapped(table, number, read)
    return b"".join(read(offset, length) for offset, length in table.ranges(number))


def _bits(table: FrameTable, number: int, read: Read) -> bytes:
    """A frame of packed bits, moved to a byte boundary (PS3.5 8.1.1: bits fill bytes from the lowest)."""
    first = (number - 1) * table.bits
    last = first + table.bits
    start, end = first // 8, (last + 7) // 8
    packed = int.from_bytes(read(table.start + start, end - start), "little") >> (first % 8)
    return (packed & ((1 << table.bits) - 1)).to_bytes((table.bits + 7) // 8, "little")


def _swapped(table: FrameTable, number: int, read: Read) -> bytes:
    """A frame of a big endian value: whole words are read, turned, and cut."""
    first = (number - 1) * table.size
    low = first // table.swap * table.swap
    high = -(-(first + table.size) // table.swap) * table.swap
    return swap_words(read(table.start + low, high - low), table.swap)[first - low : first - low + table.size]


def swap_words(data: bytes, size: int) -> bytes:
    """Byte order of each word of ``size`` bytes reversed; a rest shorter than a word stays as it is."""
    whole = len(data) // size * size
    out = bytearray(data)
    for byte in range(size):
        out[byte:whole:size] = data[size - 1 - byte : whole : size]
    return bytes(out)
