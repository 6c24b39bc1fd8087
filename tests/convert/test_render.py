"""Rendering of small synthetic frames."""

import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from rle.utils import encode_array

from pacs.convert.geometry import fit, through
from pacs.convert.letters import burn_in, placeholder
from pacs.convert.media import gif
from pacs.convert.picture import Lut, PaletteLut, Picture, expand_segments, picture_of
from pacs.convert.render import render
from pacs.convert.render import samples as decode
from pacs.dicom.reader import read
from pacs.domain.errors import BadRequest, NotAcceptable, RenderFailed
from pacs.domain.model import RenderOptions

EXPLICIT = "1.2.840.10008.1.2.1"
PREFIX = "1.2.840.10008.1.2.4."
GREY = Picture(16, 16, 1, "MONOCHROME2", 16, 12, 11, False, 0, EXPLICIT)
COLOUR = Picture(16, 16, 3, "RGB", 8, 8, 7, False, 0, EXPLICIT)
RAMP = (np.arange(256, dtype="<u2") * 16).reshape(16, 16)
RGB = np.random.default_rng(1).integers(0, 255, (16, 16, 3)).astype("u1")


def shown(picture: Picture, frame: bytes, window: tuple[float, float, str] | None = None) -> Any:
    """The picture as the viewer sees it, in signed integers."""
    return imagecodecs.jpeg8_decode(render(picture, [frame], RenderOptions(window=window, quality=100))).astype(int)


def near(one: Any, other: Any, by: int = 4) -> bool:
    return bool(np.abs(one - np.asarray(other).astype(int)).max() <= by)


def test_range_is_the_default() -> None:
    assert near(shown(GREY, RAMP.tobytes()), np.arange(256).reshape(16, 16))


def test_monochrome1() -> None:
    picture = replace(GREY, photometric="MONOCHROME1")
    assert near(shown(picture, RAMP.tobytes()), 255 - np.arange(256).reshape(16, 16))


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window(function: str) -> None:
    picture = replace(GREY, center=1000.0, width=800.0, voi_function=function, slope=0.5)
    x = RAMP * 0.5
    expected = {
        "LINEAR": np.clip((x - 999.5) / 799 + 0.5, 0, 1),
        "LINEAR_EXACT": np.clip((x - 1000) / 800 + 0.5, 0, 1),
        "SIGMOID": 1 / (1 + np.exp(-4 * (x - 1000) / 800)),
    }[function]
    assert near(shown(picture, RAMP.tobytes()), np.rint(expected * 255), 6)


def test_asked_window_goes_first() -> None:
    picture = replace(GREY, center=0.0, width=2.0)
    low = shown(picture, RAMP.tobytes(), (4000.0, 100.0, "linear"))
    assert low[0].max() <= 4 and low[15, 15] >= 251


def test_bad_window() -> None:
    with pytest.raises(RenderFailed, match="window width"):
        render(GREY, [RAMP.tobytes()], RenderOptions(window=(1.0, 0.0, "linear")))


def test_luts() -> None:
    table = np.arange(4095, -1, -1, dtype="<u2").tobytes()
    inverse = 255 - np.arange(256).reshape(16, 16)
    for picture in (
        replace(GREY, modality_lut=Lut(0, 12, table)),
        replace(GREY, voi_lut=Lut(0, 12, table)),
    ):
        assert near(shown(picture, RAMP.tobytes()), inverse)


def test_signed() -> None:
    values = (RAMP.astype("i2") - 2048).astype("<i2")
    dirty = (values.view("<u2") & 0x0FFF) | 0x5000
    picture = replace(GREY, signed=True)
    assert np.array_equal(decode(picture, dirty.tobytes()), values)
    high = replace(GREY, signed=True, high_bit=15)
    assert np.array_equal(decode(high, (values.view("<u2") << 4).tobytes()), values)


