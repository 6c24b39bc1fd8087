"""The size a code stream declares, read before any memory is taken for it (T.81, T.87, T.800, 18181-1)."""

import struct

from pacs.convert.picture import Picture
from pacs.domain.errors import RenderFailed


def check_stream(picture: Picture, frame: bytes, codec: str) -> None:
    """Compares the stream's own rows, columns and samples with the header; raises RenderFailed where they differ."""
    if codec in ("jpeg2k", "htj2k"):
        found = _siz(frame)
    elif codec == "jpegxl":
        found = (*_xl_size(frame), picture.samples)
    else:
        found = _sof(frame)
    expected = (picture.rows, picture.columns, picture.samples)
    if found != expected:
        raise RenderFailed(f"the code stream is {found}, the header says {expected}")
    if codec in ("jpeg2k", "htj2k"):
        _check_tiles(frame)


def tells_colours(frame: bytes) -> bool:
    """Whether a JPEG stream says its colours: a JFIF marker, or an Adobe one long enough for its transform flag."""
    adobe = frame.find(b"Adobe", 0, 4096)
    whole = adobe >= 4 and int.from_bytes(frame[adobe - 2 : adobe], "big") >= 14
    return whole or b"JFIF\0" in frame[:64]


def _sof(frame: bytes) -> tuple[int, int, int]:
    """Rows, columns and samples from the frame header of JPEG or JPEG-LS."""
    at = 2
    while at + 10 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            rows, columns, samples = struct.unpack_from(">HHB", frame, at + 5)
            return rows, columns, samples
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    raise RenderFailed("no frame header in the JPEG stream")


def _siz(frame: bytes) -> tuple[int, int, int]:
    """Rows, columns and samples from the SIZ segment of JPEG 2000."""
    at = frame.find(b"\xff\x4f\xff\x51")
    if at < 0:
        raise RenderFailed("no SIZ segment in the JPEG 2000 stream")
    x, y, x0, y0 = struct.unpack_from(">4I", frame, at + 8)
    return y - y0, x - x0, struct.unpack_from(">H", frame, at + 40)[0]


def _check_tiles(frame: bytes) -> None:
    """Every tile-part as long as it says (T.800 A.4.2): decoders take a stream that was cut for a blurred one."""
    at = frame.find(b"\xff\x4f\xff\x51") + 2
    while at + 4 <= len(frame) and frame[at : at + 2] != b"\xff\x90":
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    while frame[at : at + 2] == b"\xff\x90":
        length = int.from_bytes(frame[at + 6 : at + 10], "big")
        if not length:  # the last one, to the end of the stream
            return
        at += max(length, 12)
    if at > len(frame):
        raise RenderFailed(f"the code stream is cut off: {at} bytes are told, {len(frame)} are there")


def _xl_size(frame: bytes) -> tuple[int, int]:
    """Rows and columns from the size header of JPEG XL, bare or in boxes."""
    start = 0
    if not frame.startswith(b"\xff\x0a"):
        start = frame.find(b"\xff\x0a", max(frame.find(b"jxlc"), frame.find(b"jxlp"), 0))
    bits = int.from_bytes(frame[start + 2 : start + 14], "little")
    if start < 0 or len(frame) < start + 4:
        raise RenderFailed("no code stream in the JPEG XL data")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    small = take(1)

    def length() -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    rows = length()
    ratio = take(3)
    if not ratio:
        return rows, length()
    up, down = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return rows, rows * up // down
