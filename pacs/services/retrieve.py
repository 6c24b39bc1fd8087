"""Retrieving: metadata documents, files, frames, bulk values (PS3.18 10.4)."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pacs.convert.coding import GZIP, encode
from pacs.convert.describe import at_rest
from pacs.convert.documents import join_lines, relocate_uris, split_lines, unpack_document
from pacs.dicom.syntax import syntax
from pacs.domain.errors import NotFound
from pacs.domain.layout import FORMAT
from pacs.domain.model import FramePlace, Identity, Instance
from pacs.domain.ports import Buffer, Repository
from pacs.services.bulk import Bulk, BulkValues
from pacs.services.once import Once
from pacs.services.open import Opener, Source
from pacs.services.publish import Publisher

CACHE_BYTES = 64 << 20


class Target(NamedTuple):
    """A study, series or instance."""

    study: str
    series: str | None = None
    instance: str | None = None

    def __str__(self) -> str:
        names = zip(("study", "series", "instance"), self, strict=True)
        return " of ".join(f"{name} {uid}" for name, uid in reversed([one for one in names if one[1]]))


class Shape(NamedTuple):
    """How a metadata document is wanted: ``base`` makes URIs absolute; ``coding`` is its content coding."""

    base: str | None = None
    coding: str = ""


class Document(NamedTuple):
    """A document as it is sent, and the state it shows."""

    body: bytes
    state: str


class Retrieve:
    """Reads of what is stored.  Every answer shows the state the rows are in."""

    def __init__(self, repository: Repository, opener: Opener, publisher: Publisher, cache_bytes: int = CACHE_BYTES) -> None:
        self._repository, self._opener, self._publisher = repository, opener, publisher
        self._cache = Once[Document](cache_bytes, lambda document: len(document.body))
        self.bulk = BulkValues(repository, opener)

    def state(self, target: Target) -> str:
        """The digest of what is stored of a resource now; NotFound."""
        if target.series is not None and target.instance is not None:
            return self.frame_place(Identity(target.study, target.series, target.instance)).digest
        shown = self._repository.shown(target.study, target.series)
        if shown is None:
            raise NotFound(str(target))
        return shown.state

    def ready(self, target: Target, shape: Shape, state: str) -> Document | None:
        """The document when it is at hand: no storage is read."""
        return self._cache.peek((target, shape, state))

    def metadata(self, target: Target, shape: Shape = Shape(), state: str = "") -> Document:  # noqa: B008 - frozen
        """DICOM JSON of a study, series or instance, as of ``state`` (or now) or later (PS3.18 10.4.1.1.2, Annex F)."""

        return self._cache.get((target, shape, state or self.state(target)), lambda: self._document(target, shape))

    def _document(self, target: Target, shape: Shape) -> Document:
        if target.series is None:
            return self._study(target.study, shape)
        if target.instance is None:
            return self._series(target.study, target.series, shape)
        return self._instance(Identity(target.study, target.series, target.instance), shape)

    def lines(self, target: Target, base: str | None) -> list[bytes]:
        """The documents' lines: one data set each."""
        return split_lines(self.metadata(target, Shape(base)).body)

    def _instance(self, identity: Identity, shape: Shape) -> Document:
        found = self._one(identity)
        line = self._opener.line(found)
        if shape.base is None:
            line = relocate_uris(line, "../../../../", "../../")
        else:
            [line] = _absolute([line], shape.base, identity.study, identity.series)
        return Document(encode(join_lines([line]), shape.coding), found.digest)

    def _series(self, study: str, series: str, shape: Shape) -> Document:
        """As stored, when that is what is wanted."""
        data, shown = self._publisher.series_metadata(study, series)
        if shape == Shape(None, GZIP):
            return Document(data, shown.state)
        body = unpack_document(data)
        if shape.base is not None:
            body = join_lines(_absolute(split_lines(body), shape.base, study, series))
        return Document(encode(body, shape.coding), shown.state)

    def _study(self, study: str, shape: Shape) -> Document:
        while True:
            before = self._repository.shown(study)
            lines: list[bytes] = []
            for series in self._repository.series_of(study):
                own = split_lines(unpack_document(self._publisher.series_metadata(study, series)[0]))
                if shape.base is None:
                    lines += [relocate_uris(line, "", f"series/{series}/") for line in own]
                else:
                    lines += _absolute(own, shape.base, study, series)
            after = self._repository.shown(study)
            if after is None:
                raise NotFound(f"study {study}")
            if before is not None and before.state == after.state:
                return Document(encode(join_lines(lines), shape.coding), after.state)

    def instances(self, target: Target) -> list[Instance]:
        """The current instances of a resource, in order; never none."""
        if target.series is not None and target.instance is not None:
            return [self._one(Identity(target.study, target.series, target.instance))]
        found = self._repository.instances(target.study, target.series)
        if not found:
            raise NotFound(str(target))
        return found

    def _one(self, identity: Identity) -> Instance:
        found = self._repository.instance(identity)
        if found is None:
            raise NotFound(str(Target(*identity)))
        return found

    def source(self, instance: Instance) -> Source:
        """The exact Part 10 bytes, from any offset on."""
        return self._opener.file(instance)

    def file(self, instance: Instance) -> Iterator[Buffer]:
        """The exact Part 10 bytes."""
        return self._opener.pieces(instance)

    def frame_place(self, identity: Identity) -> FramePlace:
        """Where the frames of an instance lie."""
        place = self._repository.frame_place(identity)
        if place is None:
            raise NotFound(str(Target(*identity)))
        return place

    def frame(self, place: FramePlace, number: int) -> bytes:
        return self._opener.frame(place, number)

    def frame_file(self, place: FramePlace, number: int) -> tuple[str, int, int] | None:
        return self._opener.frame_file(place, number)

    def dimensions(self, identity: Identity) -> tuple[int, int]:
        """Rows and columns of the frames."""
        with self._opener.walked(self._one(identity)) as file:
            return file.integer(0x00280010) or 1, file.integer(0x00280011) or 1

    def thumbnail_file(self, study: str, series: str | None) -> str | None:
        return self._opener.thumbnail_file(study, series)

    def passed_through(self, identity: Identity) -> Bulk | None:
        """The video or document of an instance that is sent as it is where a picture is asked for (PS3.18 8.7.4)."""
        place = self.frame_place(identity)
        if place.frames.count:
            media = syntax(place.transfer_syntax).media_type
            if not media.startswith("video/"):
                return None
            return Bulk(self._opener.frame_source(place, 1), media, place.digest)
        return self.bulk.document(self._one(identity))

    @staticmethod
    def at_rest(transfer_syntax: str) -> str:
        """The syntax frames are kept in."""
        return at_rest(transfer_syntax)


def _absolute(lines: list[bytes], base: str, study: str, series: str) -> list[bytes]:
    root = f"{base}/studies/{study}/"
    return [relocate_uris(line, root, f"{root}series/{series}/") for line in lines]


def etag(state: str, *parts: str | None) -> str:
    """A strong entity tag (RFC 9110 8.8.3) of a state and of all that makes representations of it differ."""
    rest = hashlib.blake2b("\0".join(part or "" for part in parts).encode(), digest_size=6).hexdigest()
    return f'"{state[:32]}-{FORMAT}-{rest}"'


def state_of(instances: Sequence[Instance]) -> str:
    """The digest of a list of instances."""
    digest = hashlib.sha256()
    for one in instances:
        digest.update(one.digest.encode())
    return digest.hexdigest()
