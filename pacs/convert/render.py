"""One frame to a JPEG: decode, modality, VOI, 8 bit, scale, encode.

Pure functions. numpy and the codecs are imported inside, so that importing this
module is cheap for processes that never render. Whatever goes wrong is ``RenderFailed``.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from pacs.domain.errors import RenderFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

Lut: TypeAlias = tuple[int, int, bytes]  # first, bits, entries as LE16
PaletteLut: TypeAlias = tuple[int, int, int, bytes]  # entries, first, bits, data
Window: TypeAlias = tuple[float, float]

MAX_PIXELS = 256 << 20
_TABLE = 1 << 17  # value ranges up to this are mapped through a table

_NATIVE = {
    "1.2.840.10008.1.2": "<",
    "1.2.840.10008.1.2.1": "<",
    "1.2.840.10008.1.2.1.99": "<",
    "1.2.840.10008.1.2.2": ">",
}
_RLE = "1.2.840.10008.1.2.5"
_DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
_CODECS = {
    **{f"1.2.840.10008.1.2.4.{n}": "jpeg" for n in (50, 51, 53, 55)},
    **{f"1.2.840.10008.1.2.4.{n}": "jpeg-lossless" for n in (57, 70)},
    **{f"1.2.840.10008.1.2.4.{n}": "jpegls" for n in (80, 81)},
    **{f"1.2.840.10008.1.2.4.{n}": "jpeg2k" for n in (90, 91)},
    **{f"1.2.840.10008.1.2.4.{n}": "htj2k" for n in (201, 202, 203)},
    **{f"1.2.840.10008.1.2.4.{n}": "jpegxl" for n in (110, 111, 112)},
}


@dataclass(frozen=True, slots=True)
class Picture:
    """What the header says about the pixels; ``syntax`` is that of the frame's bytes."""

    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    planar: int
    syntax: str
    center: float | None = None
    width: float | None = None
    voi_function: str = "LINEAR"
    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: Lut | None = None
    voi_lut: Lut | None = None
    palette: tuple[PaletteLut, PaletteLut, PaletteLut] | None = None
    number_of_frames: int = 1
    float_kind: int = 0


def render_jpeg(
    picture: Picture,
    frame: bytes,
    viewport: tuple[int, int] | None,
    quality: int = 85,
    window: Window | None = None,
) -> bytes:
    """The frame as JPEG, at most as large as ``viewport`` (width, height)."""
    with _failing("cannot render"):
        import imagecodecs

        image = _to_eight_bit(picture, decode(picture, frame), window)
        if viewport is not None:
            image = fit(image, *viewport)
        return bytes(imagecodecs.jpeg8_encode(image, level=quality))


def decode(picture: Picture, frame: bytes) -> "Array":
    """The stored values, rows x columns or rows x columns x 3; YBR becomes RGB."""
    with _failing("cannot decode"):
        _check_picture(picture)
        pixels = _coded(picture, frame, _CODECS[picture.syntax]) if picture.syntax in _CODECS else _plain(picture, frame)
        expected = _shape(picture)
        if pixels.shape != expected:
            raise RenderFailed(f"the frame is {pixels.shape}, the header says {expected}")
        return pixels


@contextmanager
def _failing(action: str) -> Iterator[None]:
    try:
        yield
    except RenderFailed:
        raise
    except MemoryError as error:
        raise RenderFailed(f"{action}: not enough memory") from error
    except Exception as error:
        raise RenderFailed(f"{action}: {error or type(error).__name__}") from error


def _check_picture(picture: Picture) -> None:
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


def _shape(picture: Picture) -> tuple[int, ...]:
    size = (picture.rows, picture.columns)
    return size if picture.samples == 1 else (*size, picture.samples)


# --- bytes that are pixels, once inflated or unpacked ---


def _plain(picture: Picture, frame: bytes) -> "Array":
    """Native, deflated and RLE frames."""
    if picture.syntax == _RLE:
        return _to_rgb(picture, _stored_bits(picture, _rle(picture, frame)))
    if picture.syntax == _DEFLATED_FRAME:
        return _native(picture, _inflate(picture, frame), "<")
    if picture.syntax not in _NATIVE:
        raise RenderFailed(f"transfer syntax {picture.syntax} cannot be rendered")
    return _native(picture, frame, _NATIVE[picture.syntax])


