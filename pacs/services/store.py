"""The one write path: STOW, ``mkdicomweb create`` and whatever comes later store here.

Small objects and files are shelved first, then rows and log record are committed in one transaction, then the answer is
given.  Large objects from a network are durable in ``incoming/`` instead, and shelved later (:mod:`pacs.services.settle`).
"""

import gzip
import json
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from pacs.convert.describe import Memo, describe
from pacs.convert.levels import Levels
from pacs.dicom.reader import DicomFile, Limits, read
from pacs.domain import layout
from pacs.domain.attributes import STANDARD, Catalogue
from pacs.domain.errors import Refused, StorageFault
from pacs.domain.model import Incoming, Outcome, Record
from pacs.domain.ports import Buffer, Repository, Storage
from pacs.domain.scratch import Scratch, windows
from pacs.services.receive import Memory, Part, meta_of, refused
from pacs.services.shelve import Item, Shelf

BATCH = 64


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be stored, and how."""

    limits: Limits
    bulk_over: int = 4096
    policy: str = "replace"
    memory: int = 64 << 20
    catalogue: Catalogue = STANDARD


class Waiting(NamedTuple):
    """A batch that waits for its commit."""

    batch: list[Incoming]
    source: str
    told: Future[list[Outcome]]


class Store:
    """Stores instances.  Safe for threads; concurrent calls share commits."""

    def __init__(self, storage: Storage, repository: Repository, shelf: Shelf, rules: Rules) -> None:
        self._storage, self._repository, self._shelf, self._rules = storage, repository, shelf, rules
        self._memo = Memo()
        self._memory = Memory(rules.memory)
        self._levels = Levels(rules.catalogue)
        self._lock = threading.Lock()
        self._queue: list[Waiting] = []
        self._queue_lock = threading.Lock()

    def begin(self) -> Part:
        """A place for one object's bytes."""
        return Part(self._storage, self._memory, self._rules.limits, self._describe)

    def received(self, parts: Sequence[Part | Refused], source: str, study: str | None = None) -> list[Outcome]:
        """Stores what was received; a refusal stands for a part that failed already.

        ``study``: the only study UID that is taken.  Outcomes in order; all of it is committed on return.
        """
        objects = [part for part in parts if isinstance(part, Part)]
        try:
            for part in objects:
                part.end(study)
            batch = self._make_durable(objects)
            outcomes = self.commit(batch, source) if batch else []
        finally:
            for part in objects:
                part.discard()
        for one, outcome in zip(batch, outcomes, strict=True):
            if outcome.status in ("unchanged", "refused") and layout.is_incoming(one.location):
                with suppress(StorageFault):  # nobody names it: the sweep takes it
                    self._storage.delete(one.location)
        told = iter(outcomes)
        return [_refused(part) or next(told) for part in parts]

    def _make_durable(self, parts: Sequence[Part]) -> list[Incoming]:
        """Those in memory are shelved, the others land in ``incoming/``; what was refused is left out."""
        good = [(part.result, part.file, part.whole) for part in parts if isinstance(part.result, Incoming)]
        shelved = iter(self._shelve([(r, file, whole) for r, file, whole in good if file is not None and whole is not None]))
        self._storage.land([part.receiver for part in parts if part.receiver is not None])
        return [found if file is None else next(shelved) for found, file, _ in good]

    def _shelve(self, ready: Sequence[tuple[Incoming, DicomFile, Buffer]]) -> list[Incoming]:
        done: list[Incoming] = []
        for start in range(0, len(ready), BATCH):
            some = ready[start : start + BATCH]
            places = self._shelf.put([Item.of(*one) for one in some])
            done += [replace(one, location=p.location, frames=p.frames) for (one, *_), p in zip(some, places, strict=True)]
        return done

    def _describe(self, file: DicomFile, whole: Buffer, location: str) -> Incoming:
        return describe(file, whole, location, self._rules.bulk_over, self._levels, self._memo)

    def prepare(self, files: Sequence[Buffer]) -> list[Incoming | str]:
        """Checks and shelves files: each ready to commit, or the reason why not."""
        results: list[Incoming | str] = []
        ready: list[tuple[Incoming, DicomFile, Buffer]] = []
        for data in files:
            try:
                whole, file = walk(data, self._rules.limits)
                found = self._describe(file, whole, "")
            except Refused as refusal:
                results.append(str(refusal))
                continue
            results.append(found)
            ready.append((found, file, whole))
        placed = iter(self._shelve(ready))
        return [one if isinstance(one, str) else next(placed) for one in results]

    def commit(self, batch: list[Incoming], source: str) -> list[Outcome]:
        """Rows and log record in one transaction, shared with whoever waits at the same moment."""
        mine = Waiting(batch, source, Future())
        with self._queue_lock:
            self._queue.append(mine)
        with self._lock:
            if not mine.told.done():
                with self._queue_lock:
                    waiting, self._queue = self._queue, []
                self._commit_all(waiting)
        return mine.told.result()

    def _commit_all(self, waiting: list[Waiting]) -> None:
        for source in {one.source for one in waiting}:
            self._commit_together([one for one in waiting if one.source == source])

    def _commit_together(self, group: list[Waiting]) -> None:
        """One transaction for all; each in its own where that fails, so that nobody fails for another's fault."""
        joined = [item for one in group for item in one.batch]
        try:
            outcomes = iter(self._repository.store(joined, group[0].source, self._rules.policy, self._log))
        except BaseException as error:
            if len(group) == 1:
                group[0].told.set_exception(error)
                return
            for one in group:
                self._commit_together([one])
            return
        for one in group:
            one.told.set_result([next(outcomes) for _ in one.batch])

    def _log(self, study: str, sequence: int, record: Record) -> None:
        """The record of a batch, durable before COMMIT.  A record that is there already is of a commit that failed."""
        for one in record["instances"]:  # swept between its landing and now: the sender hears of it and sends again
            if layout.is_incoming(one["location"]) and not self._storage.exists(one["location"]):
                raise StorageFault(f"the received file of {one['instance']} is gone")
        line = json.dumps(record, separators=(",", ":")) + "\n"
        data = gzip.compress(line.encode(), 6, mtime=0)
        key = layout.log(study, sequence)
        if not self._storage.create(key, data):
            self._storage.put(key, data)


def _refused(part: Part | Refused) -> Outcome | None:
    if isinstance(part, Refused):
        return refused(part)
    return part.result if isinstance(part.result, Outcome) else None


def walk(received: Buffer, limits: Limits) -> tuple[Buffer, DicomFile]:
    """The Part 10 bytes and their elements; a bare data set is given its meta group.  Raises :class:`Refused`."""
    file = read(received, limits)
    if file.has_meta:
        return received, file
    made = Scratch()
    made.write(meta_of(file))
    for piece in windows(received):
        made.write(piece)
    whole = made.view()
    return whole, read(whole, limits)
