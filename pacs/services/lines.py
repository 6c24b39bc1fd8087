"""Metadata lines: the DICOM JSON of an instance as a document shows it.

A line is made when an instance comes, while it is open anyway, and waits in the index until a document shows it: the
first document of a series opens none of its instances.
"""

from pacs.convert.describe import Memo, metadata_line
from pacs.dicom.pixels import layout
from pacs.dicom.reader import DicomFile
from pacs.domain.model import BulkValue, FrameTable, Identity, Incoming

LONG = 1 << 16
"""Bytes of data set beside pixels and bulk values above which a line is made only when it is wanted."""


class Lines:
    """Makes lines, with a memo of repeated elements.  Safe for threads."""

    def __init__(self) -> None:
        self._memo = Memo()

    def make(self, file: DicomFile, identity: Identity, bulk: tuple[BulkValue, ...], frames: FrameTable) -> bytes:
        """The DICOM JSON of the instance, URIs relative to its series' metadata document."""
        return metadata_line(file, identity, {value.path: value.sha256 for value in bulk}, frames, self._memo)

    def short(self, file: DicomFile, found: Incoming) -> bytes:
        """The same, or nothing where it would burden the transaction of others."""
        pixels = layout(file).element
        apart = (pixels.end - pixels.value if pixels is not None else 0) + sum(value.length for value in found.bulk)
        if len(file.buffer) - apart > LONG:
            return b""
        return self.make(file, found.identity, found.bulk, found.frames)