def _frame_bytes(picture: Picture) -> int:
    bits = picture.float_kind or picture.bits_allocated
    return (picture.rows * picture.columns * picture.samples * bits + 7) // 8


def _inflate(picture: Picture, frame: bytes) -> bytes:
    return zlib.decompressobj(-15).decompress(frame, _frame_bytes(picture))


def _native(picture: Picture, frame: bytes, order: str) -> "Array":
    import numpy as np

    size = _frame_bytes(picture)
    if _is_packed_422(picture, frame):
        return _ybr_to_rgb(picture, _unpack_422(picture, frame))
    if len(frame) < size:
        raise RenderFailed(f"the frame has {len(frame)} bytes, {size} are needed")
    if picture.float_kind:
        return np.frombuffer(frame[:size], f"{order}f{picture.float_kind // 8}").reshape(_shape(picture))
    if picture.bits_allocated == 1:
        return _unpack_bits(picture, frame[:size])
    flat = np.frombuffer(frame[:size], f"{order}u{picture.bits_allocated // 8}")
    flat = flat.astype(flat.dtype.newbyteorder("="), copy=False)
    return _to_rgb(picture, _stored_bits(picture, _arrange(picture, flat)))


def _unpack_bits(picture: Picture, packed: bytes) -> "Array":
    """The first pixel is the lowest bit."""
    import numpy as np

    bits = np.unpackbits(np.frombuffer(packed, "u1"), bitorder="little")
    return bits[: picture.rows * picture.columns * picture.samples].reshape(_shape(picture))


