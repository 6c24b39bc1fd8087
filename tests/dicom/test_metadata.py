"""The metadata of every storable file against an independent conversion, pydicom's, binary values and frames included."""

import base64
import hashlib
import io
import json
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy
import pydicom
import pytest
from pydicom.encaps import generate_frames

from pacs.convert.describe import Memo, describe, metadata_line
from pacs.convert.frames import cut_frame
from pacs.convert.levels import Levels
from pacs.dicom.reader import read
from pacs.dicom.syntax import syntax
from pacs.domain.errors import Refused
from pacs.domain.model import Incoming
from tests.dicom.data import FILES, load

BULK_OVER = 4096
LEVELS = Levels()
PIXELS = ("7FE00010", "7FE00008", "7FE00009")
FRAMES = "frames"
Member = tuple[str, Any]
Entry = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """Where ours may differ from pydicom's: the standard's section, and which members of which files."""

    what: str
    section: str
    holds: Callable[[Entry, str, Member | None, Member | None], bool]


def _tag(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _nulled(theirs: Member | None) -> Member | None:
    return (theirs[0], [value if value != "" else None for value in theirs[1]]) if theirs else None


def _in(*names: str) -> Callable[[Entry], bool]:
    return lambda entry: entry["path"].rsplit("/", 1)[-1] in names


_wrong_text = _in("declared-utf8-is-latin1.dcm", "undeclared-utf8.dcm")
_unknown_vr = _in("vr-nonsense.dcm")
_big_with_un = _in("CTImage.dcm_BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2.dcm")

DIFFERENCES = (
    Difference(
        "pydicom lists group lengths",
        "PS3.18 F.2.2: group length attributes shall not be included",
        lambda entry, path, ours, theirs: _tag(path).endswith("0000") and ours is None,
    ),
    Difference(
        "pydicom lists Data Set Trailing Padding, which has no meaning",
        "PS3.10 7.2: (FFFC,FFFC) shall be ignored by the reader",
        lambda entry, path, ours, theirs: path == "FFFCFFFC" and ours is None,
    ),
    Difference(
        "ours says which syntax the frames are kept in",
        "PS3.6: Available Transfer Syntax UID (0008,3002) is of the answer, not of the file",
        lambda entry, path, ours, theirs: path == "00083002" and ours == ("UI", [_at_rest(entry)]) and theirs is None,
    ),
    Difference(
        "the text is UTF-8 now, and ours says so; pydicom keeps the term of the file",
        "PS3.18 F.2.1; PS3.3 C.12.1.1.2: UTF-8 is ISO_IR 192",
        lambda entry, path, ours, theirs: _tag(path) == "00080005" and ours == ("CS", ["ISO_IR 192"]),
    ),
    Difference(
        "pydicom writes an empty value among others as an empty string",
        "PS3.18 F.2.5: an empty value is null",
        lambda entry, path, ours, theirs: ours is not None and ours == _nulled(theirs),
    ),
    Difference(
        "pydicom keeps the padding of one code string among others",
        "PS3.5 table 6.2-1: leading and trailing spaces of a CS are not significant",
        lambda entry, path, ours, theirs: (
            ours is not None
            and theirs is not None
            and ours[0] == theirs[0] == "CS"
            and ours[1] == [value.strip(" ") for value in theirs[1]]
        ),
    ),
    Difference(
        "bytes that are not of the declared character set: pydicom writes replacement characters, or takes UTF-8 for Latin-1",
        "none: such bytes are wrong; ours keeps the text that the data's manifest says was meant",
        lambda entry, path, ours, theirs: _wrong_text(entry) and path == "00100010",
    ),
    Difference(
        "VR letters that are none: pydicom loses the elements that follow",
        "PS3.5 6.2.2 (a VR that is not known has a 32-bit length) does not fit the bytes; a 16-bit length does",
        lambda entry, path, ours, theirs: _unknown_vr(entry) and path >= "00080060",
    ),
    Difference(
        "numbers sent as UN in a big endian file: pydicom reads them as big endian",
        "PS3.5 6.2.2 note: the value of a UN element is implicit VR little endian",
        lambda entry, path, ours, theirs: (
            _big_with_un(entry) and ours is not None and theirs is not None and ours[0] == "UN" and theirs[0] != "UN"
        ),
    ),
)  # fmt: skip
UNREADABLE = {"broken/pydicom/badVR.dcm": "pydicom raises on the letter in an IS (PS3.18 F.2.3.1: it is then a string)"}


def _at_rest(entry: Entry) -> str:
    uid = entry["transfer_syntax"] or "1.2.840.10008.1.2"
    return uid if syntax(uid).encapsulated else "1.2.840.10008.1.2.1"


def _digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def _members(model: dict[str, Any], binary: Callable[[str, dict[str, Any]], Any], path: str = "") -> Iterator[tuple[str, Member]]:
    """Every member at every depth; a sequence is the number of its items."""
    for tag, member in model.items():
        items = member.get("Value", [])
        if member["vr"] == "SQ":
            yield path + tag, ("SQ", len(items))
            for number, item in enumerate(items):
                yield from _members(item, binary, f"{path}{tag}/{number}/")
        elif "InlineBinary" in member or "BulkDataURI" in member:
            yield path + tag, (str(member["vr"]), binary(path + tag, member))
        else:
            yield path + tag, (str(member["vr"]), items)


def _ours(raw: bytes, memo: Memo) -> tuple[dict[str, Member], Incoming, list[str]]:
    file = read(raw)
    found = describe(file, raw, "somewhere", BULK_OVER, LEVELS)
    bulk = {value.path: value.sha256 for value in found.bulk}

    def binary(path: str, member: dict[str, Any]) -> Any:
        if "InlineBinary" in member:
            return _digest(base64.b64decode(member["InlineBinary"], validate=True))
        if path in PIXELS and found.frames.count:
            assert member["BulkDataURI"] == f"instances/{found.identity.instance}/frames"
            return FRAMES
        assert member["BulkDataURI"] == f"../../bulkdata/{bulk[path]}"
        return bulk[path]

    line = metadata_line(file, found.identity, bulk, found.frames, memo)
    model = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert list(model) == sorted(model)
    view = file.buffer
    frames = [
        _digest(bytes(cut_frame(found.frames, number, lambda offset, length: view[offset : offset + length])))
        for number in range(1, found.frames.count + 1)
    ]
    return dict(_members(model, binary)), found, frames


def _theirs(raw: bytes, found: Incoming) -> tuple[dict[str, Member], list[str]]:
    data = pydicom.dcmread(io.BytesIO(raw), force=True)
    pixels = next((data[tag] for tag in (0x7FE00010, 0x7FE00008, 0x7FE00009) if tag in data), None)
    model = data.to_json_dict(0, lambda element: FRAMES if element is pixels and found.frames.count else _digest(element.value))
    frames = list(_frames(data, bytes(pixels.value), found)) if pixels is not None and found.frames.count else []
    return dict(_members(model, lambda path, member: member["BulkDataURI"])), frames


def _frames(data: pydicom.Dataset, value: bytes, found: Incoming) -> Iterator[str]:
    uid, count = found.transfer_syntax, found.frames.count
    if syntax(uid).encapsulated:
        offsets = (data.ExtendedOffsetTable, data.ExtendedOffsetTableLengths) if "ExtendedOffsetTable" in data else None
        frames = generate_frames(value, number_of_frames=count, extended_offsets=offsets)
        yield from map(_digest, frames)
        return
    if uid in ("1.2.840.10008.1.2.2", "1.2.840.113619.5.2") and data[0x7FE00010].VR == "OW":
        width = max(2, data.BitsAllocated // 8)
        value = numpy.frombuffer(value, f">u{width}").astype(f"<u{width}").tobytes()
    samples = 2 if data.PhotometricInterpretation == "YBR_FULL_422" else data.get("SamplesPerPixel", 1)
    bits = data.Rows * data.Columns * samples * data.BitsAllocated
    if bits % 8:
        stream = numpy.unpackbits(numpy.frombuffer(value, numpy.uint8), bitorder="little")
        for number in range(count):
            yield _digest(numpy.packbits(stream[number * bits : (number + 1) * bits], bitorder="little").tobytes())
        return
    for number in range(count):
        yield _digest(value[number * bits // 8 : (number + 1) * bits // 8])


def test_metadata_and_frames_of_every_file_equal_another_reader_s() -> None:
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    memo, seen, used = Memo(), 0, Counter[str]()
    wrong: list[str] = []
    for entry in FILES:
        if entry["expected"] != "ok":
            continue
        raw = load(entry)
        try:
            ours, found, frames = _ours(raw, memo)
        except Refused:
            assert entry["debatable"], entry["path"]
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                theirs, their_frames = _theirs(raw, found)
            except ValueError as fault:
                used[entry["path"]] += 1
                assert entry["path"] in UNREADABLE, (entry["path"], fault)
                continue
        seen += 1
        if frames != their_frames and not _unknown_vr(entry):
            wrong.append(f"{entry['path']}: {len(frames)} frames, {len(their_frames)} of pydicom's differ")
        for path in sorted(set(ours) | set(theirs)):
            mine, other = ours.get(path), theirs.get(path)
            if mine == other:
                continue
            reason = next((d.what for d in DIFFERENCES if d.holds(entry, path, mine, other)), None)
            used[str(reason)] += 1
            if reason is None:
                wrong.append(f"{entry['path']} {path}: {str(mine)[:150]} != {str(other)[:150]}")
    assert not wrong, "\n".join(wrong[:30])
    assert seen >= 1064 - len(UNREADABLE)
    assert set(used) == {difference.what for difference in DIFFERENCES} | set(UNREADABLE)
