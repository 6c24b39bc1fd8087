"""Code streams to words: the codecs, and what they leave to us (sign, planes, errors they only print)."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from pacs.convert.codestream import check_stream, tells_colours
from pacs.convert.picture import Picture
from pacs.domain.errors import RenderFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

CODECS = {
    **{f"1.2.840.10008.1.2.4.{n}": "jpeg" for n in (50, 51, 53, 55)},
    **{f"1.2.840.10008.1.2.4.{n}": "jpeg-lossless" for n in (57, 70)},
    **{f"1.2.840.10008.1.2.4.{n}": "jpegls" for n in (80, 81)},
    **{f"1.2.840.10008.1.2.4.{n}": "jpeg2k" for n in (90, 91)},
    **{f"1.2.840.10008.1.2.4.{n}": "htj2k" for n in (201, 202, 203)},
    **{f"1.2.840.10008.1.2.4.{n}": "jpegxl" for n in (110, 111, 112)},
}
"""Transfer syntax -> the codec of its frames."""


@contextmanager
def _nothing_swallowed() -> Iterator[None]:
    """Raises what a codec could only print: without this, half decoded memory passes for a picture."""
    swallowed: list[str] = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda told: swallowed.append(str(told.exc_value or told.exc_type))
    try:
        yield
    finally:
        sys.unraisablehook = before
    if swallowed:
        raise RenderFailed(f"the code stream is damaged: {swallowed[0]}")


def decode_stream(picture: Picture, frame: bytes) -> "Array":
    """The words of a frame in a syntax of :data:`CODECS`; errors of all kinds, :func:`pacs.convert.decode.decode` sorts them."""
    import numpy as np

    codec = CODECS[picture.syntax]
    check_stream(picture, frame, codec)
    with _nothing_swallowed():
        pixels = np.asarray(_DECODERS[codec](picture, frame))
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.shape == (3, picture.rows, picture.columns) and _by_plane(picture, frame, codec):
        pixels = pixels.transpose(1, 2, 0)
    return _words(picture, pixels)


def reduced_stream(picture: Picture, frame: bytes, halvings: int) -> "Array":
    """The words of an HTJ2K stream at a lower resolution."""
    import imagecodecs

    check_stream(picture, frame, "htj2k")
    with _nothing_swallowed():
        pixels = imagecodecs.htj2k_decode(frame, planar=False, skipres=min(halvings, _levels(frame)))
    return _words(picture, pixels)


def _levels(frame: bytes) -> int:
    """Decomposition levels of a JPEG 2000 stream (T.800 A.6.1)."""
    at = frame.find(b"\xff\x52")
    return frame[at + 9] if 0 <= at < len(frame) - 9 else 0


def _by_plane(picture: Picture, frame: bytes, codec: str) -> bool:
    """Whether the codec gave planes; of 3 x 3 x 3 the shape does not tell."""
    if (picture.rows, picture.columns) != (3, 3):
        return True
    scan = frame.find(b"\xff\xda")
    return codec == "jpegls" and frame[scan + 4 : scan + 5] == b"\1"  # one component a scan


def _words(picture: Picture, pixels: "Array") -> "Array":
    """Decoded samples as the header's words; the header's sign counts, whatever the stream's is."""
    if pixels.dtype.kind not in "ui":
        raise RenderFailed(f"the code stream holds {pixels.dtype}, the header says integers")
    width = max(1, picture.bits_allocated // 8)
    if picture.signed or pixels.dtype.kind == "i":
        pixels = sign(picture, pixels) if picture.signed != (pixels.dtype.kind == "i") else pixels
    elif pixels.dtype.itemsize > width and int(pixels.max()) >> (8 * width):
        raise RenderFailed(f"the code stream has values over {8 * width} bits")
    return pixels.astype(f"{'i' if picture.signed else 'u'}{width}", copy=False)


def sign(picture: Picture, pixels: "Array") -> "Array":
    """Read the low ``bits_stored`` bits as the header's kind of integer."""
    import numpy as np

    width = pixels.dtype.itemsize
    spare = 8 * width - picture.bits_stored
    if spare < 0 or pixels.dtype.kind not in "ui":
        return pixels
    raw = pixels.view(f"u{width}") if pixels.dtype.kind == "i" else pixels
    if not picture.signed:
        return raw & np.array((1 << picture.bits_stored) - 1, raw.dtype) if spare else raw
    signed: Array = (raw << np.array(spare, raw.dtype)).view(f"i{width}")
    return np.right_shift(signed, spare)


def _decode_jpeg(picture: Picture, frame: bytes) -> "Array":
    """JFIF and Adobe markers tell the colours; without them the header does."""
    import imagecodecs

    if picture.samples == 1 or tells_colours(frame):
        return imagecodecs.jpeg8_decode(frame)
    space = "YCBCR" if picture.photometric.startswith("YBR") else "RGB"
    return imagecodecs.jpeg8_decode(frame, colorspace=space, outcolorspace="RGB")


def _decode_lossless(picture: Picture, frame: bytes) -> "Array":
    """Lossless streams have no colour transform: take the samples as they are."""
    import imagecodecs

    try:
        if picture.samples == 1:
            return imagecodecs.jpeg8_decode(frame)
        return imagecodecs.jpeg8_decode(frame, colorspace="RGB", outcolorspace="RGB")
    except imagecodecs.Jpeg8Error:
        return imagecodecs.jpegsof3_decode(frame)


def _decode_htj2k(_: Picture, frame: bytes) -> "Array":
    import imagecodecs

    return imagecodecs.htj2k_decode(frame, planar=False)


def _decode_with(name: str) -> Callable[[Picture, bytes], "Array"]:
    def run(_: Picture, frame: bytes) -> "Array":
        import imagecodecs

        result: Array = getattr(imagecodecs, f"{name}_decode")(frame)
        return result

    return run


_DECODERS: dict[str, Callable[[Picture, bytes], "Array"]] = {
    "jpeg": _decode_jpeg,
    "jpeg-lossless": _decode_lossless,
    "htj2k": _decode_htj2k,
    **{name: _decode_with(name) for name in ("jpegls", "jpeg2k", "jpegxl")},
}