def _arrange(picture: Picture, flat: "Array") -> "Array":
    """By pixel or by plane, as the header says."""
    if picture.samples == 3 and picture.planar == 1:
        return flat.reshape(3, picture.rows, picture.columns).transpose(1, 2, 0)
    return flat.reshape(_shape(picture))


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

    if len(frame) * 64 < _frame_bytes(picture):  # two bytes make 128 at most
        raise RenderFailed("the frame is too short for its rows and columns")
    width = max(1, picture.bits_allocated // 8)
    segments = struct.unpack_from("<I", frame)[0]
    if segments != picture.samples * width:
        raise RenderFailed(f"{segments} RLE segments do not fit the header")
    decode_rle: Any = utils.__dict__["decode_frame"]  # not among the typed exports
    if picture.bits_allocated == 1:  # the packed bytes are what was encoded
        return _unpack_bits(picture, bytes(decode_rle(frame, _frame_bytes(picture), 8, "<")))
    data = decode_rle(frame, picture.rows * picture.columns, picture.bits_allocated, "<")
    planes = np.frombuffer(data, f"<u{width}").reshape(-1, picture.rows, picture.columns)
    return planes[0] if picture.samples == 1 else planes.transpose(1, 2, 0)


def _stored_bits(picture: Picture, pixels: "Array") -> "Array":
    """Drop what lies above the high bit and below the stored bits."""
    import numpy as np

    shift = max(0, picture.high_bit + 1 - picture.bits_stored)
    if shift:
        pixels = np.right_shift(pixels, shift)
    return _sign(picture, pixels)


def _sign(picture: Picture, pixels: "Array") -> "Array":
    """Read the low ``bits_stored`` bits as the header's kind of integer."""
    import numpy as np

    width = pixels.dtype.itemsize
    spare = 8 * width - picture.bits_stored
    if spare < 0 or pixels.dtype.kind not in "ui":
        return pixels
    raw = pixels.astype(f"u{width}", copy=False)
    if not picture.signed:
        return raw & np.array((1 << picture.bits_stored) - 1, raw.dtype) if spare else raw
    signed: Array = (raw << np.array(spare, raw.dtype)).view(f"i{width}")
    return np.right_shift(signed, spare)


# --- code streams ---


def _coded(picture: Picture, frame: bytes, codec: str) -> "Array":
    import numpy as np

    _check_stream(picture, frame, codec)
    pixels = np.asarray(_DECODERS[codec](picture, frame))
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim == 3 and pixels.shape == (3, picture.rows, picture.columns):
        pixels = pixels.transpose(1, 2, 0)
    in_place = codec in ("jpeg", "jpegxl") or picture.photometric in ("YBR_RCT", "YBR_ICT")
    pixels = _sign(picture, pixels)
    return pixels if in_place else _to_rgb(picture, pixels)


def _decode_jpeg(picture: Picture, frame: bytes) -> "Array":
    """JFIF and Adobe markers tell the colours; without them the header does."""
    import imagecodecs

    if picture.samples == 1 or _tells_colours(frame):
        return imagecodecs.jpeg8_decode(frame)
    space = "YCBCR" if picture.photometric.startswith("YBR") else "RGB"
    return imagecodecs.jpeg8_decode(frame, colorspace=space, outcolorspace="RGB")


def _tells_colours(frame: bytes) -> bool:
    """A JFIF marker, or an Adobe one long enough to hold its transform flag."""
    adobe = frame.find(b"Adobe", 0, 4096)
    whole = adobe >= 4 and int.from_bytes(frame[adobe - 2 : adobe], "big") >= 14
    return whole or b"JFIF\0" in frame[:64]


def _decode_lossless(picture: Picture, frame: bytes) -> "Array":
    """Lossless streams have no colour transform: take the samples as they are."""
    import imagecodecs

    try:
        if picture.samples == 1:
            return imagecodecs.jpeg8_decode(frame)
        return imagecodecs.jpeg8_decode(frame, colorspace="RGB", outcolorspace="RGB")
    except imagecodecs.Jpeg8Error:
        return imagecodecs.jpegsof3_decode(frame)


def _decode_with(name: str) -> Callable[[Picture, bytes], "Array"]:
    def run(_: Picture, frame: bytes) -> "Array":
        import imagecodecs

        result: Array = getattr(imagecodecs, f"{name}_decode")(frame)
        return result

    return run


_DECODERS: dict[str, Callable[[Picture, bytes], "Array"]] = {
    "jpeg": _decode_jpeg,
    "jpeg-lossless": _decode_lossless,
    **{name: _decode_with(name) for name in ("jpegls", "jpeg2k", "htj2k", "jpegxl")},
}


def _check_stream(picture: Picture, frame: bytes, codec: str) -> None:
    """Compare the stream's own size with the header before any memory is taken."""
    if codec in ("jpeg2k", "htj2k"):
        found = _siz(frame)
    elif codec == "jpegxl":
        found = (*_xl_size(frame), picture.samples)
    else:
        found = _sof(frame)
    expected = (picture.rows, picture.columns, picture.samples)
    if found != expected:
        raise RenderFailed(f"the code stream is {found}, the header says {expected}")


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


# --- colours ---


def _to_rgb(picture: Picture, pixels: "Array") -> "Array":
    if picture.samples == 3 and picture.photometric.startswith(("YBR_FULL", "YBR_PARTIAL")):
        return _ybr_to_rgb(picture, pixels)
    return pixels


def _ybr_to_rgb(picture: Picture, pixels: "Array") -> "Array":
    """PS3.3 C.7.6.3.1.2, full or partial range."""
    import numpy as np

    top = (1 << picture.bits_stored) - 1
    half = 1 << (picture.bits_stored - 1)
    y, cb, cr = (pixels[..., sample].astype("f4") for sample in range(3))
    cb, cr = cb - half, cr - half
    if picture.photometric.startswith("YBR_PARTIAL"):
        unit = (top + 1) / 256
        y, cb, cr = (y - 16 * unit) * (255 / 219), cb * (255 / 224), cr * (255 / 224)
    out = np.empty(pixels.shape, pixels.dtype)
    out[..., 0] = np.clip(np.rint(y + 1.402 * cr), 0, top)
    out[..., 1] = np.clip(np.rint(y - 0.344136 * cb - 0.714136 * cr), 0, top)
    out[..., 2] = np.clip(np.rint(y + 1.772 * cb), 0, top)
    return out


def _palette(picture: Picture, pixels: "Array") -> "Array":
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


# --- grey values ---


def _to_eight_bit(picture: Picture, pixels: "Array", window: Window | None) -> "Array":
    if picture.samples == 3:
        import numpy as np

        if picture.bits_stored > 8:
            pixels = pixels >> (picture.bits_stored - 8)
        return np.ascontiguousarray(pixels, "u1")
    if picture.photometric == "PALETTE COLOR":
        return _palette(picture, pixels)
    if pixels.dtype.kind in "ui":
        low, high = int(pixels.min()), int(pixels.max())
        if high - low < _TABLE:
            return _grey_by_table(picture, pixels, window, low)
    return _grey(picture, pixels.astype("f8"), window)


def _grey_by_table(picture: Picture, pixels: "Array", window: Window | None, low: int) -> "Array":
    """Work out each value once: far less time and memory than each pixel."""
    import numpy as np

    index = pixels.astype("i4" if pixels.dtype.itemsize < 4 else "i8") - low
    used = np.flatnonzero(np.bincount(index.ravel()))
    table: Array = np.zeros(int(used[-1]) + 1, "u1")
    table[used] = _grey(picture, (used + low).astype("f8"), window)
    grey: Array = table[index]
    return grey


def _grey(picture: Picture, values: "Array", window: Window | None) -> "Array":
    import numpy as np

    values = np.nan_to_num(values, nan=0.0)
    shown = _voi(picture, _modality(picture, values), window)
    if picture.photometric == "MONOCHROME1":
        shown = 1.0 - shown
    grey: Array = np.rint(np.clip(shown, 0.0, 1.0) * 255).astype("u1")
    return grey


def _modality(picture: Picture, values: "Array") -> "Array":
    if picture.modality_lut is not None:
        return _look_up(picture.modality_lut, values)
    return values * picture.slope + picture.intercept


def _look_up(lut: Lut, values: "Array") -> "Array":
    import numpy as np

    first, _, data = lut
    table = np.frombuffer(data[: len(data) & ~1], "<u2").astype("f8")
    if not len(table):
        raise RenderFailed("a lookup table is empty")
    found: Array = table[np.clip(values - first, 0, len(table) - 1).astype("i8")]
    return found


def _voi(picture: Picture, values: "Array", window: Window | None) -> "Array":
    """The values as 0 to 1, by the first of: asked window, VOI LUT, own window, range."""
    if window is None and picture.voi_lut is not None:
        return _look_up(picture.voi_lut, values) / ((1 << picture.voi_lut[1]) - 1)
    if window is None and picture.center is not None and picture.width is not None:
        window = picture.center, picture.width
    if window is not None:
        return apply_window(values, *window, picture.voi_function)
    if picture.bits_stored == 1 and not picture.float_kind:
        return values
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else values * 0.0


def apply_window(values: "Array", center: float, width: float, function: str) -> "Array":
    """PS3.3 C.11.2.1.2 and C.11.2.1.3, scaled to 0 to 1."""
    import numpy as np

    if function.upper() == "SIGMOID" and width > 0:
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700, 700)))
    if function.upper() == "LINEAR_EXACT" and width > 0:
        return np.clip((values - center) / width + 0.5, 0.0, 1.0)
    if width < 1:
        raise RenderFailed(f"window width {width:g} is not possible")
    if width == 1:
        return (values > center - 0.5).astype("f8")
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0.0, 1.0)


