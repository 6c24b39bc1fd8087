"""What a store request brings, by its Content-Type (PS3.18 10.5.1): objects, or metadata with its bulk data."""

import errno
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from pacs.convert.dataset import Bulk, part10_pieces
from pacs.dicom import xml
from pacs.dicomweb.accept import parameters
from pacs.dicomweb.multipart import Multipart, Nowhere, Single, Sink
from pacs.domain.errors import BadRequest, Refused, StorageFault, StorageFull, TooLarge, UnsupportedMedia
from pacs.domain.ports import Buffer

DICOM = "application/dicom"
JSON = "application/dicom+json"
XML = "application/dicom+xml"
TYPES = (DICOM, JSON, XML)
PIECE = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Objects:
    """Parts of ``application/dicom``: each to the store as it comes.

    ``parts``: in order, a refusal for each that is none.  ``sound``: no part was beyond understanding.
    """

    sound = True

    def __init__(self, store: Any) -> None:
        self.parts: list[Any] = []
        self._store = store

    def part(self, headers: Mapping[str, str]) -> Sink:
        kind = parameters(headers.get("content-type", DICOM))[0]
        if kind == DICOM:
            return _Object(self._store.begin(), self.parts)
        refusal = Refused(f"part of type {kind[:60]!r}, {DICOM} is wanted")
        self.parts.append(refusal)
        return Nowhere(refusal)

    def failed(self, reason: str) -> None:
        self.parts.append(Refused(reason))

    def finish(self) -> None:
        """All parts are there."""

    def discard(self) -> None:
        """Nothing of this is wanted."""
        for part in self.parts:
            if not isinstance(part, Refused):
                part.discard()


class _Object:
    """A sink that is one part of the store; it counts when it is whole."""

    def __init__(self, part: Any, parts: list[Any]) -> None:
        self._part, self._parts = part, parts
        self.write, self.discard = part.write, part.discard

    def end(self) -> None:
        self._part.end()
        self._parts.append(self._part)


class Described(Objects):
    """Metadata in JSON or XML, and bulk data parts by their Content-Location (PS3.18 10.5.1, 8.6.1.2.2)."""

    def __init__(self, store: Any, media: str, most: int) -> None:
        super().__init__(store)
        self._media, self._most = media, most
        self._documents: list[_Document] = []
        self._spool = _Spool()

    def part(self, headers: Mapping[str, str]) -> Sink:
        kind, pairs = parameters(headers.get("content-type", "" if self._documents else self._media))
        if kind == self._media and not (self._documents and self._media == JSON):
            self._documents.append(_Document(self._most))
            return self._documents[-1]
        location = headers.get("content-location", "")
        if not location:
            refusal = Refused(f"part of type {kind[:60]!r} without a Content-Location")
            self.parts.append(refusal)
            return Nowhere(refusal)
        return self._spool.add(location, kind, dict(pairs).get("transfer-syntax", ""))

    def finish(self) -> None:
        """Writes each instance to the store, and accounts for bulk data that is of none."""
        if not self._documents:
            raise BadRequest(f"no part is metadata of type {self._media} (PS3.18 10.5.1)")
        for members in self._instances():
            self.parts.append(members if isinstance(members, Refused) else self._written(members))
        for location in self._spool.unused():
            self.failed(f"no instance refers to the part with the Content-Location {location[:100]!r}")
        self._spool.close()

    def discard(self) -> None:
        super().discard()
        self._spool.close()

    def _instances(self) -> Iterator[Any]:
        for document in self._documents:
            try:
                found = xml.to_json(document.data()) if self._media == XML else orjson.loads(document.data())
            except (Refused, orjson.JSONDecodeError) as fault:
                self.sound = False
                yield Refused(f"the metadata cannot be read: {fault}")
                continue
            yield from found if isinstance(found, list) else [found]

    def _written(self, members: Any) -> Any:
        part = self._store.begin()
        try:
            for piece in part10_pieces(members, self._spool):
                part.write(piece)
            part.end()
        except BaseException as fault:
            part.discard()
            if isinstance(fault, Refused):
                return fault
            raise
        return part


