"""8 bit images as JPEG, PNG and GIF files, with their colour profile and, for GIF, their time."""

import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from pacs.domain.errors import NotAcceptable, RenderFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

_ICC_PIECE = 65519  # of an APP2 segment, after its head
_LEVELS = (6, 7, 6)  # of red, green and blue in the palette of a colour GIF


def to_file(images: Sequence["Array"], media: str, quality: int, icc: bytes = b"", frame_time: float = 100.0) -> bytes:
    """One image as JPEG or PNG, or one and more as GIF; ``frame_time`` in milliseconds."""
    if media == "image/gif":
        return gif(images, frame_time)
    if media == "image/png":
        return png(images[0], icc)
    if media == "image/jpeg":
        return jpeg(images[0], quality, icc)
    raise NotAcceptable(f"{media} cannot be rendered", ("image/jpeg", "image/png", "image/gif"))


def jpeg(image: "Array", quality: int, icc: bytes = b"") -> bytes:
    """JPEG; the profile in APP2 segments behind the start of the image (ICC.1 B.4)."""
    import imagecodecs

    stream = bytes(imagecodecs.jpeg8_encode(image, level=quality))
    if not icc:
        return stream
    pieces = [icc[at : at + _ICC_PIECE] for at in range(0, len(icc), _ICC_PIECE)]
    if len(pieces) > 255:
        raise RenderFailed("the colour profile is too large for JPEG")
    segments = [
        struct.pack(">2sH12sBB", b"\xff\xe2", len(piece) + 16, b"ICC_PROFILE\0", number, len(pieces)) + piece
        for number, piece in enumerate(pieces, 1)
    ]
    first = 4 + int.from_bytes(stream[4:6], "big") if stream[2:4] == b"\xff\xe0" else 2  # JFIF stays first
    return b"".join((stream[:first], *segments, stream[first:]))


def png(image: "Array", icc: bytes = b"") -> bytes:
    """PNG of 8 bits; the profile in an iCCP chunk behind the header."""
    import imagecodecs

    stream = bytes(imagecodecs.png_encode(image, level=1))
    if not icc:
        return stream
    body = b"iCCP" + b"ICC Profile\0\0" + zlib.compress(icc)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return stream[:33] + chunk + stream[33:]


def gif(images: Sequence["Array"], frame_time: float) -> bytes:
    """GIF, looping for ever where there are several images; colours in a palette of 252, grey in all its 256."""
    import imagecodecs
    import numpy as np

    stacked = np.stack(images)
    colormap = None
    if stacked.ndim == 4:
        colormap = _palette()
        stacked = _indexed(stacked)
    stream = bytes(imagecodecs.gif_encode(stacked, colormap=colormap))
    return _animate(stream, len(images), max(2, round(frame_time / 10)))


def _palette() -> "Array":
    import numpy as np

    red, green, blue = (np.rint(np.linspace(0, 255, n)).astype("u1") for n in _LEVELS)
    grid = np.stack(np.meshgrid(red, green, blue, indexing="ij"), -1).reshape(-1, 3)
    return np.concatenate([grid, np.zeros((256 - len(grid), 3), "u1")])


def _indexed(images: "Array") -> "Array":
    """The number of the nearest colour of the palette."""
    import numpy as np

    red, green, blue = (
        (np.arange(256) * (levels - 1) * 2 + 255) // 510 for levels in _LEVELS
    )
    index = (red[images[..., 0]] * _LEVELS[1] + green[images[..., 1]]) * _LEVELS[2] + blue[images[..., 2]]
    return index.astype("u1")


def _animate(stream: bytes, count: int, hundredths: int) -> bytes:
    """Puts the delay before each image and the endless loop before the first (GIF89a 23; Netscape 2.0)."""
    if count < 2:
        return stream
    table = 3 << (stream[10] & 7) + 1 if stream[10] & 0x80 else 0
    at = 13 + table
    control = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 0x04, min(hundredths, 65535), 0, 0)
    out = [b"GIF89a", stream[6:at], b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"]
    while stream[at] == 0x2C:
        local = 3 << (stream[at + 9] & 7) + 1 if stream[at + 9] & 0x80 else 0
        end = at + 10 + local + 1
        while stream[end]:
            end += 1 + stream[end]
        out += [control, stream[at : end + 1]]
        at = end + 1
    out.append(stream[at:])
    return b"".join(out)
