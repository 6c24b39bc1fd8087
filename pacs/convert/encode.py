"""Words to a frame of a transfer syntax: the inverse of :mod:`pacs.convert.decode`, lossless but where it says so.

What a syntax cannot hold (1 bit, 32 bit, floating point, some colours) is ``NotAcceptable`` with the reason.
"""

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from pacs.convert.decode import DEFLATED_FRAMES, NATIVE, RLE, decoded_photometric, stored_values
from pacs.convert.picture import Picture
from pacs.domain.errors import NotAcceptable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

_PREFIX = "1.2.840.10008.1.2.4."
JPEG_BASELINE = _PREFIX + "50"
JPEG_LOSSLESS = _PREFIX + "70"
JPEG_LS = _PREFIX + "80"
JPEG_2000 = _PREFIX + "90"
HTJ2K = _PREFIX + "201"
HTJ2K_RPCL = _PREFIX + "202"
JPEG_XL = _PREFIX + "110"
LOSSLESS = (NATIVE, HTJ2K_RPCL, HTJ2K, JPEG_LS, JPEG_2000, RLE, JPEG_LOSSLESS, JPEG_XL, DEFLATED_FRAMES)
"""Syntaxes that can be written without loss, the native first."""
LOSSY = (JPEG_BASELINE,)
"""Syntaxes that lose something: written only where asked for by name."""

_QUALITY = 90
_WITH_TRANSFORM = (JPEG_2000, HTJ2K, HTJ2K_RPCL)


def described(picture: Picture, target: str) -> Picture:
    """The picture's description once its frames are in ``target``; NotAcceptable where they cannot be.

    Only the header is looked at; :func:`encode` may still refuse values.
    """
    photometric = decoded_photometric(picture)
    colour = picture.samples == 3
    _check_width(picture, target)
    if photometric.startswith("YBR_PARTIAL"):
        raise NotAcceptable(f"{photometric} has no place in {target}")
    if target == JPEG_XL and photometric.startswith("YBR"):
        raise NotAcceptable(f"{photometric} has no place in JPEG XL")
    if target == JPEG_BASELINE:
        if picture.bits_stored > 8 or picture.signed or photometric == "PALETTE COLOR":
            raise NotAcceptable("JPEG baseline holds unsigned grey or colour of 8 bits")
        photometric = "YBR_FULL_422" if colour else photometric
    if target in _WITH_TRANSFORM and photometric == "RGB":
        photometric = "YBR_RCT"
    planar = 1 if target == RLE and colour else 0
    return replace(picture, photometric=photometric, planar=planar, syntax=target)


def _check_width(picture: Picture, target: str) -> None:
    """Native and deflated frames hold everything, RLE all integers, code streams 8 and 16 bits."""
    if target in (NATIVE, DEFLATED_FRAMES):
        return
    if picture.float_kind:
        raise NotAcceptable(f"floating point pixels have no place in {target}")
    if target == RLE:
        return
    if picture.bits_allocated not in (8, 16):
        raise NotAcceptable(f"{picture.bits_allocated} bits allocated have no place in {target}")
    if picture.high_bit != picture.bits_stored - 1:
        raise NotAcceptable(f"pixels not at the low end of their words have no place in {target}")


def encode(picture: Picture, words: "Array", target: str) -> bytes:
    """The frame in ``target``; ``picture`` and ``words`` as :func:`pacs.convert.decode.decode` takes and gives them."""
    described(picture, target)
    return _ENCODERS[target](picture, words)


def _native(picture: Picture, words: "Array") -> bytes:
    """Little endian, colour by pixel."""
    import numpy as np

    if picture.bits_allocated == 1 and not picture.float_kind:
        return np.packbits(words.ravel(), bitorder="little").tobytes()
    return np.ascontiguousarray(words, words.dtype.newbyteorder("<")).tobytes()


def _deflated(picture: Picture, words: "Array") -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(_native(picture, words)) + packer.flush()


def _rle(picture: Picture, words: "Array") -> bytes:
    """PS3.5 Annex G; 1 bit pixels as the packed bytes they are."""
    from rle import utils

    rows, columns, bits, samples = picture.rows, picture.columns, picture.bits_allocated, picture.samples
    data = _native(picture, words)
    if bits == 1:
        rows, columns, bits, samples = 1, len(data), 8, 1
    encode_frame: Any = utils.encode_pixel_data
    return bytes(
        encode_frame(data, rows=rows, columns=columns, samples_per_pixel=samples, bits_allocated=bits, byteorder="<")
    )


