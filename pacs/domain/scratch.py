"""Large values without large memory: mapped bytes, walked in windows, and a buffer that moves to disk when it grows."""

from __future__ import annotations

import errno
import mmap
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Final

from pacs.domain.errors import StorageFault, StorageFull
from pacs.domain.ports import Buffer

WINDOW: Final = 4 << 20
"""Bytes of a mapped file that are resident at a time."""
_AROUND: Final = 64 << 10  # what the system maps around a byte that is touched
SPILL: Final = 8 << 20
"""Bytes that a ``Scratch`` holds in memory."""


def forget(buffer: Buffer) -> None:
    """Give back the resident pages of a mapped file; they are read again when touched.

    Nothing happens to bytes in memory, to a map that can be written, nor to a small one.
    """
    owner = buffer.obj if isinstance(buffer, memoryview) else buffer
    if isinstance(owner, mmap.mmap) and len(owner) > WINDOW and hasattr(mmap, "MADV_DONTNEED"):
        with memoryview(owner) as view:
            readonly = view.readonly
        if readonly:
            owner.madvise(mmap.MADV_DONTNEED)


def windows(buffer: Buffer, start: int = 0, end: int | None = None) -> Iterator[memoryview]:
    """The bytes piece by piece; no more than about one piece of a mapped file stays resident."""
    view = memoryview(buffer)
    stop = len(view) if end is None else min(end, len(view))
    for at in range(start, stop, WINDOW):
        yield view[at : min(at + WINDOW, stop)]
        if stop - at > WINDOW:
            forget(view)
    if stop - start > WINDOW:
        forget(view)


def slicer(buffer: Buffer) -> Callable[[int, int], memoryview]:
    """``read(offset, length)`` giving views; of a mapped file about a window of what was read stays resident."""
    view, taken = memoryview(buffer), 0

    def read(offset: int, length: int) -> memoryview:
        nonlocal taken
        taken += max(length, _AROUND)
        if taken > WINDOW:
            forget(view)
            taken = length
        return view[offset : offset + length]

    return read


class Scratch:
    """Bytes written once and then read: in memory while small, else in an unnamed temporary file.

    The file has no name and goes when nothing maps it.  ``StorageFault`` (``StorageFull``) where it cannot be written.
    """

    def __init__(self, expected: int = 0, spill: int = SPILL) -> None:
        """``expected``: the final size where it is known; bytes skipped then cost nothing."""
        self._spill = spill
        self._held = bytearray(expected if expected <= spill else 0)
        self._file: IO[bytes] | None = None
        self.size = 0

    def write(self, data: Buffer) -> None:
        """Append."""
        start, self.size = self.size, self.size + len(memoryview(data))
        if self.size <= self._spill:
            self._held[start : self.size] = data
            return
        with _writing():
            self._spilled(start).write(data)

    def skip(self, length: int) -> None:
        """Append zeros; in a file they are a hole that takes no space."""
        start, self.size = self.size, self.size + length
        if self.size <= self._spill:
            if len(self._held) < self.size:
                self._held += bytes(self.size - len(self._held))
            return
        with _writing():
            self._spilled(start).seek(self.size)

    def _spilled(self, held: int) -> IO[bytes]:
        """The file, with the first ``held`` bytes that were in memory."""
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as its map
            self._file.write(memoryview(self._held)[:held])
            self._held = bytearray()
        return self._file

    def view(self) -> memoryview:
        """All bytes, read-only.  Nothing may be written after."""
        if self._file is None:
            return memoryview(self._held).toreadonly()
        with _writing(), self._file as file:
            file.truncate(self.size)
            return memoryview(mmap.mmap(file.fileno(), self.size, access=mmap.ACCESS_READ))


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StorageFault
        raise kind(f"cannot write a temporary file: {error.strerror}") from error
