"""The deflated data set (PS3.5 A.5)."""

from __future__ import annotations

import zlib
from typing import Final

from pacs.dicom.scratch import WINDOW, Scratch, forget
from pacs.domain.errors import Refused

_CHUNK: Final = 1 << 20


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
    pos, resident = start, 0
    while not inflater.eof:
        fed = inflater.unconsumed_tail
        if not fed:
            fed = bytes(buffer[pos : pos + _CHUNK])
            pos += len(fed)
            resident += len(fed)
            if resident >= WINDOW:
                forget(buffer)
                resident = 0
        piece = inflater.decompress(fed, _CHUNK)
        if not fed and not piece:
            raise Refused("truncated: the deflated data set has no end")
        if out.size + len(piece) - start > limit:
            raise Refused(f"the deflated data set is larger than {limit} bytes")
        out.write(piece)
    return out.view()
