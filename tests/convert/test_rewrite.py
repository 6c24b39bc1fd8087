"""Elements from one encoding to another (PS3.5 section 7, 6.2.2)."""

import io
import struct
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from pacs.convert.recode import recode
from pacs.convert.rewrite import Rewriter, Value
from pacs.dicom.pixels import layout
from pacs.dicom.reader import read
from pacs.dicom.syntax import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE

NATIVE = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG)


def made(uid: str, undefined: bool) -> bytes:
    """A data set with a value of every kind, written by pydicom."""
    inner = Dataset()
    inner.CodeValue, inner.SelectorFDValue, inner.SelectorATValue = "1234", [1.5, -2.0], [0x00100010, 0x7FE00010]
    inner.ReferencedFrameNumbers = [1, 2, 3]
    outer = Dataset()
    outer.CodeMeaning = "outer"
    outer.ConceptCodeSequence = [inner]
    outer.ConceptCodeSequence.is_undefined_length = undefined
    for item in (inner, outer):
        item.is_undefined_length_sequence_item = undefined
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    data.PatientName, data.Rows, data.TagAngleSecondAxis = "Doe^Jane", 512, -3
    data.EncapsulatedDocument, data.TextValue = b"%PDF-1.4", "x" * 70000
    order = ">" if uid == EXPLICIT_BIG else "<"  # pydicom writes these bytes as they are
    data.SelectorODValue, data.RedPaletteColorLookupTableData = struct.pack(f"{order}2d", 1, 2), struct.pack(f"{order}2H", 1, 2)
    data.add_new(0x00090010, "LO", "ACME")
    data.add_new(0x00091001, "UN", b"\1\2\3\4")
    data.ContentSequence = [outer, Dataset()]
    data.ContentSequence.is_undefined_length = undefined
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = UID(uid)
    data.file_meta.MediaStorageSOPClassUID, data.file_meta.MediaStorageSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
    out = io.BytesIO()
    data.save_as(out, enforce_file_format=True, little_endian=uid != EXPLICIT_BIG, implicit_vr=uid == IMPLICIT_LITTLE)
    return out.getvalue()


def plain(data: Dataset) -> dict[str, Any]:
    return {tag: value for tag, value in data.to_json_dict().items() if tag != "00091001"}


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("target", [uid for uid in NATIVE if uid != EXPLICIT_BIG])
@pytest.mark.parametrize("source", NATIVE)
def test_every_native_encoding(source: str, target: str, undefined: bool) -> None:
    whole = made(source, undefined)
    file = read(whole)
    pieces = recode(file, layout(file), None, target, lambda _: b"", lambda _: b"")
    out = b"".join(map(bytes, pieces))
    again = pydicom.dcmread(io.BytesIO(out))
    assert again.file_meta.TransferSyntaxUID == target
    assert plain(again) == plain(pydicom.dcmread(io.BytesIO(made(EXPLICIT_LITTLE, undefined))))
    assert bytes(again[0x00091001].value) == b"\1\2\3\4"
    if {source, target} == {EXPLICIT_LITTLE, DEFLATED}:
        assert bytes(read(out).buffer[read(out).data_start :]) == bytes(file.buffer[file.data_start :])


def test_changes_are_put_in_order() -> None:
    file = read(made(EXPLICIT_LITTLE, False))
    rows, last = Value("US", b"\1\0"), Value("OB", b"1")
    changes = {0x00080005: Value("CS", b"ISO_IR 192"), 0x00280010: rows, 0x00100010: None, 0x7FE00020: last}
    out = b"".join(map(bytes, Rewriter(file, True).pieces(file.elements, changes)))
    again = pydicom.dcmread(io.BytesIO(b"\0" * 128 + b"DICM" + out), force=True)
    tags = [int(element.tag) for element in again]
    assert tags == sorted(tags)
    assert again.SpecificCharacterSet == "ISO_IR 192" and again.Rows == 1 and "PatientName" not in again
    assert again[0x7FE00020].value == b"1\0"


def test_implicit_elements_in_an_explicit_file_become_explicit() -> None:
    """Some writers name explicit little endian and write implicit elements."""
    implicit = read(made(IMPLICIT_LITTLE, False))
    body = bytes(implicit.buffer[implicit.data_start :])
    explicit = read(made(EXPLICIT_LITTLE, False))
    file = read(bytes(explicit.buffer[: explicit.data_start]) + body)
    out = b"".join(map(bytes, Rewriter(file, True).pieces(file.elements, {})))
    again = read(bytes(explicit.buffer[: explicit.data_start]) + out)
    assert again.text(0x00100010) == "Doe^Jane"
    assert out[4:6] == b"UI"