class _Document:
    """A metadata part, held."""

    def __init__(self, most: int) -> None:
        self._most, self._held, self._size = most, [b""], 0

    def write(self, data: Buffer) -> None:
        self._size += len(memoryview(data))
        if self._size > self._most:
            raise TooLarge(f"the metadata is over the limit of {self._most} bytes", self._most)
        self._held.append(bytes(data))

    def end(self) -> None:
        self._held = [b"".join(self._held)]

    def data(self) -> bytes:
        return self._held[0]

    def discard(self) -> None:
        self._held = [b""]


class _Stretch:
    """A part's bytes in the spool file."""

    def __init__(self, spool: "_Spool", location: str, media: str, syntax: str) -> None:
        self.location, self.media, self.syntax = location, media, syntax
        self.offset, self.length = spool.size, 0
        self._spool = spool

    def write(self, data: Buffer) -> None:
        self._spool.append(data)
        self.length += len(memoryview(data))

    def end(self) -> None:
        self._spool.keep(self)

    def discard(self) -> None:
        """Its bytes go with the spool."""

    def pieces(self) -> Iterator[bytes]:
        for at in range(0, self.length, PIECE):
            yield self._spool.read(self.offset + at, min(PIECE, self.length - at))


class _Spool(dict[str, Bulk]):
    """All bulk data of a request in one temporary file; by location.

    Frames come as parts of one location in order, or of the location with ``/frames/N`` or ``/N`` behind it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.size = 0
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the request)
        self._used: set[str] = set()

    def add(self, location: str, media: str, syntax: str) -> _Stretch:
        return _Stretch(self, location, media, syntax)

    def append(self, data: Buffer) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            kind = StorageFull if error.errno in _FULL else StorageFault
            raise kind(f"cannot keep bulk data: {error.strerror}") from error
        self.size += len(data)

    def read(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(length)

    def keep(self, part: _Stretch) -> None:
        known = super().get(part.location)
        if known is None:
            self[part.location] = Bulk((part,), part.media, part.syntax)
        else:
            self[part.location] = replace(known, blobs=(*known.blobs, part))

    def get(self, uri: str, default: Any = None) -> Any:
        """The bulk data of this BulkDataURI."""
        if uri in self:
            self._used.add(uri)
            return self[uri]
        numbered = sorted(self._numbered(uri))
        if not numbered:
            return default
        found = [self[location] for _, location in numbered]
        self._used.update(location for _, location in numbered)
        return replace(found[0], blobs=tuple(blob for one in found for blob in one.blobs))

    def _numbered(self, uri: str) -> Iterator[tuple[int, str]]:
        for location in self:
            if location.startswith(uri + "/"):
                number = location[len(uri) + 1 :].removeprefix("frames/")
                if number.isascii() and number.isdigit():
                    yield int(number[:12]), location

    def unused(self) -> Iterable[str]:
        return [location for location in self if location not in self._used]

    def close(self) -> None:
        self._file.close()


def upload(store: Any, content_type: str, metadata_limit: int) -> tuple[Single | Multipart, Objects]:
    """Who takes the body apart and who takes the parts; UnsupportedMedia or BadRequest for other types."""
    kind, pairs = parameters(content_type)
    values = dict(pairs)
    root = values.get("type", DICOM).lower() if kind == "multipart/related" else kind
    if root not in TYPES:
        forms = ", ".join([*TYPES, *(f'multipart/related; type="{one}"' for one in TYPES)])
        raise UnsupportedMedia(f"Content-Type {kind[:60]!r} is not stored; it has to be one of {forms}")
    boundary = values.get("boundary", "")
    if kind == "multipart/related" and not (0 < len(boundary) <= 200 and boundary.isascii() and boundary.isprintable()):
        raise BadRequest("the Content-Type names no usable boundary")
    taker = Objects(store) if root == DICOM else Described(store, root, metadata_limit)
    if kind != "multipart/related":
        return Single({"content-type": kind}, taker), taker
    return Multipart(boundary, taker), taker
