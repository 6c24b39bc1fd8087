"""Every file of the data set to every transfer syntax that can hold it: pixels equal, elements kept (PS3.5 8.2, A.4)."""

import hashlib
import io
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.pixels import pixel_array

from pacs.convert.colours import to_rgb
from pacs.convert.decode import DEFLATED_FRAMES, NATIVE, decodable, decode, decoded_photometric
from pacs.convert.encode import HTJ2K_RPCL, JPEG_BASELINE, JPEG_LS, LOSSLESS, LOSSY
from pacs.convert.frames import cut_frame, table_of
from pacs.convert.picture import Picture, picture_of
from pacs.convert.recode import recode
from pacs.convert.transcode import transcode_frame
from pacs.dicom.json import dataset_json
from pacs.dicom.pixels import PixelLayout, layout
from pacs.dicom.reader import DicomFile, read
from pacs.dicom.syntax import DEFLATED, IMPLICIT_LITTLE, syntax
from pacs.domain.errors import NotAcceptable, RenderFailed

DATA = Path(__file__).parent.parent / "data"
TARGETS = (IMPLICIT_LITTLE, DEFLATED, *LOSSLESS, *LOSSY)
DAMAGED = {"rle-huge-declared-matrix.dcm", "JPEG2000-embedded-sequence-delimiter.dcm"}
PIXEL_DESCRIPTION = {"00280004", "00280006", "00282110", "00282112", "00282114"}
Frames = Callable[[int], bytes]


def chosen() -> list[str]:
    """Good files, of long series the first; the bomb has tests of its own."""
    found, series = [], set()
    for file in json.loads((DATA / "manifest.json").read_text())["files"]:
        key = (file["study"], file["series"], file["rows"], file["transfer_syntax"], file["photometric"])
        repeats = file["path"].startswith("studies/") and key in series
        series.add(key)
        if file["expected"] == "ok" and not repeats and "bomb" not in file["path"]:
            found.append(file["path"])
    return found


def opened(path: str) -> tuple[DicomFile, PixelLayout, Picture | None, Frames]:
    file = read((DATA / path).read_bytes())
    found = layout(file)
    return file, found, picture_of(file) if found.count else None, frames_of(file, found)


def frames_of(file: DicomFile, found: PixelLayout) -> Frames:
    table, view = table_of(found, file.deflated), memoryview(file.buffer)
    return lambda number: cut_frame(table, number, lambda offset, length: bytes(view[offset : offset + length]))


def recoded(path: str, target: str) -> bytes:
    file, found, picture, stored = opened(path)
    form = target if syntax(target).encapsulated else NATIVE

    @cache
    def frame(number: int) -> bytes:
        """The first and the last; the first again for those between, which saves minutes."""
        assert picture is not None
        return transcode_frame(picture, stored(number), form) if number in (1, found.count) else frame(1)

    return b"".join(map(bytes, recode(file, found, picture, target, frame, stored)))


def elements(file: DicomFile) -> dict[str, Any]:
    """DICOM JSON without pixel data and group lengths."""

    def sink(_: DicomFile, element: Any, path: str) -> str | None:
        return hashlib.sha256(bytes(file.raw(element))).hexdigest() if element.length > 4096 else None

    shown = json.loads(dataset_json(file, sink, {}))
    return {tag: value for tag, value in shown.items() if not tag.startswith("7FE0") and not tag.endswith("0000")}


@pytest.mark.parametrize("path", chosen())
def test_every_target(path: str) -> None:
    file, found, picture, stored = opened(path)
    if picture is not None and not decodable(picture.syntax):
        assert syntax(picture.syntax).media_type.startswith("video/")
        return
    before, done = elements(file), 0
    large = picture is not None and picture.rows * picture.columns > 1 << 21
    for target in (IMPLICIT_LITTLE, NATIVE, HTJ2K_RPCL) if large else TARGETS:
        try:
            out = recoded(path, target)
        except NotAcceptable:
            assert picture is None or picture.bits_allocated in (1, 32, 64) or target in LOSSY or picture.samples == 3
            continue
        except RenderFailed:
            assert Path(path).name in DAMAGED
            return
        done += 1
        again = read(out)
        assert again.transfer_syntax == target
        after = elements(again)
        changed = {tag for tag in before | after if before.get(tag) != after.get(tag)} - PIXEL_DESCRIPTION
        if file.little and target != IMPLICIT_LITTLE:  # implicit elements cannot tell private VRs
            assert not changed
        assert set(before) | PIXEL_DESCRIPTION == set(after) | PIXEL_DESCRIPTION
        if picture is None:
            continue
        now, place = picture_of(again), layout(again)
        assert place.count == found.count
        for number in {1, found.count} if target not in LOSSY else ():
            assert np.array_equal(decode(now, frames_of(again, place)(number)), decode(picture, stored(number)))
    assert done >= 3


