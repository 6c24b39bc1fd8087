"""Frames cut out of a file, and the file put together again from its shell."""

import hashlib
from collections.abc import Callable

import numpy
import pytest

from pacs.convert import shell as shells
from pacs.convert.bulk import little_value
from pacs.convert.describe import describe
from pacs.convert.frames import cut_frame
from pacs.convert.levels import Levels
from pacs.dicom.reader import read
from tests.dicom.made import BIG, DEFLATED, EXPLICIT, UNDEFINED, end_of_sequence, explicit, image, item


def _swapped(data: bytes) -> bytes:
    return numpy.frombuffer(data, "<u2").astype(">u2").tobytes()


def _bit_frames(count: int, bits: int) -> tuple[list[bytes], bytes]:
    """Frames of 1-bit pixels, and all of them as one little endian run (PS3.5 8.1.1)."""
    pixels = numpy.random.default_rng(bits).integers(0, 2, (count, bits), numpy.uint8)
    run = numpy.packbits(pixels.reshape(-1), bitorder="little").tobytes()
    return [numpy.packbits(frame, bitorder="little").tobytes() for frame in pixels], run + b"\0" * (len(run) % 2)


@pytest.mark.parametrize("size", [(3, 3), (5, 7), (4, 4), (1, 1), (16, 16)])
@pytest.mark.parametrize("count", [1, 3, 8, 17])
@pytest.mark.parametrize(("syntax", "vr"), [(EXPLICIT, b"OW"), (EXPLICIT, b"OB"), (BIG, b"OW"), (BIG, b"OB")])
def test_frames_of_bits(size: tuple[int, int], count: int, syntax: str, vr: bytes) -> None:
    frames, run = _bit_frames(count, size[0] * size[1])
    stored = _swapped(run) if syntax == BIG and vr == b"OW" else run
    raw = image(count, *size, 1, stored, syntax, vr)
    _comes_back(raw, frames)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("syntax", [EXPLICIT, BIG, DEFLATED])
def test_frames_of_bytes_and_words(bits: int, syntax: str) -> None:
    values = numpy.arange(5 * 3 * 3 + bits % 16 // 8, dtype=f"u{bits // 8}").tobytes()  # an odd number of bytes is padded
    size = 9 * bits // 8
    raw = image(5, 3, 3, bits, _swapped(values) if syntax == BIG else values, syntax)
    _comes_back(raw, [values[at : at + size] for at in range(0, 5 * size, size)])


def test_frames_in_fragments() -> None:
    pixels = item(b"") + item(b"\xff\xd8ab") + item(b"cd") + item(b"\xff\xd8ef") + end_of_sequence()
    head = image(2, 2, 2, 8, b"", "1.2.840.10008.1.2.4.50")[:-12]
    raw = head + explicit(0x7FE00010, b"OB", pixels, UNDEFINED)
    _comes_back(raw, [b"\xff\xd8abcd", b"\xff\xd8ef"])


def test_bulk_values_are_kept_in_little_endian() -> None:
    table = bytes(range(200))
    raw = image(1, 1, 1, 16, b"\1\2", BIG)
    cut = raw.index(b"\x7f\xe0\0\x10OW")
    raw = raw[:cut] + explicit(0x00281201, b"OW", table, mark=">") + raw[cut:]
    [value] = describe(read(raw), raw, "", 64, Levels()).bulk
    assert value.sha256 == hashlib.sha256(_swapped(table)).hexdigest()
    assert little_value(read(raw), value) == _swapped(table)
    _comes_back(raw, [b"\2\1"])


def test_pixels_that_hold_no_frame_are_a_bulk_value() -> None:
    raw = image(1, 500, 500, 16, bytes(300))
    found = describe(read(raw), raw, "", 64, Levels())
    assert found.frames.count == 0
    assert [value.path for value in found.bulk] == ["7FE00010"]


def test_a_value_too_large_for_metadata_is_a_bulk_value() -> None:
    raw = image(1, 1, 1, 8, b"ab")
    cut = raw.index(b"\xe0\x7f\x10\0OW")
    raw = raw[:cut] + explicit(0x00700000 + 0x0006, b"UT", b"x" * ((1 << 20) + 2)) + raw[cut:]
    assert [value.path for value in describe(read(raw), raw, "", 64, Levels()).bulk] == ["00700006"]


def _comes_back(raw: bytes, expected: list[bytes]) -> None:
    """The frames are as expected; out of shell, frames and bulk values come the same bytes."""
    walked = read(raw)
    found = describe(walked, raw, "", 64, Levels())
    view = walked.buffer
    frame: Callable[[int], bytes] = lambda n: bytes(cut_frame(found.frames, n, lambda o, length: view[o : o + length]))  # noqa: E731
    assert [frame(number) for number in range(1, found.frames.count + 1)] == expected
    recipe = shells.make_recipe(found.frames, found.bulk, not walked.deflated)
    shell = shells.Shell(found.digest, found.data_digest, len(raw), None, recipe, shells.literal_of(raw, recipe))
    again = shells.decode(shells.encode(shell, None), lambda name: b"")
    bulk = {value.sha256: little_value(walked, value) for value in found.bulk}
    assert b"".join(shells.assemble(again, frame, bulk.__getitem__)) == raw
    hollow = shells.hollow(again, lambda sha: bytes(bulk[sha]))
    assert len(hollow) == len(raw)
    assert [e[:6] for e in read(hollow).elements] == [e[:6] for e in walked.elements]
