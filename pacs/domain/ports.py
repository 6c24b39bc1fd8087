"""What the product needs from outside, as structural protocols."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from mmap import mmap
from types import TracebackType
from typing import Protocol, Self

from pacs.domain.model import (
    BulkValue,
    FramePlace,
    Identity,
    Incoming,
    Instance,
    Level,
    Move,
    Outcome,
    Page,
    Record,
    Shown,
    Standing,
    TagRow,
)
from pacs.domain.query import Attribute, Query, QueryLevel

Buffer = bytes | bytearray | memoryview | mmap
Files = Mapping[str, Iterable[Buffer]]


class Receiver(Protocol):
    """Incoming bytes; nothing is visible under the key before ``commit``."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what was not committed."""

    def write(self, data: Buffer) -> None:
        """Append."""

    def view(self) -> AbstractContextManager[memoryview]:
        """What was written, without a copy, valid inside the ``with``; nothing is written meanwhile."""

    def commit(self) -> None:
        """Make the bytes durable under the key, replacing what was there."""


class Storage(Protocol):
    """Bytes under '/'-separated keys; a bad key is a ``StorageFault``, ENOSPC ``StorageFull``."""

    def put(self, key: str, data: Buffer) -> None:
        """Replace whole, durable."""

    def create(self, key: str, data: Buffer) -> bool:
        """Create only, durable; False when the key exists."""

    def claim(self, folders: Sequence[tuple[str, Files]]) -> list[bool]:
        """Publish each folder whole and durable; False where the name is taken.

        A name inside a folder may contain one '/' (``frames/1``).
        """

    def get(self, key: str) -> bytes:
        """All bytes; ``NotFound``."""

    def read(self, key: str, offset: int, length: int) -> bytes:
        """A part, short where the value ends; ``NotFound``."""

    def size(self, key: str) -> int:
        """Length in bytes; ``NotFound``."""

    def exists(self, key: str) -> bool:
        """Whether there is a value under the key."""

    def view(self, key: str) -> AbstractContextManager[memoryview]:
        """The bytes without a copy, valid inside the ``with``; ``NotFound``."""

    def list(self, prefix: str) -> Iterator[str]:
        """The keys below the folder ``prefix`` ('' is all), sorted."""

    def delete(self, key: str) -> None:
        """Remove; no error when missing."""

    def delete_tree(self, prefix: str) -> None:
        """Remove everything below the folder; no error when missing."""

    def receive(self, key: str) -> Receiver:
        """Take bytes as they come."""

    def land(self, receivers: Sequence[Receiver]) -> None:
        """Commit receivers of this storage together: as durable as one by one, in less time."""

    def older(self, prefix: str, before: float) -> Iterator[str]:
        """The keys below the folder whose values were written before that time (epoch seconds)."""
        ...

    def clean(self, before: float) -> int:
        """Removes what was being built and not touched since that time; how many things."""
        ...

    def path(self, key: str) -> str | None:
        """The local file of the key, None where storage has no files."""

    def check(self) -> None:
        """Raise ``StorageFault`` when the storage cannot be written."""


class Repository(Protocol):
    """The index: rows of studies, series, instances, changes, versions."""

    local: bool
    """Point reads are in-process (SQLite): cheap enough for an event loop."""

    def store(
        self, batch: Sequence[Incoming], source: str, policy: str, log: Callable[[str, int, Record], None]
    ) -> list[Outcome]:
        """One transaction for the batch.  ``log(study, sequence, record)`` is called for each study touched just before
        COMMIT, inside the transaction.  Same data digest under a known triple: ``unchanged``.  Other: by policy."""
        ...

    def relocate(self, moves: Sequence[Move]) -> int:
        """Compare-and-set of rows' locations and frame tables, in one transaction; how many were set."""
        ...

    def received(self, limit: int) -> list[Instance]:
        """Instances (history included) whose bytes still lie in ``incoming/``, oldest first."""
        ...

    def instance(self, identity: Identity) -> Instance | None: ...
    def frame_place(self, identity: Identity) -> FramePlace | None: ...
    def instances(self, study: str, series: str | None = None, at: int | None = None) -> list[Instance]:
        """Current instances (or those current at sequence ``at``) in order: series number, series UID,
        instance number (none last), UID."""
        ...

    def shown(self, study: str, series: str | None = None) -> Shown | None:
        """None when unknown or empty."""
        ...

    def series_of(self, study: str) -> list[str]: ...
    def search(self, query: Query) -> Page:
        """The rows of a page in a total order; BadRequest when ``query.after`` names no record of the level."""
        ...

    def declare_tags(self, tags: Sequence[Attribute]) -> None:
        """The extra searchable tags there are from now on; values of others are forgotten."""
        ...

    def waiting_tags(self) -> dict[str, int]:
        """Tags not indexed for every row yet: path -> the last row (of their level) that is."""
        ...

    def tag_rows(self, level: QueryLevel, after: int, limit: int) -> list[TagRow]:
        """Rows of a level later than ``after``, in order, each with the instance its values come from."""
        ...

    def index_tags(
        self, level: QueryLevel, paths: Sequence[str], found: Sequence[tuple[TagRow, Level]], last: int | None
    ) -> None:
        """Keeps the values of these tags for rows that have not changed since, up to row ``last``; None: all are done."""
        ...

    def waiting_lines(self, study: str, series: str) -> dict[int, bytes]:
        """Row -> metadata line of the instances that no document shows yet; long lines are not among them."""
        ...

    def swap(self, study: str, publish: Callable[[], None], shows: tuple[str, int] | None = None) -> None:
        """Runs ``publish`` under the study's row lock.

        ``shows``: a series and a sequence; the lines that waited for a document up to there are forgotten.
        """
        ...

    def unsealed(self, before: float) -> list[str]:
        """Studies with commits after their last version, none of them later than ``before`` (epoch seconds)."""
        ...

    def unpublished(self, before: float) -> list[str]:
        """Studies whose newest version was not published, with no commit later than ``before`` (epoch seconds)."""
        ...

    def standing(self, study: str) -> Standing | None:
        """None when unknown."""
        ...

    def publish(self, study: str, version: int) -> None:
        """Notes that the documents of this version, or of a later one, are written."""
        ...

    def seal(self, study: str, manifest: Callable[[int, list[int]], None]) -> int | None:
        """A new version, None when nothing changed.  ``manifest(version, sequences of its log records)`` runs inside."""
        ...

    def named(self, locations: Sequence[str]) -> set[str]:
        """Those of the locations that a row names, of history too."""
        ...

    def unname(self, locations: Sequence[str], remove: Callable[[list[str]], None]) -> None:
        """Runs ``remove`` with those no row names, while no store can commit: a store that looks for its files inside
        its transaction finds what it will name, or fails."""
        ...

    def bulk_received(self, study: str, sha256: str) -> tuple[str, BulkValue] | None:
        """A bulk value that still lies in a received file, and the file's location."""
        ...

    def counts(self) -> tuple[int, int, int]:
        """Studies, series, instances."""
        ...

    def close(self) -> None: ...