def test_wide_and_float() -> None:
    wide = replace(GREY, bits_allocated=32, bits_stored=32, high_bit=31)
    values = RAMP.astype("<u4") * 1_000_000
    assert np.array_equal(decode(wide, values.tobytes()), values)
    assert near(shown(wide, values.tobytes()), np.arange(256).reshape(16, 16))
    real = replace(GREY, float_kind=32, bits_allocated=32)
    assert near(shown(real, (RAMP / 1e4).astype("<f4").tobytes()), np.arange(256).reshape(16, 16))


def test_planar() -> None:
    frame = RGB.transpose(2, 0, 1).tobytes()
    assert np.array_equal(decode(replace(COLOUR, planar=1), frame), RGB)
    assert np.array_equal(decode(COLOUR, RGB.tobytes()), RGB)


def test_ybr_full() -> None:
    pixels = np.tile(np.array([76, 85, 255], "u1"), (16, 16, 1))
    red = decode(replace(COLOUR, photometric="YBR_FULL"), pixels.tobytes())
    assert near(red.astype(int), np.tile([254, 0, 0], (16, 16, 1)), 1)


def test_ybr_422() -> None:
    packed = np.tile(np.array([76, 76, 85, 255], "u1"), 128).tobytes()
    red = decode(replace(COLOUR, photometric="YBR_FULL_422"), packed)
    assert near(red.astype(int), np.tile([254, 0, 0], (16, 16, 1)), 1)


def test_one_bit() -> None:
    picture = Picture(3, 5, 1, "MONOCHROME2", 1, 1, 0, False, 0, EXPLICIT)
    assert decode(picture, b"\x21\x00").tolist() == [[1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0] * 5]
    ones = replace(picture, rows=8, columns=8)
    assert near(shown(ones, b"\xff" * 8), np.full((8, 8), 255))


@pytest.mark.parametrize("wide", [True, False])
def test_palette(wide: bool) -> None:
    ramp = np.arange(256)
    data = (ramp * 256).astype("<u2").tobytes() if wide else ramp.astype("u1").tobytes()
    zero = bytes(len(data))
    bits = 16 if wide else 8
    picture = replace(
        GREY,
        photometric="PALETTE COLOR",
        bits_allocated=8,
        bits_stored=8,
        high_bit=7,
        palette=(PaletteLut(256, 0, bits, data), PaletteLut(256, 0, bits, zero), PaletteLut(256, 0, bits, zero)),
    )
    image = shown(picture, bytes([200]) * 256)
    assert near(image, np.tile([200, 0, 0], (16, 16, 1)), 3)


def encoded(name: str, image: Any) -> bytes:
    """A stream of the codec; lossless wherever it can."""
    options: dict[str, dict[str, Any]] = {
        "jpeg8": {"lossless": True, "bitspersample": 12 if image.dtype.itemsize == 2 else 8},
        "jpeg2k": {"codecformat": "j2k", "reversible": True},
        "htj2k": {"reversible": True},
        "jpegxl": {"lossless": True},
    }
    return bytes(getattr(imagecodecs, f"{name}_encode")(image, **options.get(name, {})))


CODECS = [("57", "jpeg8"), ("70", "jpeg8"), ("80", "jpegls"), ("81", "jpegls"), ("90", "jpeg2k")]
CODECS += [("91", "jpeg2k"), ("201", "htj2k"), ("203", "htj2k"), ("110", "jpegxl")]


