"""Bulk values (PS3.18 10.4.1.1.5): of which element each is, its media type, its bytes."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pacs.dicom.syntax import OCTETS
from pacs.domain.errors import NotFound
from pacs.domain.model import BulkValue, Instance
from pacs.domain.ports import Buffer, Repository
from pacs.services.open import Opener, Source

DOCUMENT, DOCUMENT_TYPE, DOCUMENT_LENGTH = 0x00420011, 0x00420012, 0x00420015
SAFE = ("application/pdf", "text/xml", "application/xml", "model/stl", "model/obj", "model/mtl", "application/sla",
        "video/mp4", "video/mpeg", "image/jpeg")  # fmt: skip
_STUDIES_KEPT = 64


class Bulk(NamedTuple):
    """A value as it is sent."""

    source: Source
    media: str
    sha256: str


class _Owner(NamedTuple):
    instance: Instance
    value: BulkValue


def media_type(declared: str) -> str:
    """The type a document says it has; octets when a browser might run it as a page of ours."""
    kind = declared.strip(" \0").lower()
    return kind if kind in SAFE else OCTETS


class BulkValues:
    """Finds and opens bulk values."""

    def __init__(self, repository: Repository, opener: Opener) -> None:
        self._repository, self._opener = repository, opener
        self._known: dict[str, tuple[str, dict[str, _Owner]]] = {}

    def by_digest(self, study: str, sha256: str) -> Bulk:
        """The value a metadata document names.  NotFound when no current instance of the study has it."""
        owner = self._owners(study).get(sha256)
        if owner is None:
            raise NotFound(f"bulk value {sha256} in study {study}")
        return self._open(owner)

    def by_path(self, study: str, instance: str, path: str) -> Bulk:
        """The value at an element path (``00420011``, ``54000100/0/54001010``) of an instance."""
        for one in self._rows(study):
            if one.identity.instance == instance:
                for value in one.bulk:
                    if value.path == path:
                        return self._open(_Owner(one, value))
                raise NotFound(f"instance {instance} keeps no bulk value at {path}")
        raise NotFound(f"instance {instance} in study {study}")

    def items(self, study: str) -> list[dict[str, Any]]:
        """Every bulk value of a study, with its URI relative to the study."""
        return [
            {
                "instance": one.identity.instance, "path": value.path, "vr": value.vr, "bytes": value.length,
                "mediaType": self._media(_Owner(one, value)), "uri": f"bulkdata/{value.sha256}",
            }
            for one in self._rows(study)
            for value in one.bulk
        ]  # fmt: skip

    def document(self, instance: Instance) -> Bulk | None:
        """The encapsulated document (PS3.3 C.24) an instance without frames holds, without its padding."""
        if instance.frames.count:
            return None
        with self._opener.walked(instance) as file:
            element = file.find(DOCUMENT)
            if element is None:
                return None
            media, told = media_type(file.text(DOCUMENT_TYPE)), file.integer(DOCUMENT_LENGTH)
            length = told if told is not None and told in (element.length - 1, element.length) else element.length
            inline = bytes(file.raw(element))
        value = next((value for value in instance.bulk if value.path == f"{DOCUMENT:08X}"), None)
        if value is None:
            return Bulk(_cut(Source(len(inline), lambda offset: iter((inline[offset:],))), length), media, instance.digest)
        return Bulk(_cut(self._opener.bulk(instance.identity.study, value.sha256), length), media, value.sha256)

    def _rows(self, study: str) -> list[Instance]:
        rows = self._repository.instances(study)
        if not rows:
            raise NotFound(f"study {study}")
        return rows

    def _owners(self, study: str) -> dict[str, _Owner]:
        """Digest -> owner, for the state the study is in now."""
        shown = self._repository.shown(study)
        if shown is None:
            raise NotFound(f"study {study}")
        known = self._known.get(study)
        if known is None or known[0] != shown.state:
            owners = {value.sha256: _Owner(one, value) for one in self._rows(study) for value in one.bulk}
            if len(self._known) >= _STUDIES_KEPT:
                self._known.clear()
            known = self._known[study] = (shown.state, owners)
        return known[1]

    def _open(self, owner: _Owner) -> Bulk:
        value, study = owner.value, owner.instance.identity.study
        return Bulk(self._opener.bulk(study, value.sha256), self._media(owner), value.sha256)

    def _media(self, owner: _Owner) -> str:
        """An encapsulated document has the type its own attribute says; all else is octets."""
        if owner.value.path != f"{DOCUMENT:08X}":
            return OCTETS
        with self._opener.walked(owner.instance) as file:
            return media_type(file.text(DOCUMENT_TYPE))


def _cut(source: Source, length: int) -> Source:
    def pieces(offset: int) -> Iterator[Buffer]:
        left = length - offset
        for piece in source.pieces(offset):
            yield memoryview(piece)[:left]
            left -= len(memoryview(piece))
            if left <= 0:
                return

    return Source(length, pieces)
