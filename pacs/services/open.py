"""Opens instances where they lie, received or shelved: the one reader of what is stored."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from pacs.convert import shell as shells
from pacs.convert.bulk import little_value
from pacs.convert.describe import Memo, metadata_line
from pacs.convert.frames import cut_frame
from pacs.dicom.reader import DicomFile, Limits, read
from pacs.domain import layout
from pacs.domain.errors import NotFound
from pacs.domain.model import BulkValue, FramePlace, Instance, Spans
from pacs.domain.ports import Buffer, Repository, Storage
from pacs.services.shelve import Place, Shelf

_PIECE = 1 << 20


class Source(NamedTuple):
    """A value of known size that is read from any offset on, piece by piece."""

    size: int
    pieces: Callable[[int], Iterator[Buffer]]


def of_bytes(body: bytes) -> Source:
    """A value that is in memory."""
    return Source(len(body), lambda offset: iter((memoryview(body)[offset:],)))


def skipped(pieces: Iterable[Buffer], offset: int) -> Iterator[Buffer]:
    """What comes after the first ``offset`` bytes."""
    for piece in pieces:
        view = memoryview(piece)
        if offset >= len(view):
            offset -= len(view)
            continue
        yield view[offset:] if offset else piece
        offset = 0


class Opener:
    """Files, frames, elements and metadata of stored instances."""

    def __init__(self, storage: Storage, repository: Repository, shelf: Shelf, limits: Limits) -> None:
        self._storage, self._repository, self._shelf, self._limits = storage, repository, shelf, limits
        self._memo = Memo()

    def pieces(self, instance: Instance) -> Iterator[Buffer]:
        """The exact Part 10 bytes."""
        if layout.is_incoming(instance.location):
            try:
                yield from self._received(instance)
                return
            except NotFound:  # settled between the look at the row and the look at the file
                instance = self._again(instance)
        shell = self._shelf.shell(instance.identity, instance.location)
        place = Place(instance.location, instance.frames)
        yield from shells.assemble(
            shell, lambda n: self._shelf.frame(place, n), lambda sha: self._shelf.bulk(instance.identity.study, sha)
        )

    def _received(self, instance: Instance) -> Iterator[bytes]:
        size = self._storage.size(instance.location)
        for at in range(0, size, _PIECE):
            yield self._storage.read(instance.location, at, min(_PIECE, size - at))

    def _again(self, instance: Instance) -> Instance:
        """Where it lies now; also when it was replaced meanwhile, for its bytes stay."""
        for row in self._repository.instances(instance.identity.study, instance.identity.series, at=instance.since):
            if row.row == instance.row:
                return row
        raise NotFound(f"instance {instance.identity.instance} is not in the index any more")

    def frame(self, place: FramePlace, number: int) -> bytes:
        """Frame ``number`` (from 1) as sent."""
        table = place.frames
        if not 1 <= number <= table.count:
            raise NotFound(f"frame {number}: the instance has {table.count}")
        if table.kind == "inflated":
            with self._storage.view(place.location) as whole:
                view = read(whole, self._limits).buffer
                return bytes(cut_frame(table, number, lambda offset, length: view[offset : offset + length]))
        if table.kind == "ranges":
            return bytes(cut_frame(table, number, lambda o, n: self._storage.read(place.location, o, n)))
        return self._shelf.frame(Place(place.location, table), number)

    def frame_file(self, place: FramePlace, number: int) -> tuple[str, int, int] | None:
        """(path, offset, length) where the frame is one plain range of a local file."""
        table = place.frames
        if not 1 <= number <= table.count or table.kind == "inflated":
            return None
        if table.kind == "files":
            key = layout.frame(place.location, number)
            path = self._storage.path(key)
            return (path, 0, self._storage.size(key)) if path else None
        if table.kind == "ranges" and (table.bits or table.swap):
            return None
        ranges = table.ranges(number)
        key = layout.pack(place.location) if table.kind == "pack" else place.location
        path = self._storage.path(key)
        return (path, *ranges[0]) if path and len(ranges) == 1 else None

    @contextmanager
    def walked(self, instance: Instance, with_bulk: bool = False) -> Iterator[DicomFile]:
        """The elements of an instance; frames (and bulk values, unless asked for) may read as zeros."""
        if layout.is_incoming(instance.location):
            try:
                with self._storage.view(instance.location) as whole:
                    yield read(whole, self._limits)
                return
            except NotFound:
                instance = self._again(instance)
        study = instance.identity.study
        shell = self._shelf.shell(instance.identity, instance.location)
        bulk = (lambda sha: self._shelf.bulk(study, sha)) if with_bulk else None
        yield read(shells.hollow(shell, bulk), self._limits)

    def line(self, instance: Instance) -> bytes:
        """The DICOM JSON of the instance, URIs relative to its series' metadata document."""
        with self.walked(instance) as file:
            bulk = {value.path: value.sha256 for value in instance.bulk}
            return metadata_line(file, instance.identity, bulk, instance.frames, self._memo)

    def file(self, instance: Instance) -> Source:
        """The exact Part 10 bytes, from any offset on."""
        return Source(instance.size, lambda offset: skipped(self.pieces(instance), offset))

    def frame_source(self, place: FramePlace, number: int) -> Source:
        """A frame, read as it is sent where it is plain ranges of an object: a video is one frame of any size."""
        table = place.frames
        if not 1 <= number <= table.count:
            raise NotFound(f"frame {number}: the instance has {table.count}")
        if table.kind == "files":
            key = layout.frame(place.location, number)
            return self._source(key, ((0, self._storage.size(key)),))
        if table.kind == "inflated" or (table.kind == "ranges" and (table.bits or table.swap)):
            return of_bytes(self.frame(place, number))
        key = layout.pack(place.location) if table.kind == "pack" else place.location
        return self._source(key, table.ranges(number))

    def thumbnail_file(self, study: str, series: str | None) -> str | None:
        """The local file a stored thumbnail is in, whether or not it is there."""
        return self._storage.path(layout.study_thumbnail(study) if series is None else layout.series_thumbnail(study, series))

    def _source(self, key: str, ranges: Spans) -> Source:
        """Ranges of one object, one after the other."""

        def pieces(offset: int) -> Iterator[Buffer]:
            for start, length in ranges:
                for at in range(offset, length, _PIECE):
                    yield self._storage.read(key, start + at, min(_PIECE, length - at))
                offset = max(offset - length, 0)

        return Source(sum(length for _, length in ranges), pieces)

    def bulk(self, study: str, sha256: str) -> Source:
        """A bulk value, wherever it lies."""
        key = layout.bulk(study, sha256)
        try:
            return self._source(key, ((0, self._storage.size(key)),))
        except NotFound:
            place = self._repository.bulk_received(study, sha256)
        if place is None:
            return self._source(key, ((0, self._storage.size(key)),))
        location, value = place
        return self._received_value(location, value)

    def _received_value(self, location: str, value: BulkValue) -> Source:
        """A value of a received file: a range of that file unless it is deflated or big endian."""
        with self._storage.view(location) as whole:
            file = read(whole, self._limits)
            if file.deflated or value.swap:
                return of_bytes(bytes(little_value(file, value)))
        return self._source(location, ((value.offset, value.length),))