# Decoders of pydicom that are no relatives of ours; colour and lossy ones may differ by rounding.  There is none for
# .53, .55, JPEG XL and deflated image frames: those are checked by going round.
JPEG = "1.2.840.10008.1.2.4."
ORACLES = {
    "1.2.840.10008.1.2.5": "pydicom", f"{JPEG}50": "gdcm", f"{JPEG}57": "gdcm", f"{JPEG}70": "gdcm",
    f"{JPEG}80": "pyjpegls", f"{JPEG}81": "pyjpegls", f"{JPEG}90": "pylibjpeg", f"{JPEG}91": "pylibjpeg",
    f"{JPEG}201": "pylibjpeg", f"{JPEG}202": "pylibjpeg", f"{JPEG}203": "pylibjpeg",
}  # fmt: skip
LOSSY_STREAMS = {f"{JPEG}50", f"{JPEG}91", f"{JPEG}203"}


def by_pydicom(data: bytes, number: int, photometric: str) -> Any:
    """The frame as pydicom reads it, in RGB only where ours is."""
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    uid = dataset.file_meta.TransferSyntaxUID
    raw = not (photometric == "RGB" and dataset.PhotometricInterpretation != "RGB")
    return pixel_array(dataset, index=number - 1, raw=raw, decoding_plugin=ORACLES.get(uid, ""))


# What pydicom cannot read: VRs it does not know, packed 1 bit RLE, GE's private syntax, a fill byte before a JPEG-LS marker.
NOT_IN_PYDICOM = {
    "vr-nonsense.dcm", "badVR.dcm", "liver_rle.dcm", "liver_nonbyte_aligned_rle.dcm", "private-ge-113619.5.2.dcm",
    "MR1_JLSL.dcm",
}  # fmt: skip


@pytest.mark.parametrize("path", [path for path in chosen() if Path(path).name not in DAMAGED | NOT_IN_PYDICOM])
def test_sources_as_pydicom_reads_them(path: str) -> None:
    file, _, picture, stored = opened(path)
    if picture is None or not file.has_meta:
        return
    if syntax(file.transfer_syntax).encapsulated and file.transfer_syntax not in ORACLES:
        return
    ours = decode(picture, stored(1)).astype(float)
    theirs = by_pydicom((DATA / path).read_bytes(), 1, decoded_photometric(picture)).astype(float)
    assert np.abs(ours - theirs).max() <= (2 if file.transfer_syntax in LOSSY_STREAMS else 0)


WRITTEN = (
    "studies/mr-siemens-4series/mr_0003/epi_pe_ap-00001.dcm",
    "transfer-syntaxes/htj2k-wg04/CT1_JPH.dcm",
    "transfer-syntaxes/pydicom/MR_small_bigendian.dcm",
    "transfer-syntaxes/pydicom/SC_rgb_small_odd.dcm",
    "transfer-syntaxes/pydicom/SC_ybr_full_422_uncompressed.dcm",
    "transfer-syntaxes/pydicom/SC_rgb_rle_16bit.dcm",
    "transfer-syntaxes/ct-15-syntaxes/CTImage.dcm_JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70.dcm",
    "studies/us-palette/examples_palette.dcm",
)


@pytest.mark.parametrize("target", [NATIVE, *ORACLES, IMPLICIT_LITTLE, DEFLATED])
@pytest.mark.parametrize("path", WRITTEN)
def test_what_is_written_as_pydicom_reads_it(path: str, target: str) -> None:
    """Encoded here, decoded by another library."""
    if target not in TARGETS:
        return
    _, _, picture, stored = opened(path)
    assert picture is not None
    try:
        out = recoded(path, target)
    except NotAcceptable:
        assert target in LOSSY or picture.bits_allocated > 16
        return
    ours = decode(picture, stored(1)).astype(float)
    theirs = by_pydicom(out, 1, decoded_photometric(picture)).astype(float)
    if target in LOSSY:
        dataset = pydicom.dcmread(io.BytesIO(out))
        assert dataset.LossyImageCompression == "01" and dataset.LossyImageCompressionRatio > 0
        rgb = to_rgb(decode(picture, stored(1)), decoded_photometric(picture), 8).astype(float)
        assert np.abs(rgb - pixel_array(dataset, decoding_plugin="gdcm")).mean() < 12
    else:
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("change", "target", "reason"),
    [
        ({"bits_allocated": 1, "bits_stored": 1}, JPEG_LS, "1 bits allocated"),
        ({"bits_allocated": 32, "bits_stored": 32}, HTJ2K_RPCL, "32 bits allocated"),
        ({"float_kind": 32}, "1.2.840.10008.1.2.5", "floating point"),
        ({"high_bit": 15}, JPEG_LS, "low end"),
        ({"bits_stored": 12}, JPEG_BASELINE, "8 bits"),
    ],
)
def test_not_every_syntax_holds_every_pixel(change: dict[str, Any], target: str, reason: str) -> None:
    grey = Picture(4, 4, 1, "MONOCHROME2", 16, 12, 11, False, 0, NATIVE)
    with pytest.raises(NotAcceptable, match=reason):
        transcode_frame(replace(grey, **change), bytes(64), target)


