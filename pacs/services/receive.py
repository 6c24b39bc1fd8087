"""Objects on their way in from a network: checked as soon as each is whole, durable when all are."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from pacs.convert import part10
from pacs.convert.describe import identity_of
from pacs.dicom.reader import DicomFile, Limits, read
from pacs.domain import layout
from pacs.domain.errors import Refused
from pacs.domain.model import Incoming, Outcome
from pacs.domain.ports import Buffer, Receiver, Storage

HELD = 4 << 20
"""Bytes of one object kept in memory before they go to a file; no other copy of a larger object is in memory."""
PIECE = 1 << 20


def refused(refusal: Refused) -> Outcome:
    """The outcome of what was refused before anything else was known of it."""
    return Outcome("refused", None, str(refusal), cause=refusal.cause)


class Part:
    """One object: ``write`` its bytes, then ``end``; it is durable only when :meth:`Store.received` says so."""

    def __init__(self, storage: Storage, describe_at: Callable[[DicomFile, Buffer, str], Incoming], limits: Limits) -> None:
        self.key = layout.incoming(uuid.uuid4().hex)
        self.result: Incoming | Outcome | None = None
        self.receiver: Receiver | None = None
        self._storage, self._describe, self._limits = storage, describe_at, limits
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: Buffer) -> None:
        """Some bytes of the object."""
        if self.receiver is None:
            self._held.append(bytes(data))
            self._size += len(self._held[-1])
            if self._size > HELD:
                self._spill(self._held)
                self._held = []
        else:
            self.receiver.write(data)

    def end(self) -> None:
        """The object is whole: ``result`` says what it is, or why it is refused."""
        if self.result is not None:
            return
        try:
            with self._view() as received:
                self._check(received)
        except Refused as refusal:
            self.refuse(refused(refusal))
        self._held = []

    def refuse(self, outcome: Outcome) -> None:
        """Not to be stored: its bytes go."""
        self.result = outcome
        self.discard()

    def discard(self) -> None:
        """Whatever was received is dropped, unless it is durable already."""
        self._held = []
        if self.receiver is not None:
            self.receiver.__exit__(None, None, None)
            self.receiver = None

    def _check(self, received: Buffer) -> None:
        file = read(received, self._limits)
        if file.has_meta:
            self.result = self._describe(file, received, self.key)
            if self.receiver is None:
                self._spill([received])
            return
        identity, sop_class = identity_of(file)
        self._rewrite(part10.make_meta(file.transfer_syntax, sop_class, identity.instance), received)
        assert self.receiver is not None
        with self.receiver.view() as whole:
            self.result = self._describe(read(whole, self._limits), whole, self.key)

    def _rewrite(self, prefix: bytes, received: Buffer) -> None:
        """The same bytes again behind a meta group."""
        before, self.receiver = self.receiver, None
        view = memoryview(received)
        self._spill([prefix, *(view[at : at + PIECE] for at in range(0, len(view), PIECE))])
        if before is not None:
            before.__exit__(None, None, None)

    def _spill(self, pieces: Iterable[Buffer]) -> None:
        self.receiver = self._storage.receive(self.key).__enter__()
        for piece in pieces:
            self.receiver.write(piece)

    @contextmanager
    def _view(self) -> Iterator[Buffer]:
        if self.receiver is None:
            yield b"".join(self._held)
        else:
            with self.receiver.view() as view:
                yield view
