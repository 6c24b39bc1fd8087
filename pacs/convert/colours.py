"""Colours to RGB: YBR, palettes, ICC profiles (PS3.3 C.7.6.3.1.2, C.7.9, C.11.15)."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from pacs.convert.picture import Picture
from pacs.domain.errors import RenderFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

_PRIMARIES = {
    "displayp3": ((0.3127, 0.3290), (0.680, 0.320, 0.265, 0.690, 0.150, 0.060), 2.2),
    "rommrgb": ((0.3457, 0.3585), (0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001), 1.8),
}


def to_rgb(pixels: "Array", photometric: str, bits: int) -> "Array":
    """YBR of full or partial range as RGB; anything else as it is."""
    if pixels.ndim == 3 and photometric.startswith(("YBR_FULL", "YBR_PARTIAL")):
        return _ybr_to_rgb(pixels, photometric.startswith("YBR_PARTIAL"), bits)
    return pixels


def _ybr_to_rgb(pixels: "Array", partial: bool, bits: int) -> "Array":
    import numpy as np

    top, half = (1 << bits) - 1, 1 << (bits - 1)
    y, cb, cr = (pixels[..., sample].astype("f4") for sample in range(3))
    cb, cr = cb - half, cr - half
    if partial:
        unit = (top + 1) / 256
        y, cb, cr = (y - 16 * unit) * (255 / 219), cb * (255 / 224), cr * (255 / 224)
    out = np.empty(pixels.shape, pixels.dtype)
    out[..., 0] = np.clip(np.rint(y + 1.402 * cr), 0, top)
    out[..., 1] = np.clip(np.rint(y - 0.344136 * cb - 0.714136 * cr), 0, top)
    out[..., 2] = np.clip(np.rint(y + 1.772 * cb), 0, top)
    return out


def by_palette(picture: Picture, pixels: "Array") -> "Array":
    """PALETTE COLOR as 8 bit RGB; values outside the table take its ends."""
    import numpy as np

    if picture.palette is None:
        raise RenderFailed("PALETTE COLOR without a palette")
    out = np.empty((*pixels.shape, 3), "u1")
    for sample, (entries, first, bits, data) in enumerate(picture.palette):
        table = _palette_table(entries or 1 << 16, bits, data)
        out[..., sample] = table[np.clip(pixels.astype("i8") - first, 0, len(table) - 1)]
    return out


def _palette_table(entries: int, bits: int, data: bytes) -> "Array":
    """8 bit entries; 16 bit ones that never pass 255 are 8 bit in disguise."""
    import numpy as np

    wide = len(data) >= 2 * entries
    if len(data) < entries:
        raise RenderFailed("the palette is too short")
    table = np.frombuffer(data[: entries * (1 + wide)], "<u2" if wide else "u1")
    return (table >> 8 if bits > 8 and table.max() > 255 else table & 255).astype("u1")


def with_profile(image: "Array", icc: bytes, wanted: str) -> tuple["Array", bytes]:
    """(image, profile to embed) for the ``iccprofile`` parameter (PS3.18 8.3.5.1.5); grey images carry none.

    ``no``: as it is, no profile.  ``yes``: as it is with its own profile, sRGB where it has none.  Others: converted.
    """
    if wanted == "no" or image.ndim == 2:
        return image, b""
    own = icc or profile("srgb")
    if wanted == "yes":
        return image, own
    target = profile(wanted)
    if own == target:
        return image, target
    import imagecodecs
    import numpy as np

    return np.ascontiguousarray(imagecodecs.cms_transform(image, own, target, colorspace="rgb", outcolorspace="rgb")), target


@lru_cache(maxsize=8)
def profile(name: str) -> bytes:
    """An ICC profile: srgb, adobergb, rommrgb or displayp3."""
    import imagecodecs

    if name in _PRIMARIES:
        white, primaries, gamma = _PRIMARIES[name]
        return bytes(imagecodecs.cms_profile("rgb", whitepoint=(*white, 1.0), primaries=_xyy(primaries), gamma=gamma))
    return bytes(imagecodecs.cms_profile(name))


def _xyy(primaries: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(value for at in (0, 2, 4) for value in (*primaries[at : at + 2], 1.0))
