"""Pictures: thumbnails and rendered frames (PS3.18 10.4.1.1.3 and 10.4.1.1.4).

Drawn in worker processes with limits.  Failure to draw never fails anything but the picture.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from pacs.convert.notes import notes_of
from pacs.convert.picture import Picture
from pacs.dicom.syntax import syntax
from pacs.domain import layout
from pacs.domain.errors import IndexFault, NotFound, PacsError, RenderFailed, StorageFault
from pacs.domain.model import Identity, Instance, RenderOptions
from pacs.domain.ports import Repository, Storage
from pacs.services.open import Opener
from pacs.services.stored import Described, stored_frame

THUMBNAIL = (256, 256)
ENCAPSULATED_DOCUMENT = 0x00420011
MOST_GIF_FRAMES = 120
_WHOLE = (None, None, None, None)

Size = tuple[int, int]


class Renderer(Protocol):
    """Draws frames as JPEG, PNG or GIF.  Raises RenderFailed."""

    def render(
        self, picture: Picture, frames: Sequence[bytes], options: RenderOptions, notes: Sequence[str] = ()
    ) -> bytes: ...

    def placeholder(self, text: str, size: tuple[int, int]) -> bytes:
        """A card with a few letters, as JPEG."""
        ...


class Pictures:
    """Draws what is stored."""

    def __init__(self, storage: Storage, repository: Repository, opener: Opener, renderer: Renderer) -> None:
        self._storage, self._repository, self._opener, self._renderer = storage, repository, opener, renderer
        self._described = Described(opener, with_tables=True)

    def thumbnail(
        self, study: str, series: str | None = None, instance: str | None = None, frame: int | None = None,
        viewport: Size | None = None,
    ) -> bytes:  # fmt: skip
        """JPEG of a study, a series (their middle instance), an instance (its middle frame) or a frame.

        What has no pixels (documents, waveforms, videos) is a card with the letters of its modality.
        Raises NotFound, and RenderFailed where there are pixels that cannot be drawn.
        """
        if series is not None and instance is not None:
            return self._thumbnail(self._one(Identity(study, series, instance)), frame, viewport or THUMBNAIL)
        stored = None if viewport not in (None, THUMBNAIL) else self._stored(study, series)
        if stored is not None:
            return stored
        rows = self._repository.instances(study, series)
        if not rows:
            raise NotFound(f"study {study}" if series is None else f"series {series} of study {study}")
        return self._first(rows, viewport or THUMBNAIL)

    def _stored(self, study: str, series: str | None) -> bytes | None:
        key = layout.study_thumbnail(study) if series is None else layout.series_thumbnail(study, series)
        try:
            return self._storage.get(key)
        except NotFound:
            return None

    def _first(self, rows: list[Instance], viewport: Size) -> bytes:
        """The middle instance, or the nearest to the front that can be drawn; a placeholder where none has pixels."""
        with_frames = [row for row in rows if _is_picture(row)]
        if not with_frames:
            return self._placeholder(rows[0], viewport)
        middle = with_frames[len(with_frames) // 2]
        reason = RenderFailed("nothing to draw")
        for row in [middle, *with_frames[:3]]:
            try:
                return self._thumbnail(row, None, viewport)
            except RenderFailed as failure:
                reason = failure
        raise reason

    def _thumbnail(self, row: Instance, frame: int | None, size: Size) -> bytes:
        if not _is_picture(row):
            return self._placeholder(row, size)
        return self._draw(row, frame, RenderOptions((*size, *_WHOLE), quality=80))

    def _placeholder(self, row: Instance, size: Size) -> bytes:
        with self._opener.walked(row) as file:
            return self._renderer.placeholder(file.text(0x00080060), size)

    def publish(self, study: str) -> None:
        """Stores the thumbnails of a study and its series, as far as they can be drawn."""
        for series in self._repository.series_of(study):
            self._publish(layout.series_thumbnail(study, series), self._repository.instances(study, series))
        self._publish(layout.study_thumbnail(study), self._repository.instances(study))

    def _publish(self, key: str, rows: list[Instance]) -> None:
        try:
            self._storage.put(key, self._first(rows, THUMBNAIL))
        except (StorageFault, IndexFault):
            raise
        except PacsError:
            self._storage.delete(key)

    def rendered(self, identity: Identity, frame: int | None, options: RenderOptions) -> tuple[bytes, str]:
        """(bytes, media type): a picture of the frame (none given: the middle one, for GIF all), or the document itself
        where one is encapsulated, or the video where frames are one.

        Raises NotFound, BadRequest (a viewport without a pixel of the image), NotAcceptable, RenderFailed.
        """
        row = self._one(identity)
        document = self._document(row)
        if document is not None:
            return document
        return self._draw(row, frame, options), options.media

    def _document(self, row: Instance) -> tuple[bytes, str] | None:
        media = syntax(row.transfer_syntax).media_type
        if media.startswith("video/") and row.frames.count:
            return stored_frame(self._repository, self._opener, row, 1), media
        if row.frames.count:
            return None
        with self._opener.walked(row, with_bulk=True) as file:
            element = file.find(ENCAPSULATED_DOCUMENT)
            if element is None:
                return None
            return bytes(file.raw(element)), file.text(0x00420012) or "application/octet-stream"

    def _one(self, identity: Identity) -> Instance:
        found = self._repository.instance(identity)
        if found is None:
            raise NotFound(f"instance {identity.instance} in series {identity.series} of study {identity.study}")
        return found

    def _draw(self, row: Instance, frame: int | None, options: RenderOptions) -> bytes:
        numbers, step = _numbers(row.frames.count, frame, options.media)
        picture = self._described.picture(row, numbers[0])
        notes: list[str] = []
        if options.annotation:
            with self._opener.walked(row) as file:
                notes = notes_of(file, options.annotation)
        frames = [stored_frame(self._repository, self._opener, row, number) for number in numbers]
        picture = replace(picture, frame_time=picture.frame_time * step)
        return self._renderer.render(picture, frames, options, notes)


def _is_picture(row: Instance) -> bool:
    return row.frames.count > 0 and not syntax(row.transfer_syntax).media_type.startswith("video/")


def _numbers(count: int, frame: int | None, media: str) -> tuple[list[int], int]:
    """The frames to draw and how many of the instance's one of them stands for."""
    if frame is not None:
        return [frame], 1
    if media != "image/gif" or count < 2:
        return [(count + 1) // 2 or 1], 1
    step = -(-count // MOST_GIF_FRAMES)
    return list(range(1, count + 1, step)), step
