"""Small DICOM files made in the tests."""

import struct
import zlib

IMPLICIT, EXPLICIT, DEFLATED, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
UNDEFINED = 0xFFFFFFFF
LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT")


def explicit(tag: int, vr: bytes, value: bytes, length: int | None = None, mark: str = "<") -> bytes:
    """An explicit VR element; ``length`` where it is to differ from the value's."""
    size = len(value) if length is None else length
    head = struct.pack(f"{mark}HH2s", tag >> 16, tag & 0xFFFF, vr)
    return head + struct.pack(f"{mark}HI" if vr in LONG else f"{mark}H", *((0, size) if vr in LONG else (size,))) + value


def implicit(tag: int, value: bytes, length: int | None = None, mark: str = "<") -> bytes:
    """An implicit VR element, an item or a delimiter."""
    return struct.pack(f"{mark}HHI", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def item(body: bytes, length: int | None = None, mark: str = "<") -> bytes:
    return implicit(0xFFFEE000, body, length, mark)


def end_of_item(mark: str = "<") -> bytes:
    return implicit(0xFFFEE00D, b"", mark=mark)


def end_of_sequence(mark: str = "<") -> bytes:
    return implicit(0xFFFEE0DD, b"", mark=mark)


def file(body: bytes, syntax: str = EXPLICIT) -> bytes:
    """Preamble, prefix, a meta group of one element, and the data set."""
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    if syntax == DEFLATED:
        packer = zlib.compressobj(wbits=-15)
        body = packer.compress(body) + packer.flush()
    return bytes(128) + b"DICM" + explicit(0x00020010, b"UI", uid) + body


def image(frames: int, rows: int, columns: int, bits: int, pixels: bytes, syntax: str = EXPLICIT, vr: bytes = b"OW") -> bytes:
    """An instance with native pixel data."""
    mark = ">" if syntax == BIG else "<"
    texts = (
        (0x00080016, b"UI", b"1.2.840.10008.5.1.4.1.1.7\0"), (0x00080018, b"UI", b"1.2.3.30"),
        (0x0020000D, b"UI", b"1.2.3.10"), (0x0020000E, b"UI", b"1.2.3.20"),
    )  # fmt: skip
    numbers = ((0x00280002, 1), (0x00280010, rows), (0x00280011, columns), (0x00280100, bits), (0x00280101, bits))
    body = b"".join(explicit(tag, kind, value, mark=mark) for tag, kind, value in texts)
    body += b"".join(explicit(tag, b"US", struct.pack(f"{mark}H", number), mark=mark) for tag, number in numbers)
    count = str(frames).encode()
    body += explicit(0x00280008, b"IS", count + b" " * (len(count) % 2), mark=mark)
    return file(body + explicit(0x7FE00010, vr, pixels, mark=mark), syntax)
