"""The one write path: STOW, ``mkdicomweb create`` and whatever comes later store here.

Network doors: bytes durable in ``incoming/``, checks, rows and log record in one transaction, then the answer; conversion
follows (:mod:`pacs.services.settle`).  Commands: convert first, then the same transaction.
"""

import gzip
import json
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from pacs.convert import part10
from pacs.convert.describe import describe, identity_of
from pacs.dicom.reader import DicomFile, Limits, read
from pacs.domain import layout
from pacs.domain.cause import Cause
from pacs.domain.errors import Refused
from pacs.domain.model import Incoming, Outcome, Record
from pacs.domain.ports import Buffer, Repository, Storage
from pacs.domain.scratch import Scratch, windows
from pacs.services.receive import Part, refused
from pacs.services.shelve import Item, Place, Shelf


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be stored, and how."""

    limits: Limits
    bulk_over: int = 4096
    policy: str = "replace"


class Store:
    """Stores instances.  Safe for threads; concurrent calls share commits."""

    def __init__(self, storage: Storage, repository: Repository, shelf: Shelf, rules: Rules) -> None:
        self._storage, self._repository, self._shelf, self._rules = storage, repository, shelf, rules
        self._lock = threading.Lock()
        self._queue: list[tuple[list[Incoming], str, Future[list[Outcome]]]] = []
        self._queue_lock = threading.Lock()

    def begin(self) -> Part:
        """A place for one object's bytes."""
        return Part(self._storage, self._describe, self._rules.limits)

    def received(self, parts: Sequence[Part | Refused], source: str, study: str | None = None) -> list[Outcome]:
        """Stores what was received; a refusal stands for a part that failed already.

        ``study``: the only study UID that is taken.  Outcomes in order; all of it is committed on return.
        """
        try:
            return self._received(parts, source, study)
        except BaseException:
            for part in parts:
                if isinstance(part, Part):
                    part.discard()
            raise

    def _received(self, parts: Sequence[Part | Refused], source: str, study: str | None) -> list[Outcome]:
        results = [refused(part) if isinstance(part, Refused) else _checked(part, study) for part in parts]
        batch = [one for one in results if isinstance(one, Incoming)]
        self._storage.land([p.receiver for p in parts if isinstance(p, Part) and p.receiver is not None])
        outcomes = iter(self.commit(batch, source) if batch else [])
        done = [next(outcomes) if isinstance(one, Incoming) else one for one in results]
        for one, outcome in zip(results, done, strict=True):
            if isinstance(one, Incoming) and outcome.status in ("unchanged", "refused"):
                self._storage.delete(one.location)
        return done

    def _describe(self, file: DicomFile, whole: Buffer, location: str) -> Incoming:
        return describe(file, whole, location, self._rules.bulk_over)

    def prepare(self, files: Sequence[Buffer]) -> list[Incoming | str]:
        """Checks and shelves files (conversion first): each ready to commit, or the reason why not."""
        results: list[Incoming | str] = []
        items: list[Item] = []
        for whole in files:
            try:
                whole, file = walk(whole, self._rules.limits)
                found = self._describe(file, whole, "")
            except Refused as refusal:
                results.append(str(refusal))
                continue
            results.append(found)
            items.append(Item(found.identity, file, whole, found.digest, found.data_digest, found.frames, found.bulk))
        places = iter(self._shelf.put(items) if items else [])
        return [one if isinstance(one, str) else _placed(one, next(places)) for one in results]

    def commit(self, batch: list[Incoming], source: str) -> list[Outcome]:
        """Rows and log record in one transaction, shared with whoever waits at the same moment."""
        mine: Future[list[Outcome]] = Future()
        with self._queue_lock:
            self._queue.append((batch, source, mine))
        with self._lock:
            if not mine.done():
                with self._queue_lock:
                    waiting, self._queue = self._queue, []
                self._commit_all(waiting)
        return mine.result()

    def _commit_all(self, waiting: list[tuple[list[Incoming], str, "Future[list[Outcome]]"]]) -> None:
        for source in {source for _, source, _ in waiting}:
            group = [(batch, future) for batch, name, future in waiting if name == source]
            try:
                joined = [one for batch, _ in group for one in batch]
                outcomes = self._repository.store(joined, source, self._rules.policy, self._log)
            except BaseException as error:
                for _, future in group:
                    future.set_exception(error)
                continue
            at = 0
            for batch, future in group:
                future.set_result(outcomes[at : at + len(batch)])
                at += len(batch)

    def _log(self, study: str, sequence: int, record: Record) -> None:
        """The record of a batch, durable before COMMIT.  A record that is there already is of a commit that failed."""
        line = json.dumps(record, separators=(",", ":")) + "\n"
        data = gzip.compress(line.encode(), 6, mtime=0)
        key = layout.log(study, sequence)
        if not self._storage.create(key, data):
            self._storage.put(key, data)


def _checked(part: Part, study: str | None) -> Incoming | Outcome:
    """What the part is, refused when it is of another study than the one it was sent to."""
    part.end()
    found = part.result
    assert found is not None
    if isinstance(found, Incoming) and study is not None and found.identity.study != study:
        reason = f"study {found.identity.study} is not the study {study} of the URL"
        found = Outcome("refused", found.identity, reason, found.sop_class, cause=Cause.WRONG_STUDY)
        part.refuse(found)
    return found


def _placed(one: Incoming, place: Place) -> Incoming:
    return replace(one, location=place.location, frames=place.frames)


def walk(received: Buffer, limits: Limits) -> tuple[Buffer, DicomFile]:
    """The Part 10 bytes and their elements; a bare data set is given its meta group.  Raises :class:`Refused`."""
    file = read(received, limits)
    if file.has_meta:
        return received, file
    identity, sop_class = identity_of(file)
    made = Scratch()
    made.write(part10.make_meta(file.transfer_syntax, sop_class, identity.instance))
    for piece in windows(received):
        made.write(piece)
    whole = made.view()
    return whole, read(whole, limits)
