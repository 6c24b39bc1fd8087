"""Values that are kept out of metadata (PS3.18 F.2.6), in little endian (PS3.18 8.7.3.2)."""

import hashlib
from collections.abc import Iterator, Sequence

from pacs.convert.frames import swap_pieces, swap_words
from pacs.dicom.elements import LARGE
from pacs.dicom.pixels import PixelLayout
from pacs.dicom.reader import WIDTH, DicomFile, Element
from pacs.domain.model import BulkValue
from pacs.domain.ports import Buffer
from pacs.domain.scratch import windows

BULK_VRS = frozenset(("OB", "OW", "OD", "OF", "OL", "OV", "UN"))


def bulk_values(file: DicomFile, over: int, found: PixelLayout) -> tuple[BulkValue, ...]:
    """Binary values over ``over`` bytes and any value over :data:`LARGE`, at any depth.

    Pixel data that frames were found in is not among them.
    """
    frames = found.element if found.count else None
    return tuple(_walk(file, file.elements, "", over, frames))


def _walk(
    file: DicomFile, elements: Sequence[Element], path: str, over: int, frames: Element | None
) -> Iterator[BulkValue]:
    for element in elements:
        if element.items is not None:
            for number, item in enumerate(element.items):
                yield from _walk(file.within(item), item.elements, f"{path}{element.tag:08X}/{number}/", over, None)
        elif element.length > over and (element.vr in BULK_VRS or element.length > LARGE) and element is not frames:
            yield _value(file, element, f"{path}{element.tag:08X}")


def _value(file: DicomFile, element: Element, path: str) -> BulkValue:
    width = WIDTH.get(element.vr, 1)
    swap = width if not file.little and width > 1 and element.fragments is None else 0
    pieces: Iterator[Buffer] = windows(file.buffer, element.value, element.value + element.length)
    digest = hashlib.sha256()
    for piece in swap_pieces(pieces, swap) if swap else pieces:
        digest.update(piece)
    return BulkValue(path, element.vr, digest.hexdigest(), element.length, element.value, swap)


def little_value(file: DicomFile, value: BulkValue) -> Buffer:
    """The bytes of a bulk value of this file as they are kept and sent; a view of the file where nothing is swapped."""
    raw = file.buffer[value.offset : value.offset + value.length]
    return swap_words(raw, value.swap) if value.swap else raw