@pytest.mark.parametrize(("number", "name"), CODECS)
def test_codecs_grey(number: str, name: str) -> None:
    frame = encoded(name, RAMP)
    picture = replace(GREY, syntax=PREFIX + number)
    assert np.array_equal(decode(picture, frame), RAMP)
    signed = np.where(RAMP > 2047, RAMP.astype(int) - 4096, RAMP.astype(int))
    assert np.array_equal(decode(replace(picture, signed=True), frame), signed)
    with pytest.raises(RenderFailed, match="header says"):
        decode(replace(picture, rows=17), frame)
    with pytest.raises(RenderFailed):
        decode(picture, frame[: len(frame) // 8])


@pytest.mark.parametrize(("number", "name"), [c for c in CODECS if c[1] not in ("jpeg8", "jpegls")])
def test_codecs_colour(number: str, name: str) -> None:
    assert np.array_equal(decode(replace(COLOUR, syntax=PREFIX + number), encoded(name, RGB)), RGB)


@pytest.mark.parametrize("shape", [(16, 16), (300, 200), (256, 512), (1000, 3)])
def test_size_of_jpeg_xl(shape: tuple[int, int]) -> None:
    frame = encoded("jpegxl", np.zeros(shape, "u1"))
    rows, columns = shape
    picture = Picture(rows, columns, 1, "MONOCHROME2", 8, 8, 7, False, 0, PREFIX + "110")
    assert decode(picture, frame).shape == shape


def test_jpeg_baseline() -> None:
    red = np.tile(np.array([254, 0, 0], "u1"), (16, 16, 1))
    picture = replace(COLOUR, photometric="YBR_FULL_422", syntax=PREFIX + "50")
    assert near(decode(picture, bytes(imagecodecs.jpeg8_encode(red))).astype(int), red, 3)


def test_rle() -> None:
    for picture, image in ((GREY, RAMP), (COLOUR, RGB)):
        frame = next(
            encode_array(
                image,
                rows=16,
                columns=16,
                samples_per_pixel=picture.samples,
                bits_allocated=picture.bits_allocated,
                number_of_frames=1,
                photometric_interpretation=picture.photometric,
                pixel_representation=0,
                bits_stored=picture.bits_stored,
                byteorder="<",
            )
        )
        coded = replace(picture, syntax="1.2.840.10008.1.2.5")
        assert np.array_equal(decode(coded, frame), image)
        with pytest.raises(RenderFailed):
            decode(replace(coded, rows=60000, columns=4000), frame)


def test_rle_of_one_bit() -> None:
    packed = bytes([0x21, 0x80] * 16)
    picture = Picture(16, 16, 1, "MONOCHROME2", 1, 1, 0, False, 0, "1.2.840.10008.1.2.5")
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + bytes([31]) + packed + b"\x80"
    assert np.array_equal(decode(picture, frame), decode(replace(picture, syntax=EXPLICIT), packed))


def test_colour_of_sixteen_bits() -> None:
    picture = replace(COLOUR, bits_allocated=16, bits_stored=16, high_bit=15, planar=1)
    planes = (RGB.astype("<u2") << 8).transpose(2, 0, 1)
    assert shown(picture, planes.tobytes()).shape == (16, 16, 3)


def test_jpeg_without_markers_is_what_the_header_says() -> None:
    stream = bytes(imagecodecs.jpeg8_encode(RGB // 2 + 64, 100, colorspace="RGB", outcolorspace="RGB"))
    at = stream.find(b"Adobe") - 4
    if at >= 0:
        stream = stream[:at] + stream[at + 16 :]
    picture = replace(COLOUR, syntax=PREFIX + "50")
    assert near(decode(picture, stream).astype(int), RGB // 2 + 64, 12)


def test_deflated_frame() -> None:
    packer = zlib.compressobj(wbits=-15)
    frame = packer.compress(RAMP.tobytes()) + packer.flush()
    picture = replace(GREY, syntax="1.2.840.10008.1.2.8.1")
    assert np.array_equal(decode(picture, frame), RAMP)


@pytest.mark.parametrize(
    "change",
    [
        {"rows": 0},
        {"rows": 65535, "columns": 65535},
        {"samples": 4},
        {"bits_allocated": 12},
        {"bits_stored": 0},
        {"syntax": PREFIX + "102"},
        {"syntax": "1.2.3"},
        {"photometric": "PALETTE COLOR"},
        {"rows": 17},
    ],
)
def test_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RenderFailed):
        render(replace(GREY, **change), [RAMP.tobytes()], RenderOptions())


def test_rubbish_is_render_failed() -> None:
    sof = b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 11, 8, 16, 16, 1) + b"\1\x11\0"
    for number in ("50", "57", "80", "90", "201", "110", "5"):
        syntax = "1.2.840.10008.1.2.5" if number == "5" else PREFIX + number
        for frame in (b"", b"\xff\xd8", sof, b"\xff\x4f\xff\x51", b"\xff\x0a", bytes(100)):
            with pytest.raises(RenderFailed):
                render(replace(GREY, syntax=syntax), [frame], RenderOptions())


def test_viewport() -> None:
    image = np.tile(np.arange(200, dtype="u1"), (100, 1))
    assert fit(image, 50, 50).shape == (25, 50)
    assert fit(image, 4000, 4000).shape == (100, 200)
    assert fit(image, 5, 5).shape == (2, 5)
    assert near(fit(image, 50, 50)[0].astype(int), np.arange(50) * 4 + 1.5, 1)
    small = imagecodecs.jpeg8_decode(render(COLOUR, [RGB.tobytes()], RenderOptions((8, 100, None, None, None, None))))
    assert small.shape == (8, 8, 3)
    with pytest.raises(RenderFailed):
        render(COLOUR, [RGB.tobytes()], RenderOptions((0, 5, None, None, None, None)))


IMAGE = np.arange(200, dtype="u1").reshape(10, 20)
WHOLE = (None, None, None, None)


@pytest.mark.parametrize(
    ("viewport", "expected"),
    [
        ((100, 100, *WHOLE), IMAGE),
        ((100, 100, 5.0, 2.0, None, None), IMAGE[2:, 5:]),
        ((100, 100, 5.0, 2.0, 4.0, 3.0), IMAGE[2:5, 5:9]),
        ((100, 100, 5.0, 2.0, -4.0, 3.0), IMAGE[2:5, 5:9][:, ::-1]),
        ((100, 100, 5.0, 2.0, 4.0, -3.0), IMAGE[2:5, 5:9][::-1]),
        ((100, 100, None, None, -20.0, -10.0), IMAGE[::-1, ::-1]),
        ((100, 100, 15.0, 8.0, 50.0, 50.0), IMAGE[8:, 15:]),
    ],
)
def test_region_and_flip(viewport: Any, expected: Any) -> None:
    """PS3.18 8.3.5.1.3."""
    assert np.array_equal(through(IMAGE, viewport), expected)


@pytest.mark.parametrize("viewport", [(9, 9, 20.0, 0.0, 5.0, 5.0), (9, 9, 0.0, 10.0, 5.0, 5.0), (9, 9, 0.0, 0.0, 0.2, 5.0)])
def test_region_outside(viewport: Any) -> None:
    with pytest.raises(BadRequest, match="no pixel"):
        through(IMAGE, viewport)
    with pytest.raises(BadRequest, match="no pixel"):
        render(GREY, [RAMP.tobytes()], RenderOptions((9, 9, 16.0, 0.0, 5.0, 5.0)))


def test_a_region_is_scaled_after_it_is_cut() -> None:
    image = np.repeat(np.repeat(np.arange(4, dtype="u1").reshape(2, 2) * 50, 40, 0), 40, 1)
    assert np.array_equal(through(image, (10, 10, 40.0, 0.0, 40.0, 40.0)), np.full((10, 10), 50))


@pytest.mark.parametrize("function", ["linear", "linear-exact", "sigmoid"])
def test_asked_function(function: str) -> None:
    x = RAMP.astype(float)
    expected = {
        "linear": np.clip((x - 1999.5) / 999 + 0.5, 0, 1),
        "linear-exact": np.clip((x - 2000) / 1000 + 0.5, 0, 1),
        "sigmoid": 1 / (1 + np.exp(-4 * (x - 2000) / 1000)),
    }[function]
    assert near(shown(GREY, RAMP.tobytes(), (2000.0, 1000.0, function)), np.rint(expected * 255), 6)


def test_padding_is_black_and_no_part_of_the_range() -> None:
    values = RAMP.copy()
    values[0, :8] = 4095
    picture = replace(GREY, padding=(4090, 4095))
    image = shown(picture, np.where(values == 4080, 4000, values).tobytes())
    assert image[0, :8].max() <= 8 and image[15, 10] > 240
    inverse = shown(replace(picture, photometric="MONOCHROME1"), values.tobytes())
    assert inverse[0, :8].max() <= 40 and inverse[0, 12] > 230


def test_inverse_presentation() -> None:
    assert near(shown(replace(GREY, inverse=True), RAMP.tobytes()), 255 - np.arange(256).reshape(16, 16))


def test_png_is_exact() -> None:
    made = render(COLOUR, [RGB.tobytes()], RenderOptions(media="image/png"))
    assert np.array_equal(imagecodecs.png_decode(made), RGB)
    assert imagecodecs.png_decode(render(GREY, [RAMP.tobytes()], RenderOptions(media="image/png"))).dtype == np.uint8


@pytest.mark.parametrize("media", ["image/jpeg", "image/png"])
def test_colour_profiles(media: str) -> None:
    """PS3.18 8.3.5.1.5: none by default, the object's own for yes, converted for a named one."""
    from io import BytesIO

    from PIL import Image

    profile = bytes(imagecodecs.cms_profile("adobergb"))
    picture, green = replace(COLOUR, icc=profile), np.tile(np.array([60, 200, 60], "u1"), (16, 16, 1))

    def made(wanted: str) -> Any:
        return Image.open(BytesIO(render(picture, [green.tobytes()], RenderOptions(iccprofile=wanted, media=media, quality=100))))

    assert made("no").info.get("icc_profile") is None
    assert made("yes").info["icc_profile"] == profile
    assert near(np.asarray(made("yes")).astype(int), green, 6)
    for name in ("srgb", "displayp3", "rommrgb"):
        assert made(name).info["icc_profile"] != profile
        assert not near(np.asarray(made(name)).astype(int), green, 6)
    grey = render(GREY, [RAMP.tobytes()], RenderOptions(iccprofile="srgb", media=media))
    assert Image.open(BytesIO(grey)).info.get("icc_profile") is None


@pytest.mark.parametrize("colour", [False, True])
def test_gif_is_animated(colour: bool) -> None:
    from io import BytesIO

    from PIL import Image

    frames = [np.full((12, 14, 3) if colour else (12, 14), value, "u1") for value in (0, 100, 250)]
    with Image.open(BytesIO(gif(frames, 40.0))) as image:
        assert (image.n_frames, image.info["duration"], image.info["loop"]) == (3, 40, 0)
        for number, value in enumerate((0, 100, 250)):
            image.seek(number)
            assert near(np.asarray(image.convert("L")).astype(int), value, 13 if colour else 0)
    with Image.open(BytesIO(gif(frames[:1], 40.0))) as image:
        assert not getattr(image, "is_animated", False)


def test_gif_of_too_many_pixels() -> None:
    frame = bytes(4096 * 4096)
    picture = Picture(4096, 4096, 1, "MONOCHROME2", 8, 8, 7, False, 0, EXPLICIT)
    with pytest.raises(RenderFailed, match="too many pixels"):
        render(picture, [frame] * 5, RenderOptions(media="image/gif"))
    with pytest.raises(NotAcceptable):
        render(COLOUR, [RGB.tobytes()], RenderOptions(media="image/webp"))


def test_notes_are_burnt_in() -> None:
    black = np.full((64, 64), 80, "u1")
    marked = burn_in(black, ["DOE^JANE", "ÅÉ 早", "x" * 100])
    assert {0, 80, 255} == set(np.unique(marked).tolist())
    assert np.array_equal(marked[40:], black[40:]) and np.array_equal(black, np.full((64, 64), 80))
    assert burn_in(np.zeros((4, 4, 3), "u1"), ["too large"]).shape == (4, 4, 3)
    row = burn_in(np.full((16, 64), 80, "u1"), ["I"])[3:10, 3:8] == 255
    assert row.astype(int).tolist() == [[0, 1, 1, 1, 0], *[[0, 0, 1, 0, 0]] * 5, [0, 1, 1, 1, 0]]
    picture = Picture(64, 64, 1, "MONOCHROME2", 8, 8, 7, False, 0, EXPLICIT)
    png = RenderOptions(media="image/png")
    plain, noted = (imagecodecs.png_decode(render(picture, [bytes(range(64)) * 64], png, notes)) for notes in ((), ("A",)))
    assert not np.array_equal(plain[:16], noted[:16]) and np.array_equal(plain[32:], noted[32:])


@pytest.mark.parametrize("size", [(256, 256), (64, 200), (9, 9), (1, 1)])
def test_placeholder(size: tuple[int, int]) -> None:
    image = imagecodecs.jpeg8_decode(placeholder("SR", size))
    assert image.shape[:2] == (size[1], size[0])
    assert size[0] < 64 or image.max() > 180
    assert placeholder("", size)[:2] == b"\xff\xd8"


def test_lower_resolution_of_htj2k_is_like_the_whole() -> None:
    y, x = np.mgrid[0:200, 0:256]
    smooth = (x * 8 + y * 4).astype("<u2")
    picture = replace(GREY, rows=200, columns=256, center=1500.0, width=3000.0)
    stream = encoded("htj2k", smooth)
    small = RenderOptions((60, 60, *WHOLE), quality=100)
    whole, part = (
        imagecodecs.jpeg8_decode(render(one, [frame], small)).astype(int)
        for one, frame in ((picture, smooth.tobytes()), (replace(picture, syntax=PREFIX + "202"), stream))
    )
    assert whole.shape == part.shape == (47, 60)
    assert np.abs(whole - part).max() <= 8


def test_segmented_palette() -> None:
    """PS3.3 C.7.9.2: discrete, linear, and a repeat of both."""
    words = [0, 2, 10, 20, 1, 4, 60, 2, 2, 0, 0]
    entries = struct.unpack("<12H", expand_segments(words, 12))
    assert entries == (10, 20, 30, 40, 50, 60, 10, 20, 30, 40, 50, 60)
    for hostile in ([2, 9, 0, 0], [0, 60000], [1, 65535, 9], [1], [7, 1, 1], [2, 2, 4, 0, 2, 2, 0, 0] * 9):
        assert len(expand_segments(hostile, 256)) <= 512


def test_presentation_of_the_frame_out_of_functional_groups() -> None:
    """PS3.3 C.7.6.16.2.9 and C.7.6.16.2.10: per frame before shared."""
    from io import BytesIO

    from pydicom import dcmread
    from pydicom.dataset import Dataset

    data = dcmread(Path(__file__).parent.parent / "data/transfer-syntaxes/pydicom/MR_small.dcm")
    data.PixelData, data.NumberOfFrames = data.PixelData * 2, 2
    for keyword in ("WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept"):
        if keyword in data:
            delattr(data, keyword)

    def item(center: int, slope: float | None = None) -> Dataset:
        group, voi = Dataset(), Dataset()
        voi.WindowCenter, voi.WindowWidth = center, 400
        group.FrameVOILUTSequence = [voi]
        if slope is not None:
            transform = Dataset()
            transform.RescaleSlope, transform.RescaleIntercept = slope, -5
            group.PixelValueTransformationSequence = [transform]
        return group

    data.SharedFunctionalGroupsSequence = [item(1, 2.5)]
    data.PerFrameFunctionalGroupsSequence = [item(10), Dataset()]
    out = BytesIO()
    data.save_as(out)
    first, second = (picture_of(read(out.getvalue()), number) for number in (1, 2))
    assert (first.center, first.width, first.slope, first.intercept) == (10.0, 400.0, 2.5, -5.0)
    assert (second.center, second.slope) == (1.0, 2.5)
