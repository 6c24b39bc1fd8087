"""A DICOMDIR (PS3.3 Annex F, PS3.10 section 8): the directory of a set of files, made of what the index knows of them.

The records are written one after the other in depth-first order; each says where its next sibling and its first child
begin, so all sizes are counted before anything is written.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pacs.convert.part10 import make_meta

EXPLICIT_LE = "1.2.840.10008.1.2.1"
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
_LONG = frozenset(("OB", "SQ", "UN", "UT"))
_CLASS = "1.2.840.10008.5.1.4.1.1."

# SOP classes by the end of their UID -> type of directory record (PS3.3 Table F.4-1); all others with frames are IMAGE.
_RECORD_TYPES = {
    "SR DOCUMENT": "88.11 88.22 88.33 88.34 88.35 88.40 88.50 88.65 88.67 88.68 88.69 88.70 88.71 88.72 88.73 88.74 88.75"
    " 78.6 79.1",
    "KEY OBJECT DOC": "88.59",
    "PRESENTATION": "11.1 11.2 11.3 11.4 11.5 11.6 11.7 11.8 11.9 11.10 11.11 11.12 131",
    "WAVEFORM": "9.1.1 9.1.2 9.1.3 9.1.4 9.2.1 9.3.1 9.4.1 9.4.2 9.5.1 9.6.1 9.6.2 9.7.1 9.7.2 9.7.3 9.7.4 9.8.1",
    "RT DOSE": "481.2",
    "RT STRUCTURE SET": "481.3",
    "RT PLAN": "481.5 481.8",
    "RT TREAT RECORD": "481.4 481.6 481.7 481.9",
    "REGISTRATION": "66.1 66.3",
    "FIDUCIAL": "66.2",
    "RAW DATA": "66",
    "VALUE MAP": "67",
    "SPECTROSCOPY": "4.2",
    "SURFACE": "66.5",
    "SURFACE SCAN": "68.1 68.2",
    "TRACT": "66.6",
    "MEASUREMENT": "78.1 78.2 78.3 78.4 78.5 78.7 80.1",
    "ASSESSMENT": "90.1",
    "ENCAP DOC": "104.1 104.2 104.3 104.4 104.5",
    "STEREOMETRIC": "77.1.5.3",
}
RECORD_TYPES = {_CLASS + end: kind for kind, ends in _RECORD_TYPES.items() for end in ends.split()}

Keys = Mapping[int, tuple[str, str]]
"""Tag -> (VR, value as text)."""


@dataclass(slots=True)
class Record:
    """A directory record and those below it."""

    kind: str
    keys: Keys
    below: list["Record"] = field(default_factory=list)


@dataclass(slots=True)
class File:
    """A file of the set: its name in components, and the keys of the four levels."""

    name: tuple[str, ...]
    patient: Keys
    study: Keys
    series: Keys
    instance: Keys
    sop_class: str
    sop_instance: str
    transfer_syntax: str


def records(files: Iterable[File]) -> list[Record]:
    """The files as trees of patient, study, series and instance; files of one series need not be together."""
    roots: dict[str, Record] = {}
    studies: dict[str, Record] = {}
    series: dict[str, Record] = {}
    for file in files:
        patient = roots.setdefault(_value(file.patient, 0x00100020), Record("PATIENT", file.patient))
        study = _child(studies, _value(file.study, 0x0020000D), patient, Record("STUDY", file.study))
        one = _child(series, _value(file.series, 0x0020000E), study, Record("SERIES", file.series))
        refers = {
            0x00041500: ("CS", "\\".join(file.name)), 0x00041510: ("UI", file.sop_class),
            0x00041511: ("UI", file.sop_instance), 0x00041512: ("UI", file.transfer_syntax),
        }  # fmt: skip
        one.below.append(Record(RECORD_TYPES.get(file.sop_class, "IMAGE"), {**refers, **file.instance}))
    return list(roots.values())


def _value(keys: Keys, tag: int) -> str:
    return keys.get(tag, ("", ""))[1]


def _child(known: dict[str, Record], uid: str, parent: Record, made: Record) -> Record:
    if uid not in known:
        known[uid] = made
        parent.below.append(made)
    return known[uid]


def make(roots: list[Record], set_uid: str) -> bytes:
    """The DICOMDIR file."""
    meta = make_meta(EXPLICIT_LE, MEDIA_STORAGE_DIRECTORY, set_uid)
    head = _element(0x00041130, "CS", b"")
    fixed = 2 * _REFERENCE + len(_element(0x00041212, "US", b"\0\0")) + 12
    start = len(meta) + len(head) + fixed
    ordered: list[tuple[Record, int]] = []
    where: dict[int, int] = {}
    at = start
    for record in _depth_first(roots):
        body = len(_keys(record.keys)) + len(_element(0x00041430, "CS", record.kind.encode())) + 2 * _REFERENCE + _IN_USE
        ordered.append((record, body))
        where[id(record)] = at
        at += 8 + body
    following = _siblings(roots, where)
    items = b"".join(
        struct.pack("<HHI", 0xFFFE, 0xE000, body) + _record(record, following[id(record)], _first(record.below, where))
        for record, body in ordered
    )
    root = _offset(0x00041200, _first(roots, where)) + _offset(0x00041202, where[id(roots[-1])] if roots else 0)
    flag = _element(0x00041212, "US", b"\0\0")
    return b"".join((meta, head, root, flag, struct.pack("<HH2sHI", 4, 0x1220, b"SQ", 0, len(items)), items))


def _depth_first(found: list[Record]) -> Iterator[Record]:
    for record in found:
        yield record
        yield from _depth_first(record.below)


def _first(found: list[Record], where: Mapping[int, int]) -> int:
    return where[id(found[0])] if found else 0


def _siblings(roots: list[Record], where: Mapping[int, int]) -> dict[int, int]:
    """Record -> where the next of its level begins, 0 for the last."""
    next_of: dict[int, int] = {}
    waiting = [roots]
    while waiting:
        level = waiting.pop()
        for record, after in zip(level, [*level[1:], None], strict=True):
            next_of[id(record)] = where[id(after)] if after is not None else 0
            if record.below:
                waiting.append(record.below)
    return next_of


def _record(record: Record, following: int, child: int) -> bytes:
    head = _offset(0x00041400, following) + _element(0x00041410, "US", b"\xff\xff") + _offset(0x00041420, child)
    return head + _element(0x00041430, "CS", record.kind.encode()) + _keys(record.keys)


def _keys(keys: Keys) -> bytes:
    utf8 = {0x00080005: ("CS", "ISO_IR 192")}
    low = {tag: key for tag, key in keys.items() if tag < 0x00080000}
    rest = {**utf8, **{tag: key for tag, key in keys.items() if tag >= 0x00080000}}
    return b"".join(_element(tag, vr, text.encode()) for tag, (vr, text) in (*sorted(low.items()), *sorted(rest.items())))


def _offset(tag: int, value: int) -> bytes:
    return _element(tag, "UL", struct.pack("<I", value))


def _element(tag: int, vr: str, value: bytes) -> bytes:
    value += (b"\0" if vr in ("UI", "OB", "UN") else b" ") * (len(value) % 2)
    if vr in _LONG:
        return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr.encode(), 0, len(value)) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), len(value)) + value


_REFERENCE = len(_offset(0, 0))
_IN_USE = len(_element(0, "US", b"\0\0"))
