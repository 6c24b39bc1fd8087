"""Objects on their way in from a network: checked as soon as each is whole, durable when all are.

A small object stays in memory until it is shelved, and is written once.  A larger one, or one for which memory is short
just now, goes to a file and lies in ``incoming/`` until :mod:`pacs.services.settle` shelves it: its sender does not wait
for that.
"""

import threading
import uuid
from collections.abc import Callable, Iterable
from itertools import chain

from pacs.convert import part10
from pacs.convert.describe import identity_of
from pacs.dicom.reader import DicomFile, Limits, read
from pacs.domain import layout
from pacs.domain.cause import Cause
from pacs.domain.errors import Refused
from pacs.domain.model import Incoming, Outcome
from pacs.domain.ports import Buffer, Receiver, Storage
from pacs.domain.scratch import windows

SMALL = 4 << 20
"""Bytes of the largest object that is kept in memory."""


class Memory:
    """What all objects on their way in may hold together.  Safe for threads."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        with self._lock:
            fits = size <= self._left
            self._left -= size if fits else 0
            return fits

    def give(self, size: int) -> None:
        with self._lock:
            self._left += size


class Part:
    """One object: ``write`` its bytes, then ``end``; it is durable only when :meth:`Store.received` says so.

    After ``end``: ``result`` says what it is or why it is refused; its bytes are in ``whole`` (with ``file``, its
    elements) or in ``receiver``.
    """

    def __init__(
        self, storage: Storage, memory: Memory, limits: Limits, describe: Callable[[DicomFile, Buffer, str], Incoming]
    ) -> None:
        self.key = layout.incoming(uuid.uuid4().hex)
        self.result: Incoming | Outcome | None = None
        self.whole: bytes | None = None
        self.file: DicomFile | None = None
        self.receiver: Receiver | None = None
        self._storage, self._memory, self._limits, self._describe = storage, memory, limits, describe
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: Buffer) -> None:
        """Some bytes of the object."""
        size = len(memoryview(data))
        if self.receiver is None and self._size + size <= SMALL and self._memory.take(size):
            self._held.append(bytes(data))
            self._size += size
            return
        if self.receiver is None:
            self._spill(self._held)
        assert self.receiver is not None
        self.receiver.write(data)

    def end(self, study: str | None = None) -> None:
        """The object is whole: it is checked and described.  ``study``: the only study UID that is taken."""
        if self.result is None:
            self._check()
        found = self.result
        if isinstance(found, Incoming) and study is not None and found.identity.study != study:
            reason = f"study {found.identity.study} is not the study {study} of the URL"
            self._refuse(Outcome("refused", found.identity, reason, found.sop_class, cause=Cause.WRONG_STUDY))

    def _check(self) -> None:
        try:
            if self.receiver is None:
                self._small(b"".join(self._held))
            else:
                self._large()
        except Refused as refusal:
            self._refuse(refused(refusal))
        self._held = []

    def _refuse(self, outcome: Outcome) -> None:
        self.result = outcome
        self.discard()

    def discard(self) -> None:
        """Whatever was received is let go; what is durable already stays."""
        self.whole, self.file, self._held = None, None, []
        self._memory.give(self._size)
        self._size = 0
        if self.receiver is not None:
            self.receiver.__exit__(None, None, None)
            self.receiver = None

    def _small(self, received: bytes) -> None:
        file = read(received, self._limits)
        if not file.has_meta:
            received = meta_of(file) + received
            file = read(received, self._limits)
        self.result = self._describe(file, received, "")
        self.whole, self.file = received, file

    def _large(self) -> None:
        assert self.receiver is not None
        with self.receiver.view() as received:
            file = read(received, self._limits)
            if file.has_meta:
                self.result = self._describe(file, received, self.key)
                return
            before = self.receiver
            self._spill(chain((meta_of(file),), windows(received)))
        before.__exit__(None, None, None)
        with self.receiver.view() as whole:
            self.result = self._describe(read(whole, self._limits), whole, self.key)

    def _spill(self, pieces: Iterable[Buffer]) -> None:
        """To a file, with these bytes first."""
        self.receiver = self._storage.receive(self.key).__enter__()
        for piece in pieces:
            self.receiver.write(piece)
        self._held = []
        self._memory.give(self._size)
        self._size = 0


def refused(refusal: Refused) -> Outcome:
    """The outcome of what was refused before anything else was known of it."""
    return Outcome("refused", None, str(refusal), cause=refusal.cause)


def meta_of(file: DicomFile) -> bytes:
    """The preamble and meta group of a data set that came without.  Raises :class:`Refused`."""
    identity, sop_class = identity_of(file)
    return part10.make_meta(file.transfer_syntax, sop_class, identity.instance)
