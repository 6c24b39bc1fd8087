"""Metadata lines made while an instance was open anyway, kept until its series is published."""

import threading

from pacs.convert.describe import Memo, metadata_line
from pacs.dicom.reader import DicomFile
from pacs.domain.model import BulkValue, FrameTable, Identity

MOST = 64 << 20
"""Bytes of lines that are kept; the oldest go first, and are made again from their shells."""


class Lines:
    """Makes lines, and holds those of rows that were stored lately.  Safe for threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._size = most, 0
        self._memo = Memo()
        self._lock = threading.Lock()
        self._held: dict[tuple[int, str], bytes] = {}

    def make(self, file: DicomFile, identity: Identity, bulk: tuple[BulkValue, ...], frames: FrameTable) -> bytes:
        """The DICOM JSON of the instance, URIs relative to its series' metadata document."""
        return metadata_line(file, identity, {value.path: value.sha256 for value in bulk}, frames, self._memo)

    def keep(self, row: int, digest: str, line: bytes) -> None:
        """``line`` is what ``make`` said of the file with this digest; its row never changes but in location."""
        with self._lock:
            self._size += len(line) - len(self._held.pop((row, digest), b""))
            self._held[row, digest] = line
            while self._size > self._most:
                self._size -= len(self._held.pop(next(iter(self._held))))

    def get(self, row: int, digest: str) -> bytes | None:
        return self._held.get((row, digest))
