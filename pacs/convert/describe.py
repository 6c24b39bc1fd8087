"""What the index and the documents say of a file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pacs.convert.bulk import bulk_values
from pacs.convert.frames import table_of
from pacs.dicom.json import dataset_json, member
from pacs.dicom.pixels import layout
from pacs.dicom.reader import DicomFile, Element
from pacs.dicom.syntax import syntax
from pacs.domain.cause import Cause
from pacs.domain.errors import Refused
from pacs.domain.model import FrameTable, Identity, Incoming, Level
from pacs.domain.ports import Buffer
from pacs.domain.query import fold
from pacs.domain.scratch import windows
from pacs.domain.uid import parse_uid

PIXELS = frozenset((0x7FE00010, 0x7FE00008, 0x7FE00009))
MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
EXPLICIT_LE = "1.2.840.10008.1.2.1"

# Returned by default (PS3.18 tables 10.6.3-3 to 10.6.3-5), beside what only the index knows.
STUDY = (0x00080020, 0x00080030, 0x00080050, 0x00080090, 0x00080201, 0x00081030,
         0x00100010, 0x00100020, 0x00100030, 0x00100040, 0x0020000D, 0x00200010)  # fmt: skip
SERIES = (0x00080060, 0x0008103E, 0x0020000E, 0x00200011, 0x00400244, 0x00400245, 0x00400275)
INSTANCE = (0x00080016, 0x00080018, 0x00200013, 0x00280008, 0x00280010, 0x00280011, 0x00280100)
# Returned on request (includefield).
STUDY_MORE = (0x00080080, 0x00080081, 0x00101010, 0x00101020, 0x00101030, 0x00102160, 0x001021B0, 0x00104000,
              0x00101040, 0x00120062, 0x00100021, 0x00101000, 0x00081048, 0x00081060, 0x00321032, 0x00321060)  # fmt: skip
SERIES_MORE = (0x00080021, 0x00080031, 0x00080070, 0x00081010, 0x00081090, 0x00081040, 0x00081050, 0x00081070,
               0x00180015, 0x00181030, 0x00185100, 0x00200052, 0x00200060, 0x00201040, 0x00400254, 0x00081111)  # fmt: skip
INSTANCE_MORE = (0x00080008, 0x00080012, 0x00080013, 0x00080022, 0x00080023, 0x00080032, 0x00080033, 0x00200012,
                 0x00200032, 0x00200037, 0x00201041, 0x00280002, 0x00280004, 0x00280030, 0x00280101, 0x00280102,
                 0x00280103, 0x00281050, 0x00281051, 0x00180050, 0x00420010, 0x0040A491, 0x0040A493, 0x0040A043)  # fmt: skip
REQUIRED = {
    0x00080020: "DA", 0x00080030: "TM", 0x00080050: "SH", 0x00080090: "PN", 0x00100010: "PN", 0x00100020: "LO",
    0x00100030: "DA", 0x00100040: "CS", 0x00200010: "SH", 0x00080060: "CS", 0x00200011: "IS", 0x00200013: "IS",
}  # fmt: skip


@dataclass(slots=True)
class Memo:
    """Finished JSON of elements seen before: within a series almost all repeat.  Cleared when it grows."""

    members: dict[bytes, bytes] = field(default_factory=dict)
    most: int = 20000

    def take(self) -> dict[bytes, bytes]:
        if len(self.members) > self.most:
            self.members.clear()
        return self.members


def identity_of(file: DicomFile) -> tuple[Identity, str]:
    """The UIDs and the SOP Class UID; :class:`Refused` when the file cannot become an instance."""
    sop_class = file.text(0x00080016) or _meta_class(file)
    if sop_class.strip(" \0") == MEDIA_DIRECTORY:
        raise Refused("a media directory (DICOMDIR), not a storable instance", Cause.NOT_STORABLE)
    identity = Identity(
        parse_uid(file.text(0x0020000D), "StudyInstanceUID"),
        parse_uid(file.text(0x0020000E), "SeriesInstanceUID"),
        parse_uid(file.text(0x00080018), "SOPInstanceUID"),
    )
    return identity, parse_uid(sop_class, "SOPClassUID")


def _meta_class(file: DicomFile) -> str:
    for element in file.meta:
        if element.tag == 0x00020002:
            return bytes(file.raw(element)).decode("ascii", "replace")
    return ""


def digests(file: DicomFile, whole: Buffer) -> tuple[str, str]:
    """SHA-256 of the file, and of its transfer syntax and data set (what *the same instance* means)."""
    received, data = hashlib.sha256(), hashlib.sha256(file.transfer_syntax.encode() + b"\0")
    for piece in windows(whole, 0, file.data_start):
        received.update(piece)
    for piece in windows(whole, file.data_start):
        received.update(piece)
        data.update(piece)
    return received.hexdigest(), data.hexdigest()


def describe(file: DicomFile, whole: Buffer, location: str, bulk_over: int) -> Incoming:
    """All the index keeps of a file that lies at ``location``.  Raises :class:`Refused`."""
    identity, sop_class = identity_of(file)
    digest, data = digests(file, whole)
    pixels = layout(file)
    return Incoming(
        identity, sop_class, file.transfer_syntax, digest, data, len(memoryview(whole)), location,
        table_of(pixels, file.deflated), bulk_values(file, bulk_over),
        study_level(file), series_level(file), instance_level(file, identity),
    )  # fmt: skip


def _level(file: DicomFile, tags: tuple[int, ...], more: tuple[int, ...], keys: Mapping[str, str | int | None]) -> Level:
    ready = [member(file, tag) or _empty(tag) for tag in tags]
    extra = {f"{tag:08X}": got for tag in more if (got := member(file, tag)) and len(got) < 4096}
    return Level(b",".join(one for one in ready if one), extra, keys)


def _empty(tag: int) -> bytes:
    return b'"%08X":{"vr":"%s"}' % (tag, REQUIRED[tag].encode()) if tag in REQUIRED else b""


def study_level(file: DicomFile) -> Level:
    keys = {
        "study_date": file.text(0x00080020), "study_time": file.text(0x00080030),
        "accession_number": file.text(0x00080050), "referring_physician": fold(file.text(0x00080090)),
        "patient_name": fold(file.text(0x00100010)), "patient_id": file.text(0x00100020),
        "patient_birth_date": file.text(0x00100030), "patient_sex": file.text(0x00100040),
        "study_id": file.text(0x00200010), "study_description": file.text(0x00081030),
    }  # fmt: skip
    return _level(file, STUDY, STUDY_MORE, keys)


def series_level(file: DicomFile) -> Level:
    keys = {
        "modality": file.text(0x00080060), "series_number": _int32(file.integer(0x00200011)),
        "series_description": file.text(0x0008103E), "body_part": file.text(0x00180015),
        "series_date": file.text(0x00080021), "procedure_date": file.text(0x00400244),
        "procedure_time": file.text(0x00400245),
    }  # fmt: skip
    return _level(file, SERIES, SERIES_MORE, keys)


def instance_level(file: DicomFile, identity: Identity) -> Level:
    level = _level(file, INSTANCE, INSTANCE_MORE, {"instance_number": _int32(file.integer(0x00200013))})
    available = b'"00083002":{"vr":"UI","Value":["%s"]}' % at_rest(file.transfer_syntax).encode()
    return Level(level.json + b"," + available, level.extra, level.keys)


def _int32(value: int | None) -> int | None:
    """IS is a 32 bit integer (PS3.5 6.2); what is not must not upset a database column."""
    return value if value is not None and -(2**31) <= value < 2**31 else None


def at_rest(uid: str) -> str:
    """The syntax of the frames as they are kept and sent: native ones are Explicit VR Little Endian."""
    return uid if syntax(uid).encapsulated else EXPLICIT_LE


def metadata_line(file: DicomFile, identity: Identity, bulk: Mapping[str, str], frames: FrameTable, memo: Memo) -> bytes:
    """The instance's DICOM JSON (PS3.18 Annex F), URIs relative to its series' metadata document.

    ``bulk``: element path -> SHA-256 of the values kept apart.
    """
    pixel_uri = f"instances/{identity.instance}/frames"

    def sink(_: DicomFile, element: Element, path: str) -> str | None:
        if frames.count and element.tag in PIXELS and "/" not in path:
            return pixel_uri
        sha = bulk.get(path)
        return f"../../bulkdata/{sha}" if sha else None

    available = b'"00083002":{"vr":"UI","Value":[%s]}' % json.dumps(at_rest(file.transfer_syntax)).encode()
    return dataset_json(file, sink, memo.take(), {0x00083002: available})
