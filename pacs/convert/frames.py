"""Frames as they are sent, out of the object that holds them."""

from collections.abc import Callable, Iterable, Iterator

from pacs.dicom.pixels import PixelLayout
from pacs.domain.model import FrameTable
from pacs.domain.ports import Buffer

Read = Callable[[int, int], Buffer]


def table_of(layout: PixelLayout, deflated: bool) -> FrameTable:
    """The frame table of a received file; ``inflated`` ranges count in the inflated data set."""
    if layout.count == 0:
        return FrameTable()
    kind = "inflated" if deflated else "ranges"
    if layout.kind == "encapsulated":
        return FrameTable(layout.count, kind, spans=layout.fragments)
    return FrameTable(layout.count, kind, layout.start, layout.size, swap=layout.swap, bits=layout.bits)


def cut_frame(table: FrameTable, number: int, read: Read) -> Buffer:
    """Frame ``number`` (from 1), little endian and byte aligned; ``read(offset, length)`` reads the object.

    A frame that is one plain range is what ``read`` gave: where that is a view, nothing is copied.
    """
    if table.bits:
        return _bits(table, number, read)
    if table.swap:
        return _little(table, (number - 1) * table.size, number * table.size, read)
    ranges = table.ranges(number)
    if len(ranges) == 1:
        return read(*ranges[0])
    return b"".join([read(offset, length) for offset, length in ranges])


def frame_length(table: FrameTable, number: int) -> int:
    """Bytes of frame ``number`` as it is sent."""
    if table.bits:
        return (table.bits + 7) // 8
    return sum(length for _, length in table.ranges(number))


def _bits(table: FrameTable, number: int, read: Read) -> bytes:
    """A frame of packed bits, moved to a byte boundary (PS3.5 8.1.1: bits fill bytes from the lowest)."""
    first = (number - 1) * table.bits
    last = first + table.bits
    packed = int.from_bytes(_little(table, first // 8, (last + 7) // 8, read), "little") >> (first % 8)
    return (packed & ((1 << table.bits) - 1)).to_bytes((table.bits + 7) // 8, "little")


def _little(table: FrameTable, first: int, last: int, read: Read) -> Buffer:
    """Bytes ``first`` to ``last`` of the value in little endian: whole words are read, turned, and cut (PS3.5 7.3)."""
    if not table.swap:
        return read(table.start + first, last - first)
    low = first // table.swap * table.swap
    high = -(-last // table.swap) * table.swap
    return swap_words(read(table.start + low, high - low), table.swap)[first - low : last - low]


def swap_words(data: Buffer, size: int) -> bytes:
    """Byte order of each word of ``size`` bytes reversed; a rest shorter than a word stays as it is."""
    if size < 2:
        return bytes(data)
    whole = len(data) // size * size
    out = bytearray(data)
    for byte in range(size):
        out[byte:whole:size] = data[size - 1 - byte : whole : size]
    return bytes(out)


def swap_pieces(pieces: Iterable[Buffer], size: int) -> Iterator[Buffer]:
    """The same over a stream; a rest shorter than a word at the end is left out."""
    rest = b""
    for piece in pieces:
        rest += piece
        whole = len(rest) // size * size
        yield swap_words(rest[:whole], size)
        rest = rest[whole:]


def pack_bits(frames: Iterable[Buffer], bits: int) -> Iterator[bytes]:
    """Byte-aligned frames of ``bits`` bits each as one run of bits (the inverse of cutting them); zeros fill the end."""
    waiting, count = 0, 0
    for frame in frames:
        waiting |= int.from_bytes(frame, "little") << count
        count += bits
        whole = count // 8
        yield (waiting & ((1 << whole * 8) - 1)).to_bytes(whole, "little")
        waiting >>= whole * 8
        count %= 8
    if count:
        yield waiting.to_bytes(1, "little")
