"""What the index and the documents say of a file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pacs.convert.bulk import bulk_values
from pacs.convert.frames import table_of
from pacs.convert.levels import Levels
from pacs.dicom.json import dataset_json
from pacs.dicom.pixels import PixelLayout, layout
from pacs.dicom.reader import DicomFile, Element
from pacs.dicom.syntax import syntax
from pacs.domain.attributes import QueryLevel
from pacs.domain.cause import Cause
from pacs.domain.errors import Refused
from pacs.domain.model import BulkValue, FrameTable, Identity, Incoming
from pacs.domain.ports import Buffer
from pacs.domain.scratch import windows
from pacs.domain.uid import parse_uid

PIXELS = frozenset((0x7FE00010, 0x7FE00008, 0x7FE00009))
MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
LONG = 1 << 16


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


def describe(file: DicomFile, whole: Buffer, location: str, bulk_over: int, levels: Levels, memo: Memo | None = None) -> Incoming:
    """All the index keeps of a file that lies at ``location``.  Raises :class:`Refused`."""
    identity, sop_class = identity_of(file)
    digest, data = digests(file, whole)
    pixels = layout(file)
    frames, bulk = table_of(pixels, file.deflated), bulk_values(file, bulk_over, pixels)
    return Incoming(
        identity, sop_class, file.transfer_syntax, digest, data, len(memoryview(whole)), location, frames, bulk,
        levels.of(file, QueryLevel.STUDY), levels.of(file, QueryLevel.SERIES), levels.of(file, QueryLevel.INSTANCE),
        _short_line(file, identity, pixels, bulk, frames, memo or Memo()),
    )  # fmt: skip


def _short_line(
    file: DicomFile, identity: Identity, pixels: PixelLayout, bulk: tuple[BulkValue, ...], frames: FrameTable, memo: Memo
) -> bytes:
    """The metadata line; nothing where what remains of the file without pixels and bulk values is over :data:`LONG`."""
    element = pixels.element
    apart = (element.end - element.value if element is not None else 0) + sum(value.length for value in bulk)
    if len(memoryview(file.buffer)) - apart > LONG:
        return b""
    return metadata_line(file, identity, {value.path: value.sha256 for value in bulk}, frames, memo)


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
