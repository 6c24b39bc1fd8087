"""Pictures: thumbnails and rendered frames (PS3.18 10.4.1.1.3 and 10.4.1.1.4).

Drawn in worker processes with limits.  Failure to draw never fails anything but the picture.
"""

from typing import Protocol

from pacs.convert.picture import picture_of
from pacs.convert.render import Picture
from pacs.dicom.syntax import syntax
from pacs.domain import layout
from pacs.domain.errors import NotFound, PacsError, RenderFailed
from pacs.domain.model import FramePlace, Identity, Instance
from pacs.domain.ports import Repository, Storage
from pacs.services.open import Opener

THUMBNAIL = (256, 256)
ENCAPSULATED_DOCUMENT = 0x00420011

Viewport = tuple[int, int]
Window = tuple[float, float]


class Renderer(Protocol):
    """Draws one frame as JPEG.  Raises RenderFailed."""

    def render(
        self, picture: Picture, frame: bytes, viewport: Viewport | None, quality: int = 85, window: Window | None = None
    ) -> bytes: ...


class Pictures:
    """Draws what is stored."""

    def __init__(self, storage: Storage, repository: Repository, opener: Opener, renderer: Renderer) -> None:
        self._storage, self._repository, self._opener, self._renderer = storage, repository, opener, renderer

    def thumbnail(
        self, study: str, series: str | None = None, instance: str | None = None, frame: int | None = None,
        viewport: Viewport | None = None,
    ) -> bytes:  # fmt: skip
        """JPEG of a study, a series (their middle instance), an instance (its middle frame) or a frame."""
        if series is not None and instance is not None:
            return self._draw(self._one(Identity(study, series, instance)), frame, viewport or THUMBNAIL, 80, None)
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

    def _first(self, rows: list[Instance], viewport: Viewport) -> bytes:
        """The middle instance, or the nearest to the front that can be drawn."""
        with_frames = [row for row in rows if row.frames.count]
        if not with_frames:
            raise RenderFailed("no instance with pixel data")
        middle = with_frames[len(with_frames) // 2]
        reason = RenderFailed("nothing to draw")
        for row in [middle, *with_frames[:3]]:
            try:
                return self._draw(row, None, viewport, 80, None)
            except RenderFailed as failure:
                reason = failure
        raise reason

    def publish(self, study: str) -> None:
        """Stores the thumbnails of a study and its series, as far as they can be drawn."""
        for series in self._repository.series_of(study):
            self._publish(layout.series_thumbnail(study, series), self._repository.instances(study, series))
        self._publish(layout.study_thumbnail(study), self._repository.instances(study))

    def _publish(self, key: str, rows: list[Instance]) -> None:
        try:
            self._storage.put(key, self._first(rows, THUMBNAIL))
        except PacsError:
            self._storage.delete(key)

    def rendered(
        self, identity: Identity, frame: int | None, viewport: Viewport | None, quality: int, window: Window | None
    ) -> tuple[bytes, str]:
        """(bytes, media type): JPEG, or the film or encapsulated document as it is (PS3.18 8.7.4)."""
        row = self._one(identity)
        document = self._film(row) or self._document(row)
        if document is not None:
            return document
        return self._draw(row, frame, viewport, quality, window), "image/jpeg"

    def _film(self, row: Instance) -> tuple[bytes, str] | None:
        """All frames of a video are one stream, stored as one."""
        media = syntax(row.transfer_syntax).media_type
        if not media.startswith("video/") or row.frames.count != 1:
            return None
        return self._opener.frame(FramePlace(row.location, row.frames, row.transfer_syntax), 1), media

    def _document(self, row: Instance) -> tuple[bytes, str] | None:
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

    def _draw(
        self, row: Instance, frame: int | None, viewport: Viewport | None, quality: int, window: Window | None
    ) -> bytes:
        with self._opener.walked(row, with_bulk=True) as file:
            picture = picture_of(file)
        number = frame if frame is not None else (row.frames.count + 1) // 2
        data = self._opener.frame(FramePlace(row.location, row.frames, row.transfer_syntax), number)
        return self._renderer.render(picture, data, viewport, quality, window)
