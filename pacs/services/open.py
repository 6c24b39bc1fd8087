"""Opens instances where they lie, received or shelved: the one reader of what is stored."""

from collections.abc import Iterator
from contextlib import contextmanager

from pacs.convert import shell as shells
from pacs.convert.bulk import little_value
from pacs.convert.frames import cut_frame
from pacs.dicom.reader import DicomFile, Limits, read
from pacs.domain import layout
from pacs.domain.errors import NotFound
from pacs.domain.model import FramePlace, Instance
from pacs.domain.ports import Buffer, Repository, Storage
from pacs.services.lines import Lines
from pacs.services.shelve import Place, Shelf

_PIECE = 1 << 20


class Opener:
    """Files, frames, elements and metadata of stored instances."""

    def __init__(
        self, storage: Storage, repository: Repository, shelf: Shelf, limits: Limits, lines: Lines
    ) -> None:
        self._storage, self._repository, self._shelf, self._limits = storage, repository, shelf, limits
        self._lines = lines

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
        rows = self._repository.instances(instance.identity.study, instance.identity.series)
        for row in rows:
            if row.row == instance.row:
                return row
        raise NotFound(f"instance {instance.identity.instance} was replaced")

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
            return self._lines.make(file, instance.identity, instance.bulk, instance.frames)

    def bulk(self, study: str, sha256: str) -> bytes:
        """A bulk value, wherever it lies."""
        try:
            return self._shelf.bulk(study, sha256)
        except NotFound:
            place = self._repository.bulk_received(study, sha256)
        if place is None:
            return self._shelf.bulk(study, sha256)
        location, value = place
        with self._storage.view(location) as whole:
            return bytes(little_value(read(whole, self._limits), value))
