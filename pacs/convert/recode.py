"""A Part 10 file in another transfer syntax: meta group, pixel description and pixel data made anew, the rest kept.

Pure: the frames come from the caller, one by one, so that a file of any size takes the memory of one frame.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from pacs.convert.decode import NATIVE
from pacs.convert.encode import LOSSY, described
from pacs.convert.frames import pack_bits
from pacs.convert.part10 import IMPLEMENTATION_UID
from pacs.convert.picture import Picture
from pacs.convert.rewrite import END_OF_SEQUENCE, Rewriter, Value, head, item_head, turned
from pacs.convert.streams import CODECS
from pacs.dicom.elements import UNDEFINED
from pacs.dicom.pixels import PixelLayout
from pacs.dicom.reader import DicomFile
from pacs.dicom.syntax import syntax
from pacs.domain.errors import NotAcceptable
from pacs.domain.ports import Buffer

_PIXEL_DATA = 0x7FE00010
_OFFSET_TABLES = (0x7FE00001, 0x7FE00002, 0x7FE00003)
_DCT = frozenset(uid for uid, codec in CODECS.items() if codec == "jpeg")
_METHODS = {"jpeg": "ISO_10918_1", "jpegls": "ISO_14495_1"}
_NEAR_LOSSLESS = "1.2.840.10008.1.2.4.81"
Frame = Callable[[int], bytes]


def recode(
    file: DicomFile, layout: PixelLayout, picture: Picture | None, target: str, frame: Frame, stored: Frame
) -> Iterator[Buffer]:
    """The file in ``target``.

    ``frame(number)`` gives frames in the target's form, ``stored(number)`` as they lie (native to native needs no other).
    ``picture`` is None where there are no pixels.  Raises NotAcceptable before the first piece.
    """
    kind = syntax(target)
    if picture is None and kind.encapsulated:
        raise NotAcceptable("an object without pixel data is native only", (NATIVE,))
    native = not kind.encapsulated and not syntax(file.transfer_syntax).encapsulated
    pieces = _data_set(file, layout, None if native else picture, target, stored if native else frame)
    meta = make_meta_group(file, target)
    return chain((meta,), _deflated(pieces) if kind.deflated else pieces)


def _deflated(pieces: Iterable[Buffer]) -> Iterator[bytes]:
    """The data set as one raw deflate stream, padded to an even length (PS3.5 A.5)."""
    packer, size = zlib.compressobj(6, zlib.DEFLATED, -15), 0
    for piece in pieces:
        packed = packer.compress(piece)
        size += len(packed)
        yield packed
    packed = packer.flush()
    yield packed + bytes((size + len(packed)) % 2)


def make_meta_group(file: DicomFile, target: str) -> bytes:
    """The file's preamble and meta group with another transfer syntax (PS3.10 7.1); made where there was none."""
    values = {element.tag: bytes(file.raw(element)) for element in file.meta if element.tag & 0xFFFF}
    vrs = {element.tag: element.vr for element in file.meta}
    for tag, source in ((0x00020002, 0x00080016), (0x00020003, 0x00080018)):
        values.setdefault(tag, file.text(source).encode("ascii", "replace"))
    values.setdefault(0x00020001, b"\0\1")
    values.setdefault(0x00020012, IMPLEMENTATION_UID.encode())
    values[0x00020010] = target.encode()
    known = {0x00020001: "OB"}
    group = b"".join(_meta(tag, vrs.get(tag) or known.get(tag, "UI"), values[tag]) for tag in sorted(values))
    preamble = bytes(file.buffer[:128]) if file.has_preamble else bytes(128)
    return preamble + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(group)) + group


def _meta(tag: int, vr: str, data: bytes) -> bytes:
    data += b"\0" * (len(data) % 2)
    return head(tag, vr, len(data), True) + data