def _unsigned(picture: Picture, words: "Array") -> "Array":
    """For streams that know no sign: two's complement, which decoders turn back by BitsStored or by the full width."""
    import numpy as np

    if picture.signed:
        if not np.array_equal(stored_values(picture, words), words):
            raise NotAcceptable("signed pixels with bits above BitsStored keep them only in native, RLE and JPEG 2000")
        words = words.view(f"u{words.dtype.itemsize}")
    return np.ascontiguousarray(words)


def _precision(picture: Picture, words: "Array") -> int:
    """BitsStored, or the whole word where something lies above."""
    low, high = int(words.min()), int(words.max())
    bits = picture.bits_stored - picture.signed
    fits = high < 1 << bits and low >= (-(1 << bits) if picture.signed else 0)
    return picture.bits_stored if fits else picture.bits_allocated


def _is_rgb(picture: Picture) -> bool:
    return picture.samples == 3 and decoded_photometric(picture) == "RGB"


def _htj2k(picture: Picture, words: "Array") -> bytes:
    import imagecodecs
    import numpy as np

    pixels = np.ascontiguousarray(words)
    return bytes(imagecodecs.htj2k_encode(pixels, reversible=True, tlm=True, rgb=_is_rgb(picture)))


def _jpeg2k(picture: Picture, words: "Array") -> bytes:
    import imagecodecs
    import numpy as np

    return bytes(
        imagecodecs.jpeg2k_encode(
            np.ascontiguousarray(words), reversible=True, codecformat="j2k", mct=_is_rgb(picture),
            bitspersample=_precision(picture, words),
        )
    )  # fmt: skip


def _jpegls(picture: Picture, words: "Array") -> bytes:
    """Without the SPIFF header that the codec puts in front and PS3.5 A.4.3 has no use for."""
    import imagecodecs

    pixels = _unsigned(picture, words)
    stream = bytes(imagecodecs.jpegls_encode(pixels, out=2 * pixels.nbytes + 4096))  # noise does not get smaller
    at = 2
    while stream[at : at + 2] == b"\xff\xe8":
        at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return stream[:2] + stream[at:]


def _jpegxl(picture: Picture, words: "Array") -> bytes:
    import imagecodecs

    pixels = _unsigned(picture, words)
    return bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, effort=1, usecontainer=False, numthreads=1))


def _jpeg_lossless(picture: Picture, words: "Array") -> bytes:
    """Process 14, selection value 1; samples go in as they are, no colour transform."""
    import imagecodecs

    pixels = _unsigned(picture, words)
    bits = 8 * pixels.dtype.itemsize if picture.signed else max(2, _precision(picture, words))
    space = "RGB" if picture.samples == 3 else None
    return bytes(
        imagecodecs.jpeg8_encode(
            pixels, lossless=True, predictor=1, bitspersample=bits, colorspace=space, outcolorspace=space
        )
    )


def _jpeg_baseline(picture: Picture, words: "Array") -> bytes:
    """Lossy: 8 bit, colour as YBR_FULL_422."""
    import imagecodecs
    import numpy as np

    pixels = np.ascontiguousarray(stored_values(picture, words), "u1")
    if picture.samples == 1:
        return bytes(imagecodecs.jpeg8_encode(pixels, level=_QUALITY))
    space = "RGB" if _is_rgb(picture) else "YCBCR"
    return bytes(
        imagecodecs.jpeg8_encode(pixels, level=_QUALITY, colorspace=space, outcolorspace="YCBCR", subsampling="422")
    )


_ENCODERS: dict[str, Callable[[Picture, "Array"], bytes]] = {
    NATIVE: _native, RLE: _rle, DEFLATED_FRAMES: _deflated, HTJ2K: _htj2k, HTJ2K_RPCL: _htj2k, JPEG_2000: _jpeg2k,
    JPEG_LS: _jpegls, JPEG_XL: _jpegxl, JPEG_LOSSLESS: _jpeg_lossless, JPEG_BASELINE: _jpeg_baseline,
}  # fmt: skip
