"""What the reader makes of odd and bad bytes, and its limits."""

import json
import struct
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacs.convert.describe import Memo, describe, metadata_line
from pacs.convert.frames import cut_frame
from pacs.convert.levels import Levels
from pacs.dicom.json import dataset_json
from pacs.dicom.pixels import layout
from pacs.dicom.reader import Limits, read
from pacs.domain.errors import Refused
from tests.dicom.data import FILES, load
from tests.dicom.made import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    UNDEFINED,
    end_of_item,
    end_of_sequence,
    explicit,
    file,
    implicit,
    item,
)

SEQUENCE = 0x0040A730
NAME = explicit(0x00100010, b"PN", b"A^B ")
PLAIN = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]}}


def _sequence(*items: bytes, length: int | None = None) -> bytes:
    return explicit(SEQUENCE, b"SQ", b"".join(items), length)


def _json(raw: bytes) -> Any:
    return json.loads(dataset_json(read(raw), None))


# PS3.5 6.2.2 note: the value of a UN element is implicit VR little endian, whatever the file's syntax is.
_UN_ITEMS = item(implicit(0x00280010, b"\x02\x01"))
_UN_READ = {"00400260": {"vr": "SQ", "Value": [{"00280010": {"vr": "US", "Value": [258]}}]}}

READ: dict[str, tuple[bytes, dict[str, Any]]] = {
    "a value of odd length": (
        file(explicit(0x00100020, b"LO", b"odd") + NAME), {"00100020": {"vr": "LO", "Value": ["odd"]}, **PLAIN},
    ),
    "zeros after the data set": (file(NAME + bytes(77)), PLAIN),
    "fewer than eight zeros after the data set": (file(NAME + bytes(5)), PLAIN),
    "data set trailing padding": (file(NAME + explicit(0xFFFCFFFC, b"OB", bytes(10))), PLAIN),
    "group lengths, wrong ones too": (
        file(explicit(0x00080000, b"UL", b"\xff\xff\xff\x7f") + explicit(0x00100000, b"UL", b"\1\0\0\0") + NAME), PLAIN,
    ),
    "unknown VR letters with a 16-bit length": (
        file(explicit(0x00100020, b"ZZ", b"ab") + NAME), {"00100020": {"vr": "LO", "Value": ["ab"]}, **PLAIN},
    ),
    "unknown VR letters with a 32-bit length": (
        file(struct.pack("<HH2sHI", 0x0011, 0x1010, b"ZZ", 0, 2) + b"ab" + NAME),
        {"00100010": PLAIN["00100010"], "00111010": {"vr": "UN", "InlineBinary": "YWI="}},
    ),
    "VR letters that are no letters": (
        file(implicit(0x00080060, b"CT") + NAME), {"00080060": {"vr": "CS", "Value": ["CT"]}, **PLAIN},
    ),
    "UN of undefined length": (file(explicit(0x00400260, b"UN", _UN_ITEMS + end_of_sequence(), UNDEFINED)), _UN_READ),
    "UN of undefined length, big endian": (
        file(explicit(0x00400260, b"UN", _UN_ITEMS + end_of_sequence(), UNDEFINED, ">"), BIG), _UN_READ,
    ),
    "UN with a length that is a sequence, big endian": (file(explicit(0x00400260, b"UN", _UN_ITEMS, mark=">"), BIG), _UN_READ),
    "UN with a length that is none": (
        file(explicit(0x00400260, b"UN", b"none")), {"00400260": {"vr": "UN", "InlineBinary": "bm9uZQ=="}},
    ),
    "an empty sequence of each kind": (
        file(_sequence() + explicit(0x0040A731, b"SQ", end_of_sequence(), UNDEFINED)),
        {"0040A730": {"vr": "SQ"}, "0040A731": {"vr": "SQ"}},
    ),
    "an undefined item in a sequence with a length": (
        file(_sequence(item(NAME + end_of_item(), UNDEFINED))), {"0040A730": {"vr": "SQ", "Value": [PLAIN]}},
    ),
    "binary values of a big endian file": (
        file(explicit(0x00281201, b"OW", b"\1\2\3\4", mark=">"), BIG), {"00281201": {"vr": "OW", "InlineBinary": "AgEEAw=="}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "expected"), READ.values(), ids=READ.keys())
def test_odd_bytes_are_read(raw: bytes, expected: dict[str, Any]) -> None:
    assert _json(raw) == expected


REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty"),
    "no DICOM": (b"once upon a time" * 20, "not DICOM"),
    "only a meta group": (file(b""), "no data set"),
    "an element header cut": (file(NAME + b"\x10\0\x20\0L"), "header"),
    "a value past the end": (file(explicit(0x00100020, b"LO", b"ab", 3)), r"\(0010,0020\).*past the end"),
    "4 GB declared": (file(explicit(0x7FE00010, b"OW", b"ab", 0xFFFFFFFE)), r"\(7FE0,0010\).*past the end"),
    "an item longer than its sequence": (file(_sequence(item(NAME, len(NAME) + 2), length=len(NAME) + 8)), "past the end"),
    "an item shorter than its elements": (file(_sequence(item(NAME, len(NAME) - 1))), "past the end|item"),
    "a sequence that ends inside an item header": (file(_sequence(item(NAME), b"\xfe\xff")), "past the end"),
    "an element where an item is due": (file(_sequence(NAME)), "item of a sequence is due"),
    "an open item without its end": (file(_sequence(item(NAME, UNDEFINED), length=UNDEFINED)), "past the end|delimiter"),
    "a fragment past the end": (file(explicit(0x7FE00010, b"OB", item(b"") + item(b"ab", 9), UNDEFINED)), "past the end"),
    "fragments without an end": (file(explicit(0x7FE00010, b"OB", item(b"") + item(b"ab"), UNDEFINED)), "delimiter"),
    "a transfer syntax that is no UID": (file(NAME, 'x", "y"'), "TransferSyntaxUID"),
    "group 0000 in a data set": (file(NAME + implicit(0, b"ab")), "group 0000"),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_bytes_are_refused_with_a_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        read(raw)


def _nested(depth: int) -> bytes:
    head = explicit(SEQUENCE, b"SQ", b"", UNDEFINED) + item(b"", UNDEFINED)
    return file(head * depth + (end_of_item() + end_of_sequence()) * depth)


_ITEMS = _sequence(*[item(b"")] * 7)
_FRAGMENTS = explicit(0x7FE00010, b"OB", item(b"ab") * 8 + end_of_sequence(), UNDEFINED)
_BODY = explicit(0x00100020, b"LO", b"x" * 1000)

# what is allowed, and the same with one less
LIMITS: dict[str, tuple[bytes, Limits, Limits]] = {
    "elements, one of the meta group": (
        file(b"".join(explicit(0x00100000 + n, b"LO", b"ab") for n in range(1, 10))), Limits(elements=10), Limits(elements=9),
    ),
    "implicit elements": (
        file(b"".join(implicit(0x00100000 + n, b"ab") for n in range(1, 10)), IMPLICIT), Limits(elements=10), Limits(elements=9),
    ),
    "items": (file(_ITEMS), Limits(elements=9), Limits(elements=8)),
    "fragments": (file(_FRAGMENTS), Limits(elements=10), Limits(elements=9)),
    "depth": (_nested(8), Limits(depth=8), Limits(depth=7)),
    "inflated bytes": (file(_BODY, DEFLATED), Limits(inflated=len(_BODY)), Limits(inflated=len(_BODY) - 1)),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "enough", "less"), LIMITS.values(), ids=LIMITS.keys())