# --- size ---


def fit(image: "Array", width: int, height: int) -> "Array":
    """Scale down into width x height keeping the aspect ratio; never enlarge."""
    if width < 1 or height < 1:
        raise RenderFailed("the viewport has no pixels")
    rows, columns = image.shape[:2]
    scale = min(width / columns, height / rows)
    if scale >= 1:
        return image
    target = max(1, round(rows * scale)), max(1, round(columns * scale))
    while min(image.shape[0] / target[0], image.shape[1] / target[1]) >= 8:
        image = image[::2, ::2]
    return _shrink(_shrink(image, 0, target[0]), 1, target[1])


def _shrink(image: "Array", axis: int, size: int) -> "Array":
    """Mean of the area each new pixel covers, by differences of the running sum."""
    import numpy as np

    if image.shape[axis] == size:
        return np.ascontiguousarray(image)
    lines = np.moveaxis(image, axis, 0)
    sums = np.zeros((len(lines) + 1, *lines.shape[1:]), "f8")
    np.cumsum(lines, axis=0, dtype="f8", out=sums[1:])
    edges = np.linspace(0, len(lines), size + 1)
    left = np.minimum(edges.astype("i8"), len(lines) - 1)
    part = (edges - left).reshape(-1, *[1] * (lines.ndim - 1))
    at_edges = sums[left] * (1 - part) + sums[left + 1] * part
    means = np.diff(at_edges, axis=0) * (size / len(lines))
    return np.ascontiguousarray(np.moveaxis(np.rint(means), 0, axis), "u1")
