"""Where the frames are in the bytes (PS3.5 section 8 and Annex A.4; PS3.3 C.7.6.3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal

from pacs.dicom.reader import DicomFile, Element
from pacs.dicom.syntax import GE_PRIVATE, syntax
from pacs.domain.scratch import slicer

_PIXEL_TAGS: Final = (0x7FE00010, 0x7FE00008, 0x7FE00009)
_EXTENDED_OFFSETS: Final = 0x7FE00001
_RLE: Final = "1.2.840.10008.1.2.5"
_DEFLATED_FRAMES: Final = "1.2.840.10008.1.2.8.1"
# JPEG and JPEG-LS SOI, JPEG 2000 SOC, JP2 and JPEG XL signature boxes, JPEG XL codestream
_MARKERS: Final = (b"\xff\xd8", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ", b"\x00\x00\x00\x0cJXL ", b"\xff\x0a")

Fragments = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class PixelDescription:
    """The Image Pixel module (PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    planar: int
    frames: int


@dataclass(frozen=True)
class PixelLayout:
    """Where each frame lies; ``count`` is what was found, not what was declared."""

    element: Element | None
    kind: Literal["none", "native", "encapsulated"]
    count: int
    start: int
    size: int
    bits: int
    swap: int
    fragments: tuple[Fragments, ...]


def pixel_element(file: DicomFile) -> Element | None:
    """Pixel Data, Float or Double Float Pixel Data of the top level."""
    for tag in _PIXEL_TAGS:
        element = file.find(tag)
        if element is not None and element.items is None:
            return element
    return None


def describe(file: DicomFile) -> PixelDescription | None:
    """The pixel description, or None where there is no matrix."""
    rows, columns = file.integer(0x00280010), file.integer(0x00280011)
    if not rows or not columns or rows < 0 or columns < 0:
        return None
    allocated = _positive(file, 0x00280100, _default_bits(file))
    stored = _positive(file, 0x00280101, allocated)
    high = file.integer(0x00280102)
    return PixelDescription(
        rows=rows,
        columns=columns,
        samples=_positive(file, 0x00280002, 1),
        photometric=file.text(0x00280004),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=stored - 1 if high is None else high,
        signed=file.integer(0x00280103) == 1,
        planar=file.integer(0x00280006) or 0,
        frames=_positive(file, 0x00280008, 1),
    )


def _positive(file: DicomFile, tag: int, default: int) -> int:
    """The number, or the default where it is absent, bad or below one."""
    value = file.integer(tag)
    return value if value is not None and value > 0 else default


def _default_bits(file: DicomFile) -> int:
    """Bits Allocated where absent: the width of float pixels, else 8."""
    element = pixel_element(file)
    return {0x7FE00008: 32, 0x7FE00009: 64}.get(element.tag, 8) if element is not None else 8


def layout(file: DicomFile) -> PixelLayout:
    """The frames that are really there."""
    element = pixel_element(file)
    if element is None:
        return PixelLayout(None, "none", 0, 0, 0, 0, 0, ())
    description = describe(file)
    if element.fragments is not None:
        frames = _encapsulated(file, element, description.frames if description else 1)
        return PixelLayout(element, "encapsulated", len(frames), element.value, 0, 0, 0, frames)
    if description is None:
        return PixelLayout(element, "native", 0, element.value, 0, 0, 0, ())
    return _native(file, element, description)


def _native(file: DicomFile, element: Element, description: PixelDescription) -> PixelLayout:
    """Frames one after another; 1-bit frames may share a byte (PS3.5 8.1.1, Annex A.2)."""
    samples = description.samples
    if description.photometric == "YBR_FULL_422" and samples == 3:
        samples = 2
    bits = description.rows * description.columns * samples * description.bits_allocated
    count = min(description.frames, element.length * 8 // bits)
    swap = _swap(file, element, description.bits_allocated)
    if bits % 8:
        return PixelLayout(element, "native", count, element.value, 0, bits, swap, ())
    return PixelLayout(element, "native", count, element.value, bits // 8, 0, swap, ())


def _swap(file: DicomFile, element: Element, allocated: int) -> int:
    """Words to turn into little endian (PS3.5 7.3; GE's private syntax has big endian pixels)."""
    private = file.transfer_syntax == GE_PRIVATE
    if file.little and not private:
        return 0
    if element.vr == "OB" or (private and allocated <= 8):
        return 0
    return {32: 4, 64: 8}.get(allocated, 2)


def _encapsulated(file: DicomFile, element: Element, frames: int) -> tuple[Fragments, ...]:
    """Fragments by frame (PS3.5 A.4; PS3.3 C.7.6.3.1.8)."""
    found = element.fragments or ()
    table, body = found[:1], found[1:]
    if not body:
        return ()
    if frames == 1 or syntax(file.transfer_syntax).media_type.startswith("video/"):
        return (body,)
    tables = (_extended(file, len(body)), _basic(file, table[0], len(body)))
    for offsets in tables:
        groups = _by_offsets(body, offsets)
        if len(groups) == frames:
            return groups
    if len(body) == frames or file.transfer_syntax in (_RLE, _DEFLATED_FRAMES):
        return tuple((fragment,) for fragment in body[:frames])
    for offsets in tables:
        groups = _by_offsets(body, offsets)
        if groups:
            return groups[:frames]
    return _by_markers(file, body)[:frames]


def _basic(file: DicomFile, table: tuple[int, int], most: int) -> tuple[int, ...]:
    """The Basic Offset Table; one with more entries than there are fragments (``most``) is none."""
    count = table[1] // 4
    return struct.unpack_from(f"<{count}I", file.buffer, table[0]) if count <= most else ()


def _extended(file: DicomFile, most: int) -> tuple[int, ...]:
    """The Extended Offset Table, likewise."""
    element = file.find(_EXTENDED_OFFSETS)
    if element is None or element.items is not None or element.length // 8 > most:
        return ()
    return struct.unpack_from(f"<{element.length // 8}Q", file.buffer, element.value)


def _by_offsets(body: Fragments, offsets: tuple[int, ...]) -> tuple[Fragments, ...]:
    """Frames by a table; nothing where the table does not point at fragments in order."""
    if not offsets or offsets[0] != 0:
        return ()
    base = body[0][0] - 8
    index = {start - 8 - base: number for number, (start, _) in enumerate(body)}
    firsts = [index.get(offset, -1) for offset in offsets]
    if -1 in firsts or any(left >= right for left, right in zip(firsts, firsts[1:], strict=False)):
        return ()
    ends = [*firsts[1:], len(body)]
    return tuple(body[first:end] for first, end in zip(firsts, ends, strict=True))


def _by_markers(file: DicomFile, body: Fragments) -> tuple[Fragments, ...]:
    """Frames by the start of a codestream; a fragment without one goes on with the frame."""
    groups: list[list[tuple[int, int]]] = []
    cut = slicer(file.buffer)
    for start, length in body:
        head = bytes(cut(start, min(length, 12)))
        if not groups or head.startswith(_MARKERS):
            groups.append([])
        groups[-1].append((start, length))
    return tuple(tuple(group) for group in groups)
