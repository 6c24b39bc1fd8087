"""Reading a DICOM file: the one entry for untrusted bytes (PS3.10 section 7; PS3.5 section 7 and Annex A)."""

from __future__ import annotations

import struct
import zlib

from pacs.dicom.elements import UNDEFINED, Buffer, Element, Item, Limits
from pacs.dicom.file import DicomFile
from pacs.dicom.inflate import inflate
from pacs.dicom.syntax import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, syntax
from pacs.dicom.vr import TABLE, VRS, WIDTH
from pacs.dicom.walk import Walker
from pacs.domain.errors import PacsError, Refused
from pacs.domain.uid import parse_uid

__all__ = ["WIDTH", "Buffer", "DicomFile", "Element", "Item", "Limits", "read"]


def read(buffer: Buffer, limits: Limits = Limits()) -> DicomFile:  # noqa: B008 - frozen
    """Walk a whole file; raises ``Refused`` and nothing else, whatever the bytes are.

    (``StorageFault`` where a large deflated data set finds no room in the temporary folder: not the file's fault.)
    """
    try:
        return _read(memoryview(buffer), limits)
    except PacsError:
        raise
    except RecursionError:
        raise Refused("sequences nested too deep") from None
    except MemoryError:
        raise Refused("the file needs more memory than there is") from None
    except (struct.error, ValueError, IndexError, OverflowError, TypeError, zlib.error) as error:
        raise Refused(f"not readable as DICOM: {error}") from None


def _read(buffer: memoryview, limits: Limits) -> DicomFile:
    """File meta information, then the data set (PS3.10 section 7.1)."""
    size = len(buffer)
    preamble = size >= 132 and bytes(buffer[128:132]) == b"DICM"
    start = 132 if preamble else 0
    if not size:
        raise Refused("not DICOM: the file is empty")
    walker = Walker(buffer, limits, True)
    meta: list[Element] = []
    if bytes(buffer[start : start + 2]) == b"\x02\x00":
        meta, start = walker.meta(start)
    uid = _meta_syntax(buffer, meta)
    if start >= size:
        raise Refused("truncated: no data set after the file meta information" if preamble else "not DICOM")
    uid = parse_uid(uid, "TransferSyntaxUID") if uid else _guess(buffer, start, size)
    return _data_set(buffer, walker, limits, meta, uid, start, preamble)


def _meta_syntax(buffer: memoryview, meta: list[Element]) -> str:
    """Transfer Syntax UID (0002,0010), empty where absent."""
    for element in meta:
        if element.tag == 0x00020010:
            raw = bytes(buffer[element.value : element.value + element.length])
            return raw.decode("latin-1").strip(" \0")
    return ""


def _data_set(
    buffer: memoryview, walker: Walker, limits: Limits, meta: list[Element], uid: str, start: int, preamble: bool
) -> DicomFile:
    """The data set in its transfer syntax (PS3.5 Annex A)."""
    kind = syntax(uid)
    data = buffer
    if kind.deflated:
        data = inflate(buffer, start, limits.inflated)
        walker.buffer = data
    walker.order(kind.little)
    explicit = kind.explicit or _looks_explicit(data, start)
    elements, _ = walker.data_set(start, len(data), 0, explicit, open_end=False)
    if not elements:
        raise Refused("not DICOM: the data set is empty")
    return DicomFile(
        data, uid, meta, elements, start, kind.little, explicit, kind.deflated, bool(meta), preamble
    )


def _looks_explicit(buffer: memoryview, start: int) -> bool:
    """True where a data set said to be implicit begins with VR letters."""
    if start + 8 > len(buffer) or bytes(buffer[start + 4 : start + 6]) not in VRS:
        return False
    return int.from_bytes(buffer[start + 4 : start + 8], "little") > len(buffer) - start - 8


def _guess(buffer: memoryview, start: int, size: int) -> str:
    """The syntax of a bare data set by its first element header."""
    head = bytes(buffer[start : start + 8])
    if len(head) < 8:
        raise Refused("not DICOM: too short")
    group = int.from_bytes(head[:2], "little")
    if head[4:6] in VRS:
        if group < 0x100:
            return EXPLICIT_LITTLE
        if head[0] == 0:
            return EXPLICIT_BIG
    tag = group << 16 | int.from_bytes(head[2:4], "little")
    length = int.from_bytes(head[4:], "little")
    known = tag in TABLE or not tag & 0xFFFF
    if 4 <= group < 0x100 and known and (length == UNDEFINED or start + 8 + length <= size):
        return IMPLICIT_LITTLE
    raise Refused("not DICOM: no DICM prefix and no data set at its start")