def _data_set(
    file: DicomFile, layout: PixelLayout, picture: Picture | None, target: str, frame: Frame
) -> Iterator[Buffer]:
    """Elements before the pixel data, the pixel data, elements behind it.  ``picture`` None: native to native."""
    writer = Rewriter(file, syntax(target).explicit)
    pixels = layout.element if layout.count else None
    if pixels is None:
        return writer.pieces(file.elements, {})
    at = file.elements.index(pixels)
    if picture is None:
        return chain(
            writer.pieces(file.elements[:at], {}),
            _native_value(file, layout, target, frame),
            writer.pieces(file.elements[at + 1 :], {}),
        )
    after = described(picture, NATIVE if not syntax(target).encapsulated else target)
    value = _fragments(layout, frame) if syntax(target).encapsulated else _decoded_value(layout, after, target, frame)
    first = next(value)  # the first frame is made before anything is said
    changes = _changes(picture, after, target, layout.count, len(first) if target in LOSSY else 0)
    return chain(
        writer.pieces(file.elements[:at], {**changes, **dict.fromkeys(_OFFSET_TABLES)}),
        (first,), value, writer.pieces(file.elements[at + 1 :], {}),
    )  # fmt: skip


def _native_length(length: int) -> int:
    if length >= UNDEFINED - 1:
        raise NotAcceptable("the pixel data is too long for a native transfer syntax")
    return length + length % 2


def _native_value(file: DicomFile, layout: PixelLayout, target: str, stored: Frame) -> Iterator[Buffer]:
    """The pixel data of a native file, words turned to little endian, and what its value holds behind the frames."""
    element = layout.element
    assert element is not None
    yield head(element.tag, element.vr, _native_length(element.length), syntax(target).explicit)
    if layout.bits:
        yield from pack_bits(map(stored, range(1, layout.count + 1)), layout.bits)
    else:
        for number in range(1, layout.count + 1):
            yield stored(number)
    done = layout.count * layout.bits // 8 if layout.bits else layout.count * layout.size
    done += bool(layout.bits and layout.count * layout.bits % 8)
    yield from turned(file, element.value + done, element.value + element.length, layout.swap)
    yield bytes(element.length % 2)


def _decoded_value(layout: PixelLayout, after: Picture, target: str, frame: Frame) -> Iterator[Buffer]:
    """Native pixel data out of decoded frames."""
    bits = after.bits_allocated * after.rows * after.columns * after.samples
    length = (bits * layout.count + 7) // 8
    vr = "OW" if after.bits_allocated > 8 else "OB"
    tag = layout.element.tag if layout.element else _PIXEL_DATA
    first = frame(1)
    yield head(tag, vr, _native_length(length), syntax(target).explicit)
    if bits % 8:
        yield from pack_bits(chain((first,), map(frame, range(2, layout.count + 1))), bits)
    else:
        yield first
        for number in range(2, layout.count + 1):
            yield frame(number)
    yield bytes(length % 2)


def _fragments(layout: PixelLayout, frame: Frame) -> Iterator[Buffer]:
    """One fragment a frame behind an empty offset table (PS3.5 A.4): the first piece is all of the first frame."""
    tag = layout.element.tag if layout.element else _PIXEL_DATA
    yield head(tag, "OB", UNDEFINED, True) + item_head(0) + _fragment(frame(1))
    for number in range(2, layout.count + 1):
        yield _fragment(frame(number))
    yield END_OF_SEQUENCE


def _fragment(data: bytes) -> bytes:
    return item_head(len(data) + len(data) % 2) + data + bytes(len(data) % 2)


def _changes(before: Picture, after: Picture, target: str, count: int, first: int) -> dict[int, Value | None]:
    """The pixel description after transcoding (PS3.5 8.2; PS3.3 C.7.6.1.1.5: once lossy is said for ever)."""
    changes: dict[int, Value | None] = {}
    if before.photometric != after.photometric:
        changes[0x00280004] = Value("CS", after.photometric.encode())
    if after.samples > 1:
        changes[0x00280006] = Value("US", struct.pack("<H", after.planar))
    if target in LOSSY:
        raw = before.rows * before.columns * before.samples * before.bits_allocated // 8
        changes[0x00282110] = Value("CS", b"01")
        changes[0x00282112] = Value("DS", b"%.2f" % (raw / max(1, first)))
        changes[0x00282114] = Value("CS", _METHODS["jpeg"].encode())
    elif before.syntax in _DCT or before.syntax == _NEAR_LOSSLESS:
        changes[0x00282110] = Value("CS", b"01")
    return changes