def test_bits_above_the_stored_ones_survive() -> None:
    """An overlay in unused bits (PS3.5 8.1.2) is neither dropped nor taken for the sign."""
    words = (np.arange(64, dtype="<u2") * 50 | 0x4000).reshape(8, 8)
    picture = Picture(8, 8, 1, "MONOCHROME2", 16, 12, 11, False, 0, NATIVE)
    for target in LOSSLESS:
        stream = transcode_frame(picture, words.tobytes(), target)
        assert np.array_equal(decode(replace(picture, syntax=target), stream), words)
    signed = replace(picture, signed=True)
    for target in (HTJ2K_RPCL, "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5", DEFLATED_FRAMES):
        stream = transcode_frame(signed, words.tobytes(), target)
        assert np.array_equal(decode(replace(signed, syntax=target), stream), words.view("<i2"))
    with pytest.raises(NotAcceptable, match="above BitsStored"):
        transcode_frame(signed, words.tobytes(), JPEG_LS)


@pytest.mark.parametrize("target", LOSSLESS)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 200])
def test_noise_of_any_size(target: str, bits: int, samples: int, size: int) -> None:
    """What does not get smaller, and what is smaller than a block."""
    colours = "MONOCHROME2" if samples == 1 else "RGB"
    picture = Picture(size, 2 * size, samples, colours, bits, bits, bits - 1, False, 0, NATIVE)
    noise = np.random.default_rng(7).integers(0, 256, 2 * size * size * samples * bits // 8).astype("u1").tobytes()
    stream = transcode_frame(picture, noise, target)
    back = transcode_frame(replace(picture, syntax=target), stream, NATIVE)
    assert back == noise


def test_htj2k_is_rpcl_with_tlm() -> None:
    """PS3.5 A.4.4.1: .202 asks for the progression RPCL and a TLM marker segment."""
    picture = Picture(64, 64, 1, "MONOCHROME2", 16, 16, 15, False, 0, NATIVE)
    stream = transcode_frame(picture, np.arange(4096, dtype="<u2").tobytes(), HTJ2K_RPCL)
    assert b"\xff\x55" in stream[:200]
    assert stream[stream.index(b"\xff\x52") + 5] == 2


def test_a_damaged_htj2k_stream_is_no_picture() -> None:
    """The codec only prints that it gave up, and hands out what it has."""
    picture = Picture(128, 128, 1, "MONOCHROME2", 16, 16, 15, False, 0, NATIVE)
    noise = np.random.default_rng(3).integers(0, 65536, (128, 128)).astype("<u2")
    stream = transcode_frame(picture, noise.tobytes(), HTJ2K_RPCL)
    for length in (len(stream) // 2, len(stream) // 8):
        with pytest.raises(RenderFailed):
            transcode_frame(replace(picture, syntax=HTJ2K_RPCL), stream[:length], NATIVE)


def test_an_rle_frame_that_overruns_is_render_failed() -> None:
    """The decoder panics, which is no Exception."""
    picture = Picture(8, 8, 1, "MONOCHROME2", 16, 16, 15, False, 0, "1.2.840.10008.1.2.5")
    stream = struct.pack("<16I", 2, 64, 66, *[0] * 13) + b"\xc1\1" + bytes([127]) + bytes(200)
    with pytest.raises(RenderFailed):
        transcode_frame(picture, stream, NATIVE)


def test_damage_is_render_failed() -> None:
    picture = Picture(64, 64, 1, "MONOCHROME2", 16, 16, 15, False, 0, JPEG_LS)
    for stream in (b"", b"\xff\xd8\xff\xf7", bytes(100)):
        with pytest.raises(RenderFailed):
            transcode_frame(picture, stream, NATIVE)
