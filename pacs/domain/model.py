"""What the rooms hand each other: plain values."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pacs.domain.cause import Cause


class Identity(NamedTuple):
    """The triple of UIDs an instance is known by."""

    study: str
    series: str
    instance: str


Spans = tuple[tuple[int, int], ...]
"""(offset, length) pairs in one object, in order."""


@dataclass(frozen=True, slots=True)
class FrameTable:
    """Where the frames of an instance lie.

    ``files``: each in an object of its own.  ``pack``: ranges of ``frames.pack``.
    ``ranges``: ranges of the received file.  Ranges are uniform (``start``, ``size``) or ``spans`` per frame.
    ``swap``: byte-swap words of this size after reading (big endian files).
    ``bits``: bits a frame where frames are not byte aligned; ``start`` is then the byte of frame 1.
    """

    count: int = 0
    kind: str = "files"
    start: int = 0
    size: int = 0
    spans: tuple[Spans, ...] = ()
    swap: int = 0
    bits: int = 0

    def encode(self) -> bytes:
        """Compact bytes for a database row."""
        values = [self.count, self.kind, self.start, self.size, self.spans, self.swap, self.bits]
        return zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 6)

    @staticmethod
    def decode(data: bytes) -> "FrameTable":
        count, kind, start, size, spans, swap, bits = json.loads(zlib.decompress(data))
        return FrameTable(
            count, kind, start, size, tuple(tuple((o, n) for o, n in one) for one in spans), swap, bits
        )

    def ranges(self, number: int) -> Spans:
        """The ranges of frame ``number`` (from 1) for ``pack`` and ``ranges`` without ``bits``."""
        if self.spans:
            return self.spans[number - 1]
        return ((self.start + (number - 1) * self.size, self.size),)


@dataclass(frozen=True, slots=True)
class BulkValue:
    """A value kept out of metadata: its element path, VR, SHA-256 and length in bytes; offset in the received file.

    It is kept in little endian (PS3.18 8.7.3.2); ``swap``: bytes a word where the file is big endian.
    """

    path: str
    vr: str
    sha256: str
    length: int
    offset: int
    swap: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """What the index keeps of one level (study, series or instance).

    ``json``: members of the default QIDO answer, ready bytes without braces, joined by a comma and a line feed.
    ``extra``: members returned when asked by includefield, tag (8 hex digits) -> ready member bytes.
    ``keys``: search columns, name -> value.  ``values``: of attributes without a column, path -> (item, value) pairs.
    """

    json: bytes
    extra: Mapping[str, bytes] = field(default_factory=dict)
    keys: Mapping[str, str | int | None] = field(default_factory=dict)
    values: Mapping[str, tuple[tuple[int, str], ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Incoming:
    """An instance about to be stored: checked, described, its bytes durable at ``location``.

    ``line``: its metadata as a document will show it; empty where it is long and better made when it is wanted.
    """

    identity: Identity
    sop_class: str
    transfer_syntax: str
    digest: str
    data_digest: str
    size: int
    location: str
    frames: FrameTable
    bulk: tuple[BulkValue, ...]
    study: Level
    series: Level
    instance: Level
    line: bytes = b""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one instance: ``stored``, ``unchanged``, ``replaced``, ``quarantined``, ``refused`` or ``failed``.

    ``cause``: of what was not stored as it was sent, beside ``reason``, its words for people.
    """

    status: str
    identity: Identity | None
    reason: str = ""
    sop_class: str = ""
    row: int = 0
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """A current instance as the index knows it."""

    row: int
    identity: Identity
    sop_class: str
    transfer_syntax: str
    digest: str
    data_digest: str
    size: int
    location: str
    frames: FrameTable
    bulk: tuple[BulkValue, ...]
    number: int | None
    since: int


class Move(NamedTuple):
    """A row whose bytes lie elsewhere now: valid while its location is still ``old``."""

    row: int
    old: str
    new: str
    frames: FrameTable


@dataclass(frozen=True, slots=True)
class TagRow:
    """A row of a level to be indexed, the instance its values come from (None for an empty one), its last change."""

    owner: int
    instance: Instance | None
    sequence: int


@dataclass(frozen=True, slots=True)
class FramePlace:
    """The little a frame request needs."""

    location: str
    frames: FrameTable
    transfer_syntax: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the current rows of a study or series say a document must show.

    ``state`` is the digest over the set of (UID, data) of its instances; ``sequence`` the last change of it.
    """

    state: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a study is: its newest version, the last change in it, and the version its documents were written for."""

    version: int
    sealed: int
    published: int


@dataclass(frozen=True, slots=True)
class Found:
    """One row of a search: QIDO members ready to join, and what only the index knows.

    ``levels``: from the study down.  ``instances``: the number of instances of the study and of the series.  ``key``: names
    the place of the row in the order of all (PS3.4 C.6.4 Record Key).  ``sop_classes``: only when asked for.
    """

    identity: tuple[str, ...]
    levels: tuple[Level, ...]
    modalities: tuple[str, ...] = ()
    series_count: int = 0
    instances: tuple[int, ...] = ()
    transfer_syntax: str = ""
    key: bytes = b""
    sop_classes: tuple[str, ...] = ()

    @property
    def instance_count(self) -> int:
        """Instances of the study, or of the series when the record is below it."""
        return self.instances[-1] if self.instances else 0


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a search and how many more match beyond them.  ``pending``: keys whose index is not complete yet."""

    rows: list[Found]
    remaining: int
    pending: tuple[str, ...] = ()


Viewport = tuple[int, int, float | None, float | None, float | None, float | None]
"""Width and height to fit in, then the source region: left, top, width, height in pixels of the image (PS3.18 8.3.5.1.3).

None is 0 for left and top and all there is for width and height; a negative width or height flips.
"""


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How a picture is to be rendered (PS3.18 8.3.5).

    ``window``: centre, width and function (``linear``, ``linear-exact``, ``sigmoid``); None is as the object says.
    ``annotation``: any of ``patient`` and ``technique``.  ``iccprofile``: ``no``, ``yes``, ``srgb``, ``adobergb``,
    ``rommrgb`` or ``displayp3``.  ``media``: ``image/jpeg``, ``image/png`` or ``image/gif``.
    """

    viewport: Viewport | None = None
    window: tuple[float, float, str] | None = None
    quality: int = 85
    annotation: tuple[str, ...] = ()
    iccprofile: str = "no"
    media: str = "image/jpeg"


Record = dict[str, Any]
"""A log record: JSON values only."""