def test_limits_at_their_boundary(raw: bytes, enough: Limits, less: Limits) -> None:
    assert read(raw, enough).elements
    with pytest.raises(Refused, match=r"more than|deeper than|larger than"):
        read(raw, less)


def test_nesting_beyond_what_python_can_is_refused() -> None:
    with pytest.raises(Refused, match="nested"):
        read(_nested(5000), Limits(depth=100_000))


def test_damaged_deflated_data_is_refused() -> None:
    raw = file(_BODY, DEFLATED)
    with pytest.raises(Refused, match="truncated"):
        read(raw[:-3])
    with pytest.raises(Refused, match="damaged"):
        read(raw[: raw.rindex(b"1.2.1.99") + 8] + b"\xff" * 40)


def _everything(raw: bytes) -> None:
    """All that is done with a file before it is stored; Refused is the only way out."""
    found = read(raw, Limits(inflated=10_000_000))
    orjson.loads(dataset_json(found, None))
    layout(found)
    one = describe(found, raw, "somewhere", 64, Levels())
    bulk = {value.path: value.sha256 for value in one.bulk}
    orjson.loads(b"{" + b",".join(level.json for level in (one.study, one.series, one.instance)) + b"}")
    orjson.loads(metadata_line(found, one.identity, bulk, one.frames, Memo()))
    view = found.buffer
    for number in {1, one.frames.count} if one.frames.count else ():
        cut_frame(one.frames, number, lambda offset, length: view[offset : offset + length])


SEEDS = [entry for entry in FILES if 0 < entry["bytes"] < 20_000]


@settings(max_examples=400, deadline=5000, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=12),
    st.integers(0, 20_000),
)
def test_mutated_files_end_in_a_description_or_refused(entry: dict[str, Any], edits: list[tuple[int, int]], cut: int) -> None:
    raw = bytearray(load(entry))
    for at, byte in edits:
        raw[at % len(raw)] = byte
    if cut % 2:
        del raw[cut:]
    try:
        _everything(bytes(raw))
    except Refused:
        return


@settings(max_examples=300, deadline=5000)
@given(st.binary(max_size=400), st.sampled_from((IMPLICIT, EXPLICIT, BIG, DEFLATED)))
def test_any_bytes_as_a_data_set_end_in_a_file_or_refused(body: bytes, syntax: str) -> None:
    try:
        orjson.loads(dataset_json(read(file(body, syntax)), None))
    except Refused:
        return
