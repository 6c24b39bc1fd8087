"""Retrieving: metadata documents, files, frames, bulk values (PS3.18 10.4)."""

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from pacs.convert.describe import at_rest
from pacs.convert.documents import join_lines, pack_document, relocate_uris, split_lines, unpack_document
from pacs.dicom.syntax import syntax
from pacs.domain.errors import NotFound
from pacs.domain.layout import FORMAT
from pacs.domain.model import FramePlace, Identity, Instance, Shown
from pacs.domain.ports import Buffer, Repository
from pacs.services.open import Opener
from pacs.services.publish import Publisher


class Document(NamedTuple):
    """A document as it is sent; ``etag`` is quoted."""

    body: bytes
    gzipped: bool
    etag: str


class Retrieve:
    """Reads of what is stored.  Every answer shows the state the rows are in."""

    def __init__(self, repository: Repository, opener: Opener, publisher: Publisher) -> None:
        self._repository, self._opener, self._publisher = repository, opener, publisher

    def metadata(
        self, study: str, series: str | None = None, instance: str | None = None, base: str | None = None
    ) -> Document:
        """DICOM JSON of a study, series or instance.  ``base`` makes BulkDataURI absolute."""
        if series is None:
            return self._study(study, base)
        if instance is None:
            data, shown = self._publisher.series_metadata(study, series)
            if base is not None:
                lines = _absolute(split_lines(unpack_document(data)), base, study, series)
                data = pack_document(join_lines(lines), shown)
            return Document(data, True, _etag(shown, base))
        found = self._one(Identity(study, series, instance))
        line = self._opener.line(found)
        line = relocate_uris(line, "../../../../", "../../") if base is None else _absolute([line], base, study, series)[0]
        tag = _etag(Shown(found.digest, found.since), base)
        return Document(b"[" + line + b"]", False, tag)

    def _study(self, study: str, base: str | None) -> Document:
        shown = self._repository.shown(study)
        if shown is None:
            raise NotFound(f"study {study}")
        lines: list[bytes] = []
        for series in self._repository.series_of(study):
            data, _ = self._publisher.series_metadata(study, series)
            own = split_lines(unpack_document(data))
            if base is None:
                lines += [relocate_uris(line, "", f"series/{series}/") for line in own]
            else:
                lines += _absolute(own, base, study, series)
        return Document(pack_document(join_lines(lines), shown), True, _etag(shown, base))

    def instances(self, study: str, series: str | None = None, instance: str | None = None) -> list[Instance]:
        """The current instances of a resource, in order; never none."""
        if series is not None and instance is not None:
            return [self._one(Identity(study, series, instance))]
        found = self._repository.instances(study, series)
        if not found:
            raise NotFound(f"series {series} of study {study}" if series else f"study {study}")
        return found

    def _one(self, identity: Identity) -> Instance:
        found = self._repository.instance(identity)
        if found is None:
            raise NotFound(f"instance {identity.instance} in series {identity.series} of study {identity.study}")
        return found

    def file(self, instance: Instance) -> Iterator[Buffer]:
        """The exact Part 10 bytes."""
        return self._opener.pieces(instance)

    def frame_place(self, identity: Identity) -> FramePlace:
        """Where the frames of an instance lie."""
        place = self._repository.frame_place(identity)
        if place is None:
            raise NotFound(f"instance {identity.instance} in series {identity.series} of study {identity.study}")
        return place

    def frame(self, place: FramePlace, number: int) -> bytes:
        return self._opener.frame(place, number)

    def frame_file(self, place: FramePlace, number: int) -> tuple[str, int, int] | None:
        return self._opener.frame_file(place, number)

    @staticmethod
    def pixel_media(place: FramePlace) -> str:
        """The media type of the frames as stored."""
        return syntax(at_rest(place.transfer_syntax)).media_type

    def bulk(self, study: str, sha256: str) -> bytes:
        return self._opener.bulk(study, sha256)

    def bulk_items(self, study: str) -> list[dict[str, Any]]:
        """Every bulk value of a study, with its URI relative to the study."""
        return [
            {
                "instance": one.identity.instance, "path": value.path, "vr": value.vr, "bytes": value.length,
                "mediaType": "application/octet-stream", "uri": f"bulkdata/{value.sha256}",
            }
            for one in self.instances(study)
            for value in one.bulk
        ]  # fmt: skip


def _absolute(lines: list[bytes], base: str, study: str, series: str) -> list[bytes]:
    root = f"{base}/studies/{study}/"
    return [relocate_uris(line, root, f"{root}series/{series}/") for line in lines]


def _etag(shown: Shown, base: str | None) -> str:
    where = hashlib.sha256(base.encode()).hexdigest()[:8] if base else "relative"
    return f'"{shown.state}-{FORMAT}-{where}"'
