"""The deflated data set (PS3.5 A.5)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from pacs.domain.errors import Refused
from pacs.domain.scratch import Scratch, windows

_CHUNK: Final = 256 << 10


def inflate(buffer: memoryview, start: int, limit: int) -> memoryview:
    """The bytes before ``start`` and the inflated data set.

    A large one lies in a temporary file, so that memory stays bounded.  Raises ``Refused`` for damaged data, and for
    more than ``limit`` bytes; an ``OSError`` means that the temporary file cannot be written.
    """
    zipped = int(buffer[start]) & 0x0F == 8 and int.from_bytes(buffer[start : start + 2], "big") % 31 == 0
    for window in (-15, 15) if zipped else (-15,):
        try:
            return _inflate_with(zlib.decompressobj(window), buffer, start, limit)
        except zlib.error as error:
            reason = str(error)
    raise Refused(f"the deflated data set is damaged: {reason}")


def _inflate_with(inflater: zlib._Decompress, buffer: memoryview, start: int, limit: int) -> memoryview:
    """Inflate in pieces so that no step can outgrow the limit."""
    out = Scratch()
    out.write(buffer[:start])
    for piece in inflated(inflater, buffer, start):
        if out.size + len(piece) - start > limit:
            raise Refused(f"the deflated data set is larger than {limit} bytes")
        out.write(piece)
    if not inflater.eof:
        raise Refused("truncated: the deflated data set has no end")
    return out.view()


def inflated(inflater: zlib._Decompress, buffer: memoryview, start: int) -> Iterator[bytes]:
    """What the bytes from ``start`` inflate to, in pieces; to the end of the stream or of the bytes (``zlib.error``)."""
    for window in windows(buffer, start):
        for at in range(0, len(window), _CHUNK):
            yield inflater.decompress(window[at : at + _CHUNK], _CHUNK)
            while inflater.unconsumed_tail and not inflater.eof:
                yield inflater.decompress(inflater.unconsumed_tail, _CHUNK)
            if inflater.eof:
                return
    while piece := inflater.decompress(inflater.unconsumed_tail, _CHUNK):
        yield piece
