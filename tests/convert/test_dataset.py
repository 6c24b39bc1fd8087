"""DICOM JSON to Part 10 and back: every file of the data, and metadata that is wrong."""

import base64
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacs.convert.dataset import Bulk, part10_pieces
from pacs.dicom.json import dataset_json
from pacs.dicom.pixels import layout
from pacs.dicom.reader import DicomFile, Element, read
from pacs.domain.cause import Cause
from pacs.domain.errors import Refused

DATA = Path(__file__).parent.parent / "data"
FILES = [
    entry
    for entry in json.loads((DATA / "manifest.json").read_text())["files"]
    if entry["expected"] == "ok" and not entry["debatable"] and entry["bytes"] < 300_000 and "mr-ge" not in entry["path"]
]
BASE: dict[str, Any] = {
    "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]},
    "00080018": {"vr": "UI", "Value": ["1.2.3.4"]},
}


class Held:
    def __init__(self, data: bytes) -> None:
        self.data, self.length = data, len(data)

    def pieces(self) -> Iterator[bytes]:
        yield from (self.data[at : at + 1000] for at in range(0, len(self.data), 1000))


def written(members: Any, bulk: dict[str, Bulk] | None = None) -> bytes:
    return b"".join(part10_pieces(members, bulk or {}))


def values_equal(a: Any, b: Any) -> bool:
    """Equal but for decimals that sixteen characters cannot say exactly."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(values_equal(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(values_equal, a, b))
    return math.isclose(a, b, rel_tol=1e-8) if isinstance(a, float) and isinstance(b, int | float) else bool(a == b)


def without_charsets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_charsets(one) for key, one in value.items() if key != "00080005"}
    return [without_charsets(one) for one in value] if isinstance(value, list) else value


def test_every_file_there_and_back() -> None:
    """Metadata as we serve it and its bulk data make an object with the same metadata and frames."""
    for entry in FILES:
        file = read((DATA / entry["path"]).read_bytes())
        native = not file.deflated and file.little
        bulk: dict[str, Bulk] = {}

        def sink(source: DicomFile, element: Element, path: str, bulk: dict[str, Bulk] = bulk) -> str | None:
            if element.fragments is not None:
                blobs = [Held(bytes(source.buffer[o : o + n])) for o, n in element.fragments[1:]]
                bulk[path] = Bulk(tuple(blobs), "", source.transfer_syntax)
            elif element.length > 64:
                bulk[path] = Bulk((Held(bytes(source.raw(element))),))
            return path if path in bulk else None

        if not native:
            continue
        members = json.loads(dataset_json(file, sink))
        if "7FE00010" in bulk and bulk["7FE00010"].syntax:
            members["7FE00010"]["vr"] = "OB"  # PS3.5 A.4, what some writers forget
        again = read(written(members, bulk))
        assert values_equal(without_charsets(json.loads(dataset_json(again, sink))), without_charsets(members)), entry["path"]
        assert layout(again).count == layout(file).count, entry["path"]


def test_pydicom_reads_what_is_written() -> None:
    members = {
        **BASE,
        "00080005": {"vr": "CS", "Value": ["ISO_IR 100"]},
        "00080060": {"vr": "CS"},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jörg", "Ideographic": "山田"}]},
        "00180050": {"vr": "DS", "Value": [0.1 + 0.2, None, 7]},
        "00280009": {"vr": "AT", "Value": ["00181063"]},
        "00280010": {"vr": "US", "Value": [2]},
        "00720074": {"vr": "FD", "Value": ["NaN", "-Infinity", 1]},
        "00081140": {"vr": "SQ", "Value": [{}, {"00080005": {"vr": "CS"}, "00081155": {"vr": "UI", "Value": ["1.2.3"]}}]},
        "30060050": {"vr": "DS", "Value": [0.5] * 40_000},
        "7FE00010": {"vr": "OW", "InlineBinary": base64.b64encode(bytes(range(7))).decode()},
    }
    found = pydicom.dcmread(io.BytesIO(written(members)))
    assert (found.SpecificCharacterSet, str(found.PatientName)) == ("ISO_IR 192", "Müller^Jörg=山田")
    assert found.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert [str(one) for one in found.SliceThickness] == ["0.3", "", "7"]
    assert (found.FrameIncrementPointer, found.Rows, found.Modality) == (0x00181063, 2, "")
    assert [len(item) for item in found.ReferencedImageSequence] == [0, 1]
    assert len(found[0x30060050].value.split(b"\\")) == 40_000  # as UN, too long for the length field of DS
    assert found.PixelData == bytes(range(7)) + b"\0"
    assert math.isnan(found[0x00720074].value[0])


JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff%c\x00\x04cd\xff\xd9"


@pytest.mark.parametrize(
    ("bulk", "uid"),
    [
        (Bulk((Held(b"ab"), Held(b"cd"))), "1.2.840.10008.1.2.1"),
        (Bulk((Held(b"ab"), Held(b"cde")), "image/jls"), "1.2.840.10008.1.2.4.80"),
        (Bulk((Held(JPEG % 0xC0),), "image/jpeg"), "1.2.840.10008.1.2.4.50"),
        (Bulk((Held(JPEG % 0xC1),), "image/jpeg"), "1.2.840.10008.1.2.4.51"),
        (Bulk((Held(JPEG % 0xC3),), "image/jpeg"), "1.2.840.10008.1.2.4.70"),
        (Bulk((Held(JPEG % 0xC0),), "image/jpeg", "1.2.840.10008.1.2.4.57"), "1.2.840.10008.1.2.4.57"),
        (Bulk((Held(b"mpeg"),), "video/mp4"), "1.2.840.10008.1.2.4.102"),
    ],
)
def test_pixel_data_decides_the_transfer_syntax(bulk: Bulk, uid: str) -> None:
    members = {**BASE, "7FE00010": {"vr": "OW", "BulkDataURI": "pixels"}}
    file = read(written(members, {"pixels": bulk}))
    assert file.transfer_syntax == uid
    element = file.find(0x7FE00010)
    assert element is not None
    if element.fragments is None:
        assert bytes(file.raw(element)) == b"abcd"
    else:
        assert [n for _, n in element.fragments] == [0, *(blob.length + blob.length % 2 for blob in bulk.blobs)]


@pytest.mark.parametrize(
    ("change", "why", "cause"),
    [
        ({"00080018": {"vr": "UI"}}, "SOPInstanceUID is missing", Cause.NO_IDENTITY),
        ({"00080018": {"vr": "UI", "Value": ["../x"]}}, "is not a UID", Cause.NO_IDENTITY),
        ({"0008": {"vr": "UI"}}, "eight hexadecimal digits", Cause.NOT_UNDERSTOOD),
        ({"00100020": "x"}, "00100020: no vr", Cause.NOT_UNDERSTOOD),
        ({"00100020": {"vr": "ZZ"}}, "00100020: no vr", Cause.NOT_UNDERSTOOD),
        ({"00100020": {"vr": "LO", "Value": "x"}}, "an array", Cause.NOT_UNDERSTOOD),
        ({"00100020": {"vr": "LO", "Value": [7]}}, "none of VR LO", Cause.NOT_UNDERSTOOD),
        ({"00280010": {"vr": "US", "Value": [65536]}}, "none of VR US", Cause.NOT_UNDERSTOOD),
        ({"00280010": {"vr": "US", "Value": [1.5]}}, "none of VR US", Cause.NOT_UNDERSTOOD),
        ({"00280010": {"vr": "US", "Value": [None]}}, "none of VR US", Cause.NOT_UNDERSTOOD),
        ({"00100010": {"vr": "PN", "Value": [{"Alphabetic": 1}]}}, "none of VR PN", Cause.NOT_UNDERSTOOD),
        ({"00081140": {"vr": "SQ", "Value": ["x"]}}, "JSON object", Cause.NOT_UNDERSTOOD),
        ({"7FE00010": {"vr": "OW", "Value": [1]}}, "InlineBinary or BulkDataURI", Cause.NOT_UNDERSTOOD),
        ({"7FE00010": {"vr": "OW", "InlineBinary": "="}}, "not base64", Cause.NOT_UNDERSTOOD),
        ({"7FE00010": {"vr": "OW", "InlineBinary": "", "BulkDataURI": "a"}}, "exclude each other", Cause.NOT_UNDERSTOOD),
        ({"7FE00010": {"vr": "OW", "BulkDataURI": "a"}}, "no part has the Content-Location 'a'", Cause.MISSING_BULK),
        ({"00020010": {"vr": "UI", "Value": ["1.2.840.10008.1.2.2"]}}, "Big Endian", Cause.NOT_UNDERSTOOD),
    ],
)
def test_wrong_metadata_is_refused(change: dict[str, Any], why: str, cause: Cause) -> None:
    with pytest.raises(Refused, match=why) as refused:
        written({**BASE, **change})
    assert refused.value.cause == cause


def test_nesting_is_bounded() -> None:
    inner: dict[str, Any] = {}
    for _ in range(70):
        inner = {"00081140": {"vr": "SQ", "Value": [inner]}}
    with pytest.raises(Refused, match="nested deeper"):
        written({**BASE, **inner})


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["vr", "Value", "00080005", "x"]), inner),
    max_leaves=8,
)
VRS = st.sampled_from(["LO", "PN", "US", "FD", "DS", "IS", "AT", "SQ", "OB", "UI", "UN"])
MEMBERS = st.fixed_dictionaries({"vr": VRS, "Value": st.lists(JSON_VALUES, max_size=3)}) | JSON_VALUES


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["00100020", "00100010", "00081140", "00080005", "7FE00010", "bad"]), MEMBERS))
def test_any_json_is_written_or_refused(members: dict[str, Any]) -> None:
    try:
        data = written({**BASE, **members})
    except Refused:
        return
    read(data)
