"""Services without a store behind them."""

import gzip
from types import SimpleNamespace
from typing import Any, NamedTuple

from pacs.config import Settings
from pacs.domain.attributes import STANDARD
from pacs.domain.cause import Cause
from pacs.domain.errors import NotFound, Refused
from pacs.domain.model import FramePlace, FrameTable, Identity, Instance, Outcome
from pacs.services.search import Answer

IDENTITY = Identity("1.2", "1.2.3", "1.2.3.4")
JPEG = "1.2.840.10008.1.2.4.50"
FILE = b"\0" * 128 + b"DICM" + b"x" * 1000


class Document(NamedTuple):
    body: bytes
    gzipped: bool
    etag: str


class Retrieve:
    syntax = JPEG
    frames = [b"one", b"twotwo", b"\xff" * 600_000]
    path: str | None = None

    def metadata(self, study: str, series: Any = None, instance: Any = None, base: Any = None) -> Document:
        if study != IDENTITY.study:
            raise NotFound("no such study")
        return Document(gzip.compress(b"[{}]"), True, '"tag"')

    def instances(self, study: str, series: Any = None, instance: Any = None) -> list[Instance]:
        if study != IDENTITY.study:
            raise NotFound("no such study")
        table = FrameTable()
        return [Instance(1, IDENTITY, "1.2.5", self.syntax, "d", "e", len(FILE), "l", table, (), 1, 1)]

    def file(self, instance: Instance) -> Any:
        yield memoryview(FILE)[:100]
        yield FILE[100:]

    def frame_place(self, identity: Identity) -> FramePlace:
        if identity != IDENTITY:
            raise NotFound("no such instance")
        return FramePlace("l", FrameTable(count=len(self.frames)), self.syntax)

    def pixel_media(self, place: FramePlace) -> str:
        return "image/jpeg" if self.syntax == JPEG else "application/octet-stream"

    def frame(self, place: FramePlace, number: int) -> bytes:
        return self.frames[number - 1]

    def frame_file(self, place: FramePlace, number: int) -> tuple[str, int, int] | None:
        if self.path is None:
            return None
        return self.path, sum(len(f) for f in self.frames[: number - 1]), len(self.frames[number - 1])

    def bulk(self, study: str, sha256: str) -> bytes:
        return b"%PDF-1.7 body"

    def bulk_items(self, study: str) -> list[dict[str, Any]]:
        return []


class Part:
    def __init__(self) -> None:
        self.data, self.discarded = b"", False

    def write(self, data: Any) -> None:
        self.data += bytes(data)

    def end(self) -> None:
        """Nothing to check."""

    def discard(self) -> None:
        self.discarded = True


class Store:
    """A part's text decides: ``ok``, ``again``, ``dup``, ``other``, anything else is not understood."""

    def __init__(self) -> None:
        self.begun: list[Part] = []

    def begin(self) -> Part:
        self.begun.append(Part())
        return self.begun[-1]

    def _one(self, part: Part | Refused) -> Outcome:
        if isinstance(part, Refused):
            return Outcome("refused", None, str(part), cause=part.cause)
        if part.data == b"ok":
            return Outcome("stored", IDENTITY, "", "1.2.5")
        if part.data == b"again":
            return Outcome("replaced", IDENTITY, "", "1.2.5")
        if part.data == b"dup":
            return Outcome("refused", IDENTITY, "another instance is stored", "1.2.5", cause=Cause.DUPLICATE)
        if part.data == b"other":
            return Outcome("refused", Identity("9.9", "9", "9"), "study differs", "1.2.5", cause=Cause.WRONG_STUDY)
        return Outcome("refused", None, "not DICOM", cause=Cause.NOT_UNDERSTOOD)

    def received(self, parts: list[Part | Refused], source: str = "stow", study: Any = None) -> list[Outcome]:
        return [self._one(part) for part in parts]


class Search:
    remaining = 0
    seen: Any = None
    catalogue = STANDARD

    def run(self, query: Any, base: Any) -> Answer:
        self.seen = (query, base)
        return Answer([], self.remaining)


class Pictures:
    def thumbnail(self, *args: Any) -> bytes:
        return b"jpeg"

    def rendered(self, *args: Any) -> tuple[bytes, str]:
        return b"jpeg", "image/jpeg"


def services(**server: Any) -> Any:
    settings = Settings.model_validate({"dicomWebServerConfig": server})
    return SimpleNamespace(
        settings=settings, repository=SimpleNamespace(local=True), storage=None, store=Store(), search=Search(),
        retrieve=Retrieve(), pictures=Pictures(), publisher=None, close=lambda: None,
    )  # fmt: skip
