"""A frame as stored to an array of its words: native, RLE, deflated and every code stream there is a codec for.

Pure functions. numpy and the codecs are imported inside, so that importing this module is cheap for processes that
never decode. Whatever goes wrong is ``RenderFailed``. Foreign streams belong in a worker process (``pacs.workers``).
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from pacs.convert.picture import Picture
from pacs.convert.streams import CODECS, decode_stream, reduced_stream, sign
from pacs.domain.errors import BadRequest, NotAcceptable, RenderFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

MAX_PIXELS = 256 << 20
NATIVE = "1.2.840.10008.1.2.1"
RLE = "1.2.840.10008.1.2.5"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"


def decodable(syntax: str) -> bool:
    """Whether frames of this transfer syntax (as they lie at rest) can be decoded."""
    return syntax in (NATIVE, RLE, DEFLATED_FRAMES) or syntax in CODECS


def decoded_photometric(picture: Picture) -> str:
    """The photometric interpretation of what :func:`decode` gives."""
    if picture.samples == 1:
        return picture.photometric
    if CODECS.get(picture.syntax) in ("jpeg", "jpegxl") or picture.photometric in ("YBR_RCT", "YBR_ICT"):
        return "RGB"
    return picture.photometric.removesuffix("_422").removesuffix("_420")


def decode(picture: Picture, frame: bytes) -> "Array":
    """The words as they were stored: rows x columns (x 3), of the header's width and sign.

    Bits above BitsStored stay in native and RLE words. 1 bit becomes bytes of 0 and 1; subsampled colours are spread.
    """
    with failing("cannot decode"):
        check_picture(picture)
        pixels = decode_stream(picture, frame) if picture.syntax in CODECS else _plain(picture, frame)
        expected = shape_of(picture)
        if pixels.shape != expected:
            raise RenderFailed(f"the frame is {pixels.shape}, the header says {expected}")
        return pixels


def reduced(picture: Picture, frame: bytes, halvings: int) -> tuple[Picture, "Array"]:
    """The picture of 1/2, 1/4 … of the size, from the lower resolutions of an HTJ2K stream; others come as they are.

    A thumbnail takes a tenth of the time so.
    """
    if not halvings or CODECS.get(picture.syntax) != "htj2k":
        return picture, decode(picture, frame)
    with failing("cannot decode"):
        check_picture(picture)
        words = reduced_stream(picture, frame, halvings)
        return replace(picture, rows=words.shape[0], columns=words.shape[1]), words


def stored_values(picture: Picture, words: "Array") -> "Array":
    """The values: what lies above the high bit and below the stored bits is dropped, the sign extended."""
    import numpy as np

    if picture.float_kind or picture.bits_allocated == 1:
        return words
    shift = max(0, picture.high_bit + 1 - picture.bits_stored) if picture.syntax not in CODECS else 0
    if shift:
        words = np.right_shift(words, shift)
    return sign(picture, words)


@contextmanager
def failing(action: str) -> Iterator[None]:
    """Turns whatever goes wrong inside into RenderFailed."""
    try:
        yield
    except (RenderFailed, NotAcceptable, BadRequest):
        raise
    except MemoryError as error:
        raise RenderFailed(f"{action}: not enough memory") from error
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of Rust code is no Exception
        raise RenderFailed(f"{action}: {str(error) or type(error).__name__}") from error


def check_picture(picture: Picture) -> None:
    """Refuses pixel descriptions that no frame can have, before memory is taken."""
    if picture.rows < 1 or picture.columns < 1:
        raise RenderFailed("the picture has no pixels")
    if picture.rows * picture.columns * picture.samples > MAX_PIXELS:
        raise RenderFailed("the picture is too large")
    if picture.samples not in (1, 3):
        raise RenderFailed(f"{picture.samples} samples per pixel are not supported")
    if picture.float_kind:
        return
    if picture.bits_allocated not in (1, 8, 16, 32):
        raise RenderFailed(f"{picture.bits_allocated} bits allocated are not supported")
    if not 1 <= picture.bits_stored <= picture.bits_allocated:
        raise RenderFailed(f"{picture.bits_stored} bits stored are not possible")


def shape_of(picture: Picture) -> tuple[int, ...]:
    """Rows x columns, or rows x columns x samples."""
    size = (picture.rows, picture.columns)
    return size if picture.samples == 1 else (*size, picture.samples)


def frame_bytes(picture: Picture) -> int:
    """The length of a native frame, without subsampling."""
    bits = picture.float_kind or picture.bits_allocated
    return (picture.rows * picture.columns * picture.samples * bits + 7) // 8


# --- bytes that are pixels, once inflated or unpacked ---


def _plain(picture: Picture, frame: bytes) -> "Array":
    if picture.syntax == RLE:
        return _rle(picture, frame)
    if picture.syntax == DEFLATED_FRAMES:
        return _native(picture, zlib.decompressobj(-15).decompress(frame, frame_bytes(picture)))
    if picture.syntax != NATIVE:
        raise RenderFailed(f"transfer syntax {picture.syntax} cannot be decoded")
    return _native(picture, frame)


def _native(picture: Picture, frame: bytes) -> "Array":
    import numpy as np

    size = frame_bytes(picture)
    if _is_packed_422(picture, frame):
        return _unpack_422(picture, frame)
    if len(frame) < size:
        raise RenderFailed(f"the frame has {len(frame)} bytes, {size} are needed")
    if picture.float_kind:
        return np.frombuffer(frame[:size], f"<f{picture.float_kind // 8}").reshape(shape_of(picture))
    if picture.bits_allocated == 1:
        return _unpack_bits(picture, frame[:size])
    flat = np.frombuffer(frame[:size], f"<{'i' if picture.signed else 'u'}{picture.bits_allocated // 8}")
    if picture.samples == 3 and picture.planar == 1:
        return flat.reshape(3, picture.rows, picture.columns).transpose(1, 2, 0)
    return flat.reshape(shape_of(picture))


def _unpack_bits(picture: Picture, packed: bytes) -> "Array":
    """The first pixel is the lowest bit (PS3.5 8.1.1)."""
    import numpy as np

    bits = np.unpackbits(np.frombuffer(packed, "u1"), bitorder="little")
    return bits[: picture.rows * picture.columns * picture.samples].reshape(shape_of(picture))


def _is_packed_422(picture: Picture, frame: bytes) -> bool:
    """Two bytes a pixel; some writers keep all three in spite of the name."""
    if not picture.photometric.endswith("_422") or picture.bits_allocated != 8:
        return False
    pixels = picture.rows * picture.columns
    return picture.columns % 2 == 0 and 2 * pixels <= len(frame) < 3 * pixels


def _unpack_422(picture: Picture, frame: bytes) -> "Array":
    import numpy as np

    size = picture.rows * picture.columns * 2
    packed = np.frombuffer(frame[:size], "u1").reshape(picture.rows, picture.columns // 2, 4)
    out = np.empty((picture.rows, picture.columns, 3), "u1")
    out[:, 0::2, 0], out[:, 1::2, 0] = packed[..., 0], packed[..., 1]
    for sample in (1, 2):
        out[..., sample] = np.repeat(packed[..., sample + 1], 2, axis=1)
    return out


def _rle(picture: Picture, frame: bytes) -> "Array":
    import numpy as np
    from rle import utils

    if len(frame) * 64 < frame_bytes(picture):  # two bytes make 128 at most
        raise RenderFailed("the frame is too short for its rows and columns")
    width = max(1, picture.bits_allocated // 8)
    segments = struct.unpack_from("<I", frame)[0]
    if segments != picture.samples * width:
        raise RenderFailed(f"{segments} RLE segments do not fit the header")
    decode_rle: Any = utils.__dict__["decode_frame"]  # not among the typed exports
    if picture.bits_allocated == 1:  # the packed bytes are what was encoded
        return _unpack_bits(picture, bytes(decode_rle(frame, frame_bytes(picture), 8, "<")))
    data = decode_rle(frame, picture.rows * picture.columns, picture.bits_allocated, "<")
    planes = np.frombuffer(data, f"<{'i' if picture.signed else 'u'}{width}").reshape(-1, picture.rows, picture.columns)
    return planes[0] if picture.samples == 1 else planes.transpose(1, 2, 0)
