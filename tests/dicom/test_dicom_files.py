"""The walk, the text, the frames and the JSON of every file of the test data."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacs.dicom.json import dataset_json
from pacs.dicom.pixels import layout
from pacs.dicom.reader import DicomFile, Element, Limits, read
from pacs.dicom.syntax import syntax
from pacs.domain.errors import Refused

DATA = Path(__file__).parent.parent / "data"
FILES: list[dict[str, Any]] = json.loads((DATA / "manifest.json").read_text())["files"]
_BYTES = ("truncated", "cut off", "not DICOM", "no DICOM", "past the end", "beyond the file")
_SMALL = [entry for entry in FILES if entry["bytes"] < 3_000_000 and "bomb" not in entry["path"]]


def _load(entry: dict[str, Any]) -> bytes:
    return (DATA / entry["path"]).read_bytes()


def _sink(file: DicomFile, element: Element, path: str) -> str | None:
    return "bulk/" + path if element.length > 1024 else None


def test_ok_files_are_read() -> None:
    for entry in FILES:
        if entry["expected"] != "ok" or "bomb" in entry["path"]:
            continue
        file = read(_load(entry))
        assert file.text(0x00080018) == entry["sop_instance"], entry["path"]
        if entry["transfer_syntax"]:
            assert file.transfer_syntax == entry["transfer_syntax"], entry["path"]


def test_broken_bytes_are_refused() -> None:
    broken = [e for e in FILES if e["expected"] == "reject" and any(word in e["why"] for word in _BYTES)]
    assert len(broken) >= 10
    for entry in broken:
        if entry["path"].endswith("truncated-in-header.dcm"):
            continue  # cut between two elements: well-formed, but without its UIDs
        with pytest.raises(Refused):
            read(_load(entry))


def test_frames_found() -> None:
    for entry in FILES:
        if entry["expected"] != "ok" or "bomb" in entry["path"]:
            continue
        file = read(_load(entry))
        found = layout(file)
        video = syntax(file.transfer_syntax).media_type.startswith("video/")
        if found.kind != "none":
            assert found.count == (1 if video else entry["frames"] or 1), entry["path"]


def test_text_of_character_sets() -> None:
    for entry in FILES:
        if not entry.get("text"):
            continue
        file = read(_load(entry))
        assert file.text(0x00100010) == entry["text"]["PatientName"]
        if "SeriesDescription" in entry["text"]:
            assert file.text(0x0008103E) == entry["text"]["SeriesDescription"]


# ---- DICOM JSON against an independent writer --------------------------------
# Written differences: group lengths and (0008,0005) are not compared; no Value is
# the same as an empty one; an empty value or name is null; text is compared without
# leading and trailing blanks; a binary value is compared by its presence only; numbers
# and sequences sent as UN in a big endian file stay UN (their bytes are little endian).


def _norm(model: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for tag, member in model.items():
        if tag.endswith("0000") or tag == "00080005" or tag.startswith(("0002", "FFFC")):
            continue
        if "InlineBinary" in member or "BulkDataURI" in member:
            out[tag] = (member["vr"], "binary")
            continue
        values = [_value(member["vr"], value) for value in member.get("Value") or []]
        out[tag] = (member["vr"], [] if values == [None] else values)
    return out


def _value(vr: str, value: Any) -> Any:
    if vr == "SQ":
        return _norm(value)
    if vr == "PN" and isinstance(value, dict):
        groups = {name: text.strip(" \0") for name, text in value.items() if text.strip(" \0")}
        return groups or None
    if isinstance(value, float) and value != value:
        return "NaN"
    return (value.strip(" \0") or None) if isinstance(value, str) else value


@cache
def _differences() -> tuple[list[str], int]:
    found: list[str] = []
    compared = 0
    for entry in _SMALL:
        if entry["expected"] != "ok" or entry["debatable"]:
            continue
        raw = _load(entry)
        file = read(raw)
        big = not file.little
        text = dataset_json(file, _sink)
        ours = _norm(json.loads(text, parse_constant=lambda name: pytest.fail(name)))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                data = pydicom.dcmread(io.BytesIO(raw), force=True)
                theirs = _norm(data.to_json_dict(1024, lambda element: "x"))
        except Exception:  # the other writer may raise on a value; ours may not
            continue
        compared += 1
        for tag in sorted(set(ours) | set(theirs)):
            if ours.get(tag) != theirs.get(tag) and not (big and ours.get(tag, "")[0] == "UN"):
                found.append(f"{entry['path']} {tag} {str(ours.get(tag))[:150]} != {str(theirs.get(tag))[:150]}")
    return found, compared


def test_json_equals_the_other_writer() -> None:
    found, compared = _differences()
    assert compared > 200
    assert not found, "\n".join(found[:30])


def test_json_is_strict_and_total() -> None:
    for entry in _SMALL:
        try:
            file = read(_load(entry))
        except Refused:
            continue
        memo: dict[bytes, bytes] = {}
        plain = dataset_json(file, None)
        assert isinstance(orjson.loads(plain), dict)
        assert dataset_json(file, None, memo) == plain
        assert dataset_json(file, None, memo) == plain


def _explicit(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def _file(body: bytes, uid: bytes = b"1.2.840.10008.1.2.1\0") -> bytes:
    return bytes(128) + b"DICM" + _explicit(0x00020010, b"UI", uid) + body


def test_element_limit_at_its_boundary() -> None:
    raw = _file(b"".join(_explicit(0x00100000 + n, b"LO", b"ab") for n in range(1, 10)))
    assert len(read(raw, Limits(elements=10)).elements) == 9  # and one of file meta
    with pytest.raises(Refused):
        read(raw, Limits(elements=9))


def _nested(depth: int) -> bytes:
    head = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF)
    head += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    tail = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return _file(head * depth + tail * depth)


def test_depth_limit_at_its_boundary() -> None:
    read(_nested(8), Limits(depth=8))
    with pytest.raises(Refused):
        read(_nested(9), Limits(depth=8))
    with pytest.raises(Refused):
        read(_nested(5000), Limits(depth=100_000))


def test_inflated_limit_at_its_boundary() -> None:
    body = _explicit(0x00100020, b"LO", b"x" * 1000)
    packer = zlib.compressobj(wbits=-15)
    raw = _file(packer.compress(body) + packer.flush(), b"1.2.840.10008.1.2.1.99")
    assert read(raw, Limits(inflated=len(body))).text(0x00100020) == "x" * 1000
    with pytest.raises(Refused):
        read(raw, Limits(inflated=len(body) - 1))


_SEEDS = [entry for entry in FILES if 0 < entry["bytes"] < 20_000]


@settings(max_examples=400, deadline=2000, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(_SEEDS),
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=12),
    st.integers(0, 20_000),
)
def test_mutated_bytes_end_in_a_file_or_refused(entry: dict[str, Any], edits: list[tuple[int, int]], cut: int) -> None:
    raw = bytearray(_load(entry))
    for at, byte in edits:
        raw[at % len(raw)] = byte
    if cut % 2:
        del raw[cut:]
    try:
        file = read(bytes(raw), Limits(inflated=10_000_000))
    except Refused:
        return
    orjson.loads(dataset_json(file, None))
    layout(file)


@settings(max_examples=300, deadline=2000)
@given(st.binary(max_size=400))
def test_any_bytes_as_a_data_set(body: bytes) -> None:
    for uid in (b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"):
        try:
            file = read(_file(body, uid))
        except Refused:
            continue
        orjson.loads(dataset_json(file, None))
